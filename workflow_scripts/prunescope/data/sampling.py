"""Draw class-balanced samples of images."""

import numpy as np

from prunescope.foundation.errors import InputError

# The seed of parts that no key of the config draws. Every network gets the same part of a split.
SEED_OF_PARTS = 0


def sample_rows(labels: np.ndarray, images: int, seed: int, *, key: str) -> np.ndarray:
    """Draw images, spread over the classes as evenly as the class sizes allow.

    For the same labels and seed, a smaller sample is a subset of a larger one.

    Parameters
    ----------
    labels
        The class index of each image of the split.
    images
        Number of images to draw.
    seed
        Seeds the draw.
    key
        The key of the config that gives `images`, for the message of the error.

    Returns
    -------
    numpy.ndarray
        Sorted int64 indices `(images,)` into `labels`.

    Raises
    ------
    InputError
        There are fewer than `images` images.
    """
    if images > len(labels):
        raise InputError(
            f"{key}: {images} images are asked for, but there are {len(labels)}. Lower it."
        )
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(labels))
    by_class = np.argsort(labels[shuffled], kind="stable")
    members = np.split(shuffled[by_class], np.flatnonzero(np.diff(labels[shuffled][by_class])) + 1)
    # Take the first image of every class, then the second, and so on, so that the counts of the
    # classes differ by at most one.
    turn = np.concatenate([np.arange(len(member)) for member in members])
    order = np.lexsort((rng.random(len(turn)), turn))
    return np.sort(np.concatenate(members)[order[:images]])


def draw_part(labels: np.ndarray, most: int) -> np.ndarray:
    """`sample_rows` of at most `most` images, with a fixed seed.

    Splits are sorted by class where they come from a folder, so the first images of a split may
    all be of one class. Take this part instead.
    """
    number = min(most, len(labels))
    return sample_rows(labels, number, SEED_OF_PARTS, key="images")
