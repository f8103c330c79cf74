"""Augmentations: random changes of the train images.

All take and return uint8 images `(images, 3, side, side)`.
"""

from collections.abc import Callable, Mapping

import numpy as np


def horizontal_flip(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Mirror each image with probability one half."""
    flipped = rng.random(len(images)) < 0.5
    return np.where(flipped[:, None, None, None], images[..., ::-1], images)


def random_shift(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Shift each image by up to an eighth of its size in both directions; the rest is black."""
    size = images.shape[-1]
    reach = size // 8
    padded = np.pad(images, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
    tops, lefts = rng.integers(0, 2 * reach + 1, size=(2, len(images)))
    return np.stack(
        [
            image[:, top : top + size, left : left + size]
            for image, top, left in zip(padded, tops, lefts, strict=True)
        ]
    )


def draw_seeds(number: int, rng: np.random.Generator) -> list[int]:
    """Draw a seed for each image of a batch, so that its crop does not depend on other images."""
    return rng.integers(2**63, size=number).tolist()


def random_resized_crop(images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Cut a random piece out of each image and resize it to the size of the image.

    Works as torchvision's `RandomResizedCrop`. It is meant for packed images: image files are
    cropped before they are resized (see `image_files.ImageFiles.read`).
    """
    # Imported here because the import is slow and not every training needs it.
    from PIL import Image

    from prunescope.train.images.random_crops import crop_at_random

    size = images.shape[-1]
    cropped = np.empty_like(images)
    for place, seed in enumerate(draw_seeds(len(images), rng)):
        image = Image.fromarray(np.ascontiguousarray(images[place].transpose(1, 2, 0)))
        cropped[place] = crop_at_random(image, size, seed)
    return cropped


RANDOM_RESIZED_CROP = "random_resized_crop"
Augmentation = Callable[[np.ndarray, np.random.Generator], np.ndarray]
AUGMENTATIONS: Mapping[str, Augmentation] = {
    "horizontal_flip": horizontal_flip,
    "random_shift": random_shift,
    RANDOM_RESIZED_CROP: random_resized_crop,
}


def augment(
    images: np.ndarray, augmentation: tuple[str, ...], rng: np.random.Generator
) -> np.ndarray:
    """Apply augmentations, given as keys of `AUGMENTATIONS`, in order."""
    for name in augmentation:
        images = AUGMENTATIONS[name](images, rng)
    return images
