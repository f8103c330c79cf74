"""Tell from files alone how far a study is, while a run is under way or after it was killed."""

import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from prunescope.study.progress import job_logs, wording
from prunescope.study.progress.run_progress import PlannedJob

RULE = re.compile(r"^ *(?:use rule \w+ as|rule) (\w+)\b", flags=re.MULTILINE)
# So many failures are shown with their reasons.
MOST_FAILURES = 5


@dataclass(frozen=True)
class Found:
    """What the logs tell of the jobs that are left.

    Attributes
    ----------
    begun
        The jobs that have begun and have not said how they ended.
    failed
        The jobs that have failed, those that did so last first, with the reason.
    """

    begun: list[PlannedJob]
    failed: list[tuple[PlannedJob, list[str]]]


def stages_of_rules(folder: Path) -> dict[str, str]:
    """The stage of each rule: the name of the file that it stands in."""
    return {
        rule: path.stem
        for path in sorted(folder.glob("*.smk"))
        for rule in RULE.findall(path.read_text(encoding="utf-8"))
    }


def look_at(jobs: Sequence[PlannedJob]) -> Found:
    """Read the logs of jobs that are left."""
    begun, failed = [], []
    for job in jobs:
        text = job_logs.tail(job.log) if job.log else ""
        if reason := job_logs.failure(text):
            failed.append((job, reason))
        elif job_logs.is_under_way(text):
            begun.append(job)
    failed.sort(key=lambda found: -Path(found[0].log).stat().st_mtime)
    return Found(begun, failed)


def of_run(folder: Path, begun: Sequence[PlannedJob], now: float) -> str:
    """What the last run of Snakemake in a folder does.

    A run that was killed cannot say so, and leaves its lock. How long ago it last wrote into a log
    tells it from one that is under way.

    Parameters
    ----------
    folder
        Snakemake's own folder, `.snakemake`.
    begun
        The jobs that have begun and have not ended.
    now
        The time in seconds, as the dates of files are.
    """
    logs = sorted((folder / "log").glob("*.snakemake.log"))
    if not logs:
        return "No run has begun here."
    last = max([logs[-1].stat().st_mtime, *(Path(job.log).stat().st_mtime for job in begun)])
    when = f"{time.strftime('%H:%M:%S', time.localtime(last))}, {wording.clock(now - last)} ago"
    if any((folder / "locks").glob("*.lock")):
        return f"A run is under way, or was killed: it last wrote into a log at {when}."
    return f"No run is under way: the last one last wrote into a log at {when}."


def lines(done: Mapping[str, int], jobs: Sequence[PlannedJob], found: Found) -> Iterator[str]:
    """A table of the stages, what has begun, and what has failed.

    Parameters
    ----------
    done
        The number of finished jobs of each stage.
    jobs
        The jobs that are left.
    found
        What their logs tell.
    """
    left = Counter(job.stage for job in jobs)
    failed = Counter(job.stage for job, _ in found.failed)
    yield f"{'stage':<12}{'done':>7}{'left':>7}{'failed':>8}"
    for stage in sorted(done.keys() | left.keys()):
        yield f"{stage:<12}{done.get(stage, 0):>7}{left[stage]:>7}{failed[stage]:>8}"
    for line in wording.running(found.begun):
        yield f"begun, not ended: {line}"
    for job, reason in found.failed[:MOST_FAILURES]:
        yield from wording.failed_job(job.name, reason, job.log)
    if (more := len(found.failed) - MOST_FAILURES) > 0:
        yield f"and {wording.count(more, 'job')} more that failed before"
