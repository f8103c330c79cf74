"""Rank pieces by the sensitivity of the loss to their connections (SNIP).

The score of a weight is |gradient x weight|, with the gradient of the mean loss over all images:
what a small change of a factor before the weight changes. That of a piece is the sum over its
weights.

Source: Lee et al., "SNIP: Single-shot Network Pruning based on Connection Sensitivity", ICLR
2019. Variant: scores are not divided by their sum, which changes no rank. The network is the one
that pruning starts from, in evaluation mode; in the paper it has not been trained yet.
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
    return np.abs(weight * needed["gradient"]).sum(axis=axes)
