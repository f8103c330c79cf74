"""Read a packed split: its images and labels in two .npy files. The images are memory-mapped."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prunescope.foundation import arrays
from prunescope.foundation.errors import InputError, how_to_rebuild


@dataclass(frozen=True)
class PackedImages:
    """Images and labels of a split, or of a batch of it.

    Attributes
    ----------
    images
        uint8 `(images, channels, height, width)`, memory-mapped for a whole split.
    labels
        int64 `(images,)`.
    """

    images: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def open(cls, images: str | Path, labels: str | Path) -> "PackedImages":
        """Open a packed split without reading its images.

        Raises
        ------
        InputError
            The files are damaged or do not belong together.
        """
        packed = cls(arrays.load_array(images, memory_map=True), arrays.load_array(labels))
        if packed.images.ndim != 4 or len(packed.images) != len(packed.labels):
            raise InputError(
                f"{images}: shape {packed.images.shape} does not fit the {len(packed.labels)} "
                f"labels of {labels}. {how_to_rebuild(images)}"
            )
        return packed

    def __reduce__(self) -> tuple:
        """Pickle a memory map as its path: pickling it directly would copy all its content."""
        if isinstance(self.images, np.memmap):
            return _reopen, (str(self.images.filename), self.labels)
        return PackedImages, (self.images, self.labels)

    def part(self, rows: np.ndarray) -> "PackedImages":
        """The images at the integer indices `rows` `(images,)`, in memory."""
        return PackedImages(self.images[rows], self.labels[rows])

    def batches(self, size: int) -> Iterator["PackedImages"]:
        """Yield batches of at most `size` images, in order."""
        for start in range(0, len(self), size):
            # Indices, not a slice: the batch is an array in memory, not a part of the mapped file.
            yield self.part(np.arange(start, min(start + size, len(self))))
            arrays.release_pages(self.images)


def _reopen(images: str, labels: np.ndarray) -> PackedImages:
    return PackedImages(arrays.load_array(images, memory_map=True), labels)
