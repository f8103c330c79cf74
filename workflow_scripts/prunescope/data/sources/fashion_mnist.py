"""Fashion-MNIST: greyscale images of clothes in four IDX files.

Source: Xiao, Rasul, Vollgraf, "Fashion-MNIST", arXiv 1708.07747 (MIT licence).
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from prunescope.data.source import Split
from prunescope.foundation.errors import InputError

REQUIRED = ()
OPTIONAL = ()
IMAGES = {"train": 60_000, "test": 10_000}
DOWNLOADED = True
# It has a rule of its own, which looks in several places.
ADDRESSES: Mapping[str, str] = {}
# SHA-256 of the decompressed files, because the gzip headers differ between providers.
FILES = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
CLASSES = (
    "t-shirt/top", "trouser", "pullover", "dress", "coat",
    "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip

# Magic numbers of IDX files (LeCun's MNIST format). The header has 16 bytes for images, 8 for
# labels.
IDX_MAGIC = {"images": 2051, "labels": 2049}


def pad_to_rgb(images: np.ndarray, size: int) -> np.ndarray:
    """Centre greyscale images on a black square of `size` pixels, and copy them to 3 channels.

    uint8 `(images, height, width)` becomes uint8 `(images, 3, size, size)`.
    """
    height, width = images.shape[1:]
    top, left = (size - height) // 2, (size - width) // 2
    padding = ((0, 0), (top, size - height - top), (left, size - width - left))
    return np.repeat(np.pad(images, padding)[:, None], 3, axis=1)


def read_idx(content: bytes, kind: str, name: str) -> np.ndarray:
    """Parse the content of an IDX file.

    Parameters
    ----------
    content
        The decompressed bytes.
    kind
        `images` or `labels`.
    name
        Name of the file, for the error message.

    Returns
    -------
    numpy.ndarray
        uint8 `(images, height, width)` or `(images,)`.

    Raises
    ------
    InputError
        The header or the length is wrong.
    """
    dimensions = {"images": 3, "labels": 1}[kind]
    header = np.frombuffer(content, dtype=">u4", count=min(1 + dimensions, len(content) // 4))
    shape = tuple(int(size) for size in header[1:])
    expected = 4 * (1 + dimensions) + int(np.prod(shape))
    if len(header) != 1 + dimensions or header[0] != IDX_MAGIC[kind] or len(content) != expected:
        raise InputError(
            f"{name}: not a whole IDX file of {kind} ({len(content)} bytes). Fetch it again."
        )
    return np.frombuffer(content, dtype=np.uint8, offset=4 * (1 + dimensions)).reshape(shape)


def read(files: Mapping[str, Path], image_size: int) -> Iterator[Split]:
    """Read the train and the test images, padded to RGB squares of `image_size` pixels.

    Raises
    ------
    InputError
        A file is damaged.
    """
    for name, prefix in (("train", "train"), ("test", "t10k")):
        images, labels = (
            read_idx(files[file].read_bytes(), kind, str(files[file]))
            for kind, file in (
                ("images", f"{prefix}-images-idx3-ubyte"),
                ("labels", f"{prefix}-labels-idx1-ubyte"),
            )
        )
        packed = pad_to_rgb(images, image_size)
        yield Split(name, packed, labels.astype(np.int64), dict(enumerate(CLASSES)))
