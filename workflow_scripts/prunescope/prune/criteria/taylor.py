"""Rank pieces by how much the loss would change without them, to first order (Taylor).

The score of a weight is the mean over batches of (gradient of the batch's mean loss x weight)^2,
that of a piece the sum over its weights.

Source: Molchanov et al., "Importance Estimation for Neural Network Pruning", CVPR 2019: the first
order ("Taylor FO") on weights, which their code calls Taylor_weight and sums over batches in this
way. They found it best behind gates after batch norms, which this is not. `taylor_absolute` is the
variant with absolute values.
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
    return (np.square(weight, dtype=np.float64) * needed["squared_gradient"]).sum(axis=axes)
