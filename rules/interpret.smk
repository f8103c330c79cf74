# What excites each unit, and how well a perceptual metric can tell.


localrules:
    fetch_metric_weights,


rule fetch_metric_weights:
    output:
        # Kept while the job runs, which leaves the right file alone: somebody without network
        # may have put it there by hand.
        weights=update("downloads/{family}/{file}"),
    log:
        "results/logs/downloads/{family}/{file}.log",
    wildcard_constraints:
        family="|".join(similarity.FAMILIES),
        file=one_of([re.escape(weights.name) for weights in METRIC.weights]),
    priority: 30
    retries: 2
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(120),
    params:
        code=unwatched(code_of("fetch_metric_weights.py")),
        metric=unwatched(lookup("interpretability/similarity/metric", within=config)),
        sha256=unwatched(
            lookup("interpretability/similarity/sha256", within=config, default={})
        ),
    script:
        "../workflow_scripts/fetch_metric_weights.py"


rule embed_probe:
    input:
        images=f"{DATASET}/probe/images.npy",
        labels=f"{DATASET}/probe/labels.npy",
        # Their content is fixed by checksums: a new date changes nothing.
        weights=ancient(METRIC_WEIGHTS),
    output:
        embeddings=f"{DATASET}/probe/embeddings_{{metric}}.npy",
        provenance=f"{DATASET}/probe/embeddings_{{metric}}.json",
    log:
        "results/logs/datasets/{dataset}/embed_probe_{metric}.log",
    conda:
        METRIC_ENVIRONMENT
    threads: 4 if LARGE_METRIC else 1
    resources:
        mem_mb=memory(8000 if LARGE_METRIC else 4000),
        runtime=minutes(600 if LARGE_METRIC else 60),
        gpu=1,
    params:
        code=code_of("embed_probe.py"),
        similarity=settings_of_metric,
    script:
        "../workflow_scripts/embed_probe.py"


rule compare_probe:
    input:
        embeddings=f"{DATASET}/probe/embeddings_{{metric}}.npy",
    output:
        similarity=f"{DATASET}/probe/similarity_{{metric}}.npy",
        provenance=f"{DATASET}/probe/similarity_{{metric}}.json",
    log:
        "results/logs/datasets/{dataset}/compare_probe_{metric}.log",
    cache: True
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000, per_input=10),
        runtime=minutes(30),
    params:
        code=code_of("compare_probe.py"),
        similarity=settings_of_metric,
    script:
        "../workflow_scripts/compare_probe.py"


rule find_exemplars:
    input:
        network=f"{NETWORK}/network.safetensors",
        images=split_file("probe", "images.npy"),
        labels=split_file("probe", "labels.npy"),
    output:
        exemplars=f"{NETWORK}/exemplars.parquet",
        activations=f"{NETWORK}/activations_mean.npy",
    log:
        f"{NETWORK_LOG}/find_exemplars.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(30, per_gigabyte=15),
        gpu=1,
    params:
        code=code_of("find_exemplars.py"),
        exemplars=lookup("interpretability/exemplars", within=config),
        activations=lookup("interpretability/activations", within=config),
    script:
        "../workflow_scripts/find_exemplars.py"


rule score_mis:
    input:
        exemplars=f"{NETWORK}/exemplars.parquet",
        similarity=similarity_file(),
    output:
        scores=f"{NETWORK}/mis.parquet",
    log:
        f"{NETWORK_LOG}/score_mis.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory_to_score(2000, per_input=3),
        runtime=minutes(60 if FROM_EMBEDDINGS else 10),
    params:
        code=code_of("score_mis.py"),
        kind=KINDS_OF_INPUT[0],
        mis=lookup("interpretability/mis", within=config),
    script:
        "../workflow_scripts/score_mis.py"
