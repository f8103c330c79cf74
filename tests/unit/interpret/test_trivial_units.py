"""Trivial units against images whose statistics are known, and against plain loops."""

import numpy as np
import polars as pl
import pytest

from prunescope.data.packed_images import PackedImages
from prunescope.interpret import exemplars, mis, trivial_units
from prunescope.interpret.similarities import Embeddings

SIDE, IMAGES = 10, 60
CLASSES = {0: "boot", 3: "coat", 4: "bag"}
SELECTION = exemplars.ExemplarSettings(per_side=24, ties="random", seed=5)
SETTINGS = mis.ScoreSettings(explanations=3, tasks=6, tau=0.16, draw="imi", seed=1)
STATISTICS = list(trivial_units.STATISTICS)


def probe() -> PackedImages:
    """Noise on boxes of several sizes on several plain backgrounds."""
    rng = np.random.default_rng(0)
    images = np.empty((IMAGES, 3, SIDE, SIDE), dtype=np.uint8)
    for image in images:
        image[:] = rng.integers(0, 40)
        height, width = rng.integers(1, SIDE - 2, size=2)
        image[:, 1 : 1 + height, 1 : 1 + width] = rng.integers(80, 256, size=(3, height, width))
    return PackedImages(images, np.array(list(CLASSES))[rng.integers(0, 3, size=IMAGES)])


def vectors() -> np.ndarray:
    drawn = np.random.default_rng(2).normal(size=(IMAGES, 6)).astype(np.float32)
    return drawn / np.linalg.norm(drawn, axis=1, keepdims=True)


def scored(images: PackedImages, selection: exemplars.ExemplarSettings = SELECTION) -> pl.DataFrame:
    found = vectors()
    return trivial_units.score(images, CLASSES, found @ found.T, selection, SETTINGS)


def one(image: np.ndarray) -> PackedImages:
    """A grey image, given by its brightness in 0..255."""
    return PackedImages(np.repeat(image[None, None], 3, axis=1).astype(np.uint8), np.array([3]))


def statistics(image: np.ndarray) -> dict[str, float]:
    values = trivial_units.activations(one(image), np.array([3]))[0]
    return dict(zip(STATISTICS, values.tolist(), strict=False))


def test_statistics_by_hand() -> None:
    """On black: a bar of 2 x 4 pixels of 51/255, and a speck that is too dark to count."""
    image = np.zeros((10, 10))
    image[3:5, 2:6] = 51
    image[8, 8] = 25
    found = statistics(image)
    mean = (8 * 0.2 + 25 / 255) / 100
    assert found["mean brightness"] == pytest.approx(mean)
    assert found["contrast"] == pytest.approx(
        ((8 * 0.04 + (25 / 255) ** 2) / 100 - mean**2) ** 0.5, rel=1e-5
    )
    assert found["size of the foreground"] == pytest.approx(0.08)
    assert found["width of the foreground"] == pytest.approx(0.4)
    assert found["height of the foreground"] == pytest.approx(0.2)


@pytest.mark.parametrize(("background", "shown"), [(0, 200), (255, 30), (120, 200), (120, 40)])
def test_the_foreground_is_what_differs_from_the_edge(background: int, shown: int) -> None:
    """Whatever the background is, and even if what is shown reaches the edge at places."""
    image = np.full((10, 10), background)
    image[0:3, 4:9] = shown
    found = statistics(image)
    assert found["size of the foreground"] == pytest.approx(0.15)
    assert found["width of the foreground"] == pytest.approx(0.5)
    assert found["height of the foreground"] == pytest.approx(0.3)


def test_brightness_is_the_mean_over_channels() -> None:
    image = np.zeros((1, 3, 10, 10), dtype=np.uint8)
    image[0, 1, 4:6] = 255
    found = trivial_units.activations(PackedImages(image, np.array([0])), np.array([0]))
    assert found[0, STATISTICS.index("mean brightness")] == pytest.approx(0.2 / 3)
    assert found[0, STATISTICS.index("height of the foreground")] == pytest.approx(0.2)


def test_detectors_respond_to_their_class_alone() -> None:
    images = probe()
    found = trivial_units.activations(images, np.array(list(CLASSES)))[:, -3:]
    assert found.tolist() == [[float(label == own) for own in CLASSES] for label in images.labels]


def test_the_rows_name_the_units() -> None:
    found = scored(probe())
    assert found["unit"].to_list() == [
        *STATISTICS,
        *(f"random projection {number}" for number in range(1, 11)),
        "ideal detector of boot", "ideal detector of coat", "ideal detector of bag",
    ]  # fmt: skip
    assert found.filter(kind="class_detector")["class"].to_list() == ["boot", "coat", "bag"]
    assert found.filter(pl.col("kind") != "class_detector")["class"].null_count() == 15


@pytest.mark.parametrize("batch", [1, 7, 250])
@pytest.mark.parametrize("ties", ["random", "dataset_order"])
def test_units_are_scored_as_those_of_a_network(
    ties: str, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exemplars from a plain sort, then the score of units; whatever the size of batches."""
    monkeypatch.setattr(trivial_units, "BATCH", batch)
    images = probe()
    selection = exemplars.ExemplarSettings(per_side=24, ties=ties, seed=5)
    found = scored(images, selection)
    activations = trivial_units.activations(images, np.array(list(CLASSES)))
    order = (
        np.arange(IMAGES)
        if ties == "dataset_order"
        else np.random.default_rng(5).permutation(IMAGES)
    )
    ranked = [
        sorted(order.tolist(), key=lambda image, unit=unit: -unit[image]) for unit in activations.T
    ]
    strongest = np.array([images[:24] for images in ranked])
    weakest = np.array([images[::-1][:24] for images in ranked])
    exact = [n for n, kind in enumerate(found["kind"]) if kind != "projection"]
    similarity = vectors() @ vectors().T
    soft, hard, delta = mis.score_units(strongest, weakest, similarity, SETTINGS)
    for name, values in (("strongest", strongest), ("weakest", weakest)):
        assert np.array(found[name].to_list())[exact].tolist() == values[exact].tolist()
    for name, values in (("mis_soft", soft), ("mis_hard", hard), ("mean_delta", delta)):
        assert found[name].to_numpy()[exact] == pytest.approx(values[exact])
    assert found["tied_fraction"].to_list()[-3:] == [1.0] * 3
    assert not found["constant"].any()


def test_scores_from_embeddings_are_those_of_the_matrix() -> None:
    images, found = probe(), Embeddings(vectors(), distances=False)
    from_vectors = trivial_units.score(images, CLASSES, found, SELECTION, SETTINGS)
    assert from_vectors["mis_soft"].to_list() == pytest.approx(
        scored(images)["mis_soft"].to_list(), abs=1e-6
    )


def test_an_ideal_detector_with_enough_images_of_its_class_scores_best() -> None:
    """Images of a class are alike and those of others are not: the task is easy."""
    labels = np.repeat(list(CLASSES), IMAGES // 3)
    images = PackedImages(probe().images, labels)
    similarity = (labels[:, None] == labels).astype(np.float32)
    enough = exemplars.ExemplarSettings(per_side=20, ties="random", seed=0)
    few = mis.ScoreSettings(explanations=3, tasks=5, tau=0.16, draw="imi", seed=1)
    found = trivial_units.score(images, CLASSES, similarity, enough, few)
    detectors = found.filter(kind="class_detector")
    assert detectors["mis_hard"].to_list() == [1.0] * 3
    assert trivial_units.mean_detector(found) == detectors["mis_soft"].mean()
    assert trivial_units.best(found)["mis_soft"] < detectors["mis_soft"].min()


def test_a_statistic_that_all_images_share_is_constant_and_never_the_best() -> None:
    images = probe()
    images.images[:] = images.images[:1]
    found = scored(images)
    plain = found.filter(pl.col("kind") != "class_detector")
    assert plain["constant"].all()
    assert trivial_units.best(found) is None


def test_no_table_has_no_best_unit() -> None:
    assert trivial_units.best(trivial_units.TRIVIAL_UNITS.empty()) is None
    assert trivial_units.mean_detector(trivial_units.TRIVIAL_UNITS.empty()) is None
