"""The images of a part of a training batch, as their source reads them."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class TrainBatch:
    """Augmented images and their labels.

    Attributes
    ----------
    images
        uint8 `(images, channels, height, width)`.
    labels
        int64 `(images,)`.
    replaced
        Number of these images that stand in for another one of their class, whose file is damaged.
    """

    images: np.ndarray
    labels: np.ndarray
    replaced: int = 0
