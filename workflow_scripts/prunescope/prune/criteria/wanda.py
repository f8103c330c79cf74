"""Rank the weights of each output by weights and activations (Wanda).

The score of a weight is |weight| x norm of what it is multiplied with, over images and tokens or
positions. It is compared with the other weights of its output only: the rank returned is the place
of the piece among those of its output, from 0 to below 1. So each output loses the same share, to
one piece.

Source: Sun et al., "A Simple and Effective Pruning Approach for Large Language Models", ICLR 2024
(arXiv 2306.11695), eq. 1. It defines linear layers; a convolution is the linear layer that runs on
its unfolded input. Kernels have the sum of the scores of their weights.
"""

from collections.abc import Mapping

import numpy as np

NEEDS = "activations"


def problem(granularity: str, scope: str, biases: bool) -> str:
    """What it compares are the weights of one output."""
    if granularity not in ("weight", "kernel", "n_of_m"):
        return (
            "compares what belongs to one output, so it ranks weights, kernels and patterns, no "
            f"pieces of kind `{granularity}`"
        )
    if scope == "global":
        return (
            "takes the same share of each output, so layers cannot be compared: choose another "
            "`scope` than `global`"
        )
    return "multiplies weights with their inputs: set `biases` to false" if biases else ""


def rank(
    weight: np.ndarray,
    axes: tuple[int, ...],
    _rng: np.random.Generator,
    needed: Mapping[str, np.ndarray],
) -> np.ndarray:
    """The place of each piece among those of its output, float64. Of equal ones, the first."""
    scores = (np.abs(weight, dtype=np.float64) * needed["input_norm"]).sum(axis=axes)
    rows = scores.reshape(len(scores), -1)
    places = np.argsort(np.argsort(rows, axis=1, kind="stable"), axis=1, kind="stable")
    return (places / rows.shape[1]).reshape(scores.shape)
