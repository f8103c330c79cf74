"""Rank pieces by their mean absolute weight."""

import numpy as np

NEEDS = "weights"


def problem(_granularity: str, _scope: str, _biases: bool) -> str:
    """It ranks all kinds of pieces."""
    return ""


def rank(weight: np.ndarray, axes: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Mean absolute weight of each piece. Within a layer, the L1 norm gives the same order."""
    return np.abs(weight).mean(axis=axes, dtype=np.float64)
