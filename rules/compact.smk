# Pruned networks without what was pruned: the files, and what they cost to run.


rule compact_network:
    input:
        network=f"{NETWORK}/network.safetensors",
        dense=f"{DENSE}/network.safetensors",
        images=split_file("validation", "images.npy"),
        labels=split_file("validation", "labels.npy"),
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
        code=code_of("compact_network.py"),
    script:
        "../workflow_scripts/compact_network.py"


rule measure_costs:
    input:
        network=f"{NETWORK}/network.safetensors",
        dense=f"{DENSE}/network.safetensors",
        tensors=f"{NETWORK}/compact.safetensors",
        description=f"{NETWORK}/compact.json",
        onnx=f"{NETWORK}/compact.onnx",
        images=split_file("validation", "images.npy"),
        labels=split_file("validation", "labels.npy"),
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
        code=code_of("measure_costs.py"),
        rounds=lookup("compact/rounds", within=config),
    script:
        "../workflow_scripts/measure_costs.py"


rule tabulate_costs:
    input:
        sizes=every_network("sizes.parquet", COMPACTED_NETWORKS),
        costs=every_network("costs.parquet", COMPACTED_NETWORKS),
    output:
        sizes=f"{TABLES}/sizes.parquet",
        costs=report(
            f"{TABLES}/costs.parquet",
            caption="report/costs.rst",
            category="Tables",
            labels={"table": "costs"},
        ),
    log:
        "results/logs/{study}/tabulate_costs.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        code=code_of("tabulate_costs.py"),
        study=STUDY,
        networks=coordinates_of(COMPACTED_NETWORKS),
    script:
        "../workflow_scripts/tabulate_costs.py"


# Apart from the other charts: these change with every measurement.
rule draw_cost_chart:
    input:
        networks=f"{TABLES}/networks.parquet",
        costs=f"{TABLES}/costs.parquet",
    output:
        html=report(
            f"{CHARTS}/{{chart}}.html",
            caption="report/chart.rst",
            category="5 Cost",
            labels=labels_of_chart("interactive"),
        ),
        svg=report(
            f"{CHARTS}/{{chart}}.svg",
            caption="report/chart.rst",
            category="5 Cost",
            labels=labels_of_chart("picture"),
        ),
        png=f"{CHARTS}/{{chart}}.png",
        json=f"{CHARTS}/{{chart}}.json",
        caption=f"{CHARTS}/{{chart}}.txt",
    log:
        "results/logs/{study}/draw_{chart}.log",
    wildcard_constraints:
        chart=one_of(COST_CHART_NAMES),
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        code=code_of("draw_cost_chart.py"),
        chart="{chart}",
        charts=lookup("charts", within=config),
        dataset=lookup("dataset", within=config),
    script:
        "../workflow_scripts/draw_cost_chart.py"
