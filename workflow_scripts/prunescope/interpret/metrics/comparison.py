"""Compare all pairs of embedded images. Which metric embedded them does not matter here."""

import numpy as np

FEATURES = 1 << 14


def compare(embeddings: np.ndarray, *, distance: bool) -> np.ndarray:
    """Similarity of all pairs of images.

    Parameters
    ----------
    embeddings
        `(images, features)` float32, as `embed` makes them; may be memory-mapped.
    distance
        Whether the metric that made them is a distance.

    Returns
    -------
    numpy.ndarray
        `(images, images)` float32, symmetric: cosines, or 1 minus the distance.
    """
    if distance:
        return (1 - _squared_distances(embeddings)).astype(np.float32)
    matrix = np.asarray(embeddings @ embeddings.T)
    return (matrix + matrix.T) / 2


def _squared_distances(vectors: np.ndarray) -> np.ndarray:
    """Squared distances of all pairs of rows, from blocks of features: float64."""
    products = np.zeros((len(vectors), len(vectors)))
    for start in range(0, vectors.shape[1], FEATURES):
        block = np.asarray(vectors[:, start : start + FEATURES], dtype=np.float64)
        products += block @ block.T
    squares = np.diag(products)
    distances = squares[:, None] + squares[None, :] - products - products.T
    return np.maximum(distances, 0)
