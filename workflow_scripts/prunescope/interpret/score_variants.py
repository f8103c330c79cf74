"""Score units under variants, which tell whether a conclusion depends on a setting of the score.

A variant lists the settings that it changes: settings of `mis.ScoreSettings`, how the exemplars are
selected, or the metric. Only a variant with a probe set of its own needs a new pass through the
network; all others are computed from the exemplars, recorded activations and similarities.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from prunescope.data import sampling
from prunescope.interpret import mis
from prunescope.interpret.similarities import Embeddings

# Name of the variant that changes nothing.
UNCHANGED = "unchanged"
# Name of the variant whose exemplars are drawn at random.
PERMUTED = "permuted"
# Settings of `mis.ScoreSettings` that a variant may change.
SCORING = ("explanations", "tasks", "tau", "draw", "seed", "query", "pool")


def settings_of(variant: Mapping[str, Any], settings: mis.ScoreSettings) -> mis.ScoreSettings:
    """The settings of the score under a variant; `settings` are those of the study."""
    return replace(settings, **{key: variant[key] for key in SCORING if key in variant})


def ranks_anew(variant: Mapping[str, Any]) -> bool:
    """Whether a variant selects its exemplars from the recorded activations."""
    return "probe_images" in variant or "pooling" in variant


def probe_of(variant: Mapping[str, Any]) -> str:
    """The split with the probe set of a variant, such as `probe-4000-seed0`.

    Empty if the variant uses the probe set of the study.
    """
    sample = variant.get("probe")
    return f"probe-{sample['images']}-seed{sample['seed']}" if sample else ""


def metric_of(variant: Mapping[str, Any]) -> str:
    """The metric of a variant and its image size, such as `pixels:correlation 32`.

    Empty if the variant uses the metric of the study.
    """
    settings = variant.get("similarity")
    return f"{settings['metric']} {settings['image_size']}" if settings else ""


@dataclass(frozen=True)
class Exemplars:
    """Integer indices `(units, k)` of each unit's strongest and weakest probe images.

    On both sides, the most extreme image is first.
    """

    strongest: np.ndarray
    weakest: np.ndarray


def rank(activations: np.ndarray, images: np.ndarray, per_side: int, seed: int) -> Exemplars:
    """Select exemplars from a part of the probe images. Ties are broken at random.

    Parameters
    ----------
    activations
        float32 `(images, units)`.
    images
        Indices `(images,)` of these images in the probe set.
    per_side
        Number of strongest images, and of weakest images.
    seed
        Seeds the random order of images with equal activations.

    Returns
    -------
    Exemplars
        Indices in the probe set.
    """
    # The sort is stable, so images with equal activations stay in the order of this permutation.
    shuffled = np.random.default_rng(seed).permutation(len(images))
    order = shuffled[np.argsort(activations[shuffled].T, axis=1, kind="stable")]
    ranked = images[order]
    return Exemplars(ranked[:, ::-1][:, :per_side], ranked[:, :per_side])


def permute(units: int, images: int, per_side: int, seed: int) -> Exemplars:
    """Random exemplars, as if the activations of each unit were permuted over the images.

    Their score is the floor: the score of units whose exemplars have nothing in common.
    """
    rng = np.random.default_rng(seed)
    drawn = rng.random((units, images), dtype=np.float32).argpartition(2 * per_side - 1, axis=1)
    # Sort first, because the order after partitioning depends on the machine.
    drawn = rng.permuted(np.sort(drawn[:, : 2 * per_side], axis=1), axis=1)
    return Exemplars(drawn[:, :per_side], drawn[:, per_side:])


@dataclass(frozen=True)
class Material:
    """The data of one network that its variants are scored from.

    Attributes
    ----------
    exemplars
        The exemplars from the whole probe set, as rule `find_exemplars` selects them.
    recorded
        Recorded activations by pooling, float32 `(rows, units)` each.
    rows
        Indices `(rows,)` in the probe set of the images with recorded activations, rising.
    subsets
        By number of images: indices `(images,)` into `rows` of a class-balanced subset.
    similarities
        By `metric_of` a variant: a matrix `(images, images)`, or the embeddings.
    elsewhere
        By `probe_of` a variant: the exemplars in that probe set, and its similarities.
    """

    exemplars: Exemplars
    recorded: Mapping[str, np.ndarray]
    rows: np.ndarray
    subsets: Mapping[int, np.ndarray]
    similarities: Mapping[str, np.ndarray | Embeddings]
    elsewhere: Mapping[str, tuple[Exemplars, np.ndarray | Embeddings]]

    @classmethod
    def gather(
        cls,
        exemplars: Exemplars,
        recorded: Mapping[str, np.ndarray],
        similarities: Mapping[str, np.ndarray | Embeddings],
        elsewhere: Mapping[str, tuple[Exemplars, np.ndarray | Embeddings]],
        labels: np.ndarray,
        variants: Mapping[str, Mapping[str, Any]],
        *,
        images: int,
        seed: int,
    ) -> "Material":
        """Draw the subsets that the variants need.

        Parameters
        ----------
        exemplars, recorded, similarities, elsewhere
            As the attributes.
        labels
            Classes of the probe images, `(images,)`.
        variants
            The variants that will be scored.
        images, seed
            How the images with recorded activations were drawn: their number, and the seed.
        """
        key = "interpretability.activations.images"
        rows = sampling.sample_rows(labels, images, seed, key=key)
        named = (v["probe_images"] for v in variants.values() if "probe_images" in v)
        sizes = {len(rows), *named}
        key = "sensitivity.variants.<name>.probe_images"
        subsets = {size: sampling.sample_rows(labels[rows], size, seed, key=key) for size in sizes}
        return cls(exemplars, recorded, rows, subsets, similarities, elsewhere)


def score_all(
    material: Material,
    variants: Mapping[str, Mapping[str, Any]],
    settings: mis.ScoreSettings,
    units: pl.DataFrame,
) -> pl.DataFrame:
    """The scores of all units under each variant, and under the study's own settings.

    Parameters
    ----------
    material
        The data of the network.
    variants
        The variants by name.
    settings
        The settings of the study.
    units
        Columns that identify the units, in the order of the exemplars.

    Returns
    -------
    polars.DataFrame
        `variant`, the columns of `units`, `mis_soft` and `mis_hard`; first the rows of `UNCHANGED`.
    """
    frames = []
    for name, variant in {UNCHANGED: {}, **variants}.items():
        soft, hard = score(material, variant, settings)
        frames.append(
            units.select(
                pl.lit(name).alias("variant"),
                pl.all(),
                mis_soft=pl.Series(soft.astype(np.float64)),
                mis_hard=pl.Series(hard.astype(np.float64)),
            )
        )
    return pl.concat(frames)


def score(
    material: Material, variant: Mapping[str, Any], settings: mis.ScoreSettings
) -> tuple[np.ndarray, np.ndarray]:
    """Soft and hard scores of all units under a variant, `(units,)` float64 each.

    Parameters
    ----------
    material
        The data of the network.
    variant
        The changes. Settings of `mis.ScoreSettings` replace those of the study. `probe_images`
        and `pooling` select the exemplars from the recorded activations. `permuted` draws the
        exemplars at random. `similarity` names another metric, `probe` another probe set.
    settings
        The settings of the study.
    """
    changed = settings_of(variant, settings)
    if "probe" in variant:
        exemplars, similarity = material.elsewhere[probe_of(variant)]
    else:
        similarity = material.similarities[metric_of(variant)]
        exemplars = _exemplars(material, variant, changed, len(similarity))
    soft, hard, _ = mis.score_units(exemplars.strongest, exemplars.weakest, similarity, changed)
    return soft, hard


def _exemplars(
    material: Material, variant: Mapping[str, Any], settings: mis.ScoreSettings, images: int
) -> Exemplars:
    per_side = settings.images_per_side
    if variant.get("permuted"):
        units = len(material.exemplars.strongest)
        return permute(units, images, per_side, settings.seed)
    if not ranks_anew(variant):
        return material.exemplars
    chosen = material.subsets[variant.get("probe_images", len(material.rows))]
    activations = material.recorded[variant.get("pooling", "mean")][chosen]
    return rank(activations, material.rows[chosen], per_side, settings.seed)
