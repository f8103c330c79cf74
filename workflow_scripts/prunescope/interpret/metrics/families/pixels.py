"""The plainest metric: correlation of pixels. It knows nothing of what images show.

A control for the perceptual metrics: what a unit's score owes to sheer likeness of shape and
brightness shows here.
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
        # An image of one colour becomes zero: it correlates with nothing.
        return pixels - pixels.mean(dim=1, keepdim=True)

    return embedder


METRICS: Mapping[str, Metric] = {"correlation": Metric(load)}
