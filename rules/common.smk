# The study, and what only Snakemake can tell: shared by the other files here.
import os
import re
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.sourcecache import HostingProviderFile, LocalSourceFile

SCRIPTS = "workflow_scripts"
# What they read besides what rules name: studies to extend, and tables.
READ_BY_SCRIPTS = ("config.yaml", "config/", "resources/", f"{SCRIPTS}/")


def folder_of_scripts():
    """The folder of the scripts and their library, on this machine.

    Of a module that is on GitHub or GitLab, Snakemake fetches the files that rules name. Here those
    are fetched that scripts import or read, to where it keeps the others.
    """
    top = workflow.current_basedir.join("..")
    if isinstance(top, LocalSourceFile):
        return Path(os.path.normpath(top)) / SCRIPTS
    if not isinstance(top, HostingProviderFile):
        raise WorkflowError(
            f"{workflow.snakefile}: the module's `snakefile` must be a file of a clone on this "
            'machine, or github("OWNER/NAME", path="Snakefile", tag="TAG"), or gitlab(...).'
        )
    kept = {
        found.path: workflow.sourcecache.get_path(top.join(found.path))
        for found in top.hosted_repo.repo.commit(top.ref).tree.traverse()
        if found.type == "blob" and found.path.startswith(READ_BY_SCRIPTS)
    }
    return Path(kept[f"{SCRIPTS}/prunescope/__init__.py"]).parents[1]


# Scripts get this path from Snakemake; rules need it for `code_of` and the config's checks.
sys.path.insert(0, str(folder_of_scripts()))

from prunescope.foundation.code_digest import code_digest
from prunescope.networks.coordinates import coordinates_of
from prunescope.study.kinds.all_kinds import study_of
from prunescope.study.params import chart_category, chart_labels
from prunescope.study.paths import (
    CHART_FOLDER,
    DOWNLOADS,
    EXPLORER,
    EXPLORER_IN_REPORT,
    GIVEN,
    PAGES,
    SUMMARY,
    TABLES,
    PathsOfResults,
)
from prunescope.study.progress import progress_hooks
from prunescope.study.resources import memory, minutes
from prunescope.study.run import (
    environment,
    records,
    shared_results,
    snakemake_hooks,
    snakemake_notes,
)
from prunescope.summarize.charts.all_charts import CHARTS
from prunescope.summarize.charts.cost_charts import COST_CHARTS

# As a module of another workflow it leaves Snakemake as it is, where other rules would notice.
if snakemake_hooks.is_module(workflow):
    snakemake_hooks.read_config_of_module(workflow, config)
else:
    snakemake_hooks.take_braces_in_paths()
    snakemake_hooks.start_scripts_with(shlex.quote(sys.executable))
    snakemake_hooks.name_unlocking(workflow)
    snakemake_notes.take_notes_anywhere(workflow)
    snakemake_hooks.read_config(workflow, config)
    records.compare_with_files()
shared_results.share_by_content()

# Every job inherits this.
environment.tune(os.environ)

STUDY = study_of(config)
PATHS = PathsOfResults(STUDY)
CHART_NAMES = list(CHARTS)
COST_CHART_NAMES = list(COST_CHARTS) if STUDY.compacted_networks else []
# What this machine lacks for the study, and the rules that need it.
MISSING = {}
# What a study of published scores makes beside the usual files.
PUBLISHED_RESULTS = []

NOTHING = "(?!)"


def one_of(names):
    """A wildcard constraint: exactly one of `names`."""
    return "|".join(re.escape(name) for name in names) or NOTHING


wildcard_constraints:
    study=STUDY.name,
    chart=one_of(CHART_NAMES),


def code_of(script, *plugins):
    """Param function: the digest of what a script does.

    Computed only for jobs in the graph: reading all scripts takes longer than starting
    Snakemake. `plugins` are the modules that the script loads by name, each alone or several
    together, or functions of wildcards that return them.
    """

    def digest(wildcards):
        given = []
        for plugin in plugins:
            named = plugin(wildcards) if callable(plugin) else plugin
            given.extend([named] if isinstance(named, str) else named)
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
