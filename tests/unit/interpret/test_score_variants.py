"""Variants of the score: each against the plain way to make it."""

import numpy as np
import polars as pl
import pytest

from prunescope.data import sampling
from prunescope.interpret import mis, score_variants
from prunescope.interpret.score_variants import Exemplars, Material

IMAGES, UNITS = 60, 6
SETTINGS = mis.ScoreSettings(2, 4, 0.16, "imi", 0)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


ACTIVATIONS = rng(1).normal(size=(IMAGES, UNITS)).astype(np.float32)
LABELS = np.arange(IMAGES) % 5
ROWS = sampling.sample_rows(LABELS, 40, 0, key="k")


def symmetric(seed: int) -> np.ndarray:
    matrix = rng(seed).uniform(-1, 1, size=(IMAGES, IMAGES)).astype(np.float32)
    return (matrix + matrix.T) / 2


@pytest.fixture
def material() -> Material:
    ranked = np.argsort(ACTIVATIONS.T, axis=1)
    return Material(
        exemplars=Exemplars(ranked[:, ::-1][:, :20], ranked[:, :20]),
        recorded={"mean": ACTIVATIONS[ROWS], "max": ACTIVATIONS[ROWS] ** 2},
        rows=ROWS,
        subsets={size: sampling.sample_rows(LABELS[ROWS], size, 0, key="k") for size in (25, 40)},
        similarities={"": symmetric(2), "pixels:correlation 32": symmetric(3)},
        elsewhere={"probe-60-seed4": (Exemplars(ranked[:, ::-1], ranked), symmetric(5))},
    )


def plain(activations: np.ndarray, images: np.ndarray, similarity: np.ndarray,
          settings: mis.ScoreSettings = SETTINGS) -> np.ndarray:  # fmt: skip
    """Soft scores, the extremes sorted out here."""
    ranked = images[np.argsort(activations.T, axis=1)]
    return mis.score_units(ranked[:, ::-1], ranked, similarity, settings)[0]


def test_nothing_changed_is_the_studys_score(material: Material) -> None:
    soft, hard = score_variants.score(material, {}, SETTINGS)
    expected = mis.score_units(
        material.exemplars.strongest, material.exemplars.weakest, symmetric(2), SETTINGS
    )
    np.testing.assert_array_equal(soft, expected[0])
    np.testing.assert_array_equal(hard, expected[1])


@pytest.mark.parametrize(
    ("variant", "settings"),
    [
        ({"seed": 3}, mis.ScoreSettings(2, 4, 0.16, "imi", 3)),
        ({"tasks": 3, "explanations": 4}, mis.ScoreSettings(4, 3, 0.16, "imi", 0)),
        ({"tau": 0.5}, mis.ScoreSettings(2, 4, 0.5, "imi", 0)),
        ({"draw": "quantile", "pool": 9}, mis.ScoreSettings(2, 4, 0.16, "quantile", 0, 0, 9)),
        ({"query": 2}, mis.ScoreSettings(2, 4, 0.16, "imi", 0, 2)),
    ],
)  # fmt: skip
def test_settings_of_the_score(
    material: Material, variant: dict, settings: mis.ScoreSettings
) -> None:
    soft, _ = score_variants.score(material, variant, SETTINGS)
    expected = plain(ACTIVATIONS, np.arange(IMAGES), symmetric(2), settings)
    np.testing.assert_allclose(soft, expected)


def test_another_metric(material: Material) -> None:
    variant = {"similarity": {"metric": "pixels:correlation", "image_size": 32}}
    soft, _ = score_variants.score(material, variant, SETTINGS)
    np.testing.assert_allclose(soft, plain(ACTIVATIONS, np.arange(IMAGES), symmetric(3)))


def test_another_probe_set(material: Material) -> None:
    """Its exemplars and similarities, with other settings too."""
    variant = {"probe": {"images": 60, "seed": 4}, "tasks": 3}
    soft, _ = score_variants.score(material, variant, SETTINGS)
    settings = mis.ScoreSettings(2, 3, 0.16, "imi", 0)
    np.testing.assert_allclose(soft, plain(ACTIVATIONS, np.arange(IMAGES), symmetric(5), settings))


@pytest.mark.parametrize("images", [25, 40])
def test_a_smaller_probe_set(material: Material, images: int) -> None:
    soft, _ = score_variants.score(material, {"probe_images": images}, SETTINGS)
    part = ROWS[sampling.sample_rows(LABELS[ROWS], images, 0, key="k")]
    assert np.bincount(LABELS[part]).tolist() == [images // 5] * 5
    np.testing.assert_allclose(soft, plain(ACTIVATIONS[part], part, symmetric(2)))


def test_another_pooling(material: Material) -> None:
    soft, _ = score_variants.score(material, {"pooling": "max"}, SETTINGS)
    np.testing.assert_allclose(soft, plain(ACTIVATIONS[ROWS] ** 2, ROWS, symmetric(2)))


def test_permuted_activations_give_the_floor() -> None:
    """Units that answer to one half of the images, which are alike: perfect, then at chance."""
    alike = np.repeat([[1.0, -1.0]], 200, axis=0).T.ravel()
    similarity = np.outer(alike, alike).astype(np.float32)
    images = np.tile(np.arange(400), (300, 1))
    known = Material(
        Exemplars(images[:, :200], images[:, 200:]), {}, np.arange(0), {}, {"": similarity}, {}
    )
    settings = mis.ScoreSettings(9, 20, 0.16, "imi", 0)
    assert score_variants.score(known, {}, settings)[0].mean() > 0.99
    assert score_variants.score(known, {"permuted": True}, settings)[0].mean() == pytest.approx(
        0.5, abs=0.01
    )


def test_permuted_extremes_share_no_image() -> None:
    found = score_variants.permute(50, 30, 12, seed=0)
    for strong, weak in zip(found.strongest, found.weakest, strict=True):
        assert len({*strong, *weak}) == 24


def test_equal_activations_are_ordered_at_random() -> None:
    """A dead unit must not look pure because the images come sorted by class."""
    found = score_variants.rank(np.zeros((100, 1), dtype=np.float32), np.arange(100), 20, seed=0)
    assert sorted(found.strongest[0]) != list(range(20))
    assert sorted(found.strongest[0]) != list(range(80, 100))
    assert not set(found.strongest[0]) & set(found.weakest[0])


def test_the_subsets_of_all_variants_are_drawn(material: Material) -> None:
    variants: dict[str, dict] = {"few": {"probe_images": 25}, "cold": {"tau": 0.1}}
    found = Material.gather(
        material.exemplars, material.recorded, material.similarities, {}, LABELS, variants,
        images=40, seed=0,
    )  # fmt: skip
    np.testing.assert_array_equal(found.rows, material.rows)
    assert found.subsets.keys() == material.subsets.keys()
    for size, drawn in material.subsets.items():
        np.testing.assert_array_equal(found.subsets[size], drawn)


def test_all_variants_are_scored_after_the_studys_own(material: Material) -> None:
    units = pl.DataFrame({"unit": range(UNITS)})
    found = score_variants.score_all(material, {"other": {"seed": 3}}, SETTINGS, units)
    assert found.columns == ["variant", "unit", "mis_soft", "mis_hard"]
    assert found["variant"].to_list() == ["unchanged"] * UNITS + ["other"] * UNITS
    for name, variant in (("unchanged", {}), ("other", {"seed": 3})):
        scores = score_variants.score(material, variant, SETTINGS)
        rows = found.filter(variant=name)
        assert rows["mis_soft"].to_list() == scores[0].tolist()
        assert rows["mis_hard"].to_list() == scores[1].tolist()
