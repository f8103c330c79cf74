"""Augmented images: pixel by pixel, and against torchvision."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from torchvision.transforms import RandomResizedCrop

from prunescope.data.packed_images import PackedImages
from prunescope.train.images import augmentation
from prunescope.train.images.packed_source import PackedSource


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
