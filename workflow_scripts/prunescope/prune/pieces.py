"""The pieces that a granularity divides a parameter into, and the interface of a criterion."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from prunescope.foundation import plugins

# By granularity: the axes of a weight (out, in, height, width) that one piece spans. A linear layer
# has the first two axes only, so that its kernels are its weights.
GRANULARITIES: Mapping[str, tuple[int, ...]] = {
    "weight": (),
    "filter": (1, 2, 3),
    "input_channel": (0, 2, 3),
    "kernel": (2, 3),
}
# Channels that are coupled: pieces of several parameters (`group_masks.py`).
CHANNEL_GROUP = "channel_group"
# An input channel of a grouped convolution meets the filters of its own group only. So there is one
# piece for each column of each group: of a weight (groups, out, in, height, width), whose `out` and
# `in` are those of a group, the axes that it spans. In a depthwise convolution it is what one
# channel of the input meets: its filter, or its filters.
OF_A_GROUP = (1, 3, 4)
SCOPES = ("global", "layer", "erk", "uniform_plus")

# Each file in this folder is a criterion.
CRITERIA = "prune.criteria"
# The one that is the control of all others.
RANDOM = "random"
# What a criterion may need besides the weights that it ranks.
WEIGHTS, SCALES, ACTIVATIONS, GRADIENTS, FLOW = (
    "weights", "scales", "activations", "gradients", "flow",
)  # fmt: skip
# What is measured by running the network, on train images or without.
ON_IMAGES = (ACTIVATIONS, GRADIENTS)
MEASURED = (*ON_IMAGES, FLOW)

# Arrays of the shape of a parameter, by what they hold.
Quantities = Mapping[str, np.ndarray]


class Criterion(Protocol):
    """What a file in `prune/criteria/` must define.

    Attributes
    ----------
    NEEDS
        What `rank` gets besides the weights: `weights`, nothing. `scales`, the quantity `scale`:
        the batch-norm scale of the output channel that a weight belongs to. `activations`,
        `gradients` and `flow`: what the module of that name in `prune/measuring/` measures.
    """

    NEEDS: str

    def problem(self, granularity: str, scope: str, biases: bool) -> str:
        """Why the criterion cannot rank such pieces; empty if it can.

        `granularity`, `scope` and `biases` are those of a method in the config. The text goes on
        from the name of the criterion.
        """
        ...

    def rank(
        self, weight: np.ndarray, axes: tuple[int, ...], rng: np.random.Generator, *needed: Any
    ) -> np.ndarray:
        """Rank the pieces of one parameter. The lowest ranks are pruned first.

        The scope `global` compares ranks of different parameters. So norms must be means over a
        piece, not sums. A share of what the whole network does, such as of its loss, is a sum.

        Parameters
        ----------
        weight
            float32, a weight `(out, in, height, width)` or `(out, in)`, or a bias `(out,)`. Of
            input channels of a grouped convolution: `(groups, out, in, height, width)`, with
            `out` and `in` of a group. Of groups of channels: `(pieces, filters, in, height, width)`
            or `(pieces, filters, in)`, what makes the pieces in one layer. Where pieces span the
            kernel, its weights that no image reaches are not among them: the last two axes are
            then `(n, 1)`, for the `n` positions that are left. Other weights that no image
            reaches, and weights that are pruned already, are zero.
        axes
            The axes that one piece spans.
        rng
            Source of all randomness, seeded by the network's seed and the parameter's name (of
            groups of channels, by the first channel too).
        needed
            One mapping of arrays of the shape of `weight`, by what they hold, if the criterion
            needs more than the weights; else nothing.

        Returns
        -------
        numpy.ndarray
            float64, with the shape of `weight` without `axes`.
        """
        ...


def load_criterion(name: str) -> Criterion:
    """The criterion `name`.

    Raises
    ------
    InputError
        There is no such criterion.
    """
    found: Criterion = plugins.load(CRITERIA, name, Criterion)
    return found


@dataclass(frozen=True)
class Pieces:
    """The pieces of one parameter.

    Attributes
    ----------
    name
        Name of the parameter.
    scores
        float64, the rank of each piece, as a criterion returns them.
    candidates
        Booleans, the shape of `scores`: which pieces may be pruned.
    shape
        Shape of the parameter.
    divided
        Its shape where it is divided into pieces: with an axis for groups in front, or the same.
    axes
        The axes of `divided` that one piece spans.
    """

    name: str
    scores: np.ndarray
    candidates: np.ndarray
    shape: tuple[int, ...]
    divided: tuple[int, ...]
    axes: tuple[int, ...]

    def mask(self, kept: np.ndarray) -> np.ndarray:
        """The mask of the parameter, from booleans that say which candidates are kept.

        `kept` is flat. Pieces that are no candidates are kept.
        """
        pieces = np.ones(self.scores.shape, dtype=bool)
        pieces[self.candidates] = kept
        whole = np.broadcast_to(np.expand_dims(pieces, self.axes), self.divided)
        return whole.reshape(self.shape).copy()
