# Exemplars, scores and other measures of each unit, and how the score depends on its settings.


rule fetch_metric_weights:
    output:
        # `update` keeps an existing file, and the job leaves a correct one unchanged: a user
        # without a network may have put it there.
        weights=update("downloads/{family}/{file}"),
    log:
        "results/logs/downloads/{family}/{file}.log",
    wildcard_constraints:
        family=one_of(plugins.names(FAMILIES)),
        file=one_of([weights.name for weights in STUDY.metric.weights]),
    priority: 30
    retries: 2
    localrule: True
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
        lock=unwatched(STUDY.lock),
    script:
        "../workflow_scripts/fetch_metric_weights.py"


rule embed_probe:
    input:
        images=f"{DATASET}/{{probe}}/images.npy",
        labels=f"{DATASET}/{{probe}}/labels.npy",
        # Their content is fixed by checksums: a new date changes nothing.
        weights=ancient(PATHS.metric_weights()),
    output:
        embeddings=f"{DATASET}/{{probe}}/embeddings_{{metric}}.npy",
        provenance=f"{DATASET}/{{probe}}/embeddings_{{metric}}.json",
    log:
        "results/logs/datasets/{dataset}/embed_{probe}_{metric}.log",
    conda:
        METRIC_ENVIRONMENT
    threads: 4 if LARGE_METRIC else 1
    resources:
        mem_mb=memory(8000 if LARGE_METRIC else 4000),
        runtime=minutes(600 if LARGE_METRIC else 60),
        gpu=1,
    params:
        code=code_of("embed_probe.py", PARAMS.family),
        similarity=PARAMS.metric,
        # Where it lies changes nothing: studies share what they embed.
        lock=unwatched(STUDY.lock),
    script:
        "../workflow_scripts/embed_probe.py"


rule compare_probe:
    input:
        embeddings=f"{DATASET}/{{probe}}/embeddings_{{metric}}.npy",
    output:
        similarity=f"{DATASET}/{{probe}}/similarity_{{metric}}.npy",
        provenance=f"{DATASET}/{{probe}}/similarity_{{metric}}.json",
    log:
        "results/logs/datasets/{dataset}/compare_{probe}_{metric}.log",
    cache: True
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000, per_input=10),
        runtime=minutes(30),
    params:
        code=code_of("compare_probe.py"),
        distance=PARAMS.distance,
    script:
        "../workflow_scripts/compare_probe.py"


rule find_exemplars:
    input:
        network=f"{NETWORK}/network.safetensors",
        images=PATHS.split_file("probe", "images.npy"),
        labels=PATHS.split_file("probe", "labels.npy"),
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
        code=code_of("find_exemplars.py", STUDY.architecture),
        exemplars=lookup("interpretability/exemplars", within=config),
        activations=lookup("interpretability/activations", within=config),
    script:
        "../workflow_scripts/find_exemplars.py"


rule find_exemplars_elsewhere:
    input:
        network=f"{NETWORK}/network.safetensors",
        images=PATHS.probe_to_search("images.npy"),
        labels=PATHS.probe_to_search("labels.npy"),
    output:
        exemplars=f"{NETWORK}/exemplars_{{probe}}.parquet",
    log:
        f"{NETWORK_LOG}/find_exemplars_{{probe}}.log",
    wildcard_constraints:
        probe=one_of(STUDY.other_probes),
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(30, per_gigabyte=15),
        gpu=1,
    params:
        code=code_of("find_exemplars_elsewhere.py", STUDY.architecture),
        exemplars=lookup("interpretability/exemplars", within=config),
    script:
        "../workflow_scripts/find_exemplars_elsewhere.py"


rule score_mis:
    input:
        exemplars=f"{NETWORK}/exemplars.parquet",
        similarity=PATHS.similarity_file(),
    output:
        scores=f"{NETWORK}/mis.parquet",
    log:
        f"{NETWORK_LOG}/score_mis.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=RESOURCES.memory_to_score(2000, per_input=3),
        runtime=minutes(60 if STUDY.scores_from_embeddings else 10),
    params:
        code=code_of("score_mis.py"),
        kind=STUDY.kinds_of_input[0],
        mis=lookup("interpretability/mis", within=config),
    script:
        "../workflow_scripts/score_mis.py"


# Controls of the score, which need no network.
rule score_trivial_units:
    input:
        images=PATHS.split_file("probe", "images.npy"),
        labels=PATHS.split_file("probe", "labels.npy"),
        index=PATHS.split_file("probe", "index.parquet"),
        similarity=PATHS.similarity_file(),
    output:
        units=f"{TABLES}/trivial_units.parquet",
    log:
        "results/logs/{study}/score_trivial_units.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=RESOURCES.memory_to_score(3000, per_input=1),
        runtime=minutes(30, per_gigabyte=15),
    params:
        code=code_of("score_trivial_units.py"),
        study=STUDY.name,
        kind=STUDY.kinds_of_input[0],
        exemplars=lookup("interpretability/exemplars", within=config),
        mis=lookup("interpretability/mis", within=config),
    script:
        "../workflow_scripts/score_trivial_units.py"


rule record_activations:
    input:
        network=f"{NETWORK}/network.safetensors",
        images=PATHS.split_file("probe", "images.npy"),
        labels=PATHS.split_file("probe", "labels.npy"),
    output:
        activations=f"{NETWORK}/activations_{{pooling}}.npy",
    log:
        f"{NETWORK_LOG}/record_activations_{{pooling}}.log",
    wildcard_constraints:
        # `find_exemplars` already records the mean.
        pooling="max",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(30, per_gigabyte=15),
        gpu=1,
    params:
        code=code_of("record_activations.py", STUDY.architecture),
        activations=lookup("interpretability/activations", within=config),
        pooling="{pooling}",
        tokens=lookup("interpretability/exemplars/tokens", within=config, default="all"),
    script:
        "../workflow_scripts/record_activations.py"


rule measure_units:
    input:
        exemplars=f"{NETWORK}/exemplars.parquet",
        activations=f"{NETWORK}/activations_mean.npy",
        dense=f"{DENSE_NETWORK}/activations_mean.npy",
        similarity=PATHS.similarity_file(),
        labels=PATHS.split_file("probe", "labels.npy"),
    output:
        measures=f"{NETWORK}/measures.parquet",
        alignment=f"{NETWORK}/alignment.parquet",
    log:
        f"{NETWORK_LOG}/measure_units.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=RESOURCES.memory_to_score(2000, per_input=4),
        runtime=minutes(120 if STUDY.scores_from_embeddings else 20),
    params:
        code=code_of("measure_units.py"),
        kind=STUDY.kinds_of_input[0],
        activations=lookup("interpretability/activations", within=config),
    script:
        "../workflow_scripts/measure_units.py"


rule ablate_units:
    input:
        network=f"{NETWORK}/network.safetensors",
        images=PATHS.split_file("validation", "images.npy"),
        labels=PATHS.split_file("validation", "labels.npy"),
    output:
        ablation=f"{NETWORK}/ablation.parquet",
    log:
        f"{NETWORK_LOG}/ablate_units.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(3000),
        runtime=minutes(120),
        gpu=1,
    params:
        code=code_of("ablate_units.py", STUDY.architecture),
        ablation=lookup("interpretability/ablation", within=config),
    script:
        "../workflow_scripts/ablate_units.py"


rule vary_scores:
    input:
        exemplars=f"{NETWORK}/exemplars.parquet",
        activations=PATHS.activations_of_variants,
        similarities=PATHS.similarities_of_variants,
        exemplars_elsewhere=PATHS.exemplars_elsewhere,
        similarities_elsewhere=PATHS.similarities_elsewhere,
        labels=PATHS.split_file("probe", "labels.npy"),
    output:
        variants=f"{NETWORK}/variants.parquet",
    log:
        f"{NETWORK_LOG}/vary_scores.log",
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=RESOURCES.memory_to_score(2000, per_input=4),
        runtime=minutes(120 if STUDY.scores_from_embeddings else 20),
    params:
        code=code_of("vary_scores.py"),
        kinds=STUDY.kinds_of_input,
        mis=lookup("interpretability/mis", within=config),
        activations=lookup("interpretability/activations", within=config),
        variants=lookup("sensitivity/variants", within=config),
        poolings=STUDY.varied_poolings,
        metrics=list(STUDY.varied_metrics),
        probes=list(STUDY.other_probes),
        kinds_elsewhere=[STUDY.kind_elsewhere(split) for split in STUDY.other_probes],
    script:
        "../workflow_scripts/vary_scores.py"
