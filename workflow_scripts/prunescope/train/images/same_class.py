"""Which images may stand in for a damaged one."""

import numpy as np

from prunescope.foundation.errors import InputError


def stand_ins(labels: np.ndarray, index: int) -> np.ndarray:
    """The other images of the class of an image, beginning with the next one.

    Parameters
    ----------
    labels
        int64 `(images,)`.
    index
        The image.

    Returns
    -------
    numpy.ndarray
        int64 indices.
    """
    same = np.flatnonzero(labels == labels[index])
    return np.roll(same, -1 - np.searchsorted(same, index))[:-1]


def none_readable(folder: str, images: int) -> InputError:
    """The error if no image of a class can be read.

    Parameters
    ----------
    folder
        The folder of the class, as in messages.
    images
        The number of images of the class.
    """
    return InputError(
        f"{folder}: none of the {images} images of this class can be "
        "read. Put whole files there, or take the class out of both splits, and run again: "
        "the folder is listed anew."
    )
