"""Scores from embeddings are those from the matrix of similarities that they make."""

from pathlib import Path

import numpy as np
import pytest

from prunescope.interpret import mis, similarities, unit_measures
from prunescope.interpret.metrics import comparison
from prunescope.interpret.similarities import Embeddings

IMAGES, FEATURES, UNITS, PER_SIDE = 90, 24, 7, 40
METRICS = {False: "timm:tf_efficientnet_lite0", True: "lpips:alex"}
SETTINGS = mis.ScoreSettings(3, 10, 0.16, "imi", 0)


def vectors(distances: bool) -> np.ndarray:
    drawn = np.random.default_rng(1).normal(size=(IMAGES, FEATURES)).astype(np.float32)
    # LPIPS is not scaled to length 1.
    return 0.2 * drawn if distances else drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def sides() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    dealt = np.array([rng.permutation(IMAGES)[: 2 * PER_SIDE] for _ in range(UNITS)])
    return dealt[:, :PER_SIDE], dealt[:, PER_SIDE:]


@pytest.fixture(params=[1, 5_000, similarities.BLOCK_BYTES])
def block(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Blocks of one task, of some, and of all."""
    monkeypatch.setattr(similarities, "BLOCK_BYTES", request.param)
    return request.param


@pytest.mark.parametrize("distances", METRICS)
def test_scores_equal_those_of_the_matrix(distances: bool, block: int) -> None:
    found = vectors(distances)
    expected = mis.score_units(*sides(), comparison.compare(found, distance=distances), SETTINGS)
    scores = mis.score_units(*sides(), Embeddings(found, distances), SETTINGS)
    assert np.abs(expected[2]).min() > 1e-4
    for one, other in zip(scores, expected, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


@pytest.mark.parametrize("distances", METRICS)
def test_monosemanticity_equals_that_of_the_matrix(distances: bool, block: int) -> None:
    found = vectors(distances)
    images = np.arange(0, IMAGES, 3)
    activations = np.random.default_rng(3).random((len(images), UNITS), dtype=np.float32)
    matrix = comparison.compare(found, distance=distances)
    expected = unit_measures.monosemanticity(activations, matrix, images)
    scores = unit_measures.monosemanticity(activations, Embeddings(found, distances), images)
    np.testing.assert_allclose(scores, expected, atol=1e-6)


def test_blocks_hold_no_more_than_they_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """The largest piece that is gathered at once does not grow with units, tasks or images."""
    monkeypatch.setattr(similarities, "BLOCK_BYTES", 40_000)
    seen = []

    class Watched(np.ndarray):
        def __getitem__(self, rows: object) -> np.ndarray:
            taken = np.asarray(self)[rows]
            seen.append(taken.nbytes)
            return taken

    found = vectors(False).view(Watched)
    mis.score_units(*sides(), Embeddings(found, False), SETTINGS)
    # Strong and weak images of a block are gathered one after the other.
    assert max(seen) <= 40_000 / 2
    assert sum(seen) == UNITS * SETTINGS.tasks * 2 * 4 * FEATURES * 4

    seen.clear()
    activations = np.random.default_rng(3).random((IMAGES, 2 * UNITS), dtype=np.float32)
    monkeypatch.setattr(similarities, "BLOCK_BYTES", 4_000)
    unit_measures.monosemanticity(activations, Embeddings(found, False), np.arange(IMAGES))
    assert max(seen) <= 4_000 / 2


def test_what_is_loaded_depends_on_the_kind(tmp_path: Path) -> None:
    path = tmp_path / "array.npy"
    np.save(path, vectors(False))
    matrix = similarities.load(path, similarities.MATRIX)
    assert type(matrix) is np.ndarray
    products = similarities.load(path, similarities.PRODUCTS)
    distances = similarities.load(path, similarities.DISTANCES)
    assert isinstance(products, Embeddings)
    assert isinstance(distances, Embeddings)
    assert (products.distances, distances.distances) == (False, True)
    # Mapped, and whole again after pages were given back.
    scores = mis.score_units(*sides(), products, SETTINGS)
    expected = mis.score_units(*sides(), Embeddings(vectors(False), False), SETTINGS)
    np.testing.assert_array_equal(scores[0], expected[0])
