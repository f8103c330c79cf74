"""Hand the plan of a run over to the logger that shows its progress, if it was asked for."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from snakemake.script import PythonScript

from prunescope.study import remaining_work
from prunescope.study.kinds.any_study import AnyStudy
from prunescope.study.progress import costs_elsewhere
from prunescope.study.progress.run_progress import PlannedJob
from prunescope.study.progress.targets import target

# The name of a logger in Snakemake's command line is the end of the name of its folder.
PLUGIN = "snakemake_logger_plugin_prunescope"


def show_progress(workflow: Any, study: AnyStudy, log_folders: Iterable[str]) -> None:
    """Tell the logger `prunescope` what the run is going to do, and what that may take.

    From then on what scripts print goes to a file beside Snakemake's log: on a terminal it would
    stand in the middle of the bar. The logs of the jobs hold the same.
    """
    for handler in _handlers(workflow):
        logs = workflow.logger_manager.get_logfile()
        printed = str(Path(logs[0]).with_suffix(".jobs")) if logs else "/dev/null"
        send_what_scripts_print_to(printed)
        jobs = [job for job in workflow.dag.needrun_jobs() if job.output]
        handler.begin(
            study.name,
            [planned(workflow.dag, job, study) for job in jobs],
            expected_seconds(study, log_folders),
            workflow.cores if workflow.local_exec else None,
            logs,
            printed,
        )


def end_progress(workflow: Any) -> None:
    """Wait until the logger `prunescope` has said all that was logged so far, and end it."""
    for handler in _handlers(workflow):
        workflow.logger_manager.queue_listener.queue.join()
        handler.end()


def planned(dag: Any, job: Any, study: AnyStudy) -> PlannedJob:
    """A job of Snakemake as the progress needs it."""
    wildcards = dict(job.wildcards_dict.items())
    return PlannedJob(
        number=dag.jobid(job),
        rule=job.rule.name,
        stage=Path(str(job.rule.snakefile)).stem,
        target=target(wildcards),
        log=str(job.log[0]) if job.log else "",
        threads=job.threads,
        epochs=remaining_work.epochs(job.rule.name, wildcards, study.config),
    )


def expected_seconds(study: AnyStudy, log_folders: Iterable[str]) -> dict[str, float]:
    """The seconds that a job of a rule takes: as in this study before, else as elsewhere."""
    costs = costs_elsewhere.read().of(study.config) | remaining_work.read_logs(log_folders)
    return remaining_work.mean_seconds(costs)


def send_what_scripts_print_to(path: str) -> None:
    """Let scripts add what they write to the error stream to a file."""
    execute = PythonScript._execute_cmd

    def execute_cmd(script: PythonScript, cmd: str, **named: Any) -> Any:
        return execute(script, f"{cmd} 2>> {{printed:q}}", **named, printed=path)

    PythonScript._execute_cmd = execute_cmd


def _handlers(workflow: Any) -> list[Any]:
    handlers = workflow.logger_manager.get_log_handlers()
    return [handler for handler in handlers if type(handler).__module__ == PLUGIN]
