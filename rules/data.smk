# Images: fetched, packed once, and sampled into the splits that are measured.


rule fetch:
    input:
        PATHS.files_to_fetch(),


rule fetch_archive:
    output:
        file=ensure(f"{DATASET}/source/{{file}}", sha256=PARAMS.checksum),
    log:
        "results/logs/datasets/{dataset}/fetch_{file}.log",
    wildcard_constraints:
        dataset=one_of(STUDY.fetched_datasets),
        file=r"[^/]+",
    retries: 2
    localrule: True
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(60),
    params:
        code=unwatched(code_of("fetch_archive.py", PARAMS.source)),
        source=unwatched(lookup("datasets/{dataset}/source", within=config)),
        folder=unwatched(lookup("datasets/{dataset}/folder", within=config)),
        file="{file}",
    script:
        "../workflow_scripts/fetch_archive.py"


rule fetch_fashion_mnist:
    output:
        train_images=ensure(
            f"{DATASET}/source/train-images-idx3-ubyte",
            sha256=fashion_mnist.FILES["train-images-idx3-ubyte"],
        ),
        train_labels=ensure(
            f"{DATASET}/source/train-labels-idx1-ubyte",
            sha256=fashion_mnist.FILES["train-labels-idx1-ubyte"],
        ),
        test_images=ensure(
            f"{DATASET}/source/t10k-images-idx3-ubyte",
            sha256=fashion_mnist.FILES["t10k-images-idx3-ubyte"],
        ),
        test_labels=ensure(
            f"{DATASET}/source/t10k-labels-idx1-ubyte",
            sha256=fashion_mnist.FILES["t10k-labels-idx1-ubyte"],
        ),
    log:
        "results/logs/datasets/{dataset}/fetch_fashion_mnist.log",
    wildcard_constraints:
        dataset=one_of(STUDY.datasets_from("fashion_mnist")),
    localrule: True
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(1000),
        runtime=minutes(10),
    params:
        code=unwatched(code_of("fetch_fashion_mnist.py")),
        folder=unwatched(lookup("datasets/{dataset}/folder", within=config)),
    script:
        "../workflow_scripts/fetch_fashion_mnist.py"


rule pack_dataset:
    input:
        # Their content is fixed by checksums: a new date, or another place, changes nothing.
        downloaded=ancient(PATHS.downloaded_files),
        own=PATHS.own_files,
    output:
        train_images=f"{DATASET}/train/images.npy",
        train_labels=f"{DATASET}/train/labels.npy",
        train_index=f"{DATASET}/train/index.parquet",
        test_images=f"{DATASET}/test/images.npy",
        test_labels=f"{DATASET}/test/labels.npy",
        test_index=f"{DATASET}/test/index.parquet",
    log:
        "results/logs/datasets/{dataset}/pack_dataset.log",
    wildcard_constraints:
        dataset=one_of(STUDY.packed_datasets),
    cache: True
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        code=code_of("pack_dataset.py", PARAMS.source),
        source=lookup("datasets/{dataset}/source", within=config),
        image_size=lookup("datasets/{dataset}/image_size", within=config),
    script:
        "../workflow_scripts/pack_dataset.py"


rule sample_split:
    input:
        images=PATHS.source_of_sample("images.npy"),
        labels=PATHS.source_of_sample("labels.npy"),
        index=PATHS.source_of_sample("index.parquet"),
    output:
        images=f"{DATASET}/{{split}}/images.npy",
        labels=f"{DATASET}/{{split}}/labels.npy",
        index=f"{DATASET}/{{split}}/index.parquet",
    log:
        "results/logs/datasets/{dataset}/sample_{split}.log",
    wildcard_constraints:
        dataset=one_of(STUDY.packed_datasets),
        split=one_of(["validation", *STUDY.probes]),
    priority: 50
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(2000),
        runtime=minutes(10),
    params:
        code=code_of("sample_split.py"),
        sample=PARAMS.sample,
        key=PARAMS.key_of_sample,
    script:
        "../workflow_scripts/sample_split.py"


rule index_images:
    output:
        train=f"{DATASET}/train/index.parquet",
        test=f"{DATASET}/test/index.parquet",
    log:
        "results/logs/datasets/{dataset}/index_images.log",
    wildcard_constraints:
        dataset=one_of(STUDY.image_datasets),
    conda:
        "../envs/prunescope.yaml"
    threads: 1
    resources:
        mem_mb=memory(4000),
        runtime=minutes(120),
    params:
        code=code_of("index_images.py", PARAMS.source),
        source=lookup("datasets/{dataset}/source", within=config),
        folder=lookup("datasets/{dataset}/folder", within=config),
        settings=PARAMS.source_settings,
        # Not inputs: there may be a million of them.
        listed=PARAMS.listed_files,
    script:
        "../workflow_scripts/index_images.py"


rule copy_train_images:
    input:
        index=f"{DATASET}/train/index.parquet",
    output:
        copies=f"{DATASET}/train/copies.bin",
        table=f"{DATASET}/train/copies.parquet",
    log:
        "results/logs/datasets/{dataset}/copy_train_images.log",
    wildcard_constraints:
        dataset=one_of(STUDY.copied_datasets),
    priority: 50
    retries: INTERRUPTION_RETRIES
    conda:
        "../envs/prunescope.yaml"
    threads: 4
    resources:
        mem_mb=memory(4000),
        runtime=minutes(480),
    params:
        code=code_of("copy_train_images.py"),
        folder=lookup("datasets/{dataset}/folder", within=config),
        on_error=lookup("datasets/{dataset}/on_error", within=config),
        train_store=lookup("datasets/{dataset}/train_store", within=config),
        # Not an output: Snakemake deletes the outputs of a killed job, which goes on from here.
        unfinished=f"{DATASET}/train/copies.unfinished",
    script:
        "../workflow_scripts/copy_train_images.py"


rule pack_sample:
    input:
        index=PATHS.source_of_sample("index.parquet"),
    output:
        images=f"{DATASET}/{{split}}/images.npy",
        labels=f"{DATASET}/{{split}}/labels.npy",
        index=f"{DATASET}/{{split}}/index.parquet",
        report=f"{DATASET}/{{split}}/report.parquet",
    log:
        "results/logs/datasets/{dataset}/pack_{split}.log",
    wildcard_constraints:
        dataset=one_of(STUDY.image_datasets),
        split=one_of(["validation", *STUDY.probes]),
    priority: 50
    retries: INTERRUPTION_RETRIES
    conda:
        "../envs/prunescope.yaml"
    threads: 4
    resources:
        mem_mb=memory(4000),
        runtime=minutes(240),
    params:
        code=code_of("pack_sample.py"),
        folder=lookup("datasets/{dataset}/folder", within=config),
        image_size=lookup("datasets/{dataset}/image_size", within=config),
        resize=lookup("datasets/{dataset}/resize", within=config),
        on_error=lookup("datasets/{dataset}/on_error", within=config),
        sample=PARAMS.sample,
        key=PARAMS.key_of_sample,
        # Not an output: Snakemake deletes the outputs of a killed job, which goes on from here.
        unfinished=f"{DATASET}/{{split}}/images.unfinished",
    script:
        "../workflow_scripts/pack_sample.py"
