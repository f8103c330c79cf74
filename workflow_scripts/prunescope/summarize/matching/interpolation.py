"""Where the networks of a method, in order of their rates, have a certain accuracy."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Place:
    """A place between two neighbouring networks, or at one of them.

    Attributes
    ----------
    index
        The network of the lower rate.
    share
        How far the place lies from there to the next network, 0 to below 1.
    """

    index: int
    share: float

    @property
    def neighbours(self) -> tuple[int, int]:
        """The networks before and after it; at a network, that one twice."""
        return self.index, self.index + (self.share > 0)

    def of(self, values: np.ndarray) -> float:
        """A quantity at this place, on the straight line between both networks.

        `values` are those of the networks, `(networks,)`. NaN if one that is needed is NaN.
        """
        low, high = (values[index] for index in self.neighbours)
        return float(low if self.share == 0 else (1 - self.share) * low + self.share * high)


def last_place(accuracies: np.ndarray, level: float) -> Place | None:
    """The last place at which networks are as accurate as a level.

    Accuracy is taken to change on straight lines between networks of neighbouring rates. It need
    not fall with the rate: where it passes the level several times, the highest rate counts. So a
    lower level is never found before a higher one.

    Parameters
    ----------
    accuracies
        float64 `(networks,)` without NaN, at least one, in order of rising rates.
    level
        The accuracy.

    Returns
    -------
    Place or None
        None where no network is as accurate as the level, or the one of the highest rate is more
        accurate: nothing is extrapolated.
    """
    reached = np.flatnonzero(accuracies >= level)
    last = len(accuracies) - 1
    if not len(reached) or accuracies[last] > level:
        return None
    index = int(reached[-1])
    if index == last:
        return Place(last, 0.0)
    share = (accuracies[index] - level) / (accuracies[index] - accuracies[index + 1])
    return Place(index, float(share))
