"""The activations of a network's units: read at each forward pass, and kept for some images."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from prunescope.checkpoints import Description, Layer
from prunescope.datasets import PackedImages
from prunescope.preprocessing import to_input

BATCH = 250


def mean_pool(output: torch.Tensor) -> torch.Tensor:
    """Mean over spatial positions (Zimmermann et al. 2024, section 3)."""
    return output.mean(dim=(2, 3)) if output.ndim == 4 else output


def max_pool(output: torch.Tensor) -> torch.Tensor:
    """Maximum over spatial positions: does the unit find its feature anywhere?"""
    return output.amax(dim=(2, 3)) if output.ndim == 4 else output


POOLINGS: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "mean": mean_pool,
    "max": max_pool,
}


@contextmanager
def unit_activations(
    module: nn.Module, layers: tuple[Layer, ...], pooling: str = "mean"
) -> Iterator[list[torch.Tensor]]:
    """While open, collect the activation of every unit at each forward pass.

    A unit is one output channel of a convolution or one output of a fully connected layer; its
    activation for an image is the layer's output, before batch norm, pooled over spatial
    positions.

    Parameters
    ----------
    module
        The network.
    layers
        Whose outputs to collect.
    pooling
        A key of `POOLINGS`.

    Yields
    ------
    list of torch.Tensor
        One `(images, units)` float32 tensor a layer, in the order of `layers`, replaced at each
        forward pass.
    """
    modules = dict(module.named_modules())
    activations: list[torch.Tensor] = [torch.empty(0)] * len(layers)
    pool = POOLINGS[pooling]

    def keep(position: int) -> Callable:
        def hook(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
            activations[position] = pool(output).float()

        return hook

    handles = [
        modules[layer.name].register_forward_hook(keep(position))
        for position, layer in enumerate(layers)
    ]
    try:
        yield activations
    finally:
        for handle in handles:
            handle.remove()


def passes(
    module: nn.Module, images: PackedImages, description: Description, pooling: str = "mean"
) -> Iterator[torch.Tensor]:
    """Show the network all images; yield `(images, units)` float32 on the CPU for each batch.

    Units are those of the measured layers, in forward order. The module may be on any device.
    """
    layers = description.measured_layers
    device = next(module.parameters()).device
    with unit_activations(module, layers, pooling) as activations:
        for batch in images.batches(BATCH):
            with torch.inference_mode():
                module(to_input(batch.images, description, device))
                yield torch.cat(activations, dim=1).cpu()


class Recorder:
    """Keeps the activations of some images while all pass by.

    Parameters
    ----------
    rows
        Which images to keep, rising indices.
    """

    def __init__(self, rows: np.ndarray) -> None:
        self._rows = rows
        self._kept: list[np.ndarray] = []
        self._seen = 0

    def update(self, activations: torch.Tensor) -> None:
        """Take what is to be kept of the next images, `(images, units)` float32."""
        first, last = np.searchsorted(self._rows, [self._seen, self._seen + len(activations)])
        self._kept.append(activations.numpy()[self._rows[first:last] - self._seen])
        self._seen += len(activations)

    def activations(self) -> np.ndarray:
        """`(rows, units)` float32."""
        return np.concatenate(self._kept)
