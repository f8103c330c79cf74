"""Class-balanced samples of images."""

import numpy as np

from prunescope.foundation.errors import InputError


def sample_rows(labels: np.ndarray, images: int, seed: int) -> np.ndarray:
    """`sample_balanced` with the generator of a seed; of one seed, small samples lie in larger."""
    return sample_balanced(labels, images, np.random.default_rng(seed))


def sample_balanced(labels: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """Draw `number` images, as evenly over the classes as their counts allow.

    Returns
    -------
    numpy.ndarray
        Sorted int64 indices into `labels`.

    Raises
    ------
    InputError
        There are fewer images than asked for.
    """
    if number > len(labels):
        raise InputError(
            f"datasets: a sample of {number} images was asked for, but there are {len(labels)}. "
            "Lower `datasets.<name>.validation.images` or `datasets.<name>.probe.images`."
        )
    shuffled = rng.permutation(len(labels))
    by_class = np.argsort(labels[shuffled], kind="stable")
    members = np.split(shuffled[by_class], np.flatnonzero(np.diff(labels[shuffled][by_class])) + 1)
    # Taking the first of every class, then the second, ... keeps the counts within one.
    turn = np.concatenate([np.arange(len(member)) for member in members])
    order = np.lexsort((rng.random(len(turn)), turn))
    return np.sort(np.concatenate(members)[order[:number]])
