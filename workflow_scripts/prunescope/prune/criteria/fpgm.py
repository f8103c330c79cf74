"""Rank filters by their distances to the others of their layer (FPGM).

The score of a filter is the sum of its Euclidean distances to all other filters of its layer. The
lowest lie nearest to the geometric median of the filters: the others can stand in for them.

Source: He et al., "Filter Pruning via Geometric Median for Deep Convolutional Neural Networks
Acceleration", CVPR 2019, eq. 6.
Variant: distances are those of the paper, of the weights themselves, not of their squares. Filters
that are zero as a whole, such as those that are pruned already, are no points: distances to them
do not count. Computed in float64, from the differences: lengths and products would lose digits
where filters are alike.
"""

import numpy as np

NEEDS = "weights"


def problem(granularity: str, scope: str, _biases: bool) -> str:
    """Filters of one layer are points of one space. Nothing else is."""
    if granularity != "filter":
        return f"measures distances between filters: it ranks no pieces of kind `{granularity}`"
    if scope == "global":
        return (
            "measures distances within a layer, which say nothing about other layers: choose "
            "another `scope` than `global`"
        )
    return ""


def rank(weight: np.ndarray, _axes: tuple[int, ...], _rng: np.random.Generator) -> np.ndarray:
    """The sum of the distances of each filter to the others, `(filters,)`."""
    from scipy.spatial.distance import cdist  # slow to import, and the config is checked with this

    filters = weight.reshape(len(weight), -1).astype(np.float64)
    distances: np.ndarray = cdist(filters, filters[filters.any(axis=1)])
    return distances.sum(axis=1)
