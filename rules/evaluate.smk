# How accurate a network is, and how large.


rule evaluate_network:
    input:
        network=f"{NETWORK}/network.safetensors",
        images=PATHS.split_file("validation", "images.npy"),
        labels=PATHS.split_file("validation", "labels.npy"),
    output:
        predictions=f"{NETWORK}/predictions.parquet",
    log:
        f"{NETWORK_LOG}/evaluate_network.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(30, per_gigabyte=15),
        gpu=1,
    params:
        code=code_of("evaluate_network.py", STUDY.architecture),
    script:
        "../workflow_scripts/evaluate_network.py"


rule account_network:
    input:
        network=f"{NETWORK}/network.safetensors",
    output:
        accounting=f"{NETWORK}/accounting.parquet",
    log:
        f"{NETWORK_LOG}/account_network.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        code=code_of("account_network.py"),
        exclude=lookup("pruning/exclude", within=config),
        unreached=lookup("pruning/unreached", within=config),
    script:
        "../workflow_scripts/account_network.py"
