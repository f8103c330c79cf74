"""Correlation of pixels: a control for the perceptual metrics.

It compares only shape and brightness, not what the images show. So it tells how much of a unit's
score can be explained by shape and brightness alone.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from prunescope.interpret.metrics.metric import Embedder, Metric, resize

if TYPE_CHECKING:
    import torch


def load(_files: Mapping[str, Path], image_size: int) -> Embedder:
    """An embedder whose cosines are Pearson correlations over pixels and channels."""

    def embedder(images: np.ndarray) -> "torch.Tensor":
        pixels = resize(images, image_size).flatten(start_dim=1)
        # A constant image becomes the zero vector: it has correlation 0 with all images.
        return pixels - pixels.mean(dim=1, keepdim=True)

    return embedder


METRICS: Mapping[str, Metric] = {"correlation": Metric(load)}
