# Tables and charts of the whole study.


rule tabulate_study:
    input:
        predictions=every_network("predictions.parquet"),
        accounting=every_network("accounting.parquet"),
        mis=every_network("mis.parquet"),
        measures=every_network("measures.parquet"),
        alignment=every_network("alignment.parquet"),
        history=every_trained_network("history.parquet"),
    output:
        networks=report(
            f"{TABLES}/networks.parquet",
            caption="report/tables.rst",
            category="Tables",
            labels={"table": "networks"},
        ),
        units=f"{TABLES}/units.parquet",
        layers=f"{TABLES}/layers.parquet",
        classes=f"{TABLES}/classes.parquet",
        disagreements=f"{TABLES}/disagreements.parquet",
        history=f"{TABLES}/history.parquet",
    log:
        "results/logs/{study}/tabulate_study.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(10),
    params:
        code=code_digest("tabulate_study.py"),
        study=STUDY,
        networks=coordinates_of(NETWORKS),
        trained=coordinates_of(TRAINED_NETWORKS),
    script:
        "../workflow_scripts/tabulate_study.py"


rule estimate_statistics:
    input:
        networks=f"{TABLES}/networks.parquet",
        units=f"{TABLES}/units.parquet",
        layers=f"{TABLES}/layers.parquet",
        classes=f"{TABLES}/classes.parquet",
        disagreements=f"{TABLES}/disagreements.parquet",
        variants=every_network("variants.parquet", VARIED_NETWORKS),
        ablations=every_network("ablation.parquet", ABLATED_NETWORKS),
    output:
        statistics=report(
            f"{TABLES}/statistics.parquet",
            caption="report/statistics.rst",
            category="Tables",
            labels={"table": "statistics"},
        ),
    log:
        "results/logs/{study}/estimate_statistics.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        code=code_digest("estimate_statistics.py"),
        statistics=lookup("statistics", within=config),
        study=STUDY,
        varied=coordinates_of(VARIED_NETWORKS),
        ablated=coordinates_of(ABLATED_NETWORKS),
    script:
        "../workflow_scripts/estimate_statistics.py"


rule compare_published:
    input:
        published=PUBLISHED,
        networks=f"{TABLES}/networks.parquet",
        history=f"{TABLES}/history.parquet",
    output:
        published=report(
            f"{TABLES}/published.parquet",
            caption="report/published.rst",
            category="Tables",
            labels={"table": "published"},
        ),
    log:
        "results/logs/{study}/compare_published.log",
    wildcard_constraints:
        study=one_of([STUDY] if PUBLISHED else []),
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        code=code_digest("compare_published.py"),
        study=STUDY,
    script:
        "../workflow_scripts/compare_published.py"


rule draw_chart:
    input:
        networks=f"{TABLES}/networks.parquet",
        history=f"{TABLES}/history.parquet",
        classes=f"{TABLES}/classes.parquet",
        units=f"{TABLES}/units.parquet",
        statistics=f"{TABLES}/statistics.parquet",
        published=PUBLISHED,
    output:
        html=report(
            f"{CHARTS}/{{chart}}.html",
            caption="report/chart.rst",
            category="Charts",
            labels={"chart": "{chart}", "format": "interactive"},
        ),
        svg=report(
            f"{CHARTS}/{{chart}}.svg",
            caption="report/chart.rst",
            category="Charts",
            labels={"chart": "{chart}", "format": "picture"},
        ),
        png=f"{CHARTS}/{{chart}}.png",
        json=f"{CHARTS}/{{chart}}.json",
    log:
        "results/logs/{study}/draw_{chart}.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        code=code_digest("draw_chart.py"),
        chart="{chart}",
        charts=lookup("charts", within=config),
        dataset=lookup("dataset", within=config),
        margin=lookup("statistics/margin", within=config),
        probe_images=lookup(f"datasets/{config['dataset']}/probe/images", within=config),
    script:
        "../workflow_scripts/draw_chart.py"
