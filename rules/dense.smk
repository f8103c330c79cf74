# The dense network: trained here from scratch.


rule train_dense:
    input:
        images=split_file("train", "images.npy"),
        labels=split_file("train", "labels.npy"),
        index=split_file("train", "index.parquet"),
        validation_images=split_file("validation", "images.npy"),
        validation_labels=split_file("validation", "labels.npy"),
    output:
        network=f"{DENSE}/network.safetensors",
        history=f"{DENSE}/history.parquet",
    log:
        "results/logs/{study}/networks/dense/none/rate0.00/seed{seed}/train_dense.log",
    cache: True
    priority: 20
    retries: 2
    conda:
        "../envs/prunescope.yaml"
    threads: 2
    resources:
        mem_mb=4000,
        runtime=60,
        gpu=1,
        checkpoint_seconds=300,
    params:
        code=code_digest("train_dense.py"),
        architecture=lookup("model/architecture", within=config),
        dataset=preprocessing_of(config["dataset"]),
        recipe=lookup(f"recipes/{config['model']['recipe']}", within=config),
        seed="{seed}",
    script:
        "../workflow_scripts/train_dense.py"
