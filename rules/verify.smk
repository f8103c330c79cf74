# Whether the files of the study are what its jobs wrote.


localrules:
    verify_study,


rule verify_study:
    log:
        "results/logs/verify_study.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(60),
    params:
        code=code_of("verify_study.py"),
        folders=[f"results/{STUDY}", f"{DATASETS}/{config['dataset']}"],
        logs=[f"results/logs/{STUDY}", f"results/logs/datasets/{config['dataset']}"],
    script:
        "../workflow_scripts/verify_study.py"
