"""Wanda against a loop over outputs, and where it leaves magnitude."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.prune.criteria import wanda
from prunescope.prune.masks import PruningMethod, make_masks

METHOD = PruningMethod("weight", "layer", "wanda", layers=("conv2d", "linear"))


def masks_of(network, norms: np.ndarray, rate: float, method: PruningMethod = METHOD, **options):
    shape = network.tensors["a.weight"].shape
    quantities = {"a.weight": {"input_norm": np.broadcast_to(norms, shape)}}
    return make_masks(network, method, rate, quantities=quantities, **options)["a.weight"]


def test_by_hand(network_of: Callable) -> None:
    network = network_of({"a": np.float32([[4, 1, -1, 3], [100, 200, 300, 400]])})
    # Products: 4, 10, 5, 6 and 100, 2000, 1500, 800: each output loses two.
    mask = masks_of(network, np.array([1.0, 10, 5, 2]), 0.5)
    assert mask.astype(int).tolist() == [[0, 1, 0, 1], [0, 1, 1, 0]]


@given(
    shape=st.sampled_from([(3, 8), (4, 2, 2, 2), (5, 4, 1, 3)]),
    share=st.sampled_from([0.25, 0.5, 0.75]),
    seed=st.integers(0, 99),
)
def test_each_output_loses_its_lowest_products(
    network_of: Callable, shape: tuple[int, ...], share: float, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    weight, norms = rng.normal(size=shape), rng.uniform(0.1, 3, size=shape)
    mask = masks_of(network_of({"a": weight}), norms, share)
    for row, products in enumerate(np.abs(np.float32(weight)) * norms):
        lowest = np.argsort(products.ravel())[: round(products.size * share)]
        expected = np.ones(products.size, bool)
        expected[lowest] = False
        np.testing.assert_array_equal(mask[row].ravel(), expected)


@given(rate=st.floats(0.05, 0.9))
def test_totals_are_exact_and_outputs_differ_by_one(network_of: Callable, rate: float) -> None:
    weight = np.random.default_rng(0).normal(size=(5, 7))
    mask = masks_of(network_of({"a": weight}), np.ones(7), rate)
    assert (~mask).sum() == round(rate * 35)
    left = mask.sum(axis=1)
    assert left.max() - left.min() <= 1


def test_patterns_take_the_products(network_of: Callable) -> None:
    network = network_of({"a": np.float32([[1, 2, 3, 4]])})
    method = PruningMethod("n_of_m", "layer", "wanda", layers=("linear",), pattern="2:4")
    assert masks_of(network, np.array([9.0, 1, 1, 1]), 0.5, method).tolist() == [
        [True, False, False, True]
    ]


def test_pruned_weights_count_towards_the_share_of_their_output(network_of: Callable) -> None:
    network = network_of({"a": np.float32([[1, 2, 3, 4], [4, 3, 2, 1]])})
    first = masks_of(network, np.ones(4), 0.25)
    norms = np.array([1.0, 100, 100, 1])
    second = masks_of(network.masked({"a.weight": first}), norms, 0.5)
    assert second.astype(int).tolist() == [[0, 1, 1, 0], [0, 1, 1, 0]]


@pytest.mark.parametrize(
    ("granularity", "scope", "biases", "told"),
    [
        ("filter", "layer", False, "`filter`"),
        ("input_channel", "layer", False, "`input_channel`"),
        ("weight", "global", False, "`scope`"),
        ("weight", "layer", True, "`biases`"),
        ("kernel", "erk", False, ""),
    ],
)
def test_what_it_ranks(granularity: str, scope: str, biases: bool, told: str) -> None:
    found = wanda.problem(granularity, scope, biases)
    assert (told in found) if told else found == ""
