"""FPGM by hand, against a loop, and where it differs from norms and from squared weights."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from prunescope.prune.criteria import fpgm
from prunescope.prune.masks import PruningMethod, make_masks

METHOD = PruningMethod("filter", "layer", "fpgm")


def kept(network_of: Callable, filters: list, rate: float = 0.2) -> list[bool]:
    weight = np.float32(filters).reshape(len(filters), -1, 1, 1)
    mask = make_masks(network_of({"a": weight}), METHOD, rate)["a.weight"]
    return mask.all(axis=(1, 2, 3)).tolist()


def test_by_hand() -> None:
    # Distances: 5, 5 and 6 between the corners of a triangle.
    weight = np.float32([[0, 4], [3, 0], [-3, 0]])
    np.testing.assert_allclose(
        fpgm.rank(weight, (1,), np.random.default_rng(0)), [10, 11, 11], rtol=1e-15
    )


def test_scores_equal_a_loop() -> None:
    weight = np.random.default_rng(0).normal(size=(7, 3, 2, 2)).astype(np.float32)
    expected = []
    for one in weight.astype(np.float64):
        total = 0.0
        for other in weight.astype(np.float64):
            total += sum((a - b) ** 2 for a, b in zip(one.flat, other.flat, strict=True)) ** 0.5
        expected.append(total)
    np.testing.assert_allclose(
        fpgm.rank(weight, (1, 2, 3), np.random.default_rng(0)), expected, rtol=1e-12
    )


def by_torch_pruning(weight: np.ndarray, power: int) -> np.ndarray:
    tp = pytest.importorskip("torch_pruning")
    layer = torch.nn.Conv2d(weight.shape[1], len(weight), weight.shape[2], bias=False)
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight))
    graph = tp.DependencyGraph().build_dependency(layer, torch.ones(1, weight.shape[1], 4, 4))
    every = list(range(len(weight)))
    group = graph.get_pruning_group(layer, tp.prune_conv_out_channels, every)
    return tp.importance.FPGMImportance(p=power, normalizer=None)(group).numpy()


def test_torch_pruning_agrees_once_it_leaves_the_weights_as_they_are() -> None:
    """It takes distances of |w|^p, with p = 2 by default."""
    weight = np.random.default_rng(0).uniform(0.1, 2, size=(6, 3, 2, 2)).astype(np.float32)
    ours = fpgm.rank(weight, (1, 2, 3), np.random.default_rng(0))
    np.testing.assert_allclose(by_torch_pruning(weight, 1), ours, rtol=1e-5)
    squares = fpgm.rank(np.square(weight), (1, 2, 3), np.random.default_rng(0))
    np.testing.assert_allclose(by_torch_pruning(weight, 2), squares, rtol=1e-5)
    assert (np.argsort(squares) != np.argsort(ours)).any()


def test_the_filter_amid_the_others_goes_though_it_is_not_the_smallest(
    network_of: Callable,
) -> None:
    # On a line at 1, 9, 10, 11, 20: the one at 10 is the median, that at 1 the smallest.
    assert kept(network_of, [[1], [9], [10], [11], [20]]) == [True, True, False, True, True]


def test_signs_count(network_of: Callable) -> None:
    """Distances of squared weights, as another tool takes them, would call 5 and -5 the same."""
    squares = np.square([[5], [-5], [5.1], [1], [-9]], dtype=np.float64)
    assert np.argmin(np.abs(squares - squares.T).sum(axis=1)) != 3
    assert kept(network_of, [[5], [-5], [5.1], [1], [-9]]) == [True, True, True, False, True]


def test_filters_that_are_pruned_are_no_points(network_of: Callable) -> None:
    weight = np.float32([[10], [10], [7], [1], [4]]).reshape(5, 1, 1, 1)
    network = network_of({"a": weight})
    gone = np.array([False, False, True, True, True])
    masks = {"a.weight": np.broadcast_to(gone[:, None, None, None], weight.shape)}
    # Of 7, 1, 4 the middle one goes next. With the pruned ones at zero, that would be 1.
    again = make_masks(network.masked(masks), METHOD, 0.6)["a.weight"]
    assert again.ravel().tolist() == [False, False, True, True, False]


def test_alike_filters_are_told_apart() -> None:
    """Products of lengths would lose these differences."""
    weight = np.float64([[1e6, 0], [1e6, 1e-3], [1e6, 3e-3]])
    np.testing.assert_allclose(
        fpgm.rank(weight, (1,), np.random.default_rng(0)), [4e-3, 3e-3, 5e-3], rtol=1e-9
    )


def test_other_pieces_and_other_layers_are_refused() -> None:
    assert "`input_channel`" in fpgm.problem("input_channel", "layer", False)
    assert "`scope`" in fpgm.problem("filter", "global", False)
    assert fpgm.problem("filter", "layer", False) == ""
