# Scores that were made elsewhere, and the tables of a study of them.


rule read_unit_scores:
    input:
        units=STUDY.units_files,
        networks=STUDY.networks_files,
    output:
        units=f"{GIVEN}/units.parquet",
        networks=f"{GIVEN}/networks.parquet",
    log:
        "results/logs/{study}/read_unit_scores.log",
    wildcard_constraints:
        study=one_of([STUDY.name] if STUDY.reads_tables else []),
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(20),
    params:
        code=code_of("read_unit_scores.py"),
        partners=lookup("unit_scores/partners", within=config, default=None),
    script:
        "../workflow_scripts/read_unit_scores.py"


rule tabulate_scores:
    input:
        units=f"{GIVEN}/units.parquet",
        networks=f"{GIVEN}/networks.parquet",
    output:
        images=f"{TABLES}/images.parquet",
        networks=f"{TABLES}/networks.parquet",
        units=f"{TABLES}/units.parquet",
        layers=f"{TABLES}/layers.parquet",
        classes=f"{TABLES}/classes.parquet",
        disagreements=f"{TABLES}/disagreements.parquet",
        history=f"{TABLES}/history.parquet",
        trivial=f"{TABLES}/trivial_units.parquet",
    log:
        "results/logs/{study}/tabulate_scores.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(20),
    params:
        code=code_of("tabulate_scores.py"),
        study=STUDY.name,
    script:
        "../workflow_scripts/tabulate_scores.py"
