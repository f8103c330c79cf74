"""Hooks that a run calls before its first job and after its last one.

What changes or reads the insides of Snakemake is here, in `snakemake_notes`, in `records`, in
`own_jobs`, in `shared_results` and in `progress.progress_hooks`, written for Snakemake 9.27 and
snakemake-executor-plugin-slurm 2.8: newer versions may rename them. Besides, the Snakefile and
`rules/common.smk` ask the workflow for its folders, jobs and settings, and `tools/plan_study.py`
uses Snakemake's API.
"""

import shlex
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from snakemake import exceptions
from snakemake.exceptions import WorkflowError
from snakemake.script import PythonScript, ScriptBase
from snakemake.settings.types import DeploymentMethod
from snakemake.sourcecache import LocalSourceFile

from prunescope.foundation.code_digest import SCRIPTS
from prunescope.foundation.errors import InputError
from prunescope.study import readiness
from prunescope.study.config import reading
from prunescope.study.requests import Requests
from prunescope.study.run import fork_server, slurm_leftovers
from prunescope.study.run.own_jobs import rule_of
from prunescope.study.run.refusals import Refusals

# The placeholder in the cluster's profile that users replace.
PLACEHOLDER = "FILL_IN"
SLURM_PLUGIN = "snakemake_executor_plugin_slurm"
# The number of scripts from which on a fork server saves time: with fewer, starting it costs more.
MANY_SCRIPTS = 5
RULE_OF_SUMMARY = "summarize_findings"
RULE_OF_PUBLISHED_SCORES = "analyse_published_scores"


def is_module(workflow: Any) -> bool:
    """Whether another workflow uses this one as a module."""
    return not workflow.modifier.is_main_snakefile()


def take_braces_in_paths() -> None:
    """Let the folder of the workflow have braces in its path.

    Snakemake fills wildcards into the paths of environment files, after it has put the folder of
    the rules before them. No such path of this workflow has a wildcard.
    """
    LocalSourceFile.format = lambda self, **_wildcards: self


def name_unlocking(workflow: Any) -> None:
    """Let the message of a folder that is locked name the command that unlocks it."""
    config = " ".join(shlex.quote(str(path)) for path in workflow.configfiles)
    command = f"make unlock CONFIG={config}"
    if len(workflow.configfiles) > 1:
        command = f".venv/bin/snakemake --unlock --configfile {config}"

    class LockException(exceptions.LockException):
        def __init__(self) -> None:
            WorkflowError.__init__(
                self,
                f"{Path.cwd()} is locked: another run is under way here, or one was killed before "
                "it removed its lock, as happens when its terminal is closed. If none is under "
                f"way, remove the lock and start again: {command}",
            )

    exceptions.LockException = LockException


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


def read_config_of_module(workflow: Any, config: dict[str, Any]) -> None:
    """Fill in the config that another workflow gives to this one, in place, as `read_config` does.

    Paths of `extends` are seen from our folder `config/`, so that a copy of one of its files says
    the same there.

    Raises
    ------
    WorkflowError
        There is no config, it extends a file that cannot be read, or it is wrong; or the module
        has a prefix.
    """
    name = workflow.modifier.namespace
    if not config:
        raise WorkflowError(
            f"The module `{name}` has no config. Write `config: config` below `module {name}:`, "
            "where `config` holds a study, or the part of yours that does (docs/module.md)."
        )
    paths = workflow.modifier.path_modifier
    if paths.prefix or paths.modifies_prefixes:
        raise WorkflowError(
            f"The module `{name}` has a `prefix` or `replace_prefix`, but scripts also get paths "
            "that Snakemake does not change. Remove it (docs/module.md)."
        )
    try:
        study = reading.read_given(
            config, f"the config of module {name}", SCRIPTS.parent / "config"
        )
    except InputError as error:
        raise WorkflowError(str(error)) from error
    config.clear()
    config.update(study.values)


def refuse_other_networks(requests: Requests) -> None:
    """Refuse files of networks that the study does not have, whoever asks for them."""
    # Not at the top: this module of Snakemake must be imported after others.
    from snakemake.dag import DAG

    find_jobs = DAG.file2jobs

    async def file2jobs(dag: DAG, file: str, *others: Any, **named: Any) -> Any:
        if reason := requests.refusal(file):
            raise WorkflowError(reason)
        return await find_jobs(dag, file, *others, **named)

    DAG.file2jobs = file2jobs


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
    needed = {rule_of(job) for job in jobs}
    reasons = [reason for reason, rules in missing.items() if needed & set(rules)]
    if reasons:
        raise WorkflowError("\n".join(reasons))


def stop_if_unwritable(jobs: Iterable[Any]) -> None:
    """Stop before the first job if a file of one of `jobs` cannot be written."""
    if reason := readiness.unwritable(path for job in jobs for path in (*job.output, *job.log)):
        raise WorkflowError(reason)


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


def try_again_what_was_interrupted(workflow: Any) -> None:
    """Let `retries` repeat no job that failed for a reason that the user must mend."""
    scheduler = workflow.scheduler
    handle_error = scheduler._handle_error
    refusals = Refusals(log for job in workflow.dag.needrun_jobs() for log in job.log)

    def handle(job: Any, **options: Any) -> None:
        jobs = job.jobs if job.is_group() else [job]
        if any(refusals.have(log) for single in jobs for log in single.log):
            # No try is left. Not `attempt`, which computes the resources anew: the scheduler would
            # get back others than it gave.
            job._attempt = job.restart_times + 1
        handle_error(job, **options)

    scheduler._handle_error = handle


def share_imports(workflow: Any, jobs: Iterable[Any]) -> None:
    """Let the scripts of a run share what they import, if that saves time."""
    here = workflow.local_exec and not workflow.deployment_settings.deployment_method
    if here and sum(rule_of(job) is not None for job in jobs) >= MANY_SCRIPTS:
        start_scripts_with(fork_server.command(fork_server.start()))


def start_scripts_with(command: str) -> None:
    """Start scripts with a command of the shell where Snakemake writes the path of its Python.

    Snakemake does not quote that path, and the environment may lie below any folder.
    """
    execute = ScriptBase._execute_cmd

    def execute_cmd(script: PythonScript, cmd: str, **named: Any) -> Any:
        if named.get("py_exec") == sys.executable:
            named["py_exec"] = command
        return execute(script, cmd, **named)

    PythonScript._execute_cmd = execute_cmd


def show_summary(jobs: Iterable[Any]) -> None:
    """Print what the study found, at the end of a run that made it.

    That is its summary, and in a study of published scores also what they say: the text above the
    tables of its page.
    """
    listed = list(jobs)
    summaries = {str(job.output.summary) for job in listed if rule_of(job) == RULE_OF_SUMMARY}
    pages = {str(job.output.page) for job in listed if rule_of(job) == RULE_OF_PUBLISHED_SCORES}
    for path in sorted(summaries):
        print(Path(path).read_text(encoding="utf-8"))
    for path in sorted(pages):
        said, _, _ = Path(path).read_text(encoding="utf-8").partition("\n## ")
        print(f"{said}\nThe tables behind it: {path}\n")
