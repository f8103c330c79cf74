"""The activations of a network's units: read at each forward pass, and kept for some images."""

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
    return output.sum(dim=(2, 3), dtype=torch.float32)


def max_positions(output: torch.Tensor) -> torch.Tensor:
    return output.amax(dim=(2, 3)).float()


# Mean over spatial positions (Zimmermann et al. 2024, section 3), or maximum: does the unit find
# its feature anywhere? Means are sums until they are joined: one division for all layers.
REDUCTIONS: Mapping[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "mean": sum_positions,
    "max": max_positions,
}


class PooledOutputs:
    """What some layers answered in the last forward pass, pooled over spatial positions.

    Parameters
    ----------
    layers
        How many.
    pooling
        A key of `REDUCTIONS`.
    """

    def __init__(self, layers: int, pooling: str) -> None:
        self._reduce = REDUCTIONS[pooling]
        self._means = pooling == "mean"
        self._pooled = [torch.empty(0, 0)] * layers
        self._positions = [1] * layers

    def keep(self, layer: int, output: torch.Tensor) -> None:
        """Take a layer's output, `(images, units)` or `(images, units, height, width)`.

        What is kept is a copy: the next layer may overwrite the output.
        """
        self._positions[layer] = output.shape[2:].numel()
        if self._positions[layer] == 1:
            self._pooled[layer] = output.flatten(1).float().clone()
        else:
            self._pooled[layer] = self._reduce(output)

    def joined(self) -> torch.Tensor:
        """`(images, units)` float32, the layers' units one after the other."""
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
        A key of `REDUCTIONS`.

    Yields
    ------
    PooledOutputs
        The activations of the last forward pass, layers in the order of `layers`.
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
    """Show the network all images; yield `(images, units)` float32 on the CPU for each batch.

    Units are those of the measured layers, in forward order. The module may be on any device.
    """
    layers = description.measured_layers
    device = next(module.parameters()).device
    with unit_activations(module, layers, pooling) as outputs:
        for batch in images.batches(BATCH):
            with torch.inference_mode():
                module(to_input(batch.images, description, device))
                yield outputs.joined().cpu()


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
