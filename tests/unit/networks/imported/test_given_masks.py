"""The masks of a network from elsewhere: what is exactly zero in it, and what belongs to that."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from torch import nn

from prunescope.networks.description import Network
from prunescope.networks.imported.given_masks import masks_of

CONV, NORM = "stem.conv.weight", "stem.bn"


@pytest.fixture
def network(make_toy: Callable[..., tuple[nn.Module, Network]]) -> Network:
    """The toy network; none of its parameters is zero."""
    _, made = make_toy()
    tensors = {
        name: np.where(tensor == 0, np.float32(0.5), tensor) if tensor.ndim else tensor
        for name, tensor in made.tensors.items()
    }
    return replace(made, tensors=tensors)


def with_zeros(network: Network, *places: tuple[str, object]) -> Network:
    tensors = {name: tensor.copy() for name, tensor in network.tensors.items()}
    for name, place in places:
        tensors[name][place] = 0
    return replace(network, tensors=tensors)


def test_a_network_without_zeros_has_no_masks(network: Network) -> None:
    assert masks_of(network, {}) == {}


def test_what_is_zero_is_masked(network: Network) -> None:
    """Single weights: the bias and the batch norm of their filters stay free."""
    pruned = with_zeros(network, (CONV, (1, 2, 0, 0)), ("fc.weight", (slice(None), 3)))
    masks = masks_of(pruned, {})
    assert masks.keys() == {CONV, "fc.weight"}
    for name, mask in masks.items():
        assert np.array_equal(mask, pruned.tensors[name] != 0)
        assert mask.dtype == bool


def test_a_dead_filter_takes_its_batch_norm_along(network: Network) -> None:
    pruned = with_zeros(
        network, (CONV, 2), (f"{NORM}.weight", 2), (f"{NORM}.bias", 2), (f"{NORM}.bias", 4)
    )
    masks = masks_of(pruned, {})
    assert masks.keys() == {CONV, f"{NORM}.weight", f"{NORM}.bias"}
    for name in (f"{NORM}.weight", f"{NORM}.bias"):
        # The bias of filter 4 is zero too, but its filter is not.
        assert np.flatnonzero(~masks[name]).tolist() == [2]


def test_a_batch_norm_that_was_kept_stays_free(network: Network) -> None:
    masks = masks_of(with_zeros(network, (CONV, 2), (f"{NORM}.weight", 2)), {})
    assert masks.keys() == {CONV, f"{NORM}.weight"}


def test_the_bias_of_a_dead_row(network: Network) -> None:
    masks = masks_of(with_zeros(network, ("fc.weight", 1), ("fc.bias", (slice(0, 3),))), {})
    assert np.flatnonzero(~masks["fc.bias"]).tolist() == [1]


def test_a_mask_in_the_file_is_taken(network: Network) -> None:
    """A weight that it keeps is zero by chance."""
    pruned = with_zeros(network, (CONV, (0, 0)), (CONV, (3, 1, 1, 1)))
    given = pruned.tensors[CONV] != 0
    given[3, 1, 1, 1] = True
    masks = masks_of(pruned, {CONV: given, "fc.bias": np.arange(7) > 1})
    assert np.array_equal(masks[CONV], given)
    assert np.array_equal(masks["fc.bias"], np.arange(7) > 1)
    assert masks.keys() == {CONV, "fc.bias"}


def test_auxiliary_heads_are_not_looked_at(network: Network) -> None:
    layers = tuple(
        replace(layer, auxiliary=layer.name == "fc") for layer in network.description.layers
    )
    description = replace(network.description, layers=layers)
    pruned = replace(with_zeros(network, ("fc.weight", 0)), description=description)
    assert masks_of(pruned, {}) == {}


def test_masked_tensors_are_zero_already(network: Network) -> None:
    pruned = with_zeros(network, (CONV, 2), (f"{NORM}.bias", 2), ("fc.weight", (0, 0)))
    held = pruned.masked(masks_of(pruned, {}))
    for name, tensor in pruned.tensors.items():
        assert np.array_equal(held.tensors[name], tensor)
