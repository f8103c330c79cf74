"""Rank pieces by their mean absolute weight: within a layer as the L1 norm does."""

import numpy as np


def rank(weight: np.ndarray, axes: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Mean absolute weight of each piece: ranks within a layer as the L1 norm does."""
    return np.abs(weight).mean(axis=axes, dtype=np.float64)
