"""Measures against loops written from their definitions, and units that are known."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.interpret import unit_measures


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# --- monosemanticity -----------------------------------------------------------------------------


def by_pairs(images: list, activations: list, lowest: float, similarity: np.ndarray) -> float:
    """Weighted mean similarity of one unit's pairs, pair by pair."""
    weights = [(a - lowest) / (activations[0] - lowest) for a in activations]
    total = mass = 0.0
    for i in range(len(images)):
        for j in range(i):
            total += weights[i] * weights[j] * similarity[images[i], images[j]]
            mass += weights[i] * weights[j]
    return total / mass


@pytest.mark.parametrize("block", [1, 3, 1024])
def test_monosemanticity_equals_the_loop(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit_measures, "UNITS_A_BLOCK", block)
    draws = rng(1)
    similarity = draws.uniform(-1, 1, size=(20, 20)).astype(np.float32)
    similarity = (similarity + similarity.T) / 2
    strongest = np.array([draws.permutation(20)[:6] for _ in range(7)])
    activations = -np.sort(-draws.normal(size=(7, 6)), axis=1).astype(np.float32)
    lowest = activations[:, -1] - draws.uniform(0.1, 1, size=7).astype(np.float32)
    found = unit_measures.monosemanticity(strongest, activations, lowest, similarity)
    expected = [
        by_pairs(list(images), [float(a) for a in values], float(low), similarity)
        for images, values, low in zip(strongest, activations, lowest, strict=True)
    ]
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_unit_of_equal_images_is_monosemantic() -> None:
    similarity = np.ones((5, 5), dtype=np.float32)
    images, activations = np.array([[0, 3, 4]]), np.array([[3.0, 2.0, 1.0]], dtype=np.float32)
    found = unit_measures.monosemanticity(images, activations, np.zeros(1), similarity)
    assert found.tolist() == pytest.approx([1.0])


def test_a_constant_unit_has_no_monosemanticity() -> None:
    same = np.full((1, 3), 0.5, dtype=np.float32)
    found = unit_measures.monosemanticity(np.array([[0, 1, 2]]), same, same[:, 0], np.eye(3))
    assert np.isnan(found).all()


# --- labels --------------------------------------------------------------------------------------


def test_purity_by_hand() -> None:
    labels = np.array([5, 5, 5, 7, 7, 7, 9, 9, 9])
    strongest = np.array([[0, 1, 2, 8], [0, 3, 4, 1], [0, 3, 6, 1]])  # three count
    assert unit_measures.label_purity(strongest, labels).tolist() == pytest.approx(
        [1, 2 / 3, 1 / 3]
    )


@given(st.integers(0, 10_000))
def test_purity_equals_counting(seed: int) -> None:
    draws = rng(seed)
    labels = np.repeat([0, 2, 5], [4, 6, 5])
    strongest = np.array([draws.permutation(15)[:9] for _ in range(5)])
    expected = [max(np.bincount(labels[row[:4]])) / 4 for row in strongest]
    assert unit_measures.label_purity(strongest, labels).tolist() == pytest.approx(expected)


def test_selectivity_by_hand() -> None:
    labels = np.array([0, 0, 1, 1, 2, 2])
    activations = np.array(
        [
            [1.0, 3.0, 2.0, 4.0],
            [1.0, 5.0, 2.0, 4.0],
            [0.0, 1.0, 2.0, 4.0],
            [0.0, 1.0, 2.0, 4.0],
            [0.0, 2.0, 2.0, 4.0],
            [0.0, 2.0, 2.0, 4.1],
        ],
        dtype=np.float32,
    )
    found = unit_measures.class_selectivity(activations, labels)
    # Only class 0; means 3, 0, 1 above the minimum: (3 - .5) / (3 + .5); constant; only class 2.
    assert found[[0, 1, 3]].tolist() == pytest.approx([1.0, 2.5 / 3.5, 1.0])
    assert np.isnan(found[2])


# --- alignment -----------------------------------------------------------------------------------


def hsic_by_definition(k: np.ndarray, m: np.ndarray) -> float:
    """Song et al. 2012, eq. 4: sums over distinct indices."""
    n = len(k)
    pairs = sum(k[i, j] * m[i, j] for i in range(n) for j in range(n) if i != j)
    triples = sum(
        k[i, j] * m[i, q] for i in range(n) for j in range(n) for q in range(n)
        if len({i, j, q}) == 3
    )  # fmt: skip
    quadruples = sum(
        k[i, j] * m[q, r]
        for i in range(n) for j in range(n) for q in range(n) for r in range(n)
        if len({i, j, q, r}) == 4
    )  # fmt: skip
    return (
        pairs / (n * (n - 1))
        + quadruples / (n * (n - 1) * (n - 2) * (n - 3))
        - 2 * triples / (n * (n - 1) * (n - 2))
    )


def test_alignment_equals_the_definition() -> None:
    x, y = rng(1).normal(size=(7, 3)), rng(2).normal(size=(7, 4))
    y[:, :3] += 2 * x
    k, m = ((z - z.mean(axis=0)) @ (z - z.mean(axis=0)).T for z in (x, y))
    expected = hsic_by_definition(k, m) / np.sqrt(
        hsic_by_definition(k, k) * hsic_by_definition(m, m)
    )
    assert unit_measures.linear_cka(x, y) == pytest.approx(expected, rel=1e-4)


def test_alignment_does_not_see_rotation_scale_and_shift() -> None:
    x = rng(1).normal(size=(50, 6))
    rotation, _ = np.linalg.qr(rng(2).normal(size=(6, 6)))
    assert unit_measures.linear_cka(x, 3 * x @ rotation + 5) == pytest.approx(1, abs=1e-5)


def test_unrelated_layers_are_not_aligned_on_average() -> None:
    """Where there are as many units as images the biased estimator would give about a half."""
    found = [
        unit_measures.linear_cka(
            rng(seed).normal(size=(60, 60)), rng(seed + 99).normal(size=(60, 60))
        )
        for seed in range(30)
    ]
    assert np.mean(found) == pytest.approx(0, abs=0.05)


def test_a_constant_layer_has_no_alignment() -> None:
    assert np.isnan(unit_measures.linear_cka(np.ones((9, 2)), rng().normal(size=(9, 2))))


# --- tables --------------------------------------------------------------------------------------


def test_constant_units_have_no_measures() -> None:
    exemplars = pl.DataFrame(
        {
            "constant": [False, True],
            "strongest": [[0, 1], [2, 3]],
            "strongest_activation": [[3.0, 2.0], [1.0, 1.0]],
            "weakest_activation": [[0.0, 1.0], [1.0, 1.0]],
        }
    )
    activations = np.array([[3, 1], [0, 1]], dtype=np.float32)
    found = unit_measures.measure_units(
        exemplars,
        activations,
        np.ones((4, 4), np.float32),
        np.array([0, 0, 1, 1]),
        np.array([0, 3]),
    )
    measures = found.select("monosemanticity", "label_purity", "class_selectivity").rows()
    assert measures[0] == pytest.approx((1, 1, 1))
    assert measures[1] == (None, None, None)


def test_layers_are_compared_one_by_one() -> None:
    dense = rng(3).normal(size=(8, 5)).astype(np.float32)
    own = np.hstack([np.ones((8, 2), np.float32), 2 * dense[:, 2:]])
    layers = pl.Series("layer", ["b", "b", "a", "a", "a"])
    found = unit_measures.compare_layers(layers, own, dense)
    assert found["layer"].to_list() == ["b", "a"]
    assert found["cka"].to_list() == [None, pytest.approx(1, abs=1e-5)]
