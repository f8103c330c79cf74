# A page on which every unit of every network can be looked at.


rule build_explorer:
    input:
        images=split_file("probe", "images.npy"),
        index=split_file("probe", "index.parquet"),
        similarity=similarity_file(),
        exemplars=every_network("exemplars.parquet"),
        mis=every_network("mis.parquet"),
        measures=every_network("measures.parquet"),
        networks=f"{TABLES}/networks.parquet",
    output:
        explorer=report(
            directory(EXPLORER),
            htmlindex="index.html",
            caption="report/explorer.rst",
            category="Unit explorer",
            labels={"page": "every unit of every network"},
        ),
    log:
        "results/logs/{study}/build_explorer.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(300 if FROM_EMBEDDINGS else 30),
    params:
        code=code_of("build_explorer.py"),
        page=explorer.page_digest(),
        study=STUDY,
        dataset=lookup("dataset", within=config),
        networks=coordinates_of(NETWORKS),
        kind=KINDS_OF_INPUT[0],
        mis=lookup("interpretability/mis", within=config),
        metric=lookup("interpretability/similarity/metric", within=config),
    script:
        "../workflow_scripts/build_explorer.py"
