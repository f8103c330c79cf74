"""The mean squared weight of a piece, by hand."""

from collections.abc import Callable

import numpy as np

from prunescope.prune.masks import PruningMethod, make_masks


def test_l1_and_l2_rank_differently(network_of: Callable) -> None:
    peaked, flat = [[3, 0, 0, 0]], [[1, 1, 1, 1]]  # mean |w|: 0.75, 1; mean w^2: 2.25, 1
    network = network_of({"a": np.reshape([peaked, flat], (2, 1, 2, 2))})
    for criterion, kept in (("l1", [False, True]), ("l2", [True, False])):
        masks = make_masks(network, PruningMethod("filter", "layer", criterion), 0.5)
        assert masks["a.weight"].all(axis=(1, 2, 3)).tolist() == kept
