"""Collect the activations of a network's units in forward passes."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from prunescope.data.packed_images import PackedImages
from prunescope.networks.description import Description, Layer
from prunescope.networks.preprocessing import to_input

BATCH = 250


def sum_positions(output: torch.Tensor) -> torch.Tensor:
    """Sum of `(images, units, height, width)` over positions: float32 `(images, units)`."""
    return output.sum(dim=(2, 3), dtype=torch.float32)


def max_positions(output: torch.Tensor) -> torch.Tensor:
    """Maximum of `(images, units, height, width)` over positions: float32 `(images, units)`."""
    return output.amax(dim=(2, 3)).float()


# How to pool over spatial positions. The mean is the choice of Zimmermann et al. 2024, section 3.
# The maximum tells whether the feature occurs anywhere in the image. Means are kept as sums until
# the layers are joined, so that a single division serves all layers.
REDUCTIONS: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "mean": sum_positions,
    "max": max_positions,
}


class PooledOutputs:
    """The outputs of some layers in the last forward pass, pooled over spatial positions.

    Parameters
    ----------
    layers
        Number of layers.
    pooling
        A key of `REDUCTIONS`.
    """

    def __init__(self, layers: int, pooling: str) -> None:
        self._reduce = REDUCTIONS[pooling]
        self._means = pooling == "mean"
        self._pooled = [torch.empty(0, 0)] * layers
        self._positions = [1] * layers

    def keep(self, layer: int, output: torch.Tensor) -> None:
        """Pool the output of a layer, `(images, units)` or `(images, units, height, width)`.

        `layer` is the number of the layer, from 0. The result is a copy, because the next layer
        may overwrite the output.
        """
        self._positions[layer] = output.shape[2:].numel()
        if self._positions[layer] == 1:
            self._pooled[layer] = output.flatten(1).float().clone()
        else:
            self._pooled[layer] = self._reduce(output)

    def joined(self) -> torch.Tensor:
        """The pooled outputs of all layers as float32 `(images, units)`, layer after layer."""
        joined = torch.cat(self._pooled, dim=1)
        if self._means:
            units = torch.tensor([pooled.shape[1] for pooled in self._pooled])
            positions = torch.tensor(self._positions, dtype=torch.float32)
            joined /= positions.repeat_interleave(units).to(joined.device)
        return joined


@contextmanager
def unit_activations(
    module: nn.Module, layers: tuple[Layer, ...], pooling: str = "mean"
) -> Iterator[PooledOutputs]:
    """In the block, collect the activation of every unit in each forward pass.

    A unit is an output channel of a convolution or an output of a fully connected layer. Its
    activation for an image is the layer's output before batch norm, pooled over spatial positions.

    Parameters
    ----------
    module
        The network.
    layers
        The layers whose units are collected.
    pooling
        A key of `REDUCTIONS`.

    Yields
    ------
    PooledOutputs
        The activations of the last forward pass, in the order of `layers`.
    """
    modules = dict(module.named_modules())
    outputs = PooledOutputs(len(layers), pooling)

    def keep(position: int) -> Callable:
        return lambda _module, _inputs, output: outputs.keep(position, output)

    handles = [
        modules[layer.name].register_forward_hook(keep(position))
        for position, layer in enumerate(layers)
    ]
    try:
        yield outputs
    finally:
        for handle in handles:
            handle.remove()


def passes(
    module: nn.Module, images: PackedImages, description: Description, pooling: str = "mean"
) -> Iterator[torch.Tensor]:
    """Pass all images through the network, and yield the activations of each batch.

    Parameters
    ----------
    module
        The network, in evaluation mode, on any device.
    images
        The images.
    description
        The network's layers and preprocessing.
    pooling
        A key of `REDUCTIONS`.

    Yields
    ------
    torch.Tensor
        float32 `(images, units)` on the CPU: the units of the measured layers, in forward order.
    """
    layers = description.measured_layers
    device = next(module.parameters()).device
    with unit_activations(module, layers, pooling) as outputs:
        for batch in images.batches(BATCH):
            with torch.inference_mode():
                module(to_input(batch.images, description, device))
                yield outputs.joined().cpu()


class Recorder:
    """Keeps the activations of some images during a pass over all images.

    Parameters
    ----------
    rows
        Integer indices of the images to keep, rising.
    """

    def __init__(self, rows: np.ndarray) -> None:
        self._rows = rows
        self._kept: list[np.ndarray] = []
        self._seen = 0

    def update(self, activations: torch.Tensor) -> None:
        """Take the activations of the next images, float32 `(images, units)`."""
        first, last = np.searchsorted(self._rows, [self._seen, self._seen + len(activations)])
        self._kept.append(activations.numpy()[self._rows[first:last] - self._seen])
        self._seen += len(activations)

    def activations(self) -> np.ndarray:
        """The activations that were kept, float32 `(rows, units)`."""
        return np.concatenate(self._kept)
