"""Load the similarities of probe images: as a matrix, or as embeddings if there are many images.

A matrix of all pairs is too large for many images. Then the deltas of tasks (see `mis`) are
computed from the embeddings. A delta is linear in the similarities of the task's images. A
similarity is either the product of two vectors, or 1 minus their squared distance; in the second
case the squared lengths of the vectors cancel. With m(E) the mean vector of the images in E, and
c = 1 for products or c = 2 for distances,

    delta = c (q+ - q-) . (m(E+) - m(E-)).

So a task needs only the vectors of its own images. The memory depends neither on the number of
probe images nor on the number of units.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prunescope.foundation import arrays

# The kinds of input files: a matrix of all pairs, embeddings whose products are the similarities,
# or embeddings whose similarities are 1 minus the squared distances.
MATRIX, PRODUCTS, DISTANCES = "matrix", "products", "distances"
BLOCK_BYTES = 64 << 20


@dataclass(frozen=True)
class Embeddings:
    """The embeddings of all probe images, which can be used in place of a similarity matrix.

    Attributes
    ----------
    vectors
        float32 `(images, features)`, memory-mapped if they come from a file.
    distances
        True: the similarity of two images is 1 minus the squared distance of their vectors.
        False: it is the product of their vectors.
    """

    vectors: np.ndarray
    distances: bool

    def __len__(self) -> int:
        return len(self.vectors)

    def task_deltas(self, positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
        """The delta of every task, float64 `(units, tasks)`. See `mis.task_deltas`."""
        strong, weak = (part.reshape(-1, part.shape[-1]) for part in (positive, negative))
        deltas = np.empty(len(strong))
        for block in self._blocks(len(strong), 2 * strong.shape[1]):
            query, others = self._contrast(strong[block], weak[block])
            deltas[block] = np.einsum("tf,tf->t", query, others, dtype=np.float64)
        return (2 if self.distances else 1) * deltas.reshape(positive.shape[:-1])

    def _contrast(self, strong: np.ndarray, weak: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For each task, q+ - q- and m(E+) - m(E-), float32 `(tasks, features)` each."""
        more, less = self.vectors[strong], self.vectors[weak]
        query = more[:, 0] - less[:, 0]
        return query, more[:, 1:].mean(axis=1) - less[:, 1:].mean(axis=1)

    def weighted_pairs(self, images: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Sum of w_i w_j s_ij over all ordered pairs i != j of images, for each unit.

        The sum over all pairs of products is the squared length of the weighted sum of the
        vectors. The pairs of an image with itself are subtracted.

        Parameters
        ----------
        images
            Integer indices `(k,)`.
        weights
            float64 `(k, units)`.

        Returns
        -------
        numpy.ndarray
            float64 `(units,)`.
        """
        sums = np.empty(weights.shape[1])
        size = max(1, BLOCK_BYTES // (self.vectors.shape[1] * sums.itemsize))
        for start in range(0, len(sums), size):
            units = slice(start, start + size)
            sums[units] = self._weighted_pairs(images, weights[:, units])
        return sums

    def _weighted_pairs(self, images: np.ndarray, weights: np.ndarray) -> np.ndarray:
        total = np.zeros((weights.shape[1], self.vectors.shape[1]))
        lengths = np.empty(len(images))
        # Twice the room, because the vectors are converted to float64.
        for block in self._blocks(len(images), 2):
            vectors = self.vectors[images[block]].astype(np.float64)
            total += weights[block].T @ vectors
            lengths[block] = np.einsum("kf,kf->k", vectors, vectors)
        products = np.einsum("uf,uf->u", total, total)
        if not self.distances:
            return products - lengths @ weights**2
        # s_ij = 1 - |v_i|^2 - |v_j|^2 + 2 v_i v_j, and the similarity of an image with itself is 1.
        mass = weights.sum(axis=0)
        return mass**2 - 2 * mass * (lengths @ weights) + 2 * products - (weights**2).sum(axis=0)

    def _blocks(self, number: int, images: int) -> Iterator[slice]:
        """Slices of `number` items. The vectors of `images` images for each item fit in a block."""
        size = max(1, BLOCK_BYTES // (images * self.vectors.shape[1] * self.vectors.itemsize))
        for start in range(0, number, size):
            yield slice(start, start + size)
            arrays.release_pages(self.vectors)


def load(path: str | Path, kind: str) -> np.ndarray | Embeddings:
    """Read a similarity matrix or embeddings.

    Parameters
    ----------
    path
        A .npy file, `similarity_{metric}` or `embeddings_{metric}`.
    kind
        `MATRIX`, `PRODUCTS` or `DISTANCES`.

    Returns
    -------
    numpy.ndarray or Embeddings
        The array is memory-mapped, so that jobs that run at the same time share its memory. A
        matrix is float32 `(images, images)`.

    Raises
    ------
    InputError
        The file is damaged.
    """
    array = arrays.load_array(path, memory_map=True)
    return np.asarray(array) if kind == MATRIX else Embeddings(array, kind == DISTANCES)
