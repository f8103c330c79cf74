"""Measures beside the MIS, so that it does not stand alone. All are NumPy over whole networks.

Sources: monosemanticity, Pach et al., "Sparse Autoencoders Learn Monosemantic Features in
Vision-Language Models", NeurIPS 2025; class selectivity, Morcos et al., "On the importance of
single directions for generalization", ICLR 2018; centred kernel alignment, Kornblith et al.,
"Similarity of Neural Network Representations Revisited", ICML 2019, with the unbiased estimator
of Song et al., "Feature Selection via Dependence Maximization", JMLR 2012.
"""

import numpy as np

from prunescope.interpret.similarities import Embeddings

UNITS_A_BLOCK = 1024


def monosemanticity(
    strongest: np.ndarray,
    activations: np.ndarray,
    lowest: np.ndarray,
    similarity: np.ndarray | Embeddings,
) -> np.ndarray:
    """How alike the images are that excite a unit: mean pairwise similarity, weighted.

    The weight of a pair is the product of the two activations, scaled to 0..1 by the unit's
    lowest and highest one.

    Parameters
    ----------
    strongest
        `(units, k)` integer indices of each unit's strongest images.
    activations
        `(units, k)` their activations, most extreme first.
    lowest
        `(units,)` the lowest activation of each unit over all images.
    similarity
        `(images, images)` float32, symmetric; or the embeddings of the images.

    Returns
    -------
    numpy.ndarray
        `(units,)` float64, in units of similarity; NaN for constant units.
    """
    base = lowest[:, None].astype(np.float64)
    span = activations[:, :1] - base
    with np.errstate(invalid="ignore", divide="ignore"):
        weights = (activations - base) / span
    if isinstance(similarity, Embeddings):
        pairs = similarity.weighted_pairs(strongest, weights)
    else:
        pairs = _weighted_pairs(strongest, weights, similarity)
    mass = weights.sum(axis=1) ** 2 - (weights**2).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        return pairs / mass


def _weighted_pairs(images: np.ndarray, weights: np.ndarray, similarity: np.ndarray) -> np.ndarray:
    """Sum of w_i w_j s_ij over all pairs of different images of a unit, `(units,)` float64."""
    diagonal = np.diagonal(similarity).astype(np.float64)
    sums = np.empty(len(images))
    for start in range(0, len(images), UNITS_A_BLOCK):
        block = slice(start, start + UNITS_A_BLOCK)
        chosen, own = images[block], weights[block]
        # A product of matrices over all images is much faster than gathering k x k pairs.
        spread = np.zeros((len(chosen), len(similarity)), dtype=np.float32)
        np.put_along_axis(spread, chosen, own.astype(np.float32), axis=1)
        pairs = np.einsum("un,un->u", spread @ similarity, spread, dtype=np.float64)
        sums[block] = pairs - (own**2 * diagonal[chosen]).sum(axis=1)
    return sums


def label_purity(strongest: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Share of the most frequent class among a unit's strongest images.

    As many of them are looked at as the smallest class has images (at most all of
    `strongest`), so that a unit that answers to one class only can reach 1.

    Parameters
    ----------
    strongest
        `(units, k)` integer indices, most extreme first.
    labels
        `(images,)` class of every probe image.

    Returns
    -------
    numpy.ndarray
        `(units,)` float64 in 0..1.
    """
    _, classes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    top = strongest[:, : sizes.min()]
    ranked = np.sort(classes[top], axis=1)
    # The longest run of equal classes: at each place, how far back the run began.
    places = np.arange(ranked.shape[1])
    starts = np.where(np.diff(ranked, axis=1, prepend=-1) != 0, places, 0)
    runs = places - np.maximum.accumulate(starts, axis=1) + 1
    return runs.max(axis=1) / ranked.shape[1]


def class_selectivity(activations: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How much more a unit answers to its preferred class than to the others.

    (m_max - m_rest) / (m_max + m_rest) of the mean activations of classes, m_rest being the mean
    over the other classes. The index is made for activations that are not negative: those of
    each unit are counted from its lowest one (Morcos et al. 2018 take them after the ReLU).

    Parameters
    ----------
    activations
        `(images, units)` float32.
    labels
        `(images,)` their classes.

    Returns
    -------
    numpy.ndarray
        `(units,)` float64 in 0..1; NaN for constant units.
    """
    _, classes, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    members = (classes == np.arange(len(sizes))[:, None]) / sizes[:, None]
    # Counted from the minimum first: the mean of equal values would not be exactly theirs.
    means = members @ (activations - activations.min(axis=0)).astype(np.float64)
    highest = means.max(axis=0)
    rest = (means.sum(axis=0) - highest) / max(len(sizes) - 1, 1)
    with np.errstate(invalid="ignore"):
        return (highest - rest) / (highest + rest)


def linear_cka(x: np.ndarray, y: np.ndarray) -> float:
    """Linear centred kernel alignment of two layers, with the unbiased estimator of HSIC.

    Parameters
    ----------
    x, y
        `(images, units)` activations on the same images, at least 4; widths may differ.

    Returns
    -------
    float
        1 for layers that are equal up to rotation and scale, about 0 for unrelated ones
        (unbiased, so it may be negative); NaN if a layer is constant.
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
    """Unbiased HSIC of two Gram matrices with empty diagonals (Song et al. 2012, eq. 5)."""
    n = len(k)
    rows, columns = k.sum(axis=0), m.sum(axis=0)
    crossed = np.vdot(k, m) + rows.sum() * columns.sum() / ((n - 1) * (n - 2))
    return (crossed - 2 * rows @ columns / (n - 2)) / (n * (n - 3))
