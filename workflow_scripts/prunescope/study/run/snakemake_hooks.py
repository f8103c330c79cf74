"""Hooks that a run calls before its first job and after its last one.

What changes or reads the insides of Snakemake is here, in `records.py` and in `shared_results.py`,
written for Snakemake 9.27 and snakemake-executor-plugin-slurm 2.8: newer versions may rename them.
Besides, the Snakefile and `rules/common.smk` ask the workflow for its jobs and settings, and
`tools/plan_study.py` uses Snakemake's API.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod

from prunescope.foundation.errors import InputError
from prunescope.study.config import reading
from prunescope.study.run import fork_server, slurm_leftovers

# The placeholder in the cluster's profile that users replace.
PLACEHOLDER = "FILL_IN"
SLURM_PLUGIN = "snakemake_executor_plugin_slurm"
# The number of scripts from which on a fork server saves time: with fewer, starting it costs more.
MANY_SCRIPTS = 5
RULE_OF_SUMMARY = "summarize_findings"


def read_config(workflow: Any, config: dict[str, Any]) -> None:
    """Replace the config that Snakemake has read by the study as it is run.

    Snakemake has read the same files, but does not know `extends` and the defaults. The
    mapping is changed in place: rules look up values in it.

    Raises
    ------
    WorkflowError
        A file cannot be read, or the config is wrong.
    """
    given = workflow.configfiles
    try:
        study = reading.read(*given, overrides=workflow.config_settings.config)
    except InputError as error:
        raise WorkflowError(str(error)) from error
    config.clear()
    config.update(study.values)
    # The report shows all files of the study, and archives for other machines hold them.
    given += [path for path in study.files if path not in map(Path, given)]


def installs_packages(workflow: Any) -> bool:
    """Whether Snakemake creates the conda environments of rules."""
    return DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method


def stop_if_missing(jobs: Iterable[Any], missing: Mapping[str, Iterable[str]]) -> None:
    """Stop before the first job if one of `jobs` needs something that is missing.

    Parameters
    ----------
    jobs
        The jobs that will run.
    missing
        What the machine lacks, in words, and the rules that need it: from `readiness.missing`.
    """
    needed = {job.rule.name for job in jobs}
    reasons = [reason for reason, rules in missing.items() if needed & set(rules)]
    if reasons:
        raise WorkflowError("\n".join(reasons))


def stop_at_placeholders(jobs: Iterable[Any]) -> None:
    """Stop before the first job if the profile was not filled in."""
    for job in jobs:
        for key, value in job.resources.items():
            if value == PLACEHOLDER:
                raise WorkflowError(
                    f"profiles/slurm/profile.yaml: {key} is still {PLACEHOLDER} (seen for rule "
                    f"{job.rule.name}). Write the name that your cluster uses (docs/slurm.md)."
                )


def name_jobs_of_run(workflow: Any, study: str) -> None:
    """On SLURM, stop if jobs of an earlier run are pending, and name the jobs of this run."""
    executor = workflow.scheduler._executor
    if type(executor).__module__.partition(".")[0] != SLURM_PLUGIN:
        return
    try:
        slurm_leftovers.stop_at_leftovers(study, workflow.workdir_init)
    except InputError as error:
        raise WorkflowError(str(error)) from error
    executor.run_uuid = slurm_leftovers.name_of_run(study, executor.run_uuid)


def shell_prefix(workflow: Any, jobs: Iterable[Any]) -> str:
    """The shell prefix by which scripts use a fork server; empty if the run should not use one."""
    here = workflow.local_exec and not workflow.deployment_settings.deployment_method
    if here and sum(job.is_script for job in jobs) >= MANY_SCRIPTS:
        return fork_server.shell_prefix(fork_server.start())
    return ""


def show_summary(jobs: Iterable[Any]) -> None:
    """Print the summary of the study, at the end of a run that made it."""
    found = {str(job.output.summary) for job in jobs if job.rule.name == RULE_OF_SUMMARY}
    for path in sorted(found):
        print(Path(path).read_text(encoding="utf-8"))
