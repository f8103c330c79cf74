"""From packed uint8 images to the tensor that a network reads."""

import numpy as np
import torch

from prunescope.networks.description import Description


def to_input(
    images: np.ndarray | torch.Tensor,
    description: Description,
    device: torch.device | None = None,
) -> torch.Tensor:
    """Scale uint8 `(images, 3, height, width)` to 0..1, normalise per channel.

    Returns a float32 tensor of the same shape on `device` (None: the CPU) in channels-last
    layout, which the convolutions of CPUs and GPUs prefer.
    """
    if isinstance(images, np.ndarray):
        images = torch.from_numpy(np.ascontiguousarray(images))
    # Moved as bytes, a quarter of what floats would take.
    pixels = images.to(device, non_blocking=True)
    mean = torch.tensor(description.mean, device=device).reshape(1, -1, 1, 1)
    std = torch.tensor(description.std, device=device).reshape(1, -1, 1, 1)
    scaled = pixels.float() / 255
    return ((scaled - mean) / std).contiguous(memory_format=torch.channels_last)
