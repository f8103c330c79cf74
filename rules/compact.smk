# Networks without their pruned parts: the files, and what running them costs.


rule export_graph:
    input:
        # Only the number of classes is read.
        index=f"{DATASET}/train/index.parquet",
    output:
        graph=GRAPH,
        constants=GRAPH_CONSTANTS,
    log:
        "results/logs/datasets/{dataset}/architectures/{architecture}.graph.log",
    wildcard_constraints:
        architecture=one_of([STUDY.architecture_name]),
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(30),
    params:
        code=code_of("export_graph.py", STUDY.architecture),
        architecture=lookup("model/architecture", within=config),
        options=lookup("model/options", within=config),
        auxiliary_heads=lookup("model/auxiliary_heads", within=config),
        image_size=PARAMS.image_size,
    script:
        "../workflow_scripts/export_graph.py"


rule compact_network:
    input:
        graph=PATHS.graph_file(),
        constants=PATHS.graph_constants(),
        network=f"{NETWORK}/network.safetensors",
        dense=f"{DENSE_NETWORK}/network.safetensors",
        images=PATHS.split_file("validation", "images.npy"),
        labels=PATHS.split_file("validation", "labels.npy"),
    output:
        tensors=f"{NETWORK}/compact.safetensors",
        description=f"{NETWORK}/compact.json",
        onnx=f"{NETWORK}/compact.onnx",
        compaction=f"{NETWORK}/compaction.parquet",
        sizes=f"{NETWORK}/sizes.parquet",
    log:
        f"{NETWORK_LOG}/compact_network.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(10),
    params:
        code=code_of("compact_network.py", STUDY.architecture),
        unreached=lookup("pruning/unreached", within=config),
        round_to=lookup("compact/round_to", within=config),
    script:
        "../workflow_scripts/compact_network.py"


rule measure_costs:
    input:
        graph=PATHS.graph_file(),
        constants=PATHS.graph_constants(),
        network=f"{NETWORK}/network.safetensors",
        dense=f"{DENSE_NETWORK}/network.safetensors",
        tensors=f"{NETWORK}/compact.safetensors",
        description=f"{NETWORK}/compact.json",
        onnx=f"{NETWORK}/compact.onnx",
        images=PATHS.split_file("validation", "images.npy"),
        labels=PATHS.split_file("validation", "labels.npy"),
    output:
        costs=f"{NETWORK}/costs.parquet",
    log:
        f"{NETWORK_LOG}/measure_costs.log",
    conda:
        "../envs/prunescope.yaml"
    threads: ALL_CORES
    resources:
        mem_mb=memory(4000),
        runtime=minutes(60),
    params:
        code=code_of("measure_costs.py", STUDY.architecture),
        rounds=lookup("compact/rounds", within=config),
    script:
        "../workflow_scripts/measure_costs.py"
