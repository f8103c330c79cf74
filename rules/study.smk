# The study itself: what it was configured to do, and whether its files are what its jobs wrote.


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
        # The page shows every key, so every key makes it stale.
        config=config,
    script:
        "../workflow_scripts/describe_config.py"


rule verify_study:
    log:
        "results/logs/verify_study.log",
    localrule: True
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(60),
    params:
        code=code_of("verify_study.py"),
        folders=PATHS.folders_to_verify,
        logs=PATHS.logs_to_verify,
    script:
        "../workflow_scripts/verify_study.py"
