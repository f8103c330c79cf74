"""Prune gradually while a network is trained: many weights at first, ever fewer towards the end.

After M. Zhu and S. Gupta, "To prune, or not to prune", 2017 (arXiv 1710.01878), with an initial
sparsity of 0. Their masked weights keep their values and may come back, if weights that are left
become smaller still; here what is masked stays so.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from prunescope.networks.description import Network

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Timing:
    """When masks grow, in steps of the training.

    Attributes
    ----------
    begin
        The step at which nothing is pruned yet.
    end
        The step after which the rate is reached. The masks stay as they are from then on.
    every
        Steps from one update to the next. It divides the steps from `begin` to `end`.
    """

    begin: int
    end: int
    every: int

    def share(self, step: int) -> float | None:
        """The fraction of the rate that is pruned after `step` steps; None if masks stay.

        It is 1 - (1 - (step - begin) / (end - begin))^3 at each update.
        """
        passed = step - self.begin
        if not 0 < passed <= self.end - self.begin or passed % self.every:
            return None
        return 1 - (1 - passed / (self.end - self.begin)) ** 3


class Maker(Protocol):
    """Makes the masks of a network at a rate, within the masks that it has already."""

    def __call__(self, network: Network, *, rate: float) -> Arrays: ...


@dataclass(frozen=True)
class Gradual:
    """Updates that prune up to a rate.

    Attributes
    ----------
    rate
        The fraction of the pieces that are pruned at the end, in (0, 1).
    timing
        When masks grow.
    make
        `masks.make_masks` or `group_masks.make_group_masks`, with all other arguments given.
    """

    BY_GRADIENTS: ClassVar[bool] = False

    rate: float
    timing: Timing
    make: Maker

    @property
    def end(self) -> int:
        """As `MaskUpdates.end`."""
        return self.timing.end

    def scheduled(self, step: int) -> float | None:
        """As `MaskUpdates.scheduled`."""
        share = self.timing.share(step)
        return None if share is None else self.rate * share

    def masks(self, step: int, network: Network, gradients: Arrays) -> Arrays:
        """As `MaskUpdates.masks`."""
        rate = self.scheduled(step)
        assert rate is not None
        return self.make(network, rate=rate)
