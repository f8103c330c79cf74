"""Packed splits keep images and labels together."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.data.packed_images import PackedImages
from prunescope.foundation import arrays
from prunescope.foundation.errors import InputError


def numbered(count: int, size: int = 2) -> PackedImages:
    """Image i shows i everywhere and has the label 100 + i."""
    images = np.broadcast_to(np.arange(count, dtype=np.uint8)[:, None, None, None],
                             (count, 3, size, size)).copy()  # fmt: skip
    return PackedImages(images, np.arange(count) + 100)


@given(count=st.integers(1, 20), size=st.integers(1, 25))
def test_batches_keep_images_and_labels_together(count: int, size: int) -> None:
    batches = list(numbered(count).batches(size))
    assert [len(batch) for batch in batches[:-1]] == [size] * (len(batches) - 1)
    assert 1 <= len(batches[-1]) <= size
    shown = np.concatenate([batch.images[:, 2, 1, 0] for batch in batches])
    labels = np.concatenate([batch.labels for batch in batches])
    assert shown.tolist() == list(range(count))
    assert (labels - 100).tolist() == list(range(count))


def test_a_packed_split_is_memory_mapped(tmp_path: Path) -> None:
    split = numbered(5)
    arrays.save_array(split.images, tmp_path / "images.npy")
    arrays.save_array(split.labels, tmp_path / "labels.npy")
    opened = PackedImages.open(tmp_path / "images.npy", tmp_path / "labels.npy")
    assert isinstance(opened.images, np.memmap)
    assert len(opened) == 5
    np.testing.assert_array_equal(opened.images, split.images)
    np.testing.assert_array_equal(opened.labels, split.labels)


@pytest.mark.parametrize("shape", [(4, 3, 2, 2), (5, 2, 2)])
def test_files_that_do_not_belong_together_are_refused(tmp_path: Path, shape: tuple) -> None:
    arrays.save_array(np.zeros(shape, dtype=np.uint8), tmp_path / "images.npy")
    arrays.save_array(np.arange(5), tmp_path / "labels.npy")
    with pytest.raises(InputError, match=r"images\.npy: shape .* does not fit the 5 labels"):
        PackedImages.open(tmp_path / "images.npy", tmp_path / "labels.npy")
