"""Read train images directly from their image files: each batch is decoded when it is needed."""

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from prunescope.data import decoding, image_tables
from prunescope.data.file_names import shown
from prunescope.data.watching import stamps
from prunescope.data.watching.stamps import Stamp
from prunescope.foundation.errors import InputError
from prunescope.train.images.augmentation import RANDOM_RESIZED_CROP, augment, draw_seeds
from prunescope.train.images.same_class import none_readable, stand_ins
from prunescope.train.images.train_batch import TrainBatch

log = logging.getLogger("prunescope")


@dataclass(frozen=True)
class ImageFiles:
    """The image files of a split and their labels; can be pickled for worker processes.

    Attributes
    ----------
    folder
        The dataset's folder.
    files
        Paths relative to the folder, as UTF-8 bytes of fixed width `(images,)`. Worker processes
        share the memory of an array; they would copy a list, because reading it changes the
        reference counts.
    stamps
        int64 `(images, 2)`: the size and the date of each file when it was listed.
    labels
        int64 `(images,)`.
    image_size
        Side of the returned images in pixels.
    resize
        Shorter side in pixels before the centre crop.
    on_error
        `fail`: a damaged file stops the job. `skip`: another image replaces it.
    """

    folder: Path
    files: np.ndarray
    stamps: np.ndarray
    labels: np.ndarray
    image_size: int
    resize: int
    on_error: str

    def __len__(self) -> int:
        return len(self.labels)

    @classmethod
    def open(
        cls, index: str | Path, folder: str | Path, *, image_size: int, resize: int, on_error: str
    ) -> "ImageFiles":
        """Open the files that an index (`image_tables.INDEX`) lists.

        Raises
        ------
        InputError
            The index is damaged, or does not list image files.
        """
        rows = image_tables.INDEX.read(index)
        if sum(rows[key].null_count() for key in ("file", "bytes", "modified")):
            raise InputError(
                f"{index}: rows without a file, its size or its date: not the index of a folder of "
                "images."
            )
        files = np.array([name.encode() for name in rows["file"]])
        listed = rows.select("bytes", "modified").to_numpy()
        labels = rows["label"].to_numpy().astype(np.int64)
        return cls(Path(folder), files, listed, labels, image_size, resize, on_error)

    def read(
        self, indices: np.ndarray, augmentation: tuple[str, ...], rng: np.random.Generator
    ) -> TrainBatch:
        """Decode and augment a batch.

        If `random_resized_crop` is the first augmentation, the piece is cut from the image in its
        original size. Otherwise images are resized and cropped as for packing. The same state of
        `rng` gives the same bytes in every process.

        With `on_error: skip`, the next readable image of the same class replaces a damaged file,
        and the log names the file.

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
            A file is missing or has changed since it was listed, a file is damaged under
            `on_error: fail`, or no image of a class can be read.
        """
        replaced: list[int] = []
        decoded = (self._decode(index, replaced) for index in indices)
        cut = RANDOM_RESIZED_CROP in augmentation[:1]
        prepared = self._crop(decoded, len(indices), rng) if cut else self._centre(decoded)
        images = augment(np.stack(list(prepared)), augmentation[cut:], rng)
        return TrainBatch(images, self.labels[indices], len(replaced))

    def _centre(self, images: Iterable[Image.Image]) -> Iterator[np.ndarray]:
        for image in images:
            yield decoding.resize_and_crop(image, self.resize, self.image_size)

    def _crop(
        self, images: Iterable[Image.Image], number: int, rng: np.random.Generator
    ) -> Iterator[np.ndarray]:
        from prunescope.train.images.random_crops import (
            crop_at_random,  # slow to import, and not always needed
        )

        for image, seed in zip(images, draw_seeds(number, rng), strict=True):
            yield crop_at_random(image, self.image_size, seed)

    def _decode(self, index: int, replaced: list[int]) -> Image.Image:
        """Decode an image; if it is damaged, add it to `replaced` and decode another one."""
        path = self._path(index)
        try:
            return self._decode_listed(index)
        except decoding.UnreadableError as error:
            if self.on_error == "fail":
                raise InputError(decoding.refusal(path, error.kind, str(error))) from error
            where = shown(path)
            log.warning("%s: %s (%s): another of its class stands in", where, error, error.kind)
        replaced.append(index)
        return self._stand_in(index)

    def _stand_in(self, index: int) -> Image.Image:
        others = stand_ins(self.labels, index)
        for other in others:
            try:
                return self._decode_listed(other)
            except decoding.UnreadableError:
                continue
        raise none_readable(shown(self._path(index).parent), 1 + len(others))

    def _decode_listed(self, index: int) -> Image.Image:
        """The image of a file that is still the one that was listed, whole or damaged."""
        path = self._path(index)
        listed = Stamp(*self.stamps[index].tolist())
        try:
            image = decoding.decode(path)[0]
        except decoding.UnreadableError:
            stamps.check(path, listed)
            raise
        stamps.check(path, listed)
        return image

    def _path(self, index: int) -> Path:
        return self.folder / self.files[index].decode()
