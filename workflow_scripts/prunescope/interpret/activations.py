"""Collect the activations of a network's units in forward passes."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from prunescope.data.packed_images import PackedImages
from prunescope.foundation.errors import InputError
from prunescope.networks.description import Description, Layer, Output
from prunescope.networks.preprocessing import to_input

BATCH = 250
# Rounding in batches of other sizes changes activations by less than this fraction of the largest
# one of the layer. Those of another image differ by far more.
ROUNDING = 1e-2

Axes = tuple[int, ...]


def sum_positions(output: torch.Tensor, positions: Axes = (2, 3)) -> torch.Tensor:
    """Sum over the axes `positions`, such as height and width: float32 `(images, units)`."""
    return output.sum(dim=positions, dtype=torch.float32)


def max_positions(output: torch.Tensor, positions: Axes = (2, 3)) -> torch.Tensor:
    """Maximum over the axes `positions`, such as height and width: float32 `(images, units)`."""
    return output.amax(dim=positions).float()


# How to pool over spatial positions. The mean is the choice of Zimmermann et al. 2024, section 3.
# The maximum tells whether the feature occurs anywhere in the image. Means are kept as sums until
# the layers are joined, so that a single division serves all layers.
REDUCTIONS: Mapping[str, Callable[[torch.Tensor, Axes], torch.Tensor]] = {
    "mean": sum_positions,
    "max": max_positions,
}
# Which tokens of a row are pooled. Maps, and tokens in windows, have no class token: all of their
# positions are pooled, whatever is chosen.
TOKENS: Mapping[str, slice] = {
    "all": slice(None),
    "class": slice(0, 1),
    "patches": slice(1, None),
}


class PooledOutputs:
    """The outputs of some layers in the last forward pass, pooled over positions and tokens.

    Parameters
    ----------
    outputs
        The runs of layers that are kept: all runs of each layer.
    pooling
        A key of `REDUCTIONS`.
    tokens
        A key of `TOKENS`.
    """

    def __init__(self, outputs: Sequence[Output], pooling: str, tokens: str = "all") -> None:
        self._layers = {output.layer.name: output.layer for output in outputs}
        self._places = {
            (output.layer.name, output.run): place for place, output in enumerate(outputs)
        }
        self._reduce = REDUCTIONS[pooling]
        self._means = pooling == "mean"
        self._tokens = TOKENS[tokens]
        self._pooled = [torch.empty(0, 0)] * len(outputs)
        self._positions = [1] * len(outputs)
        self._images: int | None = None
        self._runs: Counter[str] = Counter()

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The layers, each one once."""
        return tuple(self._layers.values())

    def start(self, images: int) -> None:
        """Begin a forward pass of so many images."""
        self._images = images
        self._runs.clear()

    def keep(self, layer: str, output: torch.Tensor) -> None:
        """Pool the output of the next run of a layer.

        The result is a copy, because the next layer may overwrite the output.

        Parameters
        ----------
        layer
            Name of the layer.
        output
            `(images, units, ...)`, or `(images, ..., units)` if the units are the last axis. The
            first axis may also be `images * windows`: the windows of an image then follow each
            other, and are pooled like positions.

        Raises
        ------
        InputError
            The output has another shape.
        """
        self._runs[layer] += 1
        place = self._places.get((layer, self._runs[layer]))
        if place is None:
            return  # One run too many: `joined` tells.
        output, positions = self._arranged(self._layers[layer], output)
        self._positions[place] = int(np.prod([output.shape[axis] for axis in positions]))
        if self._positions[place] == 1:
            self._pooled[place] = output.flatten(1).float().clone()
        else:
            self._pooled[place] = self._reduce(output, positions)

    def _arranged(self, layer: Layer, output: torch.Tensor) -> tuple[torch.Tensor, Axes]:
        """The output with images first, and the axes that are positions or tokens."""
        axis = layer.unit_axis % output.ndim
        images = len(output) if self._images is None else self._images
        windows, left = divmod(len(output), images)
        if output.shape[axis] != layer.units or left:
            raise InputError(
                f"{layer.name}: its output has the shape {tuple(output.shape)} for {images} "
                f"images, where axis {layer.unit_axis} should hold its {layer.units} units. "
                "The network does not fit the description in its file: rebuild that."
            )
        if windows > 1:
            output = output.reshape(images, windows, *output.shape[1:])
            axis += 1
        elif layer.unit_axis == -1 and output.ndim == 3 and output.shape[1] > 1:
            output = output[:, self._tokens]
        return output, tuple(other for other in range(1, output.ndim) if other != axis)

    def joined(self) -> torch.Tensor:
        """The pooled outputs of all runs as float32 `(images, units)`, one after the other.

        Raises
        ------
        InputError
            A layer did not run, or not as often as its description says.
        """
        for name, layer in self._layers.items():
            if self._runs[name] != layer.runs:
                raise InputError(
                    f"{name}: the layer ran {self._runs[name]} times in a forward pass, where "
                    f"{layer.runs} are expected. Its units cannot be measured: its output is not "
                    "seen where a function computes it, and which runs there are must not depend "
                    "on the image."
                )
        joined = torch.cat(self._pooled, dim=1)
        if self._means:
            units = torch.tensor([pooled.shape[1] for pooled in self._pooled])
            positions = torch.tensor(self._positions, dtype=torch.float32)
            joined /= positions.repeat_interleave(units).to(joined.device)
        return joined


@contextmanager
def unit_activations(
    module: nn.Module, outputs: Sequence[Output], pooling: str = "mean", tokens: str = "all"
) -> Iterator[PooledOutputs]:
    """In the block, collect the activation of every unit in each forward pass.

    A unit is an output channel of a convolution or an output of a fully connected layer, in one of
    the layer's runs. Its activation for an image is the layer's output before batch norm, pooled
    over spatial positions and tokens.

    Parameters
    ----------
    module
        The network. Its first argument is the batch of images.
    outputs
        The runs of layers whose units are collected: all runs of each layer.
    pooling
        A key of `REDUCTIONS`.
    tokens
        A key of `TOKENS`.

    Yields
    ------
    PooledOutputs
        The activations of the last forward pass, in the order of `outputs`.
    """
    modules = dict(module.named_modules())
    pooled = PooledOutputs(outputs, pooling, tokens)

    def keep(layer: str) -> Callable:
        return lambda _module, _inputs, output: pooled.keep(layer, output)

    handles = [module.register_forward_pre_hook(lambda _module, given: pooled.start(len(given[0])))]
    handles += [
        modules[layer.name].register_forward_hook(keep(layer.name)) for layer in pooled.layers
    ]
    try:
        yield pooled
    finally:
        for handle in handles:
            handle.remove()


def passes(
    module: nn.Module,
    images: PackedImages,
    description: Description,
    pooling: str = "mean",
    tokens: str = "all",
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
    tokens
        A key of `TOKENS`.

    Yields
    ------
    torch.Tensor
        float32 `(images, units)` on the CPU: the units of `description.outputs`, in their order.

    Raises
    ------
    InputError
        The units of a layer cannot be measured: it does not run as often as described, or its
        output mixes the images of a batch.
    """
    device = next(module.parameters()).device
    # Maps with the channels first keep images apart. Of other outputs we make sure.
    doubtful = any(layer.unit_axis == -1 for layer in description.measured_layers)
    with unit_activations(module, description.outputs, pooling, tokens) as outputs:
        for batch in images.batches(BATCH):
            with torch.inference_mode():
                given = to_input(batch.images, description, device)
                module(given)
                joined = outputs.joined()
                if doubtful:
                    module(given[-1:])
                    _require_alike(description.outputs, joined[-1], outputs.joined()[0])
                    doubtful = False
                yield joined.cpu()


def _require_alike(outputs: Sequence[Output], together: torch.Tensor, alone: torch.Tensor) -> None:
    """Fail unless an image has the same activations in a batch as alone, apart from rounding."""
    sizes = [output.layer.units for output in outputs]
    both = zip(outputs, together.split(sizes), alone.split(sizes), strict=True)
    for output, first, second in both:
        if (first - second).abs().max() > ROUNDING * first.abs().max():
            raise InputError(
                f"{output.name}: the output for an image depends on the other images of its batch, "
                "or images are not the first axis of the output. Its units cannot be measured."
            )


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
