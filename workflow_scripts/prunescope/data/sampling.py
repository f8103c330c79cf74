"""Draw class-balanced samples of images."""

import numpy as np

from prunescope.foundation.errors import InputError


def sample_rows(labels: np.ndarray, images: int, seed: int) -> np.ndarray:
    """`sample_balanced` with a new generator for `seed`.

    For the same labels and seed, a smaller sample is a subset of a larger one.
    """
    return sample_balanced(labels, images, np.random.default_rng(seed))


def sample_balanced(labels: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `number` images, spread over the classes as evenly as the class sizes allow.

    Parameters
    ----------
    labels
        `(images,)` the class index of each image.
    number
        Number of images to draw.
    rng
        Source of randomness.

    Returns
    -------
    numpy.ndarray
        Sorted int64 indices `(number,)` into `labels`.

    Raises
    ------
    InputError
        There are fewer than `number` images.
    """
    if number > len(labels):
        raise InputError(
            f"datasets: a sample of {number} images was asked for, but there are {len(labels)}. "
            "Lower `datasets.<name>.validation.images` or `datasets.<name>.probe.images`."
        )
    shuffled = rng.permutation(len(labels))
    by_class = np.argsort(labels[shuffled], kind="stable")
    members = np.split(shuffled[by_class], np.flatnonzero(np.diff(labels[shuffled][by_class])) + 1)
    # Take the first image of every class, then the second, and so on, so that the counts of the
    # classes differ by at most one.
    turn = np.concatenate([np.arange(len(member)) for member in members])
    order = np.lexsort((rng.random(len(turn)), turn))
    return np.sort(np.concatenate(members)[order[:number]])
