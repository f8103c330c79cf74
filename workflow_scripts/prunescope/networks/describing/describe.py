"""Describe an architecture by running it once. A stand-in without the exported graph."""

import math

from torch import nn

from prunescope.networks.architecture_files import Architecture
from prunescope.networks.describing.layers import find_layers


def describe(module: nn.Module, image_size: int, channels: int = 3) -> Architecture:
    """What is known of a module for images of `channels` channels and `image_size` pixels."""
    assert channels == 3
    layers = find_layers(module, image_size)
    return Architecture(
        layers,
        parameters=sum(tensor.numel() for tensor in module.parameters()),
        macs=sum(
            math.prod(layer.shape) * math.prod(layer.output_size)
            for layer in layers
            if not layer.auxiliary
        ),
    )
