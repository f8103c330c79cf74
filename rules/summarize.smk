# Statistics, charts and findings of the whole study, from its tables.


rule estimate_statistics:
    input:
        networks=f"{TABLES}/networks.parquet",
        units=f"{TABLES}/units.parquet",
        layers=f"{TABLES}/layers.parquet",
        classes=f"{TABLES}/classes.parquet",
        disagreements=f"{TABLES}/disagreements.parquet",
        predictions=PATHS.every_network("predictions.parquet"),
        variants=PATHS.every_network("variants.parquet", STUDY.varied_networks),
        ablations=PATHS.every_network("ablation.parquet", STUDY.ablated_networks),
        removals=PATHS.table_if_made("units_pruned"),
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
        statistics=STUDY.estimation,
        study=STUDY.name,
        networks=coordinates_of(STUDY.networks),
        varied=coordinates_of(STUDY.varied_networks),
        ablated=coordinates_of(STUDY.ablated_networks),
    script:
        "../workflow_scripts/estimate_statistics.py"


rule match_accuracy:
    input:
        networks=f"{TABLES}/networks.parquet",
        units=f"{TABLES}/units.parquet",
    output:
        matched=f"{TABLES}/equal_accuracy.parquet",
        unmatched=f"{TABLES}/unmatched.parquet",
    log:
        "results/logs/{study}/match_accuracy.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        code=code_of("match_accuracy.py"),
        drops=lookup("statistics/accuracy_drops", within=config),
    script:
        "../workflow_scripts/match_accuracy.py"


rule compare_published:
    input:
        published=STUDY.published,
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
        study=one_of([STUDY.name] if STUDY.published else []),
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        code=code_of("compare_published.py"),
        study=STUDY.name,
    script:
        "../workflow_scripts/compare_published.py"


rule draw_chart:
    input:
        images=f"{TABLES}/images.parquet",
        networks=f"{TABLES}/networks.parquet",
        history=f"{TABLES}/history.parquet",
        units=f"{TABLES}/units.parquet",
        statistics=f"{TABLES}/statistics.parquet",
        trivial=f"{TABLES}/trivial_units.parquet",
        matched=f"{TABLES}/equal_accuracy.parquet",
        unmatched=f"{TABLES}/unmatched.parquet",
        published=STUDY.published,
    output:
        html=report(
            f"{CHART_FOLDER}/{{chart}}.html",
            caption="report/chart.rst",
            category=chart_category,
            labels=chart_labels("interactive"),
        ),
        svg=report(
            f"{CHART_FOLDER}/{{chart}}.svg",
            caption="report/chart.rst",
            category=chart_category,
            labels=chart_labels("picture"),
        ),
        png=f"{CHART_FOLDER}/{{chart}}.png",
        json=f"{CHART_FOLDER}/{{chart}}.json",
        caption=f"{CHART_FOLDER}/{{chart}}.txt",
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
        facts=STUDY.facts,
        explorer=f"{EXPLORER_IN_REPORT}/index.html" if STUDY.has_explorer else "",
    script:
        "../workflow_scripts/draw_chart.py"


rule summarize_findings:
    input:
        images=f"{TABLES}/images.parquet",
        networks=f"{TABLES}/networks.parquet",
        history=f"{TABLES}/history.parquet",
        statistics=f"{TABLES}/statistics.parquet",
        trivial=f"{TABLES}/trivial_units.parquet",
        # Not the table of them: it is written anew with that of measured times.
        sizes=PATHS.every_network("sizes.parquet", STUDY.compacted_networks),
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
        facts=STUDY.facts,
        compacted=coordinates_of(STUDY.compacted_networks),
    script:
        "../workflow_scripts/summarize_findings.py"
