"""A network as NumPy arrays, and the description of its layers and of its input. No torch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

# Mean and standard deviation of each channel of ImageNet's images, scaled to 0..1: what a network
# with `transform_input` takes images to be normalised with.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


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
        Height and width of the output in pixels for the network's image size. `(1, 1)` for a
        linear layer that runs once for an image, `(tokens, 1)` for one that runs on a row of
        tokens.
    batch_norm
        Module name of the batch norm that follows, if there is one.
    auxiliary
        Whether the layer belongs to an auxiliary head. Such layers are not measured.
    unreached
        Positions of the kernel, `(row, column)`, that no image of the network's image size
        reaches: they meet padding only, or the layer never runs. The one position of a linear
        layer is `()`.
    groups
        Number of groups of channels that do not meet; 1 for a linear layer.
    runs
        How often the layer runs for an image in evaluation mode.
    unit_axis
        The axis of the units in the layer's output: 1 for `(images, units, ...)`, -1 for tokens or
        maps whose channels come last.
    block
        The part of the network that the layer belongs to, by which charts group layers.
    not_measured
        Why the units cannot be measured; empty if they can.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    output_size: tuple[int, int]
    batch_norm: str | None = None
    auxiliary: bool = False
    unreached: tuple[tuple[int, ...], ...] = ()
    groups: int = 1
    runs: int = 1
    unit_axis: int = 1
    block: str = ""
    not_measured: str = ""

    @classmethod
    def from_json(cls, fields: Mapping[str, Any]) -> "Layer":
        """A layer of the values that its `asdict` became in a JSON text."""
        lists = {name: tuple(fields[name]) for name in ("shape", "output_size")}
        return cls(**{**fields, **lists, "unreached": tuple(map(tuple, fields["unreached"]))})

    @property
    def weight(self) -> str:
        """Parameter name of the weight."""
        return f"{self.name}.weight"

    @property
    def bias(self) -> str:
        """Parameter name of the bias; the layer may have none."""
        return f"{self.name}.bias"

    @property
    def units(self) -> int:
        """Number of output channels or output features."""
        return self.shape[0]

    @property
    def reached(self) -> np.ndarray:
        """Which weights an image reaches: booleans of shape `(1, 1, height, width)` or `(1, 1)`."""
        reached = np.ones((1, 1, *self.shape[2:]), dtype=bool)
        for position in self.unreached:
            reached[(0, 0, *position)] = False
        return reached

    @property
    def unreached_weights(self) -> int:
        """Number of weights that no image reaches."""
        return self.shape[0] * self.shape[1] * len(self.unreached)


def last_layers(layers: Sequence[Layer]) -> tuple[Layer, ...]:
    """The layer that runs last, and those right before it that are alike.

    Networks whose answers are averaged, such as distilled ones, have several. Layers of auxiliary
    heads are none of them, nor is a layer with as many inputs as outputs before another one: it
    may be read by that one.
    """
    found: list[Layer] = []
    for layer in reversed([layer for layer in layers if not layer.auxiliary]):
        alike = not found or (layer.kind, layer.shape) == (found[0].kind, found[0].shape)
        if not alike or (found and layer.shape[0] == layer.shape[1]):
            break
        found.append(layer)
    return tuple(found[::-1])


@dataclass(frozen=True)
class Output:
    """One run of a layer, whose units are measured.

    Attributes
    ----------
    layer
        The layer.
    run
        Which of the layer's runs, from 1.
    """

    layer: Layer
    run: int = 1

    @property
    def name(self) -> str:
        """The name in tables: that of the layer; of one that runs several times, `layer@run`."""
        return self.layer.name if self.layer.runs == 1 else f"{self.layer.name}@{self.run}"


@dataclass(frozen=True)
class Description:
    """All that is needed to rebuild a network and to preprocess its images.

    Attributes
    ----------
    architecture
        `SOURCE:NAME`, as `model.architecture` in the config: a file in `networks/architectures/`,
        and what this source knows the network by.
    classes
        Number of classes.
    image_size
        Side of the images in pixels.
    mean, std
        Mean and standard deviation per channel, for images scaled to 0..1.
    layers
        Convolutions and fully connected layers in forward order, auxiliary heads last.
    transform_input
        Whether the network itself converts images that are normalised with ImageNet's mean and
        standard deviation to -1..1, as torchvision's pretrained GoogLeNet does.
    auxiliary_heads
        Whether the network has auxiliary heads, which are used in training only.
    options
        Keyword arguments of the network's constructor, as JSON can hold them.
    parameter_macs
        Multiplications and additions for one image with weights that belong to no layer, by the
        names of their parameters.
    """

    architecture: str
    classes: int
    image_size: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    layers: tuple[Layer, ...] = ()
    transform_input: bool = False
    auxiliary_heads: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    parameter_macs: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def blank(
        cls,
        architecture: str,
        classes: int,
        preprocessing: Mapping[str, Any],
        *,
        auxiliary_heads: bool,
        options: Mapping[str, Any] | None = None,
        layers: tuple[Layer, ...] = (),
        transform_input: bool = False,
        parameter_macs: Mapping[str, int] | None = None,
    ) -> "Description":
        """A network as the config asks for it.

        `preprocessing` has the keys `image_size`, `mean` and `std` of a dataset in the config; the
        other parameters are as the attributes.
        """
        return cls(
            architecture=architecture,
            classes=classes,
            image_size=preprocessing["image_size"],
            mean=tuple(preprocessing["mean"]),
            std=tuple(preprocessing["std"]),
            layers=layers,
            transform_input=transform_input,
            auxiliary_heads=auxiliary_heads,
            options=dict(options or {}),
            parameter_macs=dict(parameter_macs or {}),
        )

    @property
    def main_layers(self) -> tuple[Layer, ...]:
        """All layers except those of auxiliary heads, in forward order."""
        return tuple(layer for layer in self.layers if not layer.auxiliary)

    @property
    def measured_layers(self) -> tuple[Layer, ...]:
        """The layers whose units are measured, in forward order."""
        return tuple(layer for layer in self.main_layers if not layer.not_measured)

    @property
    def classifiers(self) -> tuple[Layer, ...]:
        """The layers whose units are the class logits: `last_layers` with a unit for each class."""
        return tuple(layer for layer in last_layers(self.layers) if layer.units == self.classes)

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The runs of measured layers, in the order of the layers: where units are measured."""
        return tuple(
            Output(layer, run) for layer in self.measured_layers for run in range(1, layer.runs + 1)
        )


@dataclass(frozen=True)
class Network:
    """A network as arrays.

    Attributes
    ----------
    description
        Architecture, layers and preprocessing.
    tensors
        Parameters and buffers by their names in the state dict.
    masks
        Boolean arrays by parameter name, shaped like the parameter; True where it is kept.
    """

    description: Description
    tensors: Mapping[str, np.ndarray]
    masks: Mapping[str, np.ndarray] = field(default_factory=dict)

    def masked(self, masks: Mapping[str, np.ndarray]) -> "Network":
        """A copy of the network that has `masks`, with all parameters outside them set to zero."""
        tensors = dict(self.tensors)
        for name, mask in masks.items():
            tensors[name] = np.where(mask, tensors[name], 0).astype(tensors[name].dtype)
        return replace(self, tensors=tensors, masks=dict(masks))
