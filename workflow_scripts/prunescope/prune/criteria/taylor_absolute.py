"""Rank pieces by the absolute first-order change of the loss without them (Taylor, absolute).

The score of a weight is the mean over batches of |gradient of the batch's mean loss x weight|, that
of a piece the sum over its weights.

Source: the variant of `taylor` (Molchanov et al., CVPR 2019) that Torch-Pruning takes by default.
The weights of a piece count one by one, so they do not cancel.
"""

from collections.abc import Mapping

import numpy as np

NEEDS = "gradients"


def problem(_granularity: str, _scope: str, _biases: bool) -> str:
    """It ranks all kinds of pieces."""
    return ""


def rank(
    weight: np.ndarray,
    axes: tuple[int, ...],
    _rng: np.random.Generator,
    needed: Mapping[str, np.ndarray],
) -> np.ndarray:
    """The score of each piece, float64."""
    return (np.abs(weight) * needed["absolute_gradient"]).sum(axis=axes)
