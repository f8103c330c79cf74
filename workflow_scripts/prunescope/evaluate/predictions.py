"""Classify images with a network: one row for each image."""

from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from prunescope.data.packed_images import PackedImages
from prunescope.networks.description import Description

if TYPE_CHECKING:
    from torch import nn


TOP = 5
BATCH = 250


def predict(module: "nn.Module", images: PackedImages, description: Description) -> pl.DataFrame:
    """Classify every image.

    Parameters
    ----------
    module
        The network in evaluation mode, on any device.
    images
        The images of a split.
    description
        The network's preprocessing.

    Returns
    -------
    polars.DataFrame
        A table `network_tables.PREDICTIONS`. With fewer than five classes, `top5` has all of
        them.
    """
    import torch  # imported here, so that importing this module does not import torch

    from prunescope.networks.preprocessing import logits_of, to_input

    device = next(module.parameters()).device
    parts = []
    for batch in images.batches(BATCH):
        with torch.inference_mode():
            logits = logits_of(module(to_input(batch.images, description, device))).float()
            log_p = torch.log_softmax(logits, dim=1)
            labels = torch.from_numpy(batch.labels).to(device)
            loss = -log_p.gather(1, labels[:, None])[:, 0]
            top = log_p.topk(min(TOP, log_p.shape[1]), dim=1).indices
        parts.append((loss.cpu().numpy(), top.cpu().numpy()))
    losses = np.concatenate([part[0] for part in parts])
    return pl.DataFrame(
        {
            "image": np.arange(len(images), dtype=np.int32),
            "label": images.labels.astype(np.int16),
            "top5": pl.Series(np.concatenate([part[1] for part in parts]).astype(np.int16)).cast(
                pl.List(pl.Int16)
            ),
            "loss": losses,
            "p_label": np.exp(-losses),
        }
    )
