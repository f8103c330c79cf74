"""A network as arrays, with a description of its layers and of the images it reads."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np


@dataclass(frozen=True)
class Layer:
    """A convolution or fully connected layer.

    Attributes
    ----------
    name
        Module name, such as `inception3a.branch1.conv`.
    kind
        `conv2d` or `linear`.
    shape
        Shape of the weight: `(out, in, height, width)` or `(out, in)`.
    output_size
        Height and width of the output in pixels for the network's image size; `(1, 1)` for
        a linear layer.
    batch_norm
        Module name of the batch norm that follows, if there is one.
    auxiliary
        Whether the layer belongs to an auxiliary head, which is no part of the measured network.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    output_size: tuple[int, int]
    batch_norm: str | None = None
    auxiliary: bool = False

    @property
    def weight(self) -> str:
        return f"{self.name}.weight"

    @property
    def bias(self) -> str:
        return f"{self.name}.bias"

    @property
    def units(self) -> int:
        return self.shape[0]


@dataclass(frozen=True)
class Description:
    """What must be known of a network to rebuild it and to feed it.

    `image_size` is in pixels; `mean` and `std` are per channel, for images scaled to 0..1.
    `transform_input`: the network takes images normalised with ImageNet's mean and deviation and
    normalises them to -1..1 itself, as torchvision's pretrained GoogLeNet does.
    `auxiliary_heads`: it has auxiliary heads, which take part in training only.
    """

    architecture: str
    classes: int
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    layers: tuple[Layer, ...] = ()
    transform_input: bool = False
    auxiliary_heads: bool = False

    @property
    def measured_layers(self) -> tuple[Layer, ...]:
        """The layers of the network itself, auxiliary heads left out, in forward order."""
        return tuple(layer for layer in self.layers if not layer.auxiliary)


@dataclass(frozen=True)
class Network:
    """A network as arrays: `tensors` and `masks` by parameter name."""

    description: Description
    tensors: Mapping[str, np.ndarray]
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)

    def masked(self, masks: Mapping[str, np.ndarray]) -> "Network":
        """Return the network with `masks` held and applied: what they exclude is zero."""
        tensors = dict(self.tensors)
        for name, mask in masks.items():
            tensors[name] = np.where(mask, tensors[name], 0).astype(tensors[name].dtype)
        return replace(self, tensors=tensors, masks=dict(masks))
