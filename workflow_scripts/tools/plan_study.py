"""Print what is left to do of a study: jobs, hours, disk. Makes a dry run and starts no job."""

import argparse
import logging
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.exceptions import MissingInputException
from snakemake.logging import logger
from snakemake.settings.types import (
    ConfigSettings,
    DAGSettings,
    ExecutionSettings,
    OutputSettings,
    ResourceSettings,
)
from snakemake_interface_logger_plugins.common import LogEvent

from prunescope.foundation.errors import InputError
from prunescope.study import network_sizes, remaining_work
from prunescope.study.config import reading
from prunescope.study.kinds.all_kinds import study_of
from prunescope.study.paths import PathsOfResults
from prunescope.study.progress import costs_elsewhere, wording
from prunescope.study.progress.targets import target
from prunescope.study.progress.time_left import SecondsOfRules, estimate
from prunescope.study.remaining_work import Job
from prunescope.study.study import Study

# The beginning of the message in which the Snakefile says what is missing.
ONLY_A_PLAN = "This is only a plan"
OF_GIVEN_SCORES = (
    "The scores of this study are given (`unit_scores`): it makes no network, reads no image, and "
    "has no unit explorer."
)
ROOT = Path(__file__).resolve().parents[2]


class Collector(logging.Handler):
    """Collects the jobs that a dry run logs, and prints errors and what the machine lacks."""

    def __init__(self, config: dict[str, Any]) -> None:
        super().__init__()
        self.config = config
        self.jobs: list[Job] = []

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "event", None) == LogEvent.JOB_INFO:
            self.jobs.append(_job(record, self.config))
        elif record.levelno >= logging.ERROR or record.getMessage().startswith(ONLY_A_PLAN):
            print(record.getMessage())


def _job(record: logging.LogRecord, config: dict[str, Any]) -> Job:
    told = vars(record)
    resources, wildcards = dict(told["resources"].items()), dict(told["wildcards"].items())
    return Job(
        rule=told["rule_name"],
        outputs=tuple(told["output"]),
        threads=told["threads"],
        gpus=int(resources.get("gpu", 0)),
        minutes=resources.get("runtime"),
        expected=remaining_work.expected_minutes(told["rule_name"], wildcards, config),
        mem_mb=int(resources.get("mem_mb", 0)),
        log=next(iter(told["log"]), ""),
        target=target(wildcards),
        epochs=remaining_work.epochs(told["rule_name"], wildcards, config),
    )


def jobs_to_run(config: Path, settings: dict[str, Any]) -> list[Job]:
    """The jobs that Snakemake would run for a config, without those that have no outputs."""
    collector = Collector(settings)
    # A run may be under way, which has locked the folder, and whose files are not whole yet.
    incomplete = DAGSettings(force_incomplete=True)
    without_lock = ExecutionSettings(lock=False)
    with SnakemakeApi(OutputSettings(dryrun=True)) as api:
        workflow = api.workflow(
            resource_settings=ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[config]),
            snakefile=ROOT / "Snakefile",
        )
        for handler in list(logger.handlers):
            logger.removeHandler(handler)
        logger.addHandler(collector)
        try:
            workflow.dag(incomplete).execute_workflow(
                executor="dryrun", execution_settings=without_lock
            )
        except Exception as error:
            lacks = isinstance(error, MissingInputException)
            absent = absent_files(files_of(settings)) if lacks else {}
            if not absent:
                api.print_exception(error)
            for key, path in absent.items():
                print(
                    f"plan: {path} is not there, which `{key}` names. Put or link it there, or "
                    f"change the config: make doctor CONFIG={config} lists all that is missing."
                )
            sys.exit(1)
    return [job for job in collector.jobs if job.outputs]


def files_of(config: dict[str, Any]) -> dict[str, tuple[str, str | None]]:
    """The files of weights or scores that a config names: by its key the path and the address."""
    study = study_of(config)
    if isinstance(study, Study):
        return {key: (weights.path, weights.url) for key, weights in study.checkpoints.items()}
    section = study.unit_scores
    named = {key: section.get(key) for key in ("units", "networks", "folder")}
    return {f"unit_scores.{key}": (path, None) for key, path in named.items() if path}


def absent_files(files: Mapping[str, tuple[str, str | None]]) -> dict[str, str]:
    """Of what `files_of` gives the paths that are not there and are not downloaded, by key."""
    return {
        key: path for key, (path, url) in files.items() if url is None and not Path(path).exists()
    }


def time_of(jobs: list[Job], seconds: dict[str, float]) -> str:
    """How long jobs take on this machine, in words.

    Parameters
    ----------
    jobs
        The jobs.
    seconds
        What a job of a rule took before or elsewhere. Rules may lack.
    """
    cores = len(os.sched_getaffinity(0))
    known = SecondsOfRules(seconds).of
    left = estimate(((job.rule, job.threads, 0.0) for job in jobs), known, cores)
    return f"{wording.expected(left, cores)} on {wording.count(cores, 'core')}"


def epoch_minutes(settings: dict[str, Any]) -> float:
    """The minutes that are expected of an epoch of ImageNet; 0 where they are not known."""
    size = network_sizes.of_study(settings)
    return size.epoch_minutes if size else 0


def given_config(target: str, does: str | None) -> tuple[Path, dict[str, Any]]:
    """The config that a command names, and what it says; ends the process if it is no study.

    Parameters
    ----------
    target
        The target of the Makefile that runs the command.
    does
        What the command does, for its help.
    """
    parser = argparse.ArgumentParser(description=does)
    parser.add_argument("--configfile", type=Path, required=True)
    config = parser.parse_args().configfile
    if not config.is_file():
        how = f"make {target} CONFIG=config/paper.yaml"
        sys.exit(f"{target}: {config} is not there. Name a config: {how}")
    try:
        return config, reading.read(config).values
    except InputError as error:
        sys.exit(f"{target}: {error}")


def main() -> None:
    config, settings = given_config("plan", __doc__)
    jobs = jobs_to_run(config, settings)
    study = study_of(settings)
    costs = remaining_work.read_logs(PathsOfResults(study).logs_to_verify)
    table = costs_elsewhere.read()
    elsewhere = table.of(settings)
    size = remaining_work.file_sizes(Path("results") / settings["study"], settings)
    needs = remaining_work.needs(jobs, costs, elsewhere, size)
    if not study.has_networks:
        print(OF_GIVEN_SCORES)
    print(remaining_work.render(needs, epoch_minutes(settings)))
    if any(need.elsewhere for need in needs):
        print(
            "Hours from the default study, elsewhere, are as measured for it on "
            f"{table.machine}. Another machine takes another time."
        )
    if jobs:
        seconds = remaining_work.mean_seconds(elsewhere | costs)
        print(f"Expected, if no core waits: {time_of(jobs, seconds)}.")


if __name__ == "__main__":
    main()
