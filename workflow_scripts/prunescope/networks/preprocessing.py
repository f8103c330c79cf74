"""Convert packed uint8 images to the input tensor of a network."""

import numpy as np
import torch

from prunescope.networks.description import Description


def to_input(
    images: np.ndarray | torch.Tensor,
    description: Description,
    device: torch.device | None = None,
) -> torch.Tensor:
    """Scale uint8 images `(images, 3, height, width)` to 0..1 and normalise each channel.

    Returns
    -------
    torch.Tensor
        float32 of the same shape on `device` (None: the CPU), in channels-last layout, in which
        convolutions are faster.
    """
    if isinstance(images, np.ndarray):
        images = torch.from_numpy(np.ascontiguousarray(images))
    # Move the images before the conversion: bytes take a quarter of the space of float32.
    pixels = images.to(device, non_blocking=True)
    mean = torch.tensor(description.mean, device=device).reshape(1, -1, 1, 1)
    std = torch.tensor(description.std, device=device).reshape(1, -1, 1, 1)
    scaled = pixels.float() / 255
    return ((scaled - mean) / std).contiguous(memory_format=torch.channels_last)
