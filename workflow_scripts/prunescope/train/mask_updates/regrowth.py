"""Move what is left while a network is trained: drop small weights, grow where gradients are large.

U. Evci, T. Gale, J. Menick, P. S. Castro and E. Elsen, "Rigging the Lottery: Making All Tickets
Winners" (RigL), ICML 2020. As in their code, weights that are dropped may grow back at once, and
then keep their value.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from prunescope.networks.description import Network

Arrays = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Pace:
    """When weights are moved, and how many of them.

    Attributes
    ----------
    every
        Steps from one update to the next.
    end
        The masks stay as they are from this step on.
    fraction
        The share of a layer's live weights that is dropped, at the beginning.
    """

    every: int
    end: int
    fraction: float

    def share(self, step: int) -> float | None:
        """The share that is dropped at a step: it falls to 0 at `end`; None if masks stay."""
        if step % self.every or not 0 < step < self.end:
            return None
        return self.fraction / 2 * (1 + math.cos(math.pi * step / self.end))


@dataclass(frozen=True)
class Regrowth:
    """Updates that keep the number of live weights in each parameter.

    Attributes
    ----------
    pace
        When weights are moved, and how many of them.
    counted
        Which weights count, as `reach.counted` returns it; None counts all. Others stay as they
        are.
    """

    BY_GRADIENTS: ClassVar[bool] = True

    pace: Pace
    counted: Arrays | None = None

    @property
    def end(self) -> int:
        """As `MaskUpdates.end`."""
        return self.pace.end

    def scheduled(self, step: int) -> float | None:
        """As `MaskUpdates.scheduled`."""
        return self.pace.share(step)

    def masks(self, step: int, network: Network, gradients: Arrays) -> dict[str, np.ndarray]:
        """As `MaskUpdates.masks`."""
        share = self.scheduled(step)
        assert share is not None
        return {
            name: self._moved(name, mask, network, gradients[name], share)
            if name in gradients
            else mask
            for name, mask in network.masks.items()
        }

    def _moved(
        self, name: str, mask: np.ndarray, network: Network, gradient: np.ndarray, share: float
    ) -> np.ndarray:
        counting = np.broadcast_to((self.counted or {}).get(name, np.True_), mask.shape)
        return move(network.tensors[name], gradient, mask, counting, share)


def move(
    weight: np.ndarray, gradient: np.ndarray, mask: np.ndarray, counted: np.ndarray, share: float
) -> np.ndarray:
    """Drop the smallest live weights, and grow as many where the gradient is largest.

    Of n live weights, `int(share * n)` are dropped. Of equal ones, the first go, and the first
    grow.

    Parameters
    ----------
    weight, gradient, mask, counted
        Arrays of one shape: the values, the gradient of the loss by them also where they are
        masked, True where they are live, and True where they count.
    share
        Which part of the live weights that count is dropped, in [0, 1].

    Returns
    -------
    np.ndarray
        The new mask.
    """
    moved = mask.copy()
    live = np.flatnonzero(mask & counted)
    number = int(share * live.size)
    smallest = np.argsort(np.abs(weight.ravel()[live]), kind="stable")[:number]
    moved.flat[live[smallest]] = False
    free = np.flatnonzero(~moved & counted)
    largest = np.argsort(-np.abs(gradient.ravel()[free]), kind="stable")[:number]
    moved.flat[free[largest]] = True
    return moved
