"""Packed splits, IDX files, balanced samples and augmentation."""

import gzip
import struct
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from torchvision.transforms import RandomResizedCrop

from prunescope.data import sampling
from prunescope.data.packed_images import PackedImages
from prunescope.data.sources import fashion_mnist
from prunescope.foundation import arrays
from prunescope.foundation.errors import InputError
from prunescope.train.images import augmentation
from prunescope.train.images.packed_source import PackedSource

# --- IDX files -----------------------------------------------------------------------------------


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


# --- packed splits -------------------------------------------------------------------------------


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


# --- balanced samples ----------------------------------------------------------------------------


@given(
    labels=st.lists(st.sampled_from([0, 1, 5, 9]), min_size=1, max_size=40),
    seed=st.integers(0, 9),
    data=st.data(),
)
def test_samples_are_as_even_as_the_counts_allow(
    labels: list[int], seed: int, data: st.DataObject
) -> None:
    number = data.draw(st.integers(0, len(labels)))
    sample = sampling.sample_balanced(np.array(labels), number, np.random.default_rng(seed))
    assert sample.dtype == np.int64
    assert len(sample) == number
    assert (np.diff(sample) > 0).all()  # sorted, no image twice
    assert all(0 <= index < len(labels) for index in sample)
    available, taken = Counter(labels), Counter(labels[index] for index in sample)
    unexhausted = [taken[label] for label in available if taken[label] < available[label]]
    assert all(number <= least + 1 for number in taken.values() for least in unexhausted)


def test_samples_of_a_balanced_set_are_balanced() -> None:
    labels = np.repeat(np.arange(10), 30)
    sample = sampling.sample_balanced(labels, 55, np.random.default_rng(0))
    assert set(Counter(labels[sample]).values()) == {5, 6}


def test_samples_are_seeded_and_fair() -> None:
    labels = np.array([0, 0, 0, 0, 1, 1])

    def draw(seed: int, number: int) -> list[int]:
        return sampling.sample_balanced(labels, number, np.random.default_rng(seed)).tolist()

    assert draw(3, 2) == draw(3, 2)
    drawn = Counter(index for seed in range(600) for index in draw(seed, 2))
    # One of each class: an image of class 0 in a quarter of the draws, of class 1 in a half.
    for index, expected in enumerate([150, 150, 150, 150, 300, 300]):
        assert abs(drawn[index] - expected) < 60  # standard deviations 10.6 and 12.2
    single = Counter(labels[draw(seed, 1)[0]] for seed in range(600))
    assert abs(single[0] - 300) < 60


def test_too_large_samples_are_refused() -> None:
    with pytest.raises(InputError, match="7 images was asked for, but there are 6"):
        sampling.sample_balanced(np.zeros(6, int), 7, np.random.default_rng(0))


# --- augmentation --------------------------------------------------------------------------------


def pictures(count: int, size: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(1, 256, size=(count, 3, size, size), dtype=np.uint8)


@pytest.mark.parametrize("name", augmentation.AUGMENTATIONS)
@given(
    images=hnp.arrays(np.uint8, st.tuples(st.integers(1, 6), st.just(3)).flatmap(
        lambda two: st.integers(1, 20).map(lambda size: (*two, size, size)))),
    seed=st.integers(0, 9),
)  # fmt: skip
def test_augmentation_keeps_shape_type_and_original(
    name: str, images: np.ndarray, seed: int
) -> None:
    before = images.copy()
    augment = augmentation.AUGMENTATIONS[name]
    augmented = augment(images, np.random.default_rng(seed))
    assert (augmented.shape, augmented.dtype) == (images.shape, np.uint8)
    np.testing.assert_array_equal(images, before)
    np.testing.assert_array_equal(augment(images, np.random.default_rng(seed)), augmented)


def test_a_batch_is_read_and_augmented_in_order() -> None:
    packed = PackedImages(pictures(6, 8), np.arange(6) + 100)
    names = ("random_shift", "horizontal_flip")
    batch = PackedSource(packed).read(np.array([5, 0, 5]), names, np.random.default_rng(4))
    rng = np.random.default_rng(4)
    expected = augmentation.random_shift(packed.images[[5, 0, 5]], rng)
    np.testing.assert_array_equal(batch.images, augmentation.horizontal_flip(expected, rng))
    assert batch.labels.tolist() == [105, 100, 105]


def test_crops_of_packed_images_are_torchvisions() -> None:
    images = pictures(4, 24)
    cropped = augmentation.random_resized_crop(images, np.random.default_rng(2))
    seeds = augmentation.draw_seeds(4, np.random.default_rng(2))
    for image, got, seed in zip(images, cropped, seeds, strict=True):
        torch.manual_seed(seed)
        expected = RandomResizedCrop(24)(Image.fromarray(image.transpose(1, 2, 0)))
        np.testing.assert_array_equal(got, np.asarray(expected).transpose(2, 0, 1))


def test_flips_are_flips() -> None:
    images = pictures(400, 5)
    augmented = augmentation.horizontal_flip(images, np.random.default_rng(0))
    flipped = 0
    for image, new in zip(images, augmented, strict=True):
        mirrored = np.stack([np.fliplr(channel) for channel in image])
        flipped += np.array_equal(new, mirrored)
        assert np.array_equal(new, mirrored) or np.array_equal(new, image)
    assert 140 < flipped < 260  # standard deviation 10


def shifted(image: np.ndarray, down: int, right: int) -> np.ndarray:
    """Pixel by pixel; black moves in."""
    moved = np.zeros_like(image)
    size = image.shape[-1]
    for row in range(size):
        for column in range(size):
            source = row - down, column - right
            if all(0 <= place < size for place in source):
                moved[:, row, column] = image[(slice(None), *source)]
    return moved


def test_shifts_are_shifts_by_up_to_an_eighth() -> None:
    images = pictures(150, 9)  # an eighth of 9 is one pixel
    augmented = augmentation.random_shift(images, np.random.default_rng(0))
    found = Counter()
    for image, new in zip(images, augmented, strict=True):
        places = [(down, right) for down in (-1, 0, 1) for right in (-1, 0, 1)]
        (place,) = [place for place in places if np.array_equal(new, shifted(image, *place))]
        found[place] += 1
    assert len(found) == 9  # each direction of 150 is drawn
    assert max(found.values()) < 40  # 16.7 expected
