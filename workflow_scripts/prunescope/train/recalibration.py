"""Measure the batch-norm statistics of a network anew; its weights stay as they are."""

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
    """On what the statistics are measured.

    Attributes
    ----------
    images
        Images that are drawn from the train split, a multiple of `batch`.
    batch
        Images in one forward pass. The variance is that within a batch.
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

    Pruning shifts what a batch norm receives, while its statistics still describe the dense
    network. Here they are forgotten, and become plain averages over batches: of the means, and
    of the unbiased variances. Nothing is learned, no weight changes, no image is augmented.
    As in training, a layer receives what the layers before make of the batch with the batch's
    own statistics. The images depend on the seed only: all networks of a seed see the same.

    Raises
    ------
    InputError
        The split has fewer images than asked for.

    Source: Li et al., "EagleEye", ECCV 2020 ("adaptive batch normalization").
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
    rng = np.random.default_rng()  # asked for, not used: nothing is augmented
    for start in range(0, len(indices), size):
        batch = images.read(indices[start : start + size], (), rng)
        yield to_input(batch.images, description, device)
