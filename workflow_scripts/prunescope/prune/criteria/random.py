"""Rank pieces at random: the control of every other criterion."""

import numpy as np


def rank(weight: np.ndarray, axes: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """A uniform random number for each piece: the control of every other criterion."""
    return rng.random([size for axis, size in enumerate(weight.shape) if axis not in axes])
