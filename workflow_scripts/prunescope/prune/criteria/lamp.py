"""Rank weights by what they hold of the weights that are no smaller in their layer (LAMP).

The score of a weight is its square, divided by the sum of the squares of all weights of its layer
that are at least as large: w_i^2 / sum_(j: w_j^2 >= w_i^2) w_j^2. The largest weight of each layer
has the score 1. So with the scope `global` the criterion itself says how much of each layer goes,
and no layer goes as a whole. Within a layer it ranks as magnitude does.

Source: Lee et al., "Layer-adaptive sparsity for the Magnitude-based Pruning", ICLR 2021, eq. 4.
Variant: as in the paper, of equal weights each counts those that come after it as the larger ones.
So they go one by one, and pruning in steps comes to the same as pruning at once. Computed in
float64. For larger pieces, the sum of the squares of a piece stands in place of the square of a
weight.
"""

import numpy as np

NEEDS = "weights"


def problem(granularity: str, _scope: str, biases: bool) -> str:
    """A score is a share of one layer's weights, which biases are not among."""
    if granularity == "channel_group":
        return "compares the weights of one layer; several layers make a group of channels"
    return "is defined for weights only: set `biases` to false" if biases else ""


def rank(weight: np.ndarray, axes: tuple[int, ...], _rng: np.random.Generator) -> np.ndarray:
    """The LAMP score of each piece, from 0 to 1; 0 where all of the layer is zero."""
    squares = np.square(weight, dtype=np.float64).sum(axis=axes)
    order = np.argsort(squares, axis=None, kind="stable")
    rising = squares.ravel()[order]
    # The sum from each on, of the largest first.
    sums = np.cumsum(rising[::-1])[::-1]
    scores = np.zeros(squares.size)
    scores[order] = np.divide(rising, sums, out=np.zeros_like(sums), where=sums > 0)
    return scores.reshape(squares.shape)
