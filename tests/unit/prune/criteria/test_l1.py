"""The mean absolute weight of a piece, by hand."""

import numpy as np

from prunescope.prune.criteria import l1
from prunescope.prune.pieces import GRANULARITIES

# Two filters of two channels of two positions.
WEIGHT = np.array([[[1, -2], [0, 4]], [[-6, 0], [0.5, -0.5]]], dtype=np.float32)[..., None]
RANKS = {
    "weight": [[[[1], [2]], [[0], [4]]], [[[6], [0]], [[0.5], [0.5]]]],
    "filter": [7 / 4, 7 / 4],
    "input_channel": [9 / 4, 5 / 4],
    "kernel": [[3 / 2, 2], [3, 1 / 2]],
}


def test_pieces_have_the_mean_of_their_absolute_weights() -> None:
    for granularity, axes in GRANULARITIES.items():
        found = l1.rank(WEIGHT, axes, np.random.default_rng(0))
        assert found.dtype == np.float64
        np.testing.assert_array_equal(found, RANKS[granularity], err_msg=granularity)
