"""The train images that a network is measured on before it is pruned."""

from dataclasses import dataclass

import numpy as np

from prunescope.foundation.errors import InputError


@dataclass(frozen=True)
class SampleSettings:
    """A sample of the train images.

    Attributes
    ----------
    images
        Number of images, a multiple of `batch`.
    batch
        Number of images in one pass.
    seed
        Seed of the draw.
    """

    images: int = 512
    batch: int = 64
    seed: int = 0


def draw(images: int, settings: SampleSettings) -> list[np.ndarray]:
    """The indices of each batch, int64 `(batch,)`, drawn without replacement.

    They depend on the settings and the number of train images only, so that all networks of a
    study are measured on the same images.

    Raises
    ------
    InputError
        There are fewer than `settings.images` images.
    """
    if settings.images > images:
        raise InputError(
            f"`pruning.methods.<name>.sample.images`: {settings.images}, but the train split has "
            f"{images} images. Lower it."
        )
    drawn = np.random.default_rng(settings.seed).permutation(images)[: settings.images]
    return np.split(drawn, settings.images // settings.batch)
