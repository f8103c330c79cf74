"""Rank filters by the scales of the batch norm that follows them (network slimming).

Source: Liu et al., "Learning Efficient Convolutional Networks through Network Slimming", ICCV 2017:
the score of a channel is the absolute value of its batch-norm scale, and the scales of all layers
are ranked together (scope `global`).
Variant: as in the paper. There the scales were trained with an L1 penalty, which a recipe can have
(`l1_on_scales`). Without it scales say less about their channels.
"""

from collections.abc import Mapping

import numpy as np

NEEDS = "scales"


def problem(granularity: str, _scope: str, _biases: bool) -> str:
    """A scale is that of a filter."""
    if granularity != "filter":
        return (
            "ranks filters by the batch-norm scales of their channels: it ranks no pieces of kind "
            f"`{granularity}`"
        )
    return ""


def rank(
    _weight: np.ndarray,
    axes: tuple[int, ...],
    _rng: np.random.Generator,
    needed: Mapping[str, np.ndarray],
) -> np.ndarray:
    """The absolute scale of each filter, `(filters,)`."""
    # The weights of a filter have one scale.
    return np.abs(needed["scale"], dtype=np.float64).max(axis=axes)
