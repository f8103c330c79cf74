# What else can be said of a network's units, and whether the score depends on how it is made.


rule record_activations:
    input:
        network=f"{NETWORK}/network.safetensors",
        images=split_file("probe", "images.npy"),
        labels=split_file("probe", "labels.npy"),
    output:
        activations=f"{NETWORK}/activations_{{pooling}}.npy",
    log:
        f"{NETWORK_LOG}/record_activations_{{pooling}}.log",
    wildcard_constraints:
        # Those of the study's own pooling come with the exemplars.
        pooling="max",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(30, per_gigabyte=15),
        gpu=1,
    params:
        code=code_of("record_activations.py"),
        activations=lookup("interpretability/activations", within=config),
        pooling="{pooling}",
    script:
        "../workflow_scripts/record_activations.py"


rule measure_units:
    input:
        exemplars=f"{NETWORK}/exemplars.parquet",
        activations=f"{NETWORK}/activations_mean.npy",
        dense=f"{DENSE}/activations_mean.npy",
        similarity=similarity_file(),
        labels=split_file("probe", "labels.npy"),
    output:
        measures=f"{NETWORK}/measures.parquet",
        alignment=f"{NETWORK}/alignment.parquet",
    log:
        f"{NETWORK_LOG}/measure_units.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory_to_score(2000, per_input=4),
        runtime=minutes(120 if FROM_EMBEDDINGS else 20),
    params:
        code=code_of("measure_units.py"),
        kind=KINDS_OF_INPUT[0],
        activations=lookup("interpretability/activations", within=config),
    script:
        "../workflow_scripts/measure_units.py"


rule ablate_units:
    input:
        network=f"{NETWORK}/network.safetensors",
        images=split_file("validation", "images.npy"),
        labels=split_file("validation", "labels.npy"),
    output:
        ablation=f"{NETWORK}/ablation.parquet",
    log:
        f"{NETWORK_LOG}/ablate_units.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(120),
        gpu=1,
    params:
        code=code_of("ablate_units.py"),
        ablation=lookup("interpretability/ablation", within=config),
    script:
        "../workflow_scripts/ablate_units.py"


rule vary_scores:
    input:
        exemplars=f"{NETWORK}/exemplars.parquet",
        activations=activations_of_variants,
        similarities=similarities_of_variants,
        labels=split_file("probe", "labels.npy"),
    output:
        variants=f"{NETWORK}/variants.parquet",
    log:
        f"{NETWORK_LOG}/vary_scores.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory_to_score(2000, per_input=4),
        runtime=minutes(120 if FROM_EMBEDDINGS else 20),
    params:
        code=code_of("vary_scores.py"),
        kinds=KINDS_OF_INPUT,
        mis=lookup("interpretability/mis", within=config),
        activations=lookup("interpretability/activations", within=config),
        variants=lookup("sensitivity/variants", within=config),
        poolings=VARIED_POOLINGS,
        metrics=list(VARIED_METRICS),
    script:
        "../workflow_scripts/vary_scores.py"
