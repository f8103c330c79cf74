"""Which inputs of layers are zero for every image, as long as the masks are held."""

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import nn

LAYERS = (nn.Conv2d, nn.Linear)
IMAGES = 2


def find(
    module: nn.Module, masks: Mapping[str, np.ndarray], shape: tuple[int, int, int]
) -> dict[str, torch.Tensor]:
    """Find the input channels of layers that are zero for all images and all kept parameters.

    A copy of the network gets random parameters that are all positive, scales of norms that are
    small against their shifts, and zeros where the masks say so. Then what it computes of positive
    images is positive, and no rectifier hides anything: a channel that is zero all the same is
    zero whatever the values are.

    Parameters
    ----------
    module
        A network. It stays as it is, and so does torch's generator of random numbers.
    masks
        Boolean arrays by parameter name, True where the parameter is kept.
    shape
        Channels, height and width of an image.

    Returns
    -------
    dict
        By the name of each convolution and fully connected layer that runs in evaluation mode:
        booleans of shape `(channels,)`, True where the input channel is zero.
    """
    probe = copy.deepcopy(module).cpu().float().eval()
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for part in probe.modules():
            _make_positive(part, generator)
        parameters = dict(probe.named_parameters(remove_duplicate=False))
        for name, mask in masks.items():
            parameters[name].mul_(torch.from_numpy(mask).reshape(parameters[name].shape))
        seen: dict[str, torch.Tensor] = {}

        def note(name: str, axis: int, values: torch.Tensor) -> None:
            others = [k for k in range(values.ndim) if k != axis % values.ndim]
            silent = values.abs().amax(dim=others) == 0
            seen[name] = seen[name] & silent if name in seen else silent

        def watch(name: str, axis: int) -> Any:
            return lambda _layer, given: note(name, axis, given[0])

        for name, layer in probe.named_modules():
            if isinstance(layer, LAYERS):
                axis = 1 if isinstance(layer, nn.Conv2d) else -1
                layer.register_forward_pre_hook(watch(name, axis))
        probe(_uniform((IMAGES, *shape), 0.5, 1.5, generator))
    return seen


def _make_positive(part: nn.Module, generator: torch.Generator) -> None:
    norm = hasattr(part, "eps")
    for name, parameter in part.named_parameters(recurse=False):
        if parameter.ndim > 1:
            inputs = parameter[0].numel()
            least, most = 0.5 / inputs, 1.5 / inputs
        elif norm and name == "weight":
            least, most = 0.05, 0.1
        else:
            least, most = 1.0, 2.0
        parameter.copy_(_uniform(parameter.shape, least, most, generator))
    for name, buffer in part.named_buffers(recurse=False):
        if name == "running_mean":
            buffer.zero_()
        elif name == "running_var":
            buffer.fill_(1.0)


def _uniform(
    shape: tuple[int, ...] | torch.Size, least: float, most: float, generator: torch.Generator
) -> torch.Tensor:
    return torch.rand(shape, generator=generator) * (most - least) + least
