"""Rank pieces by the synaptic flow through them (SynFlow).

The score of a weight is its absolute value times the derivative of the sum of all outputs by it, in
the network of absolute weights with an input of ones; that of a piece the sum over its weights. It
is made for pruning in many steps, of which each leaves the same share of what is left.

Source: Tanaka et al., "Pruning neural networks without any data by iteratively conserving synaptic
flow", NeurIPS 2020. `prune/measuring/synaptic_flow.py` says what becomes of biases and batch norms.
"""

from collections.abc import Mapping

import numpy as np

NEEDS = "flow"


def problem(_granularity: str, _scope: str, biases: bool) -> str:
    """Biases begin in the middle of the network: no flow runs through them."""
    return "follows what runs through weights: set `biases` to false" if biases else ""


def rank(
    weight: np.ndarray,
    axes: tuple[int, ...],
    _rng: np.random.Generator,
    needed: Mapping[str, np.ndarray],
) -> np.ndarray:
    """The score of each piece, float64."""
    return (np.abs(weight, dtype=np.float64) * needed["flow_gradient"]).sum(axis=axes)
