"""CIFAR-10: colour images of ten kinds of things, in the binary form, which holds data only.

Source: Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from prunescope.data import decoding
from prunescope.data.archives import tar_files
from prunescope.data.source import Split
from prunescope.foundation.errors import InputError

REQUIRED = ()
OPTIONAL = ()
IMAGES = {"train": 50_000, "test": 10_000}
DOWNLOADED = True
ARCHIVE = "cifar-10-binary.tar.gz"
# 170,052,171 bytes.
FILES = {ARCHIVE: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"}
ADDRESSES = {ARCHIVE: f"https://www.cs.toronto.edu/~kriz/{ARCHIVE}"}

META = "batches.meta.txt"
MEMBERS = re.compile(r"cifar-10-batches-bin/(batches\.meta\.txt|(?:test|data)_batch\w*\.bin)")
BATCHES = {
    "train": [f"data_batch_{number}.bin" for number in range(1, 6)],
    "test": ["test_batch.bin"],
}
SIDE = 32
# A label, then the red, the green and the blue pixels, row by row.
RECORD = 1 + 3 * SIDE * SIDE
CLASSES = 10


def read(files: Mapping[str, Path], image_size: int) -> Iterator[Split]:
    """Read the train and the test images, in the order of the batches.

    With an `image_size` of 32 they are the published pixels; otherwise they are resized, bilinear
    with antialiasing.

    Raises
    ------
    InputError
        The archive is damaged, or lacks something.
    """
    path = files[ARCHIVE]
    found = {match[1]: content for match, content in tar_files.members(path, MEMBERS)}
    needed = [META, *BATCHES["train"], *BATCHES["test"]]
    if missing := [name for name in needed if name not in found]:
        raise InputError(f"{path}: lacks {', '.join(missing)}. Delete it: it is fetched again.")
    classes = dict(enumerate(found[META].decode("utf-8", "replace").split()))
    if len(classes) != CLASSES:
        raise InputError(f"{path}: {META} names {len(classes)} classes, not {CLASSES}.")
    for name, batches in BATCHES.items():
        labels, images = _records(path, name, b"".join(found.pop(batch) for batch in batches))
        yield Split(name, resized(images, image_size), labels, classes)


def _records(path: Path, split: str, content: bytes) -> tuple[np.ndarray, np.ndarray]:
    """Labels int64 `(images,)` and pixels uint8 `(images, 3, 32, 32)`."""
    if len(content) != RECORD * IMAGES[split]:
        raise InputError(
            f"{path}: the {split} images have {len(content):,} bytes, not "
            f"{RECORD * IMAGES[split]:,}."
        )
    records = np.frombuffer(content, dtype=np.uint8).reshape(-1, RECORD)
    labels = records[:, 0].astype(np.int64)
    if labels.max() >= CLASSES:
        raise InputError(f"{path}: label {labels.max()} among the {split} images; 9 is the last.")
    return labels, records[:, 1:].reshape(-1, 3, SIDE, SIDE)


def resized(images: np.ndarray, size: int) -> np.ndarray:
    """Resize images, uint8 `(images, 3, side, side)`, to `size` pixels, unless they have it."""
    if images.shape[-1] == size:
        return images
    changed = np.empty((len(images), 3, size, size), dtype=np.uint8)
    for row, image in enumerate(images):
        picture = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
        changed[row] = decoding.resize_and_crop(picture, size, size)
    return changed
