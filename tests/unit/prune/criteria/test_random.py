"""Random ranks are those of a seed and a layer."""

from collections.abc import Callable

import numpy as np

from prunescope.prune.masks import PruningMethod, make_masks


def test_random_depends_on_seed_and_layer_only(network_of: Callable) -> None:
    settings = PruningMethod("weight", "layer", "random")
    weight = np.ones((8, 8, 1, 1))
    network = network_of({"a": weight, "b": weight})
    masks = make_masks(network, settings, 0.5, seed=1)
    assert (masks["a.weight"] != masks["b.weight"]).any()
    alone = make_masks(network_of({"b": 7 * weight}), settings, 0.5, seed=1)
    np.testing.assert_array_equal(alone["b.weight"], masks["b.weight"])
    other = make_masks(network, settings, 0.5, seed=2)
    assert (other["a.weight"] != masks["a.weight"]).any()
