"""IDX files by hand, and images that are padded to a size."""

import gzip
import struct

import numpy as np
import pytest

from prunescope.data.sources import fashion_mnist
from prunescope.foundation.errors import InputError


def idx_images(count: int = 2, height: int = 2, width: int = 3, magic: int = 2051) -> bytes:
    header = struct.pack(">IIII", magic, count, height, width)
    return header + bytes(range(count * height * width))


def idx_labels(labels: bytes = b"\x05\x00\x09", magic: int = 2049) -> bytes:
    return struct.pack(">II", magic, len(labels)) + labels


def test_idx_images_by_hand() -> None:
    images = fashion_mnist.read_idx(idx_images(), "images", "train")
    assert images.dtype == np.uint8
    assert images.tolist() == [[[0, 1, 2], [3, 4, 5]], [[6, 7, 8], [9, 10, 11]]]


def test_idx_labels_by_hand() -> None:
    labels = fashion_mnist.read_idx(idx_labels(), "labels", "train")
    assert labels.dtype == np.uint8
    assert labels.tolist() == [5, 0, 9]


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        pytest.param(b"", "images", id="empty"),
        pytest.param(b"\0\0", "labels", id="magic cut"),
        pytest.param(idx_images()[:12], "images", id="header cut"),
        pytest.param(idx_images()[:16], "images", id="no data"),
        pytest.param(idx_images()[:-1], "images", id="last byte cut"),
        pytest.param(idx_images() + b"\0", "images", id="a byte too many"),
        pytest.param(idx_labels()[:-1], "labels", id="last label cut"),
        pytest.param(idx_images(magic=2050), "images", id="wrong magic"),
        pytest.param(idx_labels(), "images", id="labels for images"),
        pytest.param(idx_images(), "labels", id="images for labels"),
        pytest.param(gzip.compress(idx_images()), "images", id="still compressed"),
        pytest.param(b"<html>not found</html>", "labels", id="page"),
    ],
)
def test_damaged_idx_files_are_refused(content: bytes, kind: str) -> None:
    with pytest.raises(InputError, match=f"train: not a whole IDX file of {kind}"):
        fashion_mnist.read_idx(content, kind, "train")


def test_pad_to_rgb_by_hand() -> None:
    grey = np.array([[[1, 2], [3, 4]]], dtype=np.uint8)
    expected = [[0, 0, 0, 0, 0], [0, 1, 2, 0, 0], [0, 3, 4, 0, 0], [0] * 5, [0] * 5]
    padded = fashion_mnist.pad_to_rgb(grey, 5)
    assert padded.dtype == np.uint8
    assert padded.tolist() == [[expected] * 3]


def test_pad_to_rgb_of_the_right_size_only_repeats() -> None:
    grey = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
    padded = fashion_mnist.pad_to_rgb(grey, 2)
    assert padded.shape == (2, 3, 2, 2)
    for channel in range(3):
        np.testing.assert_array_equal(padded[:, channel], grey)
