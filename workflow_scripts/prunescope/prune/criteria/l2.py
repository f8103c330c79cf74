"""Rank pieces by their mean squared weight."""

import numpy as np

NEEDS = "weights"


def problem(_granularity: str, _scope: str, _biases: bool) -> str:
    """It ranks all kinds of pieces."""
    return ""


def rank(weight: np.ndarray, axes: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Mean squared weight of each piece. Within a layer, the L2 norm gives the same order."""
    return np.square(weight, dtype=np.float64).mean(axis=axes)
