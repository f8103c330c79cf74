"""Keep account of a run: which jobs are done, run and have failed, and how long the rest takes."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from prunescope.study.progress import job_logs
from prunescope.study.progress.time_left import SecondsOfRules, TimeLeft, estimate


@dataclass(frozen=True)
class PlannedJob:
    """A job that a run is to do.

    Attributes
    ----------
    number
        Its number in Snakemake's log.
    rule, stage
        Its rule, and the name of the file of rules that the rule stands in.
    target
        What it works on, in words: a network, or what else its wildcards name.
    log
        The path of its log; empty if it has none.
    threads
        The cores that it takes.
    epochs
        The epochs of a training; None for other jobs, and where the config names none.
    """

    number: int
    rule: str
    stage: str
    target: str
    log: str
    threads: int
    epochs: int | None = None

    @property
    def name(self) -> str:
        return f"{self.rule} {self.target}".strip()


class RunProgress:
    """What has become of the jobs of a run. Times are seconds on any one clock.

    On a cluster a job starts when it is handed over to the queue. Whether it runs, and how long it
    took without waiting, is read from its log.

    Parameters
    ----------
    jobs
        The jobs that are to be done.
    expected
        The seconds that are expected of a job, by rule. Rules may lack.
    cores
        The cores of the machine; None on a cluster.
    now
        When the run began.
    """

    def __init__(
        self,
        jobs: Iterable[PlannedJob],
        expected: Mapping[str, float],
        cores: int | None,
        now: float,
    ) -> None:
        self._open = {job.number: job for job in jobs}
        self._jobs = dict(self._open)
        self._left = Counter(job.stage for job in self._open.values())
        self._of_stage = Counter(self._left)
        self._started: dict[int, float] = {}
        self._seconds = SecondsOfRules(expected)
        self.failed: dict[int, PlannedJob] = {}
        self.cores = cores
        self.began = now

    @property
    def total(self) -> int:
        return len(self._jobs)

    @property
    def done(self) -> int:
        return self.total - len(self._open)

    def job(self, number: int) -> PlannedJob | None:
        """The job of a number; None if it is none of the plan."""
        return self._jobs.get(number)

    def jobs_of(self, stage: str) -> int:
        """How many jobs of a stage the run has."""
        return self._of_stage[stage]

    def running(self) -> list[PlannedJob]:
        """The jobs that run, trainings first, then those that began first."""
        jobs = [self._jobs[number] for number in self._started]
        if self.cores is None:
            jobs = [job for job in jobs if job_logs.is_under_way(job_logs.tail(job.log))]
        return sorted(jobs, key=lambda job: (job.epochs is None, self._started[job.number]))

    @property
    def started(self) -> int:
        """How many jobs have started, and have not ended as far as Snakemake knows."""
        return len(self._started)

    def start(self, number: int, now: float) -> None:
        """A job has started, perhaps anew after it failed."""
        if number in self._open:
            self._started[number] = now
            self.failed.pop(number, None)

    def finish(self, number: int, now: float) -> str | None:
        """A job has finished. If it was the last of its stage: the name of the stage."""
        job = self._open.pop(number, None)
        if job is None:
            return None
        self.failed.pop(number, None)
        began = self._started.pop(number, now)
        seconds = job_logs.seconds(job.log) if self.cores is None else now - began
        if seconds is not None:
            self._seconds.add(job.rule, seconds)
        self._left[job.stage] -= 1
        return None if self._left[job.stage] else job.stage

    def fail(self, number: int) -> PlannedJob | None:
        """A job has failed; None if it is none of the plan."""
        self._started.pop(number, None)
        if job := self._open.get(number):
            self.failed[number] = job
        return job

    def time_left(self, now: float) -> TimeLeft:
        """How long the jobs take that are not done, without those that have failed."""
        started = {} if self.cores is None else self._started
        jobs = (
            (job.rule, job.threads, now - started.get(number, now))
            for number, job in self._open.items()
            if number not in self.failed
        )
        return estimate(jobs, self._seconds.of, self.cores)
