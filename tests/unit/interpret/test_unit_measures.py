"""Measures against loops written from their definitions, and units that are known."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.interpret import similarities, unit_measures


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


# --- monosemanticity -----------------------------------------------------------------------------


def by_pairs(activations: np.ndarray, similarity: np.ndarray) -> float:
    """Weighted mean similarity of one unit's pairs of different images, pair by pair."""
    low, high = activations.min(), activations.max()
    weights = [(a - low) / (high - low) for a in activations.astype(float)]
    total = mass = 0.0
    for n, one in enumerate(weights):
        for m, other in enumerate(weights):
            if n != m:
                total += one * other * similarity[n, m]
                mass += one * other
    return total / mass


def unit_vectors(images: int, features: int) -> np.ndarray:
    drawn = rng(4).normal(size=(images, features)) + 0.5
    return (drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


# One unit a block, some, and all.
BLOCKS = pytest.mark.parametrize("block", [1, 3, 1024])


@BLOCKS
def test_monosemanticity_equals_the_loop(block: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unit_measures, "UNITS_A_BLOCK", block)
    draws = rng(1)
    similarity = draws.uniform(-1, 1, size=(20, 20)).astype(np.float32)
    similarity = (similarity + similarity.T) / 2
    images = np.sort(draws.permutation(20)[:12])
    activations = draws.normal(size=(12, 7)).astype(np.float32)
    found = unit_measures.monosemanticity(activations, similarity, images)
    between = similarity[images][:, images]
    expected = [by_pairs(unit, between) for unit in activations.T]
    np.testing.assert_allclose(found, expected, atol=1e-6)


@BLOCKS
@pytest.mark.parametrize("distances", [False, True])
def test_monosemanticity_from_embeddings_equals_the_loop(
    distances: bool, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unit_measures, "UNITS_A_BLOCK", block)
    monkeypatch.setattr(similarities, "BLOCK_BYTES", block * 8 * 5)
    vectors = unit_vectors(15, 5)
    gaps = ((vectors[:, None].astype(float) - vectors[None]) ** 2).sum(axis=2)
    similarity = 1 - gaps if distances else vectors.astype(float) @ vectors.T
    images = np.array([0, 2, 3, 7, 8, 9, 14])
    activations = rng(5).exponential(size=(7, 6)).astype(np.float32)
    embeddings = similarities.Embeddings(vectors, distances)
    found = unit_measures.monosemanticity(activations, embeddings, images)
    between = similarity[images][:, images]
    expected = [by_pairs(unit, between) for unit in activations.T]
    np.testing.assert_allclose(found, expected, atol=1e-9)


def test_monosemanticity_by_hand() -> None:
    """Scaled to 1, 1/2, 1/4, 0: pairs of 1/2, 1/4 and 1/8 with similarities of 0.8, 0.4 and 0."""
    similarity = np.array(
        [[1, 0.8, 0.4, 9], [0.8, 1, 0, 9], [0.4, 0, 1, 9], [9, 9, 9, 1]], dtype=np.float32
    )
    activations = np.array([[3, 1, 0, -1]], dtype=np.float32).T
    found = unit_measures.monosemanticity(activations, similarity, np.arange(4))
    assert found.tolist() == pytest.approx([0.5 / 0.875])


def test_all_images_count_that_a_unit_responds_to() -> None:
    """Two kinds of images in equal parts: half of the pairs are alike, all but for the image."""
    vectors = np.repeat(np.eye(2, dtype=np.float32), 50, axis=0)
    activations = np.ones((101, 1), dtype=np.float32)
    activations[100] = 0
    vectors = np.vstack([vectors, [[1.0, 0.0]]]).astype(np.float32)
    found = unit_measures.monosemanticity(activations, vectors @ vectors.T, np.arange(101))
    assert found.tolist() == pytest.approx([49 / 99])


@pytest.mark.parametrize("embedded", [False, True])
def test_units_without_a_weighted_pair_have_no_monosemanticity(embedded: bool) -> None:
    """A unit that is constant, and one that a single image excites."""
    vectors = unit_vectors(4, 3)
    similarity = similarities.Embeddings(vectors, False) if embedded else vectors @ vectors.T
    activations = np.array([[0.5, 1], [0.5, 0], [0.5, 0], [0.5, 0]], dtype=np.float32)
    found = unit_measures.monosemanticity(activations, similarity, np.arange(4))
    assert np.isnan(found).all()


@pytest.mark.parametrize("embedded", [False, True])
def test_a_unit_that_one_image_excites_by_far_is_exact(embedded: bool) -> None:
    """The weights of all pairs but those of one image are tiny."""
    vectors = unit_vectors(4, 3)
    similarity = similarities.Embeddings(vectors, False) if embedded else vectors @ vectors.T
    activations = np.array([[1, 1e-7, 0, 2e-7]], dtype=np.float32).T
    found = unit_measures.monosemanticity(activations, similarity, np.arange(4))
    of_pairs = vectors[0] @ vectors[[1, 3]].T
    assert found.tolist() == pytest.approx([(of_pairs[0] + 2 * of_pairs[1]) / 3], abs=1e-4)


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
        }
    )
    activations = np.array([[3, 1], [3, 1], [0, 1]], dtype=np.float32)
    found = unit_measures.measure_units(
        exemplars,
        activations,
        np.ones((4, 4), np.float32),
        np.array([0, 0, 1, 1]),
        np.array([0, 1, 3]),
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
