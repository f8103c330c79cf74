"""Packed images: a split in two arrays that are mapped into memory."""

import mmap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prunescope.foundation import arrays
from prunescope.foundation.errors import InputError, how_to_rebuild


@dataclass(frozen=True)
class PackedImages:
    """Images and labels of a split, memory-mapped.

    `images` is uint8 `(images, channels, height, width)`, `labels` int64 `(images,)`.
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
        """Another process maps the same file: a pickled memory map would hold all its content."""
        if isinstance(self.images, np.memmap):
            return _reopen, (str(self.images.filename), self.labels)
        return PackedImages, (self.images, self.labels)

    def batches(self, size: int, indices: np.ndarray | None = None) -> Iterator["PackedImages"]:
        """Yield consecutive batches of at most `size` images, of all images or of `indices`."""
        order = np.arange(len(self)) if indices is None else indices
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            yield PackedImages(self.images[chosen], self.labels[chosen])
            self._forget()

    def _forget(self) -> None:
        """Count what was read no longer as this process's memory; the system may keep it."""
        mapped = getattr(self.images, "_mmap", None)
        if mapped is not None:
            mapped.madvise(mmap.MADV_DONTNEED)


def _reopen(images: str, labels: np.ndarray) -> PackedImages:
    return PackedImages(arrays.load_array(images, memory_map=True), labels)
