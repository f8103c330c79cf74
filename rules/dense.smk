# The dense network: trained here from scratch, or made of downloaded weights.


localrules:
    fetch_checkpoint,


rule train_dense:
    input:
        unpack(train_images),
        validation_images=split_file("validation", "images.npy"),
        validation_labels=split_file("validation", "labels.npy"),
    output:
        network=f"{DENSE}/network.safetensors",
        history=f"{DENSE}/history.parquet",
    log:
        "results/logs/{study}/networks/dense/none/rate0.00/seed{seed}/train_dense.log",
    wildcard_constraints:
        seed=one_of(SEEDS_TRAINED),
    cache: True
    priority: 20
    retries: INTERRUPTION_RETRIES
    conda:
        "../envs/prunescope.yaml"
    threads: 8 if TRAINS_ON_FILES else 2
    resources:
        mem_mb=training_memory,
        runtime=training_minutes,
        gpu=1,
        checkpoint_seconds=300,
    params:
        code=code_of("train_dense.py"),
        architecture=lookup("model/architecture", within=config),
        auxiliary_heads=lookup("model/auxiliary_heads", within=config),
        dataset=preprocessing_of(config["dataset"]),
        decoding=decoding_of_train,
        recipe=lookup(
            f"recipes/{config['model']['recipe']}", within=config, default=None
        ),
        seed="{seed}",
    script:
        "../workflow_scripts/train_dense.py"


rule initialise_network:
    input:
        # What it looks like; not its weights.
        dense=f"{DENSE}/network.safetensors",
    output:
        network="results/{study}/networks/untrained/none/rate0.00/seed{seed}/network.safetensors",
    log:
        "results/logs/{study}/networks/untrained/none/rate0.00/seed{seed}/initialise_network.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        code=code_of("initialise_network.py"),
        seed="{seed}",
    script:
        "../workflow_scripts/initialise_network.py"


rule fetch_checkpoint:
    output:
        # Kept while the job runs, which leaves the right file alone: somebody without network
        # may have put it there by hand.
        checkpoint=update(f"{DOWNLOADS}/{{file}}"),
    log:
        "results/logs/downloads/{file}.log",
    wildcard_constraints:
        file=one_of(CHECKPOINT_FILES),
    retries: 2
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(60),
    params:
        code=unwatched(code_of("fetch_checkpoint.py")),
        checkpoint=unwatched(lookup("model/checkpoint", within=config)),
    script:
        "../workflow_scripts/fetch_checkpoint.py"


rule import_checkpoint:
    input:
        # Its content is fixed by a checksum: a new date changes nothing.
        checkpoint=ancient(checkpoint_file),
        index=split_file("train", "index.parquet"),
    output:
        network=f"{DENSE}/network.safetensors",
    log:
        "results/logs/{study}/networks/dense/none/rate0.00/seed{seed}/import_checkpoint.log",
    wildcard_constraints:
        seed=one_of(SEEDS_IMPORTED),
    priority: 20
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        code=code_of("import_checkpoint.py"),
        architecture=lookup("model/architecture", within=config),
        auxiliary_heads=lookup("model/auxiliary_heads", within=config),
        checkpoint=lookup("model/checkpoint", within=config),
        dataset=preprocessing_of(config["dataset"]),
        seed="{seed}",
    script:
        "../workflow_scripts/import_checkpoint.py"
