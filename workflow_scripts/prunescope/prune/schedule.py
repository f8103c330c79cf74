"""The interface of a pruning schedule, and how to load one by its name.

A schedule says which network is pruned at a rate, and how much of it. Each file in
`prune/schedules/` is a schedule.
"""

from collections.abc import Sequence
from typing import Protocol

from prunescope.foundation import plugins

SCHEDULES = "prune.schedules"


class Schedule(Protocol):
    """What a file in `prune/schedules/` must define.

    Attributes
    ----------
    FROM_DENSE
        Whether the dense network is pruned at every rate. Otherwise the networks form a chain, and
        so do their controls, which are retrained as often but not pruned.
    """

    FROM_DENSE: bool

    def start(self, lower: Sequence[str]) -> str | None:
        """The rate of the network that is pruned; None for the dense network.

        `lower` are the method's rates below the requested one, rising, as written in paths. The
        result is one of them.
        """
        ...

    def fraction(self, rate: float, rates: Sequence[float]) -> float:
        """The fraction of the original network's pieces that are pruned in total, in (0, 1).

        `rates` are all rates of the method, rising, and `rate` is one of them.
        """
        ...

    def problem(self, rates: Sequence[float]) -> str:
        """Why a method with these rates, rising, cannot be pruned so; empty if it can.

        A sentence about the rates, without its subject, such as "have more than one level".
        """
        ...


def load(name: str) -> Schedule:
    """The schedule `name`.

    Raises
    ------
    InputError
        There is no such schedule, or its file lacks something.
    """
    found: Schedule = plugins.load(SCHEDULES, name, Schedule)
    return found
