"""Estimate how long jobs take, from what jobs of the same rules took."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

# What Snakemake takes to start a job and to note its end, which the logs of jobs do not hold: in
# the default study, 520 jobs on 2 cores, it was half a second of a core for each.
SECONDS_PER_JOB = 0.5
# Jobs that took so long together say half of how fast this machine is.
TRUST = 60.0


@dataclass(frozen=True)
class TimeLeft:
    """How long jobs take together.

    Attributes
    ----------
    seconds
        Seconds of wall time on all cores together, or, where the number of cores is not known, the
        sum of the times of the jobs. Without the jobs of unknown time.
    unknown
        The number of jobs of whose rule nothing is known.
    """

    seconds: float
    unknown: int


def estimate(
    jobs: Iterable[tuple[str, int, float]],
    seconds_of: Callable[[str], float | None],
    cores: int | None,
) -> TimeLeft:
    """Estimate how long jobs take, if no core ever waits.

    Parameters
    ----------
    jobs
        Of each job the rule, its threads, and the seconds for which it has run already.
    seconds_of
        The seconds that a job of a rule takes; None where nothing is known.
    cores
        The cores of the machine; None on a cluster.
    """
    total, unknown = 0.0, 0
    for rule, threads, gone in jobs:
        seconds = seconds_of(rule)
        if seconds is None:
            unknown += 1
        else:
            share = min(threads, cores) / cores if cores else 1.0
            total += max(seconds - gone, 0.0) * share
    return TimeLeft(total, unknown)


class SecondsOfRules:
    """What jobs of a rule take, learned while a run goes on.

    Jobs that have finished in this run count most. For rules without any it is what is expected,
    times the ratio of what the finished jobs took to what was expected of them: this machine may
    be faster or slower than the one before, or busy. The ratio begins at one, and moves as finished
    jobs add up to more than `TRUST`.

    Parameters
    ----------
    expected
        The seconds that jobs took elsewhere or before, by rule, as their logs tell. Rules may lack.
    """

    def __init__(self, expected: Mapping[str, float]) -> None:
        self._expected = {rule: taken + SECONDS_PER_JOB for rule, taken in expected.items()}
        self._taken: dict[str, list[float]] = {}

    def add(self, rule: str, seconds: float) -> None:
        """A job of a rule has finished."""
        self._taken.setdefault(rule, []).append(seconds)

    def of(self, rule: str) -> float | None:
        """The seconds that the next job of a rule takes; None if nothing is known."""
        if taken := self._taken.get(rule):
            return sum(taken) / len(taken)
        expected = self._expected.get(rule)
        return None if expected is None else expected * self._ratio()

    def _ratio(self) -> float:
        both = self._taken.keys() & self._expected.keys()
        taken = sum(sum(self._taken[rule]) for rule in both)
        expected = sum(len(self._taken[rule]) * self._expected[rule] for rule in both)
        return (taken + TRUST) / (expected + TRUST)
