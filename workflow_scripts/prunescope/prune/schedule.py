"""Which network is pruned at a rate, and how much of it goes.

Each file in `prune/schedules/` is a schedule of its name.
"""

from collections.abc import Sequence
from typing import Protocol

from prunescope.foundation import plugins

SCHEDULES = "prune.schedules"


class Schedule(Protocol):
    """What a file in `prune/schedules/` holds."""

    def start(self, lower: Sequence[str]) -> str | None:
        """The rate of the network that is pruned, one of `lower`; None for the dense network.

        `lower` are the method's rates below the one that is asked for, rising, as in paths.
        """
        ...

    def fraction(self, rate: float, lower: Sequence[float]) -> float:
        """The fraction of the original network's pieces that are gone after pruning, in (0, 1).

        `rate` is the one that is asked for, `lower` are those below it, rising.
        """
        ...


def load(name: str) -> Schedule:
    """The schedule of that name.

    Raises
    ------
    InputError
        There is none.
    """
    found: Schedule = plugins.load(SCHEDULES, name)
    return found
