"""Steps by hand: how much is left after each, and what is measured in between."""

from collections.abc import Callable

import numpy as np
import pytest

from prunescope.networks.description import Network
from prunescope.prune.masks import PruningMethod, make_masks
from prunescope.prune.steps import make_masks_in_steps


def gradients(seen: list[Network]) -> Callable:
    """Measures gradients of 1, and keeps the networks that it sees."""

    def measure(network: Network, layers) -> dict:
        seen.append(network)
        return {one.weight: {"gradient": np.ones(one.shape)} for one in layers}

    return measure


def test_each_step_leaves_the_same_share(network_of: Callable) -> None:
    network = network_of({"a": np.arange(1, 17).reshape(4, 4)})
    method = PruningMethod("weight", "layer", "snip", layers=("linear",))
    seen: list[Network] = []
    masks = make_masks_in_steps(network, method, 0.75, gradients(seen), 2)
    # A half of the 16, then a half of these.
    assert [np.count_nonzero(one.tensors["a.weight"]) for one in seen] == [16, 8]
    assert np.flatnonzero(masks["a.weight"]).tolist() == [12, 13, 14, 15]


def test_one_step_is_pruning_as_ever(network_of: Callable) -> None:
    network = network_of({"a": np.random.default_rng(0).normal(size=(8, 4, 2, 2))})
    method = PruningMethod("filter", "layer", "snip")
    found = make_masks_in_steps(network, method, 0.5, gradients([]), 1)
    expected = make_masks(network, PruningMethod("filter", "layer", "l1"), 0.5)
    np.testing.assert_array_equal(found["a.weight"], expected["a.weight"])


def test_weights_that_were_released_are_measured_as_zero(network_of: Callable) -> None:
    network = network_of({"a": np.ones((4, 4))})
    held = {"a.weight": np.eye(4, dtype=bool)}
    seen: list[Network] = []
    method = PruningMethod("weight", "layer", "snip", layers=("linear",))
    released = Network(network.description, network.tensors, held)
    make_masks_in_steps(released, method, 0.8, gradients(seen), 1)
    np.testing.assert_array_equal(seen[0].tensors["a.weight"], np.eye(4))


@pytest.mark.parametrize("iterations", [1, 100])
def test_a_pattern_is_made_in_one_step(network_of: Callable, iterations: int) -> None:
    network = network_of({"a": np.arange(1, 17).reshape(4, 4)})
    method = PruningMethod("n_of_m", "layer", "snip", layers=("linear",), pattern="2:4")
    seen: list[Network] = []
    masks = make_masks_in_steps(network, method, 0.5, gradients(seen), iterations)
    assert len(seen) == 1
    assert (masks["a.weight"] == [False, False, True, True]).all()
