"""Convert packed uint8 images to the input of a network, and what it returns to logits."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from prunescope.foundation.errors import InputError
from prunescope.networks.description import Description

# What a network may call its logits, where its outputs have names.
LOGITS = ("logits", "out")


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


def logits_of(output: Any) -> torch.Tensor:
    """The logits `(images, classes)` in what a network returns.

    A tensor is the logits. Of a dict, and of a tuple with names, they are what is called `logits`,
    or else `out`. Otherwise they are the first tensor.

    Raises
    ------
    InputError
        There is no tensor.
    """
    return all_logits(output)[0]


def all_logits(output: Any) -> tuple[torch.Tensor, ...]:
    """The logits in what a network returns, and then those of auxiliary heads.

    The logits are found as by `logits_of`. All other tensors of their shape are taken for the
    logits of auxiliary heads, in their order.

    Raises
    ------
    InputError
        There is no tensor.
    """
    if isinstance(output, torch.Tensor):
        return (output,)
    named = output._asdict() if hasattr(output, "_asdict") else output
    values = dict(named if isinstance(named, Mapping) else enumerate(_items(output)))
    tensors = {key: value for key, value in values.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise InputError(
            f"model: the network returns {type(output).__name__} without a tensor in it. It must "
            "return its logits: alone, as the first tensor of a tuple, or in a dict as `logits`."
        )
    main = next((key for key in LOGITS if key in tensors), next(iter(tensors)))
    logits = tensors.pop(main)
    return logits, *(other for other in tensors.values() if other.shape == logits.shape)


def _items(output: Any) -> tuple:
    return tuple(output) if isinstance(output, tuple | list) else ()
