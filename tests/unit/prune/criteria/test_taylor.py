"""Taylor scores by hand, and where they leave magnitude."""

import numpy as np
import pytest

from prunescope.foundation.errors import InputError
from prunescope.prune.criteria import taylor
from prunescope.prune.masks import PruningMethod, make_masks

RNG = np.random.default_rng(0)


def test_by_hand() -> None:
    # Two batches with the gradients (1, -2) and (-1, 4) of the weights (3, 0.5).
    weight, squared = np.float32([[3, 0.5]]), np.array([[1.0, (4 + 16) / 2]])
    needed = {"squared_gradient": squared}
    np.testing.assert_array_equal(taylor.rank(weight, (), RNG, needed), [[9, 2.5]])
    # The mean gradient of the first is 0, which would let it go.
    np.testing.assert_array_equal(taylor.rank(weight, (1,), RNG, needed), [11.5])


def test_pieces_sum_so_large_ones_weigh_more() -> None:
    weight, needed = np.ones((2, 3), np.float32), {"squared_gradient": np.ones((2, 3))}
    np.testing.assert_array_equal(taylor.rank(weight, (1,), RNG, needed), [3, 3])


def test_it_keeps_the_small_weight_that_the_loss_depends_on(network_of) -> None:
    network = network_of({"a": np.reshape([1, 10], (1, 2, 1, 1))})
    gradient = np.reshape([400.0, 1], (1, 2, 1, 1))
    quantities = {"a.weight": {"squared_gradient": gradient}}
    method = PruningMethod("weight", "layer", "taylor")
    mask = make_masks(network, method, 0.5, quantities=quantities)["a.weight"]
    assert mask.ravel().tolist() == [True, False]
    by_size = make_masks(network, PruningMethod("weight", "layer", "l1"), 0.5)["a.weight"]
    assert by_size.ravel().tolist() == [False, True]


def test_layers_without_gradients_are_refused(network_of) -> None:
    network = network_of({"a": np.ones((2, 2, 1, 1)), "aux": np.ones((2, 2, 1, 1))})
    quantities = {"a.weight": {"squared_gradient": np.ones((2, 2, 1, 1))}}
    method = PruningMethod("weight", "layer", "taylor")
    with pytest.raises(InputError, match=r"needs gradients, and there are none of aux: .*exclude"):
        make_masks(network, method, 0.5, quantities=quantities)
    assert make_masks(network, method, 0.5, quantities=quantities, exclude=["aux"])
