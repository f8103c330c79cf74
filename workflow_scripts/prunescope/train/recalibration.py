"""Recalibrate a network: measure its batch-norm statistics again, without changing its weights."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.optim.swa_utils import update_bn

from prunescope.foundation.errors import InputError
from prunescope.networks.description import Description
from prunescope.networks.preprocessing import to_input
from prunescope.train.images.batches import TrainImages


@dataclass(frozen=True)
class RecalibrationSettings:
    """The settings of a recalibration.

    Attributes
    ----------
    images
        Number of images that are drawn from the train split, a multiple of `batch`.
    batch
        Number of images in one forward pass. Variances are computed within a batch.
    """

    images: int
    batch: int


def recalibrate(
    module: nn.Module,
    description: Description,
    images: TrainImages,
    settings: RecalibrationSettings,
    *,
    seed: int,
) -> None:
    """Replace the running mean and variance of every batch norm of `module`, in place.

    Pruning changes the inputs of a batch norm, but its statistics still describe the dense
    network. Here they are reset and then set to plain averages over the batches: of the means, and
    of the unbiased variances. As in training, each batch is normalised with its own statistics on
    the way through the network. No weight changes, and no image is augmented. The drawn images
    depend only on the seed, so all networks of a seed use the same images.

    Source: Li et al., "EagleEye", ECCV 2020 ("adaptive batch normalization").

    Parameters
    ----------
    module
        The network, on any device. It is in evaluation mode afterwards.
    description
        The network's preprocessing.
    images
        The train images.
    settings
        How many images, and in which batches.
    seed
        Seeds the draw of the images.

    Raises
    ------
    InputError
        The train split has fewer images than `settings.images`.
    """
    if settings.images > len(images):
        raise InputError(
            f"`retraining.<name>.recalibration.images`: {settings.images}, but the train split "
            f"has {len(images)} images. Lower it."
        )
    drawn = np.random.default_rng(seed).permutation(len(images))[: settings.images]
    device = next(module.parameters()).device
    update_bn(_inputs(images, drawn, settings.batch, description, device), module)
    module.eval()


def _inputs(
    images: TrainImages,
    indices: np.ndarray,
    size: int,
    description: Description,
    device: torch.device,
) -> Iterator[torch.Tensor]:
    rng = np.random.default_rng()  # required by `read`, but unused without augmentation
    for start in range(0, len(indices), size):
        batch = images.read(indices[start : start + size], (), rng)
        yield to_input(batch.images, description, device)
