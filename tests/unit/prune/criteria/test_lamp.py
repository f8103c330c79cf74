"""LAMP against loops written from the paper, by hand, and where it leaves magnitude."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.prune.criteria import lamp
from prunescope.prune.masks import PruningMethod, make_masks

RNG = np.random.default_rng(0)


def test_by_hand() -> None:
    weight = np.float32([[3, -1], [2, 0]])
    # Squares 9, 1, 4, 0, and the sums of those that are at least as large.
    expected = [[1, 1 / 14], [4 / 13, 0]]
    found = lamp.rank(weight, (), RNG)
    assert found.dtype == np.float64
    np.testing.assert_array_equal(found, expected)


def test_equal_weights_count_those_after_them() -> None:
    np.testing.assert_array_equal(
        lamp.rank(np.float32([[2, -2, 1]]), (), RNG), [[4 / 8, 4 / 4, 1 / 9]]
    )


def test_larger_pieces_take_the_sums_of_their_squares() -> None:
    weight = np.float32([[3, 4], [0, 1]])
    np.testing.assert_array_equal(lamp.rank(weight, (1,), RNG), [1, 1 / 26])
    np.testing.assert_array_equal(lamp.rank(weight, (0,), RNG), [9 / 26, 1])


def test_a_layer_of_zeros_has_no_score() -> None:
    np.testing.assert_array_equal(lamp.rank(np.zeros((2, 3), np.float32), (), RNG), 0)


@given(values=st.lists(st.integers(-50, 50), min_size=1, max_size=40))
def test_scores_equal_a_loop_of_exact_fractions(values: list[int]) -> None:
    found = lamp.rank(np.float32(values)[None], (), RNG)[0]
    for place, own in enumerate(values):
        larger = sum(
            other**2
            for at, other in enumerate(values)
            if other**2 > own**2 or (other**2 == own**2 and at >= place)
        )
        expected = Fraction(own**2, larger) if own else 0
        assert found[place] == pytest.approx(float(expected), rel=1e-14)


def test_squares_that_float32_cannot_hold_are_told_apart() -> None:
    """Squares of 1e-30 are zero in float32."""
    found = lamp.rank(np.float32([[1e-30, 2e-30, 1e-30]]), (), RNG)[0]
    np.testing.assert_allclose(found, [1 / 6, 1, 1 / 5])


def test_it_spares_a_layer_of_small_weights_that_magnitude_removes(network_of: Callable) -> None:
    rng = np.random.default_rng(1)
    large, small = rng.normal(size=(8, 8, 1, 1)), rng.normal(size=(4, 4, 1, 1)) / 100
    network = network_of({"large": large, "small": small})
    by_magnitude = make_masks(network, PruningMethod("weight", "global", "l1"), 0.5)
    assert not by_magnitude["small.weight"].any()
    masks = make_masks(network, PruningMethod("weight", "global", "lamp"), 0.5)
    assert masks["small.weight"].mean() > 0.4
    assert sum(mask.sum() for mask in masks.values()) == 40
    # Within a layer both rank alike.
    both = [PruningMethod("weight", "layer", name) for name in ("lamp", "l1")]
    alike = [make_masks(network, method, 0.5)["large.weight"] for method in both]
    np.testing.assert_array_equal(*alike)


def test_what_no_image_reaches_is_not_in_the_sums(network_of: Callable) -> None:
    weight = np.full((1, 2, 1, 2), 5.0)
    weight[0, :, 0, 0] = [1, 2]
    network = network_of({"a": weight, "b": np.reshape([3, 4], (1, 2, 1, 1))})
    counted = {"a.weight": np.array([[[[True, False]]]])}
    # Scores: 1/5 and 1 in a, 9/25 and 1 in b; with the unreached ones, 2 of a would have 4/54.
    masks = make_masks(network, PruningMethod("weight", "global", "lamp"), 0.5, counted=counted)
    assert masks["a.weight"][0, :, 0].tolist() == [[False, True], [True, True]]
    assert masks["b.weight"].ravel().tolist() == [False, True]


def test_biases_are_refused() -> None:
    assert "biases" in lamp.problem("weight", "global", True)
    assert lamp.problem("kernel", "global", False) == ""
    assert "one layer" in lamp.problem("channel_group", "layer", False)
