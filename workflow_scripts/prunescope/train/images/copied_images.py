"""Read train images from their small copies: each batch is decoded when it is needed."""

import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from PIL import Image
from torchvision.io import decode_jpeg

from prunescope.data import decoding, image_tables
from prunescope.data.copies.copy_table import COPIES
from prunescope.foundation.errors import InputError, how_to_rebuild
from prunescope.train.images.augmentation import RANDOM_RESIZED_CROP, augment, draw_seeds
from prunescope.train.images.same_class import none_readable, stand_ins
from prunescope.train.images.train_batch import TrainBatch


@dataclass(frozen=True)
class CopiedImages:
    """The copies of the train images and their labels; can be pickled for worker processes.

    Attributes
    ----------
    copies
        The file that holds the JPEG files, one after the other.
    places
        int64 `(images, 3)`: where each of them begins in bytes, its size in bytes (0 if the
        original is damaged), and its CRC-32.
    originals
        int64 `(images, 2)`: height and width of the originals in pixels.
    labels
        int64 `(images,)`.
    image_size
        Side of the returned images in pixels.
    resize
        Shorter side in pixels before the centre crop.
    """

    copies: Path
    places: np.ndarray
    originals: np.ndarray
    labels: np.ndarray
    image_size: int
    resize: int

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def open(
        cls,
        index: str | Path,
        copies: str | Path,
        table: str | Path,
        *,
        image_size: int,
        resize: int,
    ) -> "CopiedImages":
        """Open the copies of the images that an index (`image_tables.INDEX`) lists.

        Raises
        ------
        InputError
            A file is damaged, or they do not belong together.
        """
        listed, rows = image_tables.INDEX.read(index), COPIES.read(table)
        if not listed["file"].equals(rows["file"]):
            raise InputError(f"{table}: other images than in {index}. {how_to_rebuild(table)}")
        places = rows.select("start", "bytes", "crc32").to_numpy().astype(np.int64)
        expected, found = int(places[:, 1].sum()), Path(copies).stat().st_size
        if found != expected:
            raise InputError(
                f"{copies}: {found} bytes, {table} asks for {expected}. {how_to_rebuild(copies)}"
            )
        originals = rows.select("height", "width").to_numpy().astype(np.int64)
        labels = listed["label"].to_numpy().astype(np.int64)
        return cls(Path(copies), places, originals, labels, image_size, resize)

    def read(
        self, indices: np.ndarray, augmentation: tuple[str, ...], rng: np.random.Generator
    ) -> TrainBatch:
        """Decode and augment a batch.

        If `random_resized_crop` is the first augmentation, the piece that would be cut from the
        original is cut from the copy. Otherwise copies are resized and cropped as for packing. The
        same state of `rng` gives the same bytes in every process.

        The next image of the same class that has a copy replaces one whose original is damaged.

        Parameters
        ----------
        indices
            Integer indices `(batch,)` of the images.
        augmentation
            Keys of `augmentation.AUGMENTATIONS`, applied in order.
        rng
            Source of all randomness.

        Raises
        ------
        InputError
            A copy is damaged, or no image of a class has one.
        """
        taken = [self._readable(index) for index in indices]
        cut = RANDOM_RESIZED_CROP in augmentation[:1]
        with self.copies.open("rb", buffering=0) as file:
            decoded = (self._decode(file, index) for index in taken)
            prepared = self._crop(taken, decoded, rng) if cut else self._centre(decoded)
            images = np.stack(list(prepared))
        replaced = int(np.count_nonzero(np.array(taken) != indices))
        return TrainBatch(augment(images, augmentation[cut:], rng), self.labels[indices], replaced)

    def _centre(self, images: Iterable[torch.Tensor]) -> Iterator[np.ndarray]:
        for image in images:
            pixels = np.ascontiguousarray(image.permute(1, 2, 0).numpy())
            yield decoding.resize_and_crop(Image.fromarray(pixels), self.resize, self.image_size)

    def _crop(
        self, taken: list[int], images: Iterable[torch.Tensor], rng: np.random.Generator
    ) -> Iterator[np.ndarray]:
        from prunescope.train.images.random_crops import (
            crop_copy_at_random,  # slow to import, and not always needed
        )

        seeds = draw_seeds(len(taken), rng)
        for index, image, seed in zip(taken, images, seeds, strict=True):
            height, width = self.originals[index].tolist()
            yield crop_copy_at_random(image, (height, width), self.image_size, seed)

    def _readable(self, index: int) -> int:
        """The image itself, or the one that stands in for it."""
        if self._has_copy(index):
            return index
        others = stand_ins(self.labels, index)
        for other in others:
            if self._has_copy(other):
                return int(other)
        raise none_readable(f"{self.copies}: class {self.labels[index]}", 1 + len(others))

    def _has_copy(self, index: int) -> bool:
        return bool(self.places[index, 1])

    def _decode(self, file: BinaryIO, index: int) -> torch.Tensor:
        """A copy as uint8 `(3, height, width)`."""
        start, size, crc32 = self.places[index].tolist()
        file.seek(start)
        content = bytearray(file.read(size))
        if zlib.crc32(content) != crc32:
            raise InputError(
                f"{self.copies}: the copy of image {index} is damaged. "
                f"{how_to_rebuild(self.copies)}"
            )
        return decode_jpeg(torch.frombuffer(content, dtype=torch.uint8))
