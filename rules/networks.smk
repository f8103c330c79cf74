# The architecture; and networks that are not trained here: from weights of others, or freshly
# initialised.


rule describe_architecture:
    input:
        # Only the number of classes is read.
        index=f"{DATASET}/train/index.parquet",
    output:
        architecture=ARCHITECTURE,
    log:
        "results/logs/datasets/{dataset}/architectures/{architecture}.log",
    wildcard_constraints:
        architecture=one_of([STUDY.architecture_name]),
    priority: 20
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(30),
    params:
        code=code_of("describe_architecture.py", STUDY.architecture),
        architecture=lookup("model/architecture", within=config),
        options=lookup("model/options", within=config),
        auxiliary_heads=lookup("model/auxiliary_heads", within=config),
        image_size=PARAMS.image_size,
        # Only checked: studies that leave other layers alone, or recalibrate, share the description.
        exclude=unwatched(lookup("pruning/exclude", within=config)),
        recalibrated=unwatched(STUDY.recalibrations),
    script:
        "../workflow_scripts/describe_architecture.py"


rule initialise_network:
    input:
        # Only its description is read, not its weights.
        dense=f"{DENSE_NETWORK}/network.safetensors",
        architecture=PATHS.architecture_file(),
    output:
        network=f"{UNTRAINED_NETWORK}/network.safetensors",
    log:
        f"{UNTRAINED_LOG}/initialise_network.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        code=code_of("initialise_network.py", STUDY.architecture),
        seed="{seed}",
    script:
        "../workflow_scripts/initialise_network.py"


rule fetch_checkpoint:
    output:
        # `update` keeps an existing file, and the job leaves a correct one unchanged: a user
        # without a network may have put it there.
        checkpoint=update(f"{DOWNLOADS}/{{file}}"),
    log:
        "results/logs/downloads/{file}.log",
    wildcard_constraints:
        file=one_of(STUDY.downloads),
    retries: 2
    localrule: True
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(60),
    params:
        code=unwatched(code_of("fetch_checkpoint.py")),
        download=unwatched(PARAMS.download),
        lock=unwatched(STUDY.lock),
    script:
        "../workflow_scripts/fetch_checkpoint.py"


rule import_checkpoint:
    input:
        # Its content decides, not its date: it is fixed by a checksum, or part of `weights`.
        checkpoint=ancient(PATHS.checkpoint_file),
        index=PATHS.split_file("train", "index.parquet"),
        architecture=PATHS.architecture_file(),
    output:
        network=f"{DENSE_NETWORK}/network.safetensors",
    log:
        f"{DENSE_LOG}/import_checkpoint.log",
    wildcard_constraints:
        seed=NOTHING if STUDY.checkpoint is None else ANY_SEED,
    priority: 20
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        code=code_of("import_checkpoint.py", STUDY.architecture),
        options=lookup("model/options", within=config),
        weights=PARAMS.weights,
        auxiliary_heads=lookup("model/auxiliary_heads", within=config),
        dataset=STUDY.preprocessing,
        seed="{seed}",
        lock=unwatched(STUDY.lock),
    script:
        "../workflow_scripts/import_checkpoint.py"


rule import_pruned:
    input:
        # Its content decides, not its date: it is fixed by a checksum, or part of `weights`.
        checkpoint=ancient(PATHS.imported_file),
        # It tells the architecture, the classes and the preprocessing. Its weights are compared.
        dense=f"{DENSE_NETWORK}/network.safetensors",
    output:
        network=f"{NETWORK}/pruned.safetensors",
    log:
        f"{NETWORK_LOG}/import_pruned.log",
    wildcard_constraints:
        method=one_of(STUDY.imported),
    priority: 10
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        code=code_of("import_pruned.py", STUDY.architecture),
        weights=PARAMS.weights,
        exclude=lookup("pruning/exclude", within=config),
        unreached=lookup("pruning/unreached", within=config),
        seed="{seed}",
        lock=unwatched(STUDY.lock),
    script:
        "../workflow_scripts/import_pruned.py"
