"""Score units that need no network: controls that tell what a score of a unit is worth.

Statistics of single images, such as their brightness or the width of what they show, and random
projections of the pixels know nothing of classes. An ideal detector of a class knows nothing else.
Each is scored as a unit of a network is: by its activations on the probe images.
"""

from collections.abc import Mapping

import numpy as np
import polars as pl

from prunescope.data.packed_images import PackedImages
from prunescope.foundation.tables import Column, Table
from prunescope.interpret import exemplars, mis
from prunescope.interpret.similarities import Embeddings
from prunescope.interpret.unit_tables import EXEMPLARS, SCORE_COLUMNS

STATISTIC, PROJECTION, DETECTOR = "statistic", "projection", "class_detector"
TRIVIAL_UNITS = Table(
    "results/{study}/tables/trivial_units.parquet",
    "A trivial unit: a statistic of the image, a random projection of its pixels, or an ideal "
    "detector of a class. Scored as units of networks are.",
    {
        "study": Column(pl.String, "name of the study"),
        "unit": Column(pl.String, "what the unit responds to, in words"),
        "kind": Column(pl.String, f"`{STATISTIC}`, `{PROJECTION}` or `{DETECTOR}`"),
        "class": Column(pl.String, "name of the class that is detected", nullable=True),
        **{key: column for key, column in EXEMPLARS.columns.items() if key in exemplars.COLUMNS},
        **SCORE_COLUMNS,
    },
)
BATCH = 250
PROJECTIONS = 10
# A pixel belongs to the foreground if its brightness (0..1) differs by more from the background's.
FOREGROUND_ABOVE = 0.1


def score(
    images: PackedImages,
    classes: Mapping[int, str],
    similarity: np.ndarray | Embeddings,
    selection: exemplars.ExemplarSettings,
    settings: mis.ScoreSettings,
) -> pl.DataFrame:
    """Find the exemplars of all trivial units and score them, as units of a network.

    Parameters
    ----------
    images
        The probe split.
    classes
        The names of its classes, by class index.
    similarity
        float32 `(images, images)`, symmetric; or the embeddings of the images.
    selection
        How many exemplars to keep, and how ties are broken.
    settings
        The settings of the score.

    Returns
    -------
    polars.DataFrame
        The columns of `TRIVIAL_UNITS` but `study`: statistics, projections, then a detector of each
        class.

    Raises
    ------
    InputError
        There are too few images, or they and the similarities are of different probe sets.
    """
    running = exemplars.RunningExtremes(len(images), selection)
    for batch in images.batches(BATCH):
        running.update(activations(batch, np.array(list(classes))))
    strongest, weakest = running.extremes()
    # Their values are whole steps, so that ties are no sign of rounding.
    constant = strongest.activations[:, 0] == weakest.activations[:, 0]
    soft, hard, mean_delta = mis.score_units(
        strongest.indices, weakest.indices, similarity, settings
    )
    return pl.DataFrame(
        {
            **_names(classes),
            **exemplars.columns(strongest, weakest, constant),
            "mis_soft": soft,
            "mis_hard": hard,
            "mean_delta": mean_delta,
        }
    )


def _names(classes: Mapping[int, str]) -> dict[str, list[str | None]]:
    projections = [f"random projection {number + 1}" for number in range(PROJECTIONS)]
    detectors = [f"ideal detector of {name}" for name in classes.values()]
    plain = len(STATISTICS) + PROJECTIONS
    return {
        "unit": [*STATISTICS, *projections, *detectors],
        "kind": [
            *[STATISTIC] * len(STATISTICS),
            *[PROJECTION] * PROJECTIONS,
            *[DETECTOR] * len(detectors),
        ],
        "class": [*[None] * plain, *classes.values()],
    }


def activations(images: PackedImages, classes: np.ndarray) -> np.ndarray:
    """The activations of all trivial units, float32 `(images, units)`.

    Parameters
    ----------
    images
        Some images, in memory.
    classes
        The class indices `(classes,)` that are detected.
    """
    pixels = images.images.astype(np.float32) / 255
    brightness = pixels.mean(axis=1)
    # A weight of each projection for each pixel: the same for every batch.
    weights = np.random.default_rng(0).standard_normal(
        (pixels[0].size, PROJECTIONS), dtype=np.float32
    )
    columns = [
        np.stack([measure(brightness) for measure in STATISTICS.values()], axis=1),
        pixels.reshape(len(pixels), -1) @ weights,
        images.labels[:, None] == classes,
    ]
    return np.concatenate(columns, axis=1, dtype=np.float32)


def foreground(brightness: np.ndarray) -> np.ndarray:
    """Which pixels are not background, boolean `(images, height, width)`.

    The background of an image is the median brightness of its outermost pixels. So on a plain
    background, the foreground is what the image shows.
    """
    edge = [brightness[:, [0, -1], :], brightness[:, 1:-1, [0, -1]]]
    outermost = np.concatenate([part.reshape(len(brightness), -1) for part in edge], axis=1)
    background = np.median(outermost, axis=1)[:, None, None]
    return np.abs(brightness - background) > FOREGROUND_ABOVE


# Each takes the brightness `(images, height, width)`, the mean over channels in 0..1.
STATISTICS = {
    "mean brightness": lambda brightness: brightness.mean(axis=(1, 2)),
    "contrast": lambda brightness: brightness.std(axis=(1, 2)),
    "size of the foreground": lambda brightness: foreground(brightness).mean(axis=(1, 2)),
    "width of the foreground": lambda b: foreground(b).any(axis=1).mean(axis=1),
    "height of the foreground": lambda b: foreground(b).any(axis=2).mean(axis=1),
}


def best(table: pl.DataFrame) -> dict | None:
    """The row of the unit with the highest soft score among those that know nothing of classes.

    Constant units do not count. None if all of them are constant.
    """
    live = table.filter(pl.col("kind") != DETECTOR, ~pl.col("constant"))
    ranked = live.sort("mis_soft", descending=True, maintain_order=True)
    return ranked.row(0, named=True) if ranked.height else None


def mean_detector(table: pl.DataFrame) -> float | None:
    """The mean soft score of the ideal detectors of classes. None if there is none."""
    mean = table.filter(kind=DETECTOR)["mis_soft"].mean()
    return None if mean is None else float(mean)  # type: ignore[arg-type]
