"""Would the conclusion be another one, had the score been computed in another way?

A variant names what it changes: any setting of `mis.Settings`, or where a unit's extreme images
come from. All that it needs is there already: exemplars, recorded activations and similarities.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from prunescope.interpret import mis
from prunescope.interpret.similarities import Embeddings

# The variant that changes nothing.
UNCHANGED = "unchanged"
SCORING = ("explanations", "tasks", "tau", "draw", "seed", "query", "pool")


def settings_of(variant: Mapping[str, Any], settings: mis.ScoreSettings) -> mis.ScoreSettings:
    """The settings of the score, as a variant changes them."""
    return replace(settings, **{key: variant[key] for key in SCORING if key in variant})


def ranks_anew(variant: Mapping[str, Any]) -> bool:
    """Whether a variant takes its extremes from the recorded activations."""
    return "probe_images" in variant or "pooling" in variant


def metric_of(variant: Mapping[str, Any]) -> str:
    """The metric and its image size; empty for the study's own."""
    settings = variant.get("similarity")
    return f"{settings['metric']} {settings['image_size']}" if settings else ""


@dataclass(frozen=True)
class Extremes:
    """`(units, k)` integer indices of probe images, most extreme first."""

    strongest: np.ndarray
    weakest: np.ndarray


def rank(activations: np.ndarray, images: np.ndarray, per_side: int, seed: int) -> Extremes:
    """The strongest and weakest of some images; equal activations are ordered at random.

    Parameters
    ----------
    activations
        `(images, units)` float32.
    images
        `(images,)` their indices in the probe set.
    per_side
        How many to keep on each side.
    seed
        Seeds the order of equal activations.

    Returns
    -------
    Extremes
        Of indices in the probe set.
    """
    # Sorting is stable: among equals, the order of this permutation decides.
    shuffled = np.random.default_rng(seed).permutation(len(images))
    order = shuffled[np.argsort(activations[shuffled].T, axis=1, kind="stable")]
    ranked = images[order]
    return Extremes(ranked[:, ::-1][:, :per_side], ranked[:, :per_side])


def permute(units: int, images: int, per_side: int, seed: int) -> Extremes:
    """Extremes that have nothing to do with the unit: each has its activations permuted.

    The floor of the score: what it gives where there is nothing to understand.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.random((units, images), dtype=np.float32).argpartition(2 * per_side - 1, axis=1)
    # In which order partitioning leaves them depends on the machine.
    drawn = rng.permuted(np.sort(drawn[:, : 2 * per_side], axis=1), axis=1)
    return Extremes(drawn[:, :per_side], drawn[:, per_side:])


@dataclass(frozen=True)
class Material:
    """What variants of one network are scored from.

    Attributes
    ----------
    exemplars
        Of the whole probe set, as `find_exemplars` kept them.
    recorded
        Recorded activations by pooling, `(rows, units)` each.
    rows
        `(rows,)` the probe images of the records, rising.
    subsets
        `(images,)` indices into the rows, by number of images: a class-balanced part of them.
    similarities
        `(images, images)` or embeddings each, by `metric_of` the variants that use it.
    """

    exemplars: Extremes
    recorded: Mapping[str, np.ndarray]
    rows: np.ndarray
    subsets: Mapping[int, np.ndarray]
    similarities: Mapping[str, np.ndarray | Embeddings]


def score(
    material: Material, variant: Mapping[str, Any], settings: mis.ScoreSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Soft and hard scores of all units under a variant, `(units,)` float64 each.

    Parameters
    ----------
    material
        What is known of the network.
    variant
        What to change: settings of `mis.Settings`; `probe_images` and `pooling` take the
        extremes from the recorded activations; `permuted` takes images at random; `similarity`
        compares them by another metric.
    settings
        The study's own settings.
    """
    changed = settings_of(variant, settings)
    similarity = material.similarities[metric_of(variant)]
    extremes = _extremes(material, variant, changed, len(similarity))
    soft, hard, _ = mis.score_units(extremes.strongest, extremes.weakest, similarity, changed)
    return soft, hard


def _extremes(
    material: Material, variant: Mapping[str, Any], settings: mis.ScoreSettings, images: int
) -> Extremes:
    per_side = settings.images_per_side
    if variant.get("permuted"):
        units = len(material.exemplars.strongest)
        return permute(units, images, per_side, settings.seed)
    if not ranks_anew(variant):
        return material.exemplars
    chosen = material.subsets[variant.get("probe_images", len(material.rows))]
    activations = material.recorded[variant.get("pooling", "mean")][chosen]
    return rank(activations, material.rows[chosen], per_side, settings.seed)


PERMUTED = "permuted"
