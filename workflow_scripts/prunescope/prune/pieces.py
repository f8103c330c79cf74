"""The pieces of a network that pruning removes: granularity and scope, and how they are ranked."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from prunescope.foundation import plugins

# The axes of a weight (out, in, height, width) that one piece spans.
GRANULARITIES: Mapping[str, tuple[int, ...]] = {
    "weight": (),
    "filter": (1, 2, 3),
    "input_channel": (0, 2, 3),
    "kernel": (2, 3),
}
SCOPES = ("global", "layer")

# Each file in this folder is a criterion of its name.
CRITERIA = "prune.criteria"


class Criterion(Protocol):
    """What a file in `prune/criteria/` holds."""

    def rank(
        self, weight: np.ndarray, axes: tuple[int, ...], rng: np.random.Generator
    ) -> np.ndarray:
        """Rank the pieces of one parameter; the lowest go first.

        Ranks must be means over a piece, not sums: under the scope `global`, pieces of different
        size are compared.

        Parameters
        ----------
        weight
            float32 `(out, in, height, width)` or `(out, in)` of a weight, `(out,)` of a bias.
        axes
            The axes that one piece spans. The ranks have the others.
        rng
            Where all chance comes from; seeded by the network's seed and the parameter's name.

        Returns
        -------
        numpy.ndarray
            float64, the shape of `weight` without `axes`.
        """
        ...


def load_criterion(name: str) -> Criterion:
    """The criterion of that name.

    Raises
    ------
    InputError
        There is none.
    """
    found: Criterion = plugins.load(CRITERIA, name)
    return found


@dataclass(frozen=True)
class Pieces:
    """The pieces of one parameter: their scores, and how their mask spreads over the parameter."""

    name: str
    scores: np.ndarray
    shape: tuple[int, ...]
    axes: tuple[int, ...]

    def mask(self, kept: np.ndarray) -> np.ndarray:
        spread = np.expand_dims(kept.reshape(self.scores.shape), self.axes)
        return np.broadcast_to(spread, self.shape).copy()
