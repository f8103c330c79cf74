# Retraining, or none: from the pruned network to the one that is measured.


localrules:
    keep_pruned,


rule keep_pruned:
    input:
        network=f"{NETWORK}/pruned.safetensors",
    output:
        network=f"{NETWORK}/network.safetensors",
    log:
        f"{NETWORK_LOG}/keep_pruned.log",
    wildcard_constraints:
        method=one_of(METHODS),
        retraining=one_of(UNTRAINED),
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
        unpack(train_images),
        network=network_to_retrain,
        validation_images=split_file("validation", "images.npy"),
        validation_labels=split_file("validation", "labels.npy"),
    output:
        network=f"{NETWORK}/network.safetensors",
        history=f"{NETWORK}/history.parquet",
    log:
        f"{NETWORK_LOG}/retrain_network.log",
    wildcard_constraints:
        retraining=one_of(TRAINED),
    priority: 10
    retries: INTERRUPTION_RETRIES
    conda:
        "../envs/prunescope.yaml"
    threads: 8 if TRAINS_ON_FILES else 1
    resources:
        mem_mb=training_memory,
        runtime=training_minutes,
        gpu=1,
        checkpoint_seconds=300,
    params:
        code=code_of("retrain_network.py"),
        decoding=decoding_of_train,
        mask=mask_of,
        recipe=lookup(
            "recipes/{recipe}",
            within=config,
            recipe=lookup("retraining/{retraining}/recipe", within=config),
        ),
        rate="{rate}",
        seed="{seed}",
    script:
        "../workflow_scripts/retrain_network.py"


rule recalibrate_network:
    input:
        unpack(train_images),
        network=network_to_retrain,
    output:
        network=f"{NETWORK}/network.safetensors",
    log:
        f"{NETWORK_LOG}/recalibrate_network.log",
    wildcard_constraints:
        retraining=one_of(RECALIBRATED),
    priority: 10
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=training_memory,
        runtime=minutes(30),
        gpu=1,
    params:
        code=code_of("recalibrate_network.py"),
        decoding=decoding_of_train,
        recalibration=lookup("retraining/{retraining}/recalibration", within=config),
        seed="{seed}",
    script:
        "../workflow_scripts/recalibrate_network.py"
