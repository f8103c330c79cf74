"""N:M patterns against a loop, torch's sparsifier, and what sparse tensor cores can store."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.ao.pruning import WeightNormSparsifier
from torch.sparse._semi_structured_conversions import (
    sparse_semi_structured_from_dense_cutlass as to_sparse,
)
from torch.sparse._semi_structured_conversions import (
    sparse_semi_structured_to_dense_cutlass as to_dense,
)

from prunescope.foundation.errors import InputError
from prunescope.networks.description import Network
from prunescope.prune import patterns
from prunescope.prune.masks import PruningMethod, make_masks
from prunescope.prune.patterns import Pattern

CONV_AND_LINEAR = ("conv2d", "linear")


def method(pattern: str, criterion: str = "l1") -> PruningMethod:
    return PruningMethod("n_of_m", "layer", criterion, layers=CONV_AND_LINEAR, pattern=pattern)


def masks_of(network: Network, pattern: str, criterion: str = "l1", **options: object) -> dict:
    return make_masks(network, method(pattern, criterion), 0.5, **options)


def as_stored(array: np.ndarray) -> np.ndarray:
    """Rows as sparse tensor cores read them: of convolutions, channels last."""
    if array.ndim == 4:
        array = array.transpose(0, 2, 3, 1)
    return np.ascontiguousarray(array.reshape(len(array), -1))


# --- by hand and by loops ------------------------------------------------------------------------


def test_by_hand(network_of: Callable) -> None:
    weight = [[1, -5, 0.5, 2, 7, 7, 7, 7], [-4, 3, -2, 1, 0, 0, 9, 0]]
    mask = masks_of(network_of({"fc": np.float32(weight)}), "2:4")["fc.weight"]
    # Of equal weights the first go.
    assert mask.astype(int).tolist() == [[0, 1, 0, 1, 0, 0, 1, 1], [1, 1, 0, 0, 0, 0, 1, 1]]


@given(
    kept=st.integers(1, 3),
    more=st.integers(1, 3),
    blocks=st.integers(1, 3),
    kernel=st.sampled_from([(), (1, 1), (2, 3)]),
    seed=st.integers(0, 99),
)
def test_masks_equal_a_loop_over_blocks(
    network_of: Callable, kept: int, more: int, blocks: int, kernel: tuple, seed: int
) -> None:
    size = kept + more
    weight = np.random.default_rng(seed).integers(-4, 5, size=(3, blocks * size, *kernel))
    mask = masks_of(network_of({"a": weight}), f"{kept}:{size}")["a.weight"]
    for out, block, *place in itertools.product(range(3), range(blocks), *map(range, kernel)):
        channels = range(block * size, (block + 1) * size)
        rising = sorted(channels, key=lambda c: (abs(weight[(out, c, *place)]), c))
        stay = {channel for channel in channels if mask[(out, channel, *place)]}
        assert stay == set(rising[more:])


# --- what hardware needs -------------------------------------------------------------------------


@pytest.mark.parametrize("criterion", ["l1", "l2", "lamp", "random"])
@pytest.mark.parametrize("shape", [(32, 64), (32, 64, 3, 3), (64, 32, 1, 1)])
def test_sparse_tensor_cores_can_store_what_is_left(
    network_of: Callable, criterion: str, shape: tuple[int, ...]
) -> None:
    """Torch's own conversion keeps two values and their places of each block of four."""
    network = network_of({"a": np.random.default_rng(0).normal(size=shape)})
    mask = masks_of(network, "2:4", criterion)["a.weight"]
    rows = as_stored(mask)
    assert (rows.reshape(len(rows), -1, 4).sum(axis=-1) == 2).all()
    left = torch.from_numpy(as_stored(np.where(mask, network.tensors["a.weight"], 0))).half()
    values, places = to_sparse(left)
    assert values.shape == (left.shape[0], left.shape[1] // 2)
    assert torch.equal(to_dense(values, places), left)
    # Weights that a criterion chose by the same share, but freely, do not fit.
    freely = make_masks(network, PruningMethod("weight", "layer", "l1", CONV_AND_LINEAR), 0.5)
    assert (as_stored(freely["a.weight"]).reshape(len(rows), -1, 4).sum(axis=-1) > 2).any()


def by_torch(weight: np.ndarray) -> np.ndarray:
    """The mask of torch's sparsifier for blocks of 1 x 4 weights."""
    layer = nn.Linear(weight.shape[1], len(weight))
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
    model = nn.Sequential(layer)
    sparsifier = WeightNormSparsifier(
        sparsity_level=1.0, sparse_block_shape=(1, 4), zeros_per_block=2
    )
    sparsifier.prepare(model, [{"tensor_fqn": "0.weight"}])
    sparsifier.step()
    return model[0].parametrizations.weight[0].mask.numpy().astype(bool)


def test_linear_layers_equal_the_sparsifier_of_torch(network_of: Callable) -> None:
    weight = np.random.default_rng(0).normal(size=(16, 32)).astype(np.float32)
    mask = masks_of(network_of({"fc": weight}), "2:4")["fc.weight"]
    np.testing.assert_array_equal(mask, by_torch(weight))


def test_of_convolutions_each_position_of_the_kernel_is_a_linear_layer(
    network_of: Callable,
) -> None:
    """The sparsifier itself takes blocks of the last two axes: of a convolution, the kernel."""
    weight = np.random.default_rng(0).normal(size=(8, 16, 2, 3)).astype(np.float32)
    mask = masks_of(network_of({"a": weight}), "2:4")["a.weight"]
    for place in itertools.product(range(2), range(3)):
        expected = by_torch(np.ascontiguousarray(weight[(..., *place)]))
        np.testing.assert_array_equal(mask[(..., *place)], expected)


# --- the network around --------------------------------------------------------------------------


def test_layers_that_blocks_do_not_fit_are_left_dense(network_of: Callable) -> None:
    rng = np.random.default_rng(0)
    network = network_of({"first": rng.normal(size=(8, 3, 3, 3)), "b": rng.normal(size=(4, 8))})
    masks = masks_of(network, "2:4")
    assert masks.keys() == {"b.weight"}
    layers = network.description.layers
    assert patterns.left_dense(layers, Pattern(2, 4)).endswith("multiple of 4: first (3)")
    with pytest.raises(InputError, match=r"'2:4' fits no layer. left dense, .*: first \(3\)\."):
        masks_of(network, "2:4", exclude=["b"])


def test_googlenet_has_the_pattern_everywhere(googlenet_network: Network) -> None:
    masks = masks_of(googlenet_network, "2:4")
    dense = {
        layer.name for layer in googlenet_network.description.layers if layer.weight not in masks
    }
    assert dense == {"conv1.conv"}
    for name, mask in masks.items():
        assert (as_stored(mask).reshape(len(mask), -1, 4).sum(axis=-1) == 2).all(), name


def test_pruned_weights_stay_pruned(network_of: Callable) -> None:
    weight = np.random.default_rng(0).normal(size=(4, 8, 2, 2))
    first = masks_of(network_of({"a": weight}), "2:4")
    later = network_of({"a": np.random.default_rng(1).normal(size=(4, 8, 2, 2))})
    again = masks_of(Network(later.description, later.tensors, first), "2:4")
    np.testing.assert_array_equal(again["a.weight"], first["a.weight"])
    further = masks_of(Network(later.description, later.tensors, first), "1:4")["a.weight"]
    assert not (further & ~first["a.weight"]).any()
    assert (further.sum(axis=1) == 2).all()


def test_the_pattern_holds_where_no_image_reaches(network_of: Callable) -> None:
    network = network_of({"a": np.random.default_rng(0).normal(size=(4, 8, 3, 3))})
    centre = np.zeros((1, 1, 3, 3), bool)
    centre[0, 0, 1, 1] = True
    mask = masks_of(network, "2:4", counted={"a.weight": centre})["a.weight"]
    assert (mask.sum(axis=1) == 4).all()
    whole = masks_of(network, "2:4")["a.weight"]
    np.testing.assert_array_equal(mask[..., 1, 1], whole[..., 1, 1])


@pytest.mark.parametrize("text", ["4:2", "2:2", "0:4", "2/4", "2:4:8", "", "-1:4"])
def test_what_is_no_pattern_is_refused(text: str) -> None:
    with pytest.raises(InputError, match=r"is no pattern N:M"):
        patterns.parse(text)


def test_patterns_by_hand() -> None:
    assert patterns.parse("2:4") == Pattern(2, 4)
    assert [patterns.parse(text).rate for text in ("2:4", "1:4", "1:3", "1:16")] == [
        0.5, 0.75, 0.67, 0.94,
    ]  # fmt: skip
