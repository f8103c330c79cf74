"""The lines in which a run and a study say how far they are."""

from collections.abc import Sequence

from prunescope.study.progress import job_logs
from prunescope.study.progress.run_progress import PlannedJob, RunProgress
from prunescope.study.progress.time_left import TimeLeft
from prunescope.study.remaining_work import TRAININGS

# So many running jobs are named.
MOST_RUNNING = 4


def clock(seconds: float) -> str:
    """A time that has gone, such as 9:05 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def rough(seconds: float) -> str:
    """A time that is expected, no more exact than it is known."""
    if seconds < 90:
        return f"{max(round(seconds, -1), 10):.0f} s"
    if seconds < 90 * 60:
        return f"{seconds / 60:.0f} min"
    if seconds < 72 * 3600:
        return f"{seconds / 3600:.1f} hours"
    return f"{seconds / 86400:.0f} days"


def count(number: int, what: str) -> str:
    """A number of things, such as `1 job` and `2 jobs`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def expected(left: TimeLeft, cores: int | None) -> str:
    """How long jobs take, with what that leaves out."""
    known = rough(left.seconds) if cores else f"{rough(left.seconds)} of work"
    unknown = f"{count(left.unknown, 'job')} of unknown time"
    if not left.unknown:
        return f"about {known}"
    return f"{known} and {unknown}" if left.seconds else unknown


def beginning(progress: RunProgress, study: str, now: float) -> str:
    """The first line of a run."""
    place = f" on {count(progress.cores, 'core')}" if progress.cores else ""
    takes = expected(progress.time_left(now), progress.cores)
    return f"{study}: {count(progress.total, 'job')}{place}, expected: {takes}"


def so_far(progress: RunProgress, now: float) -> str:
    """How many jobs are done, and the time gone and expected."""
    failed = f", {len(progress.failed)} failed" if progress.failed else ""
    return (
        f"{progress.done:,} of {count(progress.total, 'job')}{failed}, "
        f"{clock(now - progress.began)} gone, "
        f"{expected(progress.time_left(now), progress.cores)} left"
    )


def running(jobs: Sequence[PlannedJob], others: int = 0) -> list[str]:
    """What runs now: a line for each job, and one for those that are not named.

    On a cluster, `others` have been handed over: they wait in the queue, or have ended since
    Snakemake last looked.
    """
    lines = [describe(job) for job in jobs[:MOST_RUNNING]]
    if more := len(jobs) - len(lines):
        lines.append(f"and {more} more")
    if others:
        lines.append(f"{count(others, 'job')} queued or just ended")
    return lines


def describe(job: PlannedJob) -> str:
    """A running job, and the epoch that a training is in."""
    if job.rule not in TRAININGS:
        return job.name
    done = job_logs.epochs_done(job_logs.tail(job.log))
    if done is None:
        return job.name
    if job.epochs is None:
        return f"{job.name}, epoch {done + 1}"
    return f"{job.name}, epoch {min(done + 1, job.epochs)} of {job.epochs}"


def finished_stage(stage: str, jobs: int) -> str:
    """A stage of which all jobs are done."""
    return f"{stage}: {'its job is' if jobs == 1 else f'all {jobs:,} jobs are'} done"


def failed_job(name: str, reason: Sequence[str], log: str) -> list[str]:
    """A job that failed: which, why, and where more is written."""
    lines = [f"FAILED {name}", *(f"    {line}" for line in reason)]
    return [*lines, f"    log: {log}"] if log else lines


def ending(progress: RunProgress, now: float) -> list[str]:
    """The last lines of a run."""
    gone = clock(now - progress.began)
    if progress.done == progress.total:
        return [f"done: {count(progress.total, 'job')} in {gone}"]
    lines = [f"{progress.done:,} of {count(progress.total, 'job')} done in {gone}"]
    if progress.failed:
        lines[0] += f", {len(progress.failed)} failed"
        lines.append("Mend what the lines with FAILED say, then run again: what is done is kept.")
    else:
        lines.append("Not finished. Run again: what is done is kept.")
    return lines
