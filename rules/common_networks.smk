# What the rules share that make networks and measure them.
from prunescope.data.sources import fashion_mnist
from prunescope.foundation import plugins
from prunescope.interpret.metrics.catalogue import FAMILIES
from prunescope.networks.coordinates import DENSE, UNTRAINED
from prunescope.study import readiness
from prunescope.study.params import JobParams
from prunescope.study.paths import (
    ARCHITECTURE,
    DATASET,
    DENSE_LOG,
    DENSE_NETWORK,
    GRAPH,
    GRAPH_CONSTANTS,
    NETWORK,
    NETWORK_LOG,
    UNTRAINED_LOG,
    UNTRAINED_NETWORK,
    Paths,
    metric_name,
)
from prunescope.study.requests import Requests
from prunescope.study.resources import JobResources
from prunescope.summarize.explorer.page import page_digest

PATHS = Paths(STUDY)
PARAMS = JobParams(STUDY)
snakemake_hooks.refuse_other_networks(Requests(STUDY))
RESOURCES = JobResources(STUDY)

# The networks of metrics that need packages of their own are several times as large.
LARGE_METRIC = bool(STUDY.metric.packages)
METRIC_ENVIRONMENT = f"../envs/{'perceptual' if LARGE_METRIC else 'prunescope'}.yaml"
# Where times are measured, nothing else may run. On a cluster Snakemake knows no number of cores;
# take 4.
ALL_CORES = workflow.resource_settings.cores or 4
# Only the Snakemake that the user started retries jobs. The one inside a cluster job would retry
# with the same memory and time, or compete with the job that replaced it.
INTERRUPTION_RETRIES = 2 if workflow.is_main_process else 0
MISSING = readiness.missing(
    config, packages=not snakemake_hooks.installs_packages(workflow)
)

ANY_SEED = r"\d+"


wildcard_constraints:
    dataset=one_of(config["datasets"]),
    method=one_of([DENSE, UNTRAINED, *STUDY.methods, *STUDY.imported]),
    retraining=one_of(config["retraining"]),
    rate=r"\d\.\d\d",
    seed=ANY_SEED,
    metric=one_of([metric_name(settings) for settings in STUDY.metrics]),
    probe=one_of(STUDY.probes),
