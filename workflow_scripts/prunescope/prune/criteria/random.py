"""Rank pieces at random, as a control for the other criteria."""

import numpy as np

NEEDS = "weights"


def problem(_granularity: str, _scope: str, _biases: bool) -> str:
    """It ranks all kinds of pieces."""
    return ""


def rank(weight: np.ndarray, axes: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """A uniform random number for each piece; the weights are not used."""
    return rng.random([size for axis, size in enumerate(weight.shape) if axis not in axes])
