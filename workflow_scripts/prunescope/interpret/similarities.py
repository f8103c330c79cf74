"""Similarities of probe images too many for a matrix of all pairs: computed from the embeddings.

A task's delta (see `mis`) is linear in the similarities of its images. These are products of
vectors, or 1 minus squared distances; in the latter the squares of the vectors cancel. With m(E)
the mean vector of the images of E and c = 1 for products, c = 2 for distances,

    delta = c (q+ - q-) . (m(E+) - m(E-)).

So a task needs the vectors of its own images, and the memory depends neither on the number of
probe images nor on that of units.
"""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prunescope.foundation import arrays

# What an input file of similarities holds: all pairs, or vectors and what makes them similar.
MATRIX, PRODUCTS, DISTANCES = "matrix", "products", "distances"
BLOCK_BYTES = 64 << 20


@dataclass(frozen=True)
class Embeddings:
    """Vectors of all probe images; stands where a matrix of similarities does.

    Attributes
    ----------
    vectors
        `(images, features)` float32, memory-mapped where they come from a file.
    distances
        Whether similarity is 1 minus the squared distance; else it is the product.
    """

    vectors: np.ndarray
    distances: bool

    def __len__(self) -> int:
        return len(self.vectors)

    def task_deltas(self, positive: np.ndarray, negative: np.ndarray) -> np.ndarray:
        """Delta of every task, `(units, tasks)` float64; parameters as in `mis.task_deltas`."""
        strong, weak = (part.reshape(-1, part.shape[-1]) for part in (positive, negative))
        deltas = np.empty(len(strong))
        for block in self._blocks(len(strong), 2 * strong.shape[1]):
            query, others = self._contrast(strong[block], weak[block])
            deltas[block] = np.einsum("tf,tf->t", query, others, dtype=np.float64)
        return (2 if self.distances else 1) * deltas.reshape(positive.shape[:-1])

    def _contrast(self, strong: np.ndarray, weak: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Strong minus weak of each task: query, and mean of explanations; `(tasks, features)`."""
        more, less = self.vectors[strong], self.vectors[weak]
        query = more[:, 0] - less[:, 0]
        return query, more[:, 1:].mean(axis=1) - less[:, 1:].mean(axis=1)

    def weighted_pairs(self, images: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Sum of w_i w_j s_ij over all pairs of different images of a unit, `(units,)` float64.

        Parameters
        ----------
        images
            `(units, k)` integer indices.
        weights
            `(units, k)` float64.
        """
        sums = np.empty(len(images))
        for block in self._blocks(len(images), images.shape[1]):
            vectors, own = self.vectors[images[block]], weights[block]
            total = (own.astype(np.float32)[:, None] @ vectors)[:, 0]
            lengths = np.einsum("ukf,ukf->uk", vectors, vectors)
            pairs = np.einsum("uf,uf->u", total, total, dtype=np.float64)
            if self.distances:
                # The pairs of an image with itself have similarity 1.
                mass = own.sum(axis=1)
                pairs = mass**2 - 2 * mass * (own * lengths).sum(axis=1) + 2 * pairs
                sums[block] = pairs - (own**2).sum(axis=1)
            else:
                sums[block] = pairs - (own**2 * lengths).sum(axis=1)
        return sums

    def _blocks(self, number: int, images: int) -> Iterator[slice]:
        """Parts of `number` things with so many images each, whose vectors fit into a block."""
        size = max(1, BLOCK_BYTES // (images * self.vectors.shape[1] * self.vectors.itemsize))
        for start in range(0, number, size):
            yield slice(start, start + size)
            self._forget()

    def _forget(self) -> None:
        """Count what was read no longer as this process's memory; the system may keep it."""
        mapped = getattr(self.vectors, "_mmap", None)
        if mapped is not None:
            mapped.madvise(mmap.MADV_DONTNEED)


def load(path: str | Path, kind: str) -> np.ndarray | Embeddings:
    """Read what similarities come from.

    Parameters
    ----------
    path
        A .npy file, `similarity_{metric}` or `embeddings_{metric}`.
    kind
        `matrix`, `products` or `distances`.

    Returns
    -------
    numpy.ndarray or Embeddings
        For `matrix`, `(images, images)` float32, memory-mapped: jobs that run side by side share
        it.
    """
    array = arrays.load_array(path, memory_map=True)
    return np.asarray(array) if kind == MATRIX else Embeddings(array, kind == DISTANCES)
