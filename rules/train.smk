# Training, retraining, or neither: from the pruned network to the one that is measured.


# Of a kind that changes masks while it trains, the dense control is trained alike without masks.
ruleorder: prune_gradually > retrain_network
ruleorder: regrow_network > retrain_network


rule train_dense:
    input:
        unpack(PATHS.train_images),
        validation_images=PATHS.split_file("validation", "images.npy"),
        validation_labels=PATHS.split_file("validation", "labels.npy"),
        architecture=PATHS.architecture_file(),
    output:
        **PATHS.kept_steps,
        network=f"{DENSE_NETWORK}/network.safetensors",
        history=f"{DENSE_NETWORK}/history.parquet",
    log:
        f"{DENSE_LOG}/train_dense.log",
    wildcard_constraints:
        seed=ANY_SEED if STUDY.checkpoint is None else NOTHING,
    cache: True
    priority: 20
    retries: INTERRUPTION_RETRIES
    conda:
        "../envs/prunescope.yaml"
    # The dense networks of several runs train side by side, which uses cores better than threads do.
    threads: 8 if STUDY.trains_on_files else 1 if len(STUDY.seeds) > 1 else 2
    resources:
        mem_mb=RESOURCES.training_memory,
        runtime=RESOURCES.training_minutes,
        gpu=1,
        save_state_seconds=300,
        event_files=RESOURCES.event_files,
    params:
        code=code_of("train_dense.py", STUDY.architecture),
        architecture=lookup("model/architecture", within=config),
        options=lookup("model/options", within=config),
        auxiliary_heads=lookup("model/auxiliary_heads", within=config),
        dataset=STUDY.preprocessing,
        decoding=STUDY.decoding,
        recipe=lookup(
            f"recipes/{config['model']['recipe']}", within=config, default=None
        ),
        seed="{seed}",
    script:
        "../workflow_scripts/train_dense.py"


rule keep_pruned:
    input:
        network=f"{NETWORK}/pruned.safetensors",
    output:
        network=f"{NETWORK}/network.safetensors",
    log:
        f"{NETWORK_LOG}/keep_pruned.log",
    wildcard_constraints:
        method=one_of([*STUDY.methods, *STUDY.imported]),
        retraining=one_of(STUDY.kinds_kept),
    localrule: True
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        code=code_of("keep_pruned.py"),
    script:
        "../workflow_scripts/keep_pruned.py"


rule retrain_network:
    input:
        unpack(PATHS.train_images),
        network=PATHS.network_to_retrain,
        # Only where weights are rewound.
        rewound_to=PATHS.rewound_to,
        validation_images=PATHS.split_file("validation", "images.npy"),
        validation_labels=PATHS.split_file("validation", "labels.npy"),
    output:
        network=f"{NETWORK}/network.safetensors",
        history=f"{NETWORK}/history.parquet",
    log:
        f"{NETWORK_LOG}/retrain_network.log",
    wildcard_constraints:
        retraining=one_of(STUDY.kinds_trained),
    priority: 10
    retries: INTERRUPTION_RETRIES
    conda:
        "../envs/prunescope.yaml"
    threads: 8 if STUDY.trains_on_files else 1
    resources:
        mem_mb=RESOURCES.training_memory,
        runtime=RESOURCES.training_minutes,
        gpu=1,
        save_state_seconds=300,
        event_files=RESOURCES.event_files,
    params:
        code=code_of("retrain_network.py", STUDY.architecture),
        decoding=STUDY.decoding,
        mask=PARAMS.mask,
        unreached=PARAMS.unreached,
        recipe=PARAMS.recipe,
        level=PARAMS.level,
        seed="{seed}",
    script:
        "../workflow_scripts/retrain_network.py"


rule prune_gradually:
    input:
        unpack(PATHS.train_images),
        network=PATHS.network_to_prune,
        # Only where weights are rewound.
        rewound_to=PATHS.rewound_to,
        # Only for the granularity `channel_group`.
        groups=PATHS.groups_to_prune,
        validation_images=PATHS.split_file("validation", "images.npy"),
        validation_labels=PATHS.split_file("validation", "labels.npy"),
    output:
        network=f"{NETWORK}/network.safetensors",
        history=f"{NETWORK}/history.parquet",
        mask_updates=f"{NETWORK}/mask_updates.parquet",
    log:
        f"{NETWORK_LOG}/prune_gradually.log",
    wildcard_constraints:
        method=one_of(STUDY.methods_by_weights),
        retraining=one_of(STUDY.kinds_gradual),
    priority: 10
    retries: INTERRUPTION_RETRIES
    conda:
        "../envs/prunescope.yaml"
    threads: 8 if STUDY.trains_on_files else 1
    resources:
        mem_mb=RESOURCES.training_memory,
        runtime=RESOURCES.training_minutes,
        gpu=1,
        save_state_seconds=300,
        event_files=RESOURCES.event_files,
    params:
        code=code_of("prune_gradually.py", PARAMS.criterion, STUDY.architecture),
        granularity=lookup("pruning/methods/{method}/granularity", within=config),
        scope=lookup("pruning/methods/{method}/scope", within=config),
        criterion=lookup("pruning/methods/{method}/criterion", within=config),
        layers=lookup("pruning/methods/{method}/layers", within=config),
        biases=lookup("pruning/methods/{method}/biases", within=config),
        exclude=lookup("pruning/exclude", within=config),
        batch_norm=lookup("pruning/batch_norm", within=config),
        unreached=lookup("pruning/unreached", within=config),
        rate=PARAMS.rate_to_prune,
        timing=lookup("retraining/{retraining}/gradual", within=config),
        decoding=STUDY.decoding,
        recipe=PARAMS.recipe,
        seed="{seed}",
    script:
        "../workflow_scripts/prune_gradually.py"


rule regrow_network:
    input:
        unpack(PATHS.train_images),
        network=PATHS.network_to_retrain,
        # Only where weights are rewound.
        rewound_to=PATHS.rewound_to,
        validation_images=PATHS.split_file("validation", "images.npy"),
        validation_labels=PATHS.split_file("validation", "labels.npy"),
    output:
        network=f"{NETWORK}/network.safetensors",
        history=f"{NETWORK}/history.parquet",
        mask_updates=f"{NETWORK}/mask_updates.parquet",
    log:
        f"{NETWORK_LOG}/regrow_network.log",
    wildcard_constraints:
        method=one_of(STUDY.methods),
        retraining=one_of(STUDY.kinds_regrowing),
    priority: 10
    retries: INTERRUPTION_RETRIES
    conda:
        "../envs/prunescope.yaml"
    threads: 8 if STUDY.trains_on_files else 1
    resources:
        mem_mb=RESOURCES.training_memory,
        runtime=RESOURCES.training_minutes,
        gpu=1,
        save_state_seconds=300,
        event_files=RESOURCES.event_files,
    params:
        code=code_of("regrow_network.py", STUDY.architecture),
        decoding=STUDY.decoding,
        pace=lookup("retraining/{retraining}/regrow", within=config),
        unreached=lookup("pruning/unreached", within=config),
        recipe=PARAMS.recipe,
        level=PARAMS.level,
        seed="{seed}",
    script:
        "../workflow_scripts/regrow_network.py"


rule recalibrate_network:
    input:
        unpack(PATHS.train_images),
        network=PATHS.network_to_retrain,
    output:
        network=f"{NETWORK}/network.safetensors",
    log:
        f"{NETWORK_LOG}/recalibrate_network.log",
    wildcard_constraints:
        retraining=one_of(STUDY.kinds_recalibrated),
    priority: 10
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=RESOURCES.training_memory,
        runtime=minutes(30),
        gpu=1,
    params:
        code=code_of("recalibrate_network.py", STUDY.architecture),
        decoding=STUDY.decoding,
        recalibration=lookup("retraining/{retraining}/recalibration", within=config),
        seed="{seed}",
    script:
        "../workflow_scripts/recalibrate_network.py"
