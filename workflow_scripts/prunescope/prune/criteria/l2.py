"""Rank pieces by their mean squared weight: within a layer as the L2 norm does."""

import numpy as np


def rank(weight: np.ndarray, axes: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Mean squared weight of each piece: ranks within a layer as the L2 norm does."""
    return np.square(weight, dtype=np.float64).mean(axis=axes)
