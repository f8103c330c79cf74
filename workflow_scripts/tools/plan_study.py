"""Print what is left to do of a study: jobs, hours, disk. Makes a dry run and starts no job."""

import argparse
import logging
import sys
from pathlib import Path
from typing import Any

from snakemake.api import SnakemakeApi
from snakemake.logging import logger
from snakemake.settings.types import ConfigSettings, OutputSettings, ResourceSettings
from snakemake_interface_logger_plugins.common import LogEvent

from prunescope.foundation.errors import InputError
from prunescope.study import network_sizes, remaining_work
from prunescope.study.config import reading
from prunescope.study.kinds.all_kinds import study_of
from prunescope.study.remaining_work import Job

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
    resources = dict(told["resources"].items())
    return Job(
        rule=told["rule_name"],
        outputs=tuple(told["output"]),
        threads=told["threads"],
        gpus=int(resources.get("gpu", 0)),
        minutes=resources.get("runtime"),
        expected=remaining_work.expected_minutes(
            told["rule_name"], dict(told["wildcards"].items()), config
        ),
        mem_mb=int(resources.get("mem_mb", 0)),
    )


def jobs_to_run(config: Path, settings: dict[str, Any]) -> list[Job]:
    """The jobs that Snakemake would run for a config, without those that have no outputs."""
    collector = Collector(settings)
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
            workflow.dag().execute_workflow(executor="dryrun")
        except Exception as error:
            api.print_exception(error)
            sys.exit(1)
    return [job for job in collector.jobs if job.outputs]


def epoch_minutes(settings: dict[str, Any]) -> float:
    """The minutes that are expected of an epoch of ImageNet; 0 where they are not known."""
    size = network_sizes.of_study(settings)
    return size.epoch_minutes if size else 0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--configfile", type=Path, required=True)
    config = parser.parse_args().configfile
    if not config.is_file():
        sys.exit(f"plan: {config} is not there. Name a config: make plan CONFIG=config/paper.yaml")
    try:
        settings = reading.read(config).values
    except InputError as error:
        sys.exit(f"plan: {error}")
    jobs = jobs_to_run(config, settings)
    logs = Path("results/logs")
    study = study_of(settings)
    costs = {}
    for name in (*(f"datasets/{dataset}" for dataset in study.used_datasets), study.name):
        costs |= remaining_work.read_logs(logs / name)
    size = remaining_work.file_sizes(Path("results") / settings["study"], settings)
    needs = remaining_work.needs(jobs, costs, size)
    if not study.has_networks:
        print(OF_GIVEN_SCORES)
    print(remaining_work.render(needs, epoch_minutes(settings)))


if __name__ == "__main__":
    main()
