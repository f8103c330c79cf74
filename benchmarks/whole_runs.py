"""Measure a whole run: its time, what surrounds the work of its jobs, and their memory.

The patterns read the lines that `foundation.job` and Snakemake write into logs.
"""

import os
import re
import subprocess
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from benchmarks.common import ROOT, Material, Measured, Target
from benchmarks.workflow import SNAKEMAKE
from prunescope.foundation.errors import InputError
from prunescope.study.run import fork_server
from prunescope.study.run.environment import MEMORY

STAMP = r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}) INFO "
STARTED = re.compile(STAMP + r"(\w+) \{", flags=re.MULTILINE)
DONE = re.compile(STAMP + r"done: .* (\d+) MiB", flags=re.MULTILINE)
CORES = re.compile(r"^Provided cores: (\d+)", flags=re.MULTILINE)
FINISHED = re.compile(r"^Finished jobid: ", flags=re.MULTILINE)
# The rules of the default study whose jobs use more than one core, and how many they use on a
# machine of two.
THREADS = {"measure_costs": 2}


@dataclass(frozen=True)
class Step:
    """The work of a job, without the start of the interpreter and the imports.

    Its peak memory, in MiB, counts what it shares with the process that it was forked from.
    """

    rule: str
    begin: datetime
    end: datetime
    peak: int

    @property
    def core_seconds(self) -> float:
        return THREADS.get(self.rule, 1) * (self.end - self.begin).total_seconds()


def steps(folders: Iterable[Path]) -> Iterator[Step]:
    """Read the work of jobs from their logs."""
    for path in sorted(path for folder in folders for path in folder.rglob("*.log")):
        text = path.read_text(encoding="utf-8")
        started, done = STARTED.findall(text), DONE.findall(text)
        if started and done:
            (begin, rule), (end, peak) = started[-1], done[-1]
            yield Step(rule, *map(datetime.fromisoformat, (begin, end)), int(peak))


@dataclass(frozen=True)
class WholeRun:
    """A run of Snakemake that made a study from the beginning."""

    wall: float
    cores: int
    steps: list[Step]

    @property
    def work(self) -> float:
        return sum(step.core_seconds for step in self.steps)

    @property
    def overhead(self) -> float:
        return self.wall * self.cores / self.work

    @property
    def largest(self) -> Step:
        """The job that needed most memory."""
        return max(self.steps, key=lambda step: step.peak)

    def work_by_rule(self) -> dict[str, float]:
        """Core seconds of each rule, the largest first."""
        work: dict[str, float] = {}
        for step in self.steps:
            work[step.rule] = round(work.get(step.rule, 0) + step.core_seconds, 1)
        return dict(sorted(work.items(), key=lambda item: -item[1]))


def last_whole_run(folder: Path, logs: list[Path]) -> WholeRun:
    """The last run in `folder` that alone made the study whose jobs wrote these logs.

    Raises
    ------
    InputError
        The study was made in several runs.
    """
    made = list(steps(logs))
    for path in sorted((folder / ".snakemake" / "log").glob("*.snakemake.log"), reverse=True):
        text = path.read_text(encoding="utf-8")
        begin = datetime.strptime(path.name[:24], "%Y-%m-%dT%H%M%S.%f")
        end = datetime.fromtimestamp(path.stat().st_mtime)
        ran = [step for step in made if begin <= step.begin and step.end <= end]
        cores = CORES.search(text)
        if cores and len(ran) == len(made) and len(FINISHED.findall(text)) > len(made):
            return WholeRun((end - begin).total_seconds(), int(cores[1]), ran)
    raise InputError(
        f"{logs[0]}: no single run made this study from the beginning, so that its overhead cannot "
        "be told. Make it in one go: make clean && make results"
    )


def new_whole_runs(number: int, logs: list[str]) -> Iterator[WholeRun]:
    """Make the default study of the last commit `number` times, each in a new clone."""
    # Without the variables that benchmarks set: a run sets the environment of its jobs itself.
    ours = {"PYTHONPATH": "workflow_scripts", **fork_server.ONE_THREAD, **MEMORY}
    environment = {name: text for name, text in os.environ.items() if ours.get(name) != text}
    make = [SNAKEMAKE, "--cores", "all", "--configfile", "config.yaml"]
    for _ in range(number):
        with tempfile.TemporaryDirectory(prefix="whole-run-") as folder:
            for command in (["git", "clone", "--quiet", ROOT, folder], make):
                done = subprocess.run(
                    command, cwd=folder, env=environment,
                    capture_output=True, text=True, check=False,
                )  # fmt: skip
                if done.returncode:
                    raise InputError(f"{command[0]} fails:\n{done.stderr[-2000:]}")
            yield last_whole_run(Path(folder), [Path(folder, name) for name in logs])


def whole_runs(more: int, logs: list[str]) -> Iterator[WholeRun]:
    """The run that made the study in this folder, if a single one did, and `more` in clones."""
    try:
        yield last_whole_run(ROOT, [ROOT / name for name in logs])
    except InputError:
        if not more:
            raise
    yield from new_whole_runs(more, logs)


def measured(runs: list[WholeRun], study: str) -> dict[str, Measured]:
    """What whole runs say. Each sample is a run."""
    what = f"`make results` that makes {study} from the beginning"
    return {
        "whole_run_minutes": Measured(
            "min",
            f"{what}: wall time on {runs[0].cores} cores",
            [run.wall / 60 for run in runs],
            Target(12, at_most=True),
            {
                "cores": runs[0].cores,
                "work_core_s": [run.work for run in runs],
                "work_by_rule_s": runs[0].work_by_rule(),
            },
        ),
        "workflow_overhead": Measured(
            "ratio",
            f"{what}: wall time x cores over the time x threads inside its {len(runs[0].steps)} "
            "scripts, from a script's first line of log to its last",
            [run.overhead for run in runs],
            Target(1.15, at_most=True),
        ),
        "largest_job_mib": Measured(
            "MiB",
            f"{what}: peak memory of the largest job, with what jobs share",
            [float(run.largest.peak) for run in runs],
            Target(1.2 * 1024, at_most=True),
            {"rules": [run.largest.rule for run in runs]},
        ),
    }


def run(material: Material) -> dict[str, Measured]:
    logs = [f"results/logs/{material.study.name}", f"results/logs/datasets/{material.dataset.name}"]
    return measured(list(whole_runs(material.whole_runs, logs)), material.study.name)
