"""Imagenette: ten classes of ImageNet that are easy to tell apart, shorter side 160 pixels.

Source: Howard, github.com/fastai/imagenette (Apache licence).
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from prunescope.data import decoding
from prunescope.data.archives import tar_files
from prunescope.data.source import Split
from prunescope.foundation.errors import InputError

REQUIRED = ()
OPTIONAL = ()
IMAGES = {"train": 9_469, "test": 3_925}
DOWNLOADED = True
ARCHIVE = "imagenette2-160.tgz"
# 99,003,388 bytes.
FILES = {ARCHIVE: "64d0c4859f35a461889e0147755a999a48b49bf38a7e0f9bd27003f10db02fe5"}
ADDRESSES = {ARCHIVE: f"https://s3.amazonaws.com/fast-ai-imageclas/{ARCHIVE}"}

# The classes by their synsets, whose order is that of the labels.
CLASSES = {
    "n01440764": "tench",
    "n02102040": "English springer",
    "n02979186": "cassette player",
    "n03000684": "chain saw",
    "n03028079": "church",
    "n03394916": "French horn",
    "n03417042": "garbage truck",
    "n03425413": "gas pump",
    "n03445777": "golf ball",
    "n03888257": "parachute",
}
FOLDERS = {"train": "train", "test": "val"}
MEMBER = r"imagenette2-160/{folder}/({synsets})/([^/]+\.JPEG)"


def read(files: Mapping[str, Path], image_size: int) -> Iterator[Split]:
    """Read the train and the test images, sorted by class, then by name.

    The shorter side is made `image_size` pixels, and the central square is cut out.

    Raises
    ------
    InputError
        The archive is damaged, or does not hold as many images as it should.
    """
    path = files[ARCHIVE]
    for name, folder in FOLDERS.items():
        member = re.compile(MEMBER.format(folder=folder, synsets="|".join(CLASSES)))
        order = sorted((match[1], match[2]) for match in tar_files.names(path, member))
        if len(order) != IMAGES[name]:
            raise InputError(
                f"{path}: holds {len(order):,} {folder} images, not {IMAGES[name]:,}. Delete it: "
                "it is fetched again."
            )
        rows = {key: row for row, key in enumerate(order)}
        images = np.empty((len(order), 3, image_size, image_size), dtype=np.uint8)
        for match, content in tar_files.members(path, member):
            images[rows[match[1], match[2]]] = _prepare(path, match[0], content, image_size)
        synsets = list(CLASSES)
        labels = np.array([synsets.index(synset) for synset, _ in order], dtype=np.int64)
        yield Split(name, images, labels, dict(enumerate(CLASSES.values())))


def _prepare(path: Path, name: str, content: bytes, size: int) -> np.ndarray:
    try:
        image, _ = decoding.decode_content(content)
    except decoding.UnreadableError as error:
        raise InputError(f"{path}: {name} cannot be read ({error}).") from error
    return decoding.resize_and_crop(image, size, size)
