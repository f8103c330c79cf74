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
        networks=f"{TABLES}/networks.parquet",
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
        mem_mb=memory(4000, per_input=4),
        runtime=minutes(10),
    params:
        code=code_of("tabulate_study.py"),
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
        statistics=f"{TABLES}/statistics.parquet",
    log:
        "results/logs/{study}/estimate_statistics.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(60),
    params:
        code=code_of("estimate_statistics.py"),
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
        published=f"{TABLES}/published.parquet",
        page=report(
            f"{PAGES}/published.html",
            caption="report/published.rst",
            category="Tables",
            labels={"table": "published numbers beside ours"},
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
        code=code_of("compare_published.py"),
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
            category=category_of_chart,
            labels=labels_of_chart("interactive"),
        ),
        svg=report(
            f"{CHARTS}/{{chart}}.svg",
            caption="report/chart.rst",
            category=category_of_chart,
            labels=labels_of_chart("picture"),
        ),
        png=f"{CHARTS}/{{chart}}.png",
        json=f"{CHARTS}/{{chart}}.json",
        caption=f"{CHARTS}/{{chart}}.txt",
    log:
        "results/logs/{study}/draw_{chart}.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        code=code_of("draw_chart.py"),
        chart="{chart}",
        charts=lookup("charts", within=config),
        facts=FACTS,
    script:
        "../workflow_scripts/draw_chart.py"


rule summarize_findings:
    input:
        networks=f"{TABLES}/networks.parquet",
        classes=f"{TABLES}/classes.parquet",
        statistics=f"{TABLES}/statistics.parquet",
    output:
        summary=SUMMARY,
        statistics=report(
            f"{PAGES}/statistics.html",
            caption="report/statistics.rst",
            category="Tables",
            labels={"table": "statistics: every estimate"},
        ),
        networks=report(
            f"{PAGES}/networks.html",
            caption="report/tables.rst",
            category="Tables",
            labels={"table": "networks: accuracy, cost, scores"},
        ),
    log:
        "results/logs/{study}/summarize_findings.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        code=code_of("summarize_findings.py"),
        facts=FACTS,
    script:
        "../workflow_scripts/summarize_findings.py"


rule describe_config:
    output:
        page=report(
            f"{PAGES}/configuration.html",
            caption="report/configuration.rst",
            category="Configuration",
            labels={"page": "what this study was configured to do"},
        ),
    log:
        "results/logs/{study}/describe_config.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        code=code_of("describe_config.py"),
        # The page shows every key, so that every key makes it stale.
        config=config,
    script:
        "../workflow_scripts/describe_config.py"
