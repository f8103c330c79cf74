"""Measure the interpretability of units in other ways than by the MIS, and compare layers.

Sources: monosemanticity, Pach et al., "Sparse Autoencoders Learn Monosemantic Features in
Vision-Language Models", NeurIPS 2025; class selectivity, Morcos et al., "On the importance of
single directions for generalization", ICLR 2018; centred kernel alignment, Kornblith et al.,
"Similarity of Neural Network Representations Revisited", ICML 2019, with the unbiased estimator
of Song et al., "Feature Selection via Dependence Maximization", JMLR 2012.
"""

import numpy as np
import polars as pl

from prunescope.foundation import tables
from prunescope.interpret.similarities import Embeddings

# Units that are computed at a time, which limits the memory.
UNITS_A_BLOCK = 1024


def measure_units(
    exemplars: pl.DataFrame,
    activations: np.ndarray,
    similarity: np.ndarray | Embeddings,
    labels: np.ndarray,
    recorded: np.ndarray,
) -> pl.DataFrame:
    """The measures of every unit; missing for constant units, and where they are not defined.

    Parameters
    ----------
    exemplars
        A table `unit_tables.EXEMPLARS`.
    activations
        Recorded activations, float32 `(rows, units)`.
    similarity
        Similarities of the probe images.
    labels
        Classes of the probe images, `(images,)`.
    recorded
        Indices in the probe set of the images with recorded activations, `(rows,)`.

    Returns
    -------
    polars.DataFrame
        `exemplars` with the columns `unit_tables.MEASURE_COLUMNS`.
    """
    found = {
        "monosemanticity": monosemanticity(activations, similarity, recorded),
        "label_purity": label_purity(tables.matrix(exemplars["strongest"]), labels),
        "class_selectivity": class_selectivity(activations, labels[recorded]),
    }
    live = ~exemplars["constant"]
    return exemplars.with_columns(
        pl.when(live).then(pl.Series(values).fill_nan(None)).alias(name)
        for name, values in found.items()
    )


def compare_layers(layers: pl.Series, activations: np.ndarray, dense: np.ndarray) -> pl.DataFrame:
    """The alignment (`cka`) of each layer with the same layer of the dense network.

    Parameters
    ----------
    layers
        The name of each unit's layer, `(units,)`.
    activations, dense
        Recorded activations of the network and of the dense network, float32 `(rows, units)`.

    Returns
    -------
    polars.DataFrame
        The columns `unit_tables.ALIGNMENT_COLUMNS`.
    """
    names = layers.unique(maintain_order=True)
    chosen = {name: (layers == name).to_numpy() for name in names}
    alike = [linear_cka(activations[:, own], dense[:, own]) for own in chosen.values()]
    return pl.DataFrame({"layer": names, "cka": pl.Series(alike).fill_nan(None)})


def monosemanticity(
    activations: np.ndarray, similarity: np.ndarray | Embeddings, images: np.ndarray
) -> np.ndarray:
    """The weighted mean similarity of all pairs of images, for each unit.

    The weight of a pair is the product of the two activations. Before, the activations of each
    unit are scaled to 0..1 between its lowest and its highest activation on these images.

    Parameters
    ----------
    activations
        float32 `(rows, units)`.
    similarity
        float32 `(images, images)`, symmetric; or the embeddings of the images.
    images
        Indices `(rows,)` of the images that the activations are for.

    Returns
    -------
    numpy.ndarray
        float64 `(units,)`, in units of similarity; NaN where no pair has a weight: a unit is
        constant on these images, or a single image exceeds its lowest activation.
    """
    if not isinstance(similarity, Embeddings):
        between = similarity[np.ix_(images, images)]
        np.fill_diagonal(between, 0)
    found = np.full(activations.shape[1], np.nan)
    for start in range(0, len(found), UNITS_A_BLOCK):
        block = slice(start, start + UNITS_A_BLOCK)
        own = activations[:, block].astype(np.float64)
        own -= own.min(axis=0)
        span = own.max(axis=0)
        own /= np.where(span > 0, span, 1)
        if isinstance(similarity, Embeddings):
            pairs = similarity.weighted_pairs(images, own)
        else:
            small = own.astype(np.float32)
            pairs = np.einsum("nu,nu->u", between @ small, small, dtype=np.float64)
        mass = (own * (own.sum(axis=0) - own)).sum(axis=0)
        np.divide(pairs, mass, out=found[block], where=mass > 0)
    return found


def label_purity(strongest: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The fraction of the most frequent class among a unit's strongest images.

    Only the first n images count, where n is the size of the smallest class (or k, if k is
    smaller). So a unit that responds to a single class can reach 1, whatever the class.

    Parameters
    ----------
    strongest
        Integer indices `(units, k)`, most extreme first.
    labels
        The class `(images,)` of every probe image.

    Returns
    -------
    numpy.ndarray
        float64 `(units,)` in 0..1.
    """
    _, classes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    top = strongest[:, : sizes.min()]
    ranked = np.sort(classes[top], axis=1)
    # After sorting, find the longest run of equal classes: at each place, the length of the run
    # up to there.
    places = np.arange(ranked.shape[1])
    starts = np.where(np.diff(ranked, axis=1, prepend=-1) != 0, places, 0)
    runs = places - np.maximum.accumulate(starts, axis=1) + 1
    return runs.max(axis=1) / ranked.shape[1]


def class_selectivity(activations: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """The class selectivity index (m_max - m_rest) / (m_max + m_rest) of each unit.

    m_max is the highest mean activation of a class, m_rest the mean over the means of the other
    classes. The index is defined for activations that are not negative. So the lowest activation
    of each unit is subtracted first (Morcos et al. 2018 use activations after the ReLU instead).

    Parameters
    ----------
    activations
        float32 `(images, units)`.
    labels
        The class `(images,)` of each of these images.

    Returns
    -------
    numpy.ndarray
        float64 `(units,)` in 0..1; NaN for constant units.
    """
    _, classes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    members = (classes == np.arange(len(sizes))[:, None]) / sizes[:, None]
    # Subtract the minimum before averaging: the mean of equal values may differ from them by
    # rounding.
    means = members @ (activations - activations.min(axis=0)).astype(np.float64)
    highest = means.max(axis=0)
    rest = (means.sum(axis=0) - highest) / max(len(sizes) - 1, 1)
    with np.errstate(invalid="ignore"):
        return (highest - rest) / (highest + rest)


def linear_cka(x: np.ndarray, y: np.ndarray) -> float:
    """The linear centred kernel alignment of two layers, with the unbiased estimator of HSIC.

    Parameters
    ----------
    x, y
        Activations `(images, units)` on the same images, at least 4. The numbers of units may
        differ.

    Returns
    -------
    float
        1 for layers that are equal up to rotation and scale; about 0 for unrelated layers, and
        possibly negative, because the estimator is unbiased; NaN if a layer is constant.
    """
    first, second = _gram(x), _gram(y)
    variances = _hsic(first, first) * _hsic(second, second)
    return float(_hsic(first, second) / np.sqrt(variances)) if variances > 0 else float("nan")


def _gram(features: np.ndarray) -> np.ndarray:
    centred = (features - features.mean(axis=0, dtype=np.float64)).astype(np.float32)
    gram = (centred @ centred.T).astype(np.float64)
    np.fill_diagonal(gram, 0)
    return gram


def _hsic(k: np.ndarray, m: np.ndarray) -> float:
    """The unbiased HSIC of two Gram matrices with zero diagonals (Song et al. 2012, eq. 5)."""
    n = len(k)
    rows, columns = k.sum(axis=0), m.sum(axis=0)
    crossed = np.vdot(k, m) + rows.sum() * columns.sum() / ((n - 1) * (n - 2))
    return (crossed - 2 * rows @ columns / (n - 2)) / (n * (n - 3))
