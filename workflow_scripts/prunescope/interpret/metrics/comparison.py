"""Compute the similarities of all pairs of embedded images, whatever metric embedded them."""

import numpy as np

# Features that are converted to float64 at a time.
FEATURES = 1 << 14


def compare(embeddings: np.ndarray, *, distance: bool) -> np.ndarray:
    """The similarities of all pairs of images.

    Parameters
    ----------
    embeddings
        float32 `(images, features)`, as `embedding.embed` yields them; may be memory-mapped.
    distance
        Whether the metric is a distance.

    Returns
    -------
    numpy.ndarray
        float32 `(images, images)`, symmetric: cosines, or 1 minus the squared distances.
    """
    if distance:
        return (1 - _squared_distances(embeddings)).astype(np.float32)
    matrix = np.asarray(embeddings @ embeddings.T)
    return (matrix + matrix.T) / 2


def _squared_distances(vectors: np.ndarray) -> np.ndarray:
    """Squared distances of all pairs of rows, float64, computed in blocks of features."""
    products = np.zeros((len(vectors), len(vectors)))
    for start in range(0, vectors.shape[1], FEATURES):
        block = np.asarray(vectors[:, start : start + FEATURES], dtype=np.float64)
        products += block @ block.T
    squares = np.diag(products)
    distances = squares[:, None] + squares[None, :] - products - products.T
    return np.maximum(distances, 0)
