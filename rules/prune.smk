# Masks: what a method removes from a network at a rate.


rule prune_network:
    input:
        network=PATHS.network_to_prune,
        # Only for the granularity `channel_group`.
        groups=PATHS.groups_to_prune,
    output:
        network=f"{NETWORK}/pruned.safetensors",
    log:
        f"{NETWORK_LOG}/prune_network.log",
    wildcard_constraints:
        method=one_of(STUDY.methods_by_weights),
    priority: 10
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        code=code_of("prune_network.py", PARAMS.criterion),
        granularity=lookup("pruning/methods/{method}/granularity", within=config),
        scope=lookup("pruning/methods/{method}/scope", within=config),
        criterion=lookup("pruning/methods/{method}/criterion", within=config),
        layers=lookup("pruning/methods/{method}/layers", within=config),
        biases=lookup("pruning/methods/{method}/biases", within=config),
        pattern=lookup("pruning/methods/{method}/pattern", within=config, default=None),
        exclude=lookup("pruning/exclude", within=config),
        batch_norm=lookup("pruning/batch_norm", within=config),
        unreached=lookup("pruning/unreached", within=config),
        rate=PARAMS.rate_to_prune,
        seed="{seed}",
    script:
        "../workflow_scripts/prune_network.py"


rule prune_measured_network:
    input:
        unpack(PATHS.images_to_measure),
        network=PATHS.network_to_prune,
    output:
        network=f"{NETWORK}/pruned.safetensors",
    log:
        f"{NETWORK_LOG}/prune_measured_network.log",
    wildcard_constraints:
        method=one_of(STUDY.methods_measured),
    priority: 10
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=RESOURCES.training_memory,
        runtime=minutes(60),
        gpu=1,
    params:
        code=code_of("prune_measured_network.py", PARAMS.criterion, STUDY.architecture),
        granularity=lookup("pruning/methods/{method}/granularity", within=config),
        scope=lookup("pruning/methods/{method}/scope", within=config),
        criterion=lookup("pruning/methods/{method}/criterion", within=config),
        layers=lookup("pruning/methods/{method}/layers", within=config),
        biases=lookup("pruning/methods/{method}/biases", within=config),
        pattern=lookup("pruning/methods/{method}/pattern", within=config, default=None),
        sample=PARAMS.sample_to_measure,
        iterations=PARAMS.iterations,
        decoding=STUDY.decoding,
        exclude=lookup("pruning/exclude", within=config),
        batch_norm=lookup("pruning/batch_norm", within=config),
        unreached=lookup("pruning/unreached", within=config),
        rate=PARAMS.rate_to_prune,
        seed="{seed}",
    script:
        "../workflow_scripts/prune_measured_network.py"
