# What is summarised from the files of single networks: tables, costs and the explorer.


rule count_images:
    input:
        train=PATHS.split_file("train", "index.parquet"),
        validation=PATHS.split_file("validation", "index.parquet"),
        probe=PATHS.split_file("probe", "index.parquet"),
        reports=PATHS.reports_on_files,
    output:
        images=f"{TABLES}/images.parquet",
    log:
        "results/logs/{study}/count_images.log",
    # Before any training: a study that has too few images stops here.
    priority: 50
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        code=code_of("count_images.py"),
        dataset=lookup("dataset", within=config),
        needs=STUDY.image_needs,
    script:
        "../workflow_scripts/count_images.py"


rule tabulate_study:
    input:
        predictions=PATHS.every_network("predictions.parquet"),
        accounting=PATHS.every_network("accounting.parquet"),
        mis=PATHS.every_network("mis.parquet"),
        measures=PATHS.every_network("measures.parquet"),
        alignment=PATHS.every_network("alignment.parquet"),
        history=PATHS.every_network("history.parquet", STUDY.trained_networks),
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
        study=STUDY.name,
        networks=coordinates_of(STUDY.networks),
        trained=coordinates_of(STUDY.trained_networks),
    script:
        "../workflow_scripts/tabulate_study.py"


rule tabulate_groups:
    input:
        architecture=PATHS.architecture_file(),
    output:
        groups=f"{TABLES}/channel_groups.parquet",
    log:
        "results/logs/{study}/tabulate_groups.log",
    wildcard_constraints:
        study=one_of([STUDY.name] if STUDY.group_methods else []),
    # Before any training: a study of which nothing can be pruned stops here.
    priority: 50
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        code=code_of("tabulate_groups.py"),
        # Only checked: the kinds of layers that each method prunes.
        methods=STUDY.group_methods,
        exclude=lookup("pruning/exclude", within=config),
        batch_norm=lookup("pruning/batch_norm", within=config),
    script:
        "../workflow_scripts/tabulate_groups.py"


rule compare_removed_units:
    input:
        units=f"{TABLES}/units.parquet",
        exemplars=PATHS.every_network("exemplars.parquet", STUDY.dense_networks),
        networks=PATHS.every_network("pruned.safetensors", STUDY.unit_pruned_networks),
        groups=PATHS.table_if_made("channel_groups"),
    output:
        table=f"{TABLES}/units_pruned.parquet",
    log:
        "results/logs/{study}/compare_removed_units.log",
    wildcard_constraints:
        study=one_of([STUDY.name] if STUDY.unit_pruned_networks else []),
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(60),
    params:
        code=code_of("compare_removed_units.py"),
        resamples=lookup("statistics/resamples", within=config),
        seed=lookup("statistics/seed", within=config),
        study=STUDY.name,
        seeds=STUDY.seeds,
        networks=coordinates_of(STUDY.unit_pruned_networks),
        competing=STUDY.competing_methods,
        group_methods=STUDY.group_methods,
    script:
        "../workflow_scripts/compare_removed_units.py"


rule tabulate_costs:
    input:
        sizes=PATHS.every_network("sizes.parquet", STUDY.compacted_networks),
        costs=PATHS.every_network("costs.parquet", STUDY.compacted_networks),
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
        study=STUDY.name,
        networks=coordinates_of(STUDY.compacted_networks),
    script:
        "../workflow_scripts/tabulate_costs.py"


# A rule of its own, because these charts change with every measurement of costs.
rule draw_cost_chart:
    input:
        networks=f"{TABLES}/networks.parquet",
        costs=f"{TABLES}/costs.parquet",
    output:
        html=report(
            f"{CHART_FOLDER}/{{chart}}.html",
            caption="report/chart.rst",
            category="6 Cost",
            labels=chart_labels("interactive"),
        ),
        svg=report(
            f"{CHART_FOLDER}/{{chart}}.svg",
            caption="report/chart.rst",
            category="6 Cost",
            labels=chart_labels("picture"),
        ),
        png=f"{CHART_FOLDER}/{{chart}}.png",
        json=f"{CHART_FOLDER}/{{chart}}.json",
        caption=f"{CHART_FOLDER}/{{chart}}.txt",
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
        explorer=f"{EXPLORER_IN_REPORT}/index.html",
    script:
        "../workflow_scripts/draw_cost_chart.py"


rule build_explorer:
    input:
        images=PATHS.split_file("probe", "images.npy"),
        index=PATHS.split_file("probe", "index.parquet"),
        similarity=PATHS.similarity_file(),
        exemplars=PATHS.every_network("exemplars.parquet"),
        mis=PATHS.every_network("mis.parquet"),
        measures=PATHS.every_network("measures.parquet"),
        networks=f"{TABLES}/networks.parquet",
        trivial=f"{TABLES}/trivial_units.parquet",
        groups=PATHS.table_if_made("channel_groups"),
    output:
        explorer=directory(EXPLORER),
        in_report=report(
            directory(EXPLORER_IN_REPORT),
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
        runtime=minutes(300 if STUDY.scores_from_embeddings else 30),
    params:
        code=code_of("build_explorer.py"),
        page=page_digest(),
        study=STUDY.name,
        dataset=lookup("dataset", within=config),
        networks=coordinates_of(STUDY.networks),
        kind=STUDY.kinds_of_input[0],
        mis=lookup("interpretability/mis", within=config),
        metric=lookup("interpretability/similarity/metric", within=config),
    script:
        "../workflow_scripts/build_explorer.py"
