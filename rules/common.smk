# The study, and what only Snakemake can tell: shared by the other files here.
import os
import re
import shlex
import sys

from prunescope.data.sources import fashion_mnist
from prunescope.foundation import plugins
from prunescope.foundation.code_digest import code_digest
from prunescope.interpret.metrics.catalogue import FAMILIES
from prunescope.networks.coordinates import DENSE, UNTRAINED, coordinates_of
from prunescope.study import readiness
from prunescope.study.params import JobParams, chart_category, chart_labels
from prunescope.study.paths import (
    CHART_FOLDER,
    DATASET,
    DENSE_LOG,
    DENSE_NETWORK,
    DOWNLOADS,
    EXPLORER,
    NETWORK,
    NETWORK_LOG,
    PAGES,
    SUMMARY,
    TABLES,
    UNTRAINED_LOG,
    UNTRAINED_NETWORK,
    Paths,
    metric_name,
)
from prunescope.study.requests import Requests
from prunescope.study.resources import JobResources, memory, minutes
from prunescope.study.run import (
    environment,
    records,
    shared_results,
    snakemake_hooks,
    snakemake_notes,
)
from prunescope.study.study import Study
from prunescope.summarize.charts.all_charts import CHARTS
from prunescope.summarize.charts.cost_charts import COST_CHARTS
from prunescope.summarize.explorer.page import page_digest

snakemake_hooks.take_braces_in_paths()
snakemake_hooks.start_scripts_with(shlex.quote(sys.executable))
snakemake_hooks.name_unlocking(workflow)
snakemake_notes.take_notes_anywhere(workflow)
snakemake_hooks.read_config(workflow, config)
records.compare_with_files()
shared_results.share_by_content()

# Every job inherits this.
environment.tune(os.environ)

STUDY = Study(config)
PATHS = Paths(STUDY)
PARAMS = JobParams(STUDY)
snakemake_hooks.refuse_other_networks(Requests(STUDY))
RESOURCES = JobResources(STUDY)
CHART_NAMES = list(CHARTS)
COST_CHART_NAMES = list(COST_CHARTS) if STUDY.compacted_networks else []

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
NOTHING = "(?!)"


def one_of(names):
    """A wildcard constraint: exactly one of `names`."""
    return "|".join(re.escape(name) for name in names) or NOTHING


wildcard_constraints:
    study=STUDY.name,
    dataset=one_of(config["datasets"]),
    method=one_of([DENSE, UNTRAINED, *STUDY.methods]),
    retraining=one_of(config["retraining"]),
    rate=r"\d\.\d\d",
    seed=ANY_SEED,
    metric=one_of([metric_name(settings) for settings in STUDY.metrics]),
    chart=one_of(CHART_NAMES),
    probe=one_of(STUDY.probes),


def code_of(script, *plugins):
    """Param function: the digest of what a script does.

    Computed only for jobs in the graph: reading all scripts takes longer than starting
    Snakemake. `plugins` are the modules that the script loads by name, or functions of wildcards
    that return them.
    """

    def digest(wildcards):
        given = [
            plugin(wildcards) if callable(plugin) else plugin for plugin in plugins
        ]
        return code_digest(script, tuple(given))

    return digest


def unwatched(value):
    """Param function: a value whose change makes nothing stale, for rules that download.

    A checksum fixes the content of a download, whatever code or place it comes from. Rules that
    read a download mark it `ancient`, and Snakemake does not look past it. A stale download would
    end the run before the study is complete.
    """

    # Snakemake does not compare params whose function takes `threads`.
    def given(wildcards, threads):
        return value(wildcards) if callable(value) else value

    return given
