# Coordinates, wildcard constraints and named input functions; nothing else.
import os
import re
from pathlib import Path

from snakemake.settings.types import DeploymentMethod

from prunescope import explorer, similarity, slurm
from prunescope import study as studies
from prunescope import tuning, warm, weights
from prunescope.charts import CHARTS as CHART_FUNCTIONS
from prunescope.charts import GROUPS as CHART_GROUPS
from prunescope.config import reading
from prunescope.cost_charts import CHARTS as COST_CHART_FUNCTIONS
from prunescope.errors import InputError
from prunescope.provenance import code_digest
from prunescope.sources import FASHION_MNIST

# Snakemake has read these files too, but knows nothing of `extends` and of what is left out.
try:
    RESOLVED = reading.read(
        *workflow.configfiles, overrides=workflow.config_settings.config
    )
except InputError as error:
    raise WorkflowError(str(error))
# In place: rules look up values in this mapping, and it is what a script would get.
config.clear()
config.update(RESOLVED.values)
# The report shows all files of the study, and archives for machines without its folder hold them.
workflow.configfiles += [
    path for path in RESOLVED.files if path not in map(Path, workflow.configfiles)
]

# Every job inherits this.
tuning.tune(os.environ)

STUDY = config["study"]
NETWORKS = studies.networks(config)
# None where the dense network is trained here.
CHECKPOINT = weights.from_config(config["model"]["checkpoint"])
METRIC = similarity.find(config["interpretability"]["similarity"]["metric"])
METRIC_WEIGHTS = [str(file.path) for file in METRIC.weights]
# The networks of metrics that need packages of their own are several times as large.
LARGE_METRIC = bool(METRIC.packages)
METRIC_ENVIRONMENT = f"../envs/{'perceptual' if METRIC.packages else 'prunescope'}.yaml"
CHART_NAMES = list(CHART_FUNCTIONS)
TABLE_NAMES = [
    "networks",
    "units",
    "layers",
    "classes",
    "disagreements",
    "history",
    "statistics",
]
PUBLISHED = config["published"] or []
TABLE_NAMES += ["published"] if PUBLISHED else []

# What the sentences on a study need to know of its config.
FACTS = {
    "dataset": config["dataset"],
    "probe_images": config["datasets"][config["dataset"]]["probe"]["images"],
    "metric": config["interpretability"]["similarity"]["metric"],
    "margin": config["statistics"]["margin"],
    "random_methods": [
        name
        for name, kind in config["pruning"]["methods"].items()
        if kind["criterion"] == "random"
    ],
}

# The scores' variants, and the networks that are scored in all of them.
VARIANTS = config["sensitivity"]["variants"]
VARIED_NETWORKS = studies.varied_networks(config)
VARIED_POOLINGS = studies.varied_poolings(config)
VARIED_METRICS = studies.varied_metrics(config)
ABLATED_NETWORKS = [
    network
    for network in NETWORKS
    if (network.method, network.retraining) == ("dense", "none")
]

# Networks that are made compact, and what is made of them all; without one, nothing.
COMPACTED_NETWORKS = studies.compacted_networks(config)
COST_TABLE_NAMES = ["sizes", "costs"] if COMPACTED_NETWORKS else []
COST_CHART_NAMES = list(COST_CHART_FUNCTIONS) if COMPACTED_NETWORKS else []
# Where times are measured, nothing else may run. A cluster has no number of cores of its own.
ALL_CORES = workflow.resource_settings.cores or 4

COORDINATES = "{method}/{retraining}/rate{rate}/seed{seed}"
NETWORK = f"results/{{study}}/networks/{COORDINATES}"
EVERY_NETWORK = "results/{study}/networks/{network.method}/{network.retraining}/rate{network.rate}/seed{network.seed}"
NETWORK_LOG = f"results/logs/{{study}}/networks/{COORDINATES}"
DENSE = "results/{study}/networks/dense/none/rate0.00/seed{seed}"
DOWNLOADS = "downloads"
DATASETS = "results/datasets"
DATASET = "results/datasets/{dataset}"
TABLES = "results/{study}/tables"
CHARTS = "results/{study}/charts"
EXPLORER = "results/{study}/explorer"
PAGES = "results/{study}/pages"
SUMMARY = "results/{study}/summary.md"


def one_of(names):
    """A wildcard constraint: exactly one of `names` (of none, nothing matches)."""
    return "|".join(names) if names else "(?!)"


def datasets_from(*sources):
    """The datasets of the config that come from one of `sources`."""
    return [
        name for name, kind in config["datasets"].items() if kind["source"] in sources
    ]


# Their splits are drawn from packed images; the others' are decoded from files.
PACKED_DATASETS = datasets_from(*studies.SOURCE_IMAGES)
IMAGE_DATASETS = datasets_from(*studies.IMAGE_SOURCES)
# Image files are decoded while a network trains: one core cannot keep a GPU busy.
TRAINS_ON_FILES = config["dataset"] in IMAGE_DATASETS
# Rules that read the image files themselves.
FILE_READERS = (
    "index_images",
    "pack_sample",
    "train_dense",
    "retrain_network",
    "recalibrate_network",
)
# What stands in the cluster's profile until it is filled in.
PLACEHOLDER = "FILL_IN"
METRIC_READERS = ("fetch_metric_weights", "embed_probe")


METHODS = list(config["pruning"]["methods"])
TRAINED = [name for name, kind in config["retraining"].items() if kind["recipe"]]
RECALIBRATED = [
    name for name, kind in config["retraining"].items() if kind["recalibration"]
]
TRAINED_NETWORKS = [
    network
    for network in NETWORKS
    if network.retraining in TRAINED
    or (
        network.method == "dense"
        and network.retraining == "none"
        and CHECKPOINT is None
    )
]
UNTRAINED = [
    name for name in config["retraining"] if name not in [*TRAINED, *RECALIBRATED]
]
CHECKPOINT_FILES = [] if CHECKPOINT is None else [re.escape(CHECKPOINT.file)]
ANY_SEED = r"\d+"
SEEDS_TRAINED = [ANY_SEED] if CHECKPOINT is None else []
SEEDS_IMPORTED = [] if CHECKPOINT is None else [ANY_SEED]


wildcard_constraints:
    study=STUDY,
    dataset=one_of(config["datasets"]),
    method=one_of(["dense", "untrained", *METHODS]),
    retraining=one_of(config["retraining"]),
    rate=r"\d\.\d\d",
    seed=ANY_SEED,
    chart=one_of(CHART_NAMES),


def split_file(split, name):
    """Path of a file of a split of the study's dataset."""
    return f"{DATASETS}/{config['dataset']}/{split}/{name}"


def train_images(wildcards):
    """Input function: what training reads, the packed split or the list of image files."""
    packed = config["dataset"] in PACKED_DATASETS
    names = {"index": "index.parquet"} | (
        {"images": "images.npy", "labels": "labels.npy"} if packed else {}
    )
    return {key: split_file("train", name) for key, name in names.items()}


def decoding_of_train(wildcards):
    """How training decodes the dataset's image files; None if its images are packed."""
    if config["dataset"] in PACKED_DATASETS:
        return None
    keys = ("folder", "image_size", "resize", "on_error")
    return {key: config["datasets"][config["dataset"]][key] for key in keys}


def checkpoint_file(wildcards):
    """Input function: the downloaded weights of the dense network."""
    return f"{DOWNLOADS}/{CHECKPOINT.file}"


def files_to_fetch():
    """All that the study downloads: a run on machines without network needs it beforehand."""
    source = f"{DATASETS}/{config['dataset']}/source"
    images = FASHION_MNIST if config["dataset"] in PACKED_DATASETS else []
    weight_files = [] if CHECKPOINT is None else [f"{DOWNLOADS}/{CHECKPOINT.file}"]
    return [*(f"{source}/{name}" for name in images), *weight_files, *METRIC_WEIGHTS]


def preprocessing_of(dataset):
    """How images of a dataset are made into the input of a network."""
    return {
        key: config["datasets"][dataset][key] for key in ("image_size", "mean", "std")
    }


def metric_name(settings):
    """A metric and its image size as they stand in paths."""
    return f"{settings['metric'].replace(':', '-')}-{settings['image_size']}px"


# The metrics of the study: its own, and those of variants.
OWN_METRIC = {
    key: value
    for key, value in config["interpretability"]["similarity"].items()
    if key != "largest_matrix_mb"
}
METRICS = [OWN_METRIC, *VARIED_METRICS.values()]
SIMILARITIES = {metric_name(settings): settings for settings in METRICS}
# What scores are computed from: `matrix`, or, where that would be too large, the embeddings.
KINDS_OF_INPUT = studies.kinds_of_input(config)
FROM_EMBEDDINGS = "matrix" not in KINDS_OF_INPUT


def metric_file(kind, settings=OWN_METRIC):
    """Path of what a metric, by default the study's own, made of the probe split."""
    return split_file("probe", f"{kind}_{metric_name(settings)}.npy")


def similarity_file(settings=OWN_METRIC):
    """Path of what scores by a metric are computed from."""
    return metric_file("embeddings" if FROM_EMBEDDINGS else "similarity", settings)


def settings_of_metric(wildcards):
    """The settings of the metric that a path names."""
    return SIMILARITIES[wildcards.metric]


def similarities_of_variants(wildcards):
    """Input function: the study's own similarities, then those of the variants of the metric."""
    return [similarity_file(settings) for settings in METRICS]


def activations_of_variants(wildcards):
    """Input function: what was recorded of a network, by pooling."""
    path = f"{NETWORK}/activations_{{pooling}}.npy"
    return [path.format(**wildcards, pooling=pooling) for pooling in VARIED_POOLINGS]


def index_of_sample(wildcards):
    """The index of the image files from which a sample is drawn."""
    indexed = {"validation": "test", "probe": "train"}[wildcards.split]
    return f"{DATASET}/{indexed}/index.parquet"


def source_of_sample(name):
    """Input function: the file `name` of the packed split from which a sample is drawn."""

    def path(wildcards):
        packed = {"validation": "test", "probe": "train"}[wildcards.split]
        return f"{DATASET}/{packed}/{name}"

    return path


def network_to_prune(wildcards):
    """The dense network, or, in a chain over the rates, the network of the rate before."""
    chained = config["retraining"][wildcards.retraining]["start"] == "previous_rate"
    before = studies.rate_before(config, wildcards.method, wildcards.rate)
    if chained and before:
        previous = {**wildcards, "rate": before}
        return f"{NETWORK}/network.safetensors".format(**previous)
    return f"{DENSE}/network.safetensors".format(**wildcards)


def rate_to_prune(wildcards):
    """The fraction that goes at a rate: more than the rate if the method is cumulative."""
    return studies.effective_rate(config, wildcards.method, wildcards.rate)


def mask_of(wildcards):
    """Whether retraining holds a network's masks: as its method says, else the retraining."""
    method = config["pruning"]["methods"].get(wildcards.method, {})
    return method.get("mask") or config["retraining"][wildcards.retraining]["mask"]


def network_to_retrain(wildcards):
    """The pruned network; for a control, the dense one."""
    folder = DENSE if wildcards.method == "dense" else NETWORK
    name = "network" if wildcards.method == "dense" else "pruned"
    return f"{folder}/{name}.safetensors".format(**wildcards)


def coordinates_of(networks):
    """Coordinates as plain values, for a script that reads one file of each network."""
    return [vars(network) for network in networks]


def category_of_chart(wildcards):
    """Where the report lists a chart."""
    return next(
        name for name, names in CHART_GROUPS.items() if wildcards.chart in names
    )


def labels_of_chart(format):
    """Labels function: the name of a chart in words, and the format."""

    def labels(wildcards):
        return {"chart": wildcards.chart.replace("_", " "), "format": format}

    return labels


def code_of(script):
    """Param function: the digest of what a script does.

    Read only for jobs that are looked at: reading all scripts takes longer than starting Snakemake.
    """

    def digest(wildcards):
        return code_digest(script)

    return digest


def unwatched(value):
    """Param function: a value whose change makes nothing stale, in rules that download.

    A checksum fixes the content of a download, whatever code or place it comes from. And what
    reads it takes it as `ancient`: Snakemake looks at nothing behind a stale job, stops at
    `ancient`, and would end such a run well before the study is complete.
    """

    # Snakemake compares no params that are made of a job's threads.
    def given(wildcards, threads):
        return value(wildcards) if callable(value) else value

    return given


# A job that was interrupted is tried again, by the Snakemake that the user started: the one
# inside a job of a cluster would try again with the memory and time that were too little, and,
# where a job was taken for dead, take the work from the job that replaced it.
INTERRUPTION_RETRIES = 2 if workflow.is_main_process else 0

# Minutes of training for one epoch: ImageNet on one RTX 2080 Ti took the paper's authors 20 to 22.
EPOCH_MINUTES = 25


# Megabytes of a process that decodes image files: most of it is torch.
WORKER_MEGABYTES = 500


def megabytes_of(files):
    """The size of those inputs that are there: all of them, when a job is about to start."""
    sizes = [Path(file).stat().st_size for file in files if Path(file).exists()]
    return sum(sizes) / 1e6


def memory(megabytes, per_input=0):
    """Resource function: memory, with a share of the size of the inputs; more at each attempt."""

    def needed(wildcards, input, attempt):
        return attempt * int(megabytes + per_input * megabytes_of(input))

    def fixed(wildcards, attempt):
        return attempt * megabytes

    return needed if per_input else fixed


def training_memory(wildcards, threads, attempt):
    """Resource function: memory of a training, by its workers where images are decoded."""
    workers = 0 if config["dataset"] in PACKED_DATASETS else threads
    return attempt * (4000 + WORKER_MEGABYTES * workers)


def memory_to_score(megabytes, per_input):
    """Resource function: as `memory`; of embeddings, only a part is in memory at a time."""
    return memory(megabytes, 0 if FROM_EMBEDDINGS else per_input)


def minutes(number, per_gigabyte=0):
    """Resource function: time limit, with a share of the size of the inputs; more at each attempt."""

    def needed(wildcards, input, attempt):
        return attempt * int(number + per_gigabyte * megabytes_of(input) / 1000)

    def fixed(wildcards, attempt):
        return attempt * number

    return needed if per_gigabyte else fixed


def training_minutes(wildcards, attempt):
    """Resource function: time limit of a training, by its epochs where images are decoded."""
    kind = config["retraining"].get(getattr(wildcards, "retraining", None), {})
    recipe = config["recipes"][kind.get("recipe") or config["model"]["recipe"]]
    epochs = 1 if config["dataset"] in PACKED_DATASETS else recipe["epochs"] or 1
    return attempt * (60 + EPOCH_MINUTES * epochs)


def stop_at_placeholders(jobs):
    """Stop before the first job if the profile was not filled in."""
    for job in jobs:
        for key, value in job.resources.items():
            if value == PLACEHOLDER:
                raise WorkflowError(
                    f"profiles/slurm/profile.yaml: {key} is still {PLACEHOLDER} (seen for rule "
                    f"{job.rule.name}). Write the name that your cluster uses (docs/slurm.md)."
                )


def name_jobs_of_run():
    """On SLURM, stop if jobs of an earlier run may still start; give this run's jobs a telling name."""
    executor = workflow.scheduler._executor
    plugin = type(executor).__module__.partition(".")[0]
    if plugin != "snakemake_executor_plugin_slurm":
        return
    try:
        slurm.stop_at_leftovers(STUDY, workflow.workdir_init)
    except InputError as error:
        raise WorkflowError(str(error))
    executor.run_uuid = slurm.name_of_run(STUDY, executor.run_uuid)


def show_summary(jobs):
    """Print what the study found, at the end of a run that was to find it."""
    for path in sorted(
        {
            str(job.output.summary)
            for job in jobs
            if job.rule.name == "summarize_findings"
        }
    ):
        print(Path(path).read_text(encoding="utf-8"))


def every_network(name, networks=None):
    """The file `name` of every network of the study, in the order of NETWORKS."""
    return collect(
        f"{EVERY_NETWORK}/{name}",
        study=STUDY,
        network=NETWORKS if networks is None else networks,
    )


def every_trained_network(name):
    """The file `name` of every network that was trained or retrained."""
    return every_network(name, TRAINED_NETWORKS)


def missing_for_metric():
    """What the study's metric lacks on this machine: packages, checksums."""
    with_conda = (
        DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method
    )
    return similarity.missing(
        config["interpretability"]["similarity"], packages=not with_conda
    )


# What this machine lacks, and the rules that need it.
MISSING = {reason: METRIC_READERS for reason in missing_for_metric()}
if files := studies.missing_files(config):
    MISSING[files] = FILE_READERS


def stop_if_missing(jobs):
    """Stop before the first job if one of `jobs` needs something that is not there."""
    needed = {job.rule.name for job in jobs}
    reasons = [reason for reason, rules in MISSING.items() if needed & set(rules)]
    if reasons:
        raise WorkflowError("\n".join(reasons))


# With fewer scripts to run, all that jobs import is imported sooner than it is kept ready.
MANY_SCRIPTS = 5


def keep_python_warm(jobs):
    """On one machine, let the scripts of a run share what they import (see `prunescope.warm`)."""
    here = workflow.local_exec and not workflow.deployment_settings.deployment_method
    if here and sum(job.is_script for job in jobs) >= MANY_SCRIPTS:
        shell.prefix(warm.shell_prefix(warm.start()))
