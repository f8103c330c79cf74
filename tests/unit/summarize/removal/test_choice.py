"""Differences of the chosen from the others: by hand, by brute force, and with planted effects."""

from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunescope.summarize.removal import choice
from prunescope.summarize.removal.choice import Units

RNG = np.random.default_rng(0)


def separate(strata: list[int], chosen: list[bool]) -> Units:
    """Units of which each is a piece of its own."""
    layers = np.array(strata)
    return Units(layers, layers, np.arange(len(layers)), np.array(chosen))


def one(values: list[float], units: Units, resamples: int = 2000) -> choice.Difference:
    column = np.array(values, dtype=np.float64)[:, None]
    return choice.compare(column, units, resamples, np.random.default_rng(1))[0]


def test_by_hand() -> None:
    """Layer 0: 1 against (3 + 5) / 2, weight 2/3. Layer 1: 10 against 8, weight 1/2."""
    found = one([1, 3, 5, 10, 8], separate([0, 0, 0, 1, 1], [True, False, False, True, False]))
    assert found.estimate == pytest.approx((2 / 3 * (1 - 4) + 1 / 2 * (10 - 8)) / (2 / 3 + 1 / 2))
    assert (found.chosen, found.left) == (2, 3)
    assert (found.mean_chosen, found.mean_left) == (5.5, pytest.approx(16 / 3))
    # Squares within layers: 4 + 0 + 4 and 1 + 1, with 5 - 2 degrees of freedom.
    assert found.standardized == pytest.approx(found.estimate / np.sqrt(10 / 3))


def test_it_is_the_coefficient_of_a_regression_with_layers() -> None:
    strata = np.repeat([0, 1, 2], [4, 7, 5])
    chosen = RNG.random(16) < 0.4
    chosen[[0, 4, 11]], chosen[[1, 5, 12]] = True, False
    values = RNG.normal(size=16) + strata
    design = np.column_stack([chosen, *(strata == layer for layer in range(3))]).astype(float)
    slope = np.linalg.lstsq(design, values, rcond=None)[0][0]
    found = one(values.tolist(), separate(strata.tolist(), chosen.tolist()), 10)
    assert found.estimate == pytest.approx(slope)


def test_p_and_range_are_those_of_all_choices() -> None:
    values = np.array([0.1, 0.2, 0.35, 0.9, 0.5, 0.6, 0.61, 0.99])
    layers = [0, 0, 0, 0, 1, 1, 1, 1]
    units = separate(layers, [True, True, False, False, True, False, False, False])
    observed = one(values.tolist(), units, 4_000)
    every = []
    for first, second in product(combinations(range(4), 2), combinations(range(4, 8), 1)):
        picked = [place in (*first, *second) for place in range(8)]
        every.append(one(values.tolist(), separate(layers, picked), 1).estimate)
    share = np.mean(np.abs(every) >= abs(observed.estimate) - 1e-12)
    assert 0.05 < share < 0.5, "the example can tell"
    assert observed.p == pytest.approx(share, abs=0.03)
    assert observed.low == pytest.approx(min(every))
    assert observed.high == pytest.approx(max(every))


def test_channels_that_go_together_are_drawn_together() -> None:
    """Three layers that lose the same channels tell no more than one."""
    values = np.array([0.1, 0.3, 0.5, 0.7, 0.9, 0.8])
    picked = np.array([True, True, False, False, False, False])
    alone = one(values.tolist(), separate([0] * 6, picked.tolist()), 4_000)
    layers = np.repeat([0, 1, 2], 6)
    together = Units(layers, np.zeros(18, int), np.tile(np.arange(6), 3), np.tile(picked, 3))
    found = one(np.tile(values, 3).tolist(), together, 4_000)
    assert found.estimate == pytest.approx(alone.estimate)
    assert found.p == pytest.approx(alone.p, abs=0.02)
    apart = separate(layers.tolist(), np.tile(picked, 3).tolist())
    assert one(np.tile(values, 3).tolist(), apart, 4_000).p < found.p / 5


@given(st.integers(0, 10_000))
@settings(deadline=None)
def test_symmetries(seed: int) -> None:
    """What is kept differs the other way; units and names of layers may stand in any order."""
    rng = np.random.default_rng(seed)
    strata = rng.integers(0, 3, size=20)
    chosen = rng.random(20) < 0.5
    values = rng.normal(size=20)
    found = one(values.tolist(), separate(strata.tolist(), chosen.tolist()), 50)
    other = one(values.tolist(), separate(strata.tolist(), (~chosen).tolist()), 50)
    assert other.estimate == pytest.approx(-found.estimate, nan_ok=True)
    order = rng.permutation(20)
    moved = one(
        (3 * values[order] + 7 * strata[order]).tolist(),
        separate((9 - strata[order]).tolist(), chosen[order].tolist()),
        50,
    )
    assert moved.estimate == pytest.approx(3 * found.estimate, nan_ok=True)
    assert moved.standardized == pytest.approx(found.standardized, nan_ok=True)


def test_unknown_values_do_not_count() -> None:
    units = separate([0, 0, 0, 0], [True, True, False, False])
    found = one([1, np.nan, 3, 5], units)
    assert found.estimate == pytest.approx(1 - 4)
    assert (found.chosen, found.left) == (1, 2)


def test_without_two_sides_there_is_nothing_to_compare() -> None:
    found = one([1, 2, 3], separate([0, 0, 1], [True, True, False]))
    assert (found.chosen, found.left) == (0, 0)
    assert np.isnan([found.estimate, found.p, found.low]).all()


def test_random_choice_is_seldom_told_and_a_planted_one_always() -> None:
    strata = np.repeat(np.arange(4), 25)
    told = {"random": 0, "planted": 0}
    for trial in range(60):
        rng = np.random.default_rng(trial)
        values = rng.normal(0.7, 0.1, size=100) + 0.1 * strata
        rank = {"random": rng.random(100), "planted": values + rng.normal(0, 0.1, 100)}
        for name, ranks in rank.items():
            chosen = np.zeros(100, dtype=bool)
            for layer in range(4):
                members = np.flatnonzero(strata == layer)
                chosen[members[np.argsort(ranks[members])[:10]]] = True
            units = Units(strata, strata, np.arange(100), chosen)
            (found,) = choice.compare(values[:, None], units, 199, rng)
            told[name] += found.p < 0.05
    assert told["planted"] == 60
    assert told["random"] <= 9
