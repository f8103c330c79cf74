"""Networks on disk: tensors, masks and a description, without torch.

A network file is safetensors. Parameters and buffers keep the names of the module's state
dict; the mask of a parameter is stored under `mask:<name>` as booleans (True = kept). The
metadata holds the description (architecture, classes, preprocessing, layers) and the
provenance. Steps that only count or select weights read it without importing torch.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save as to_bytes

from prunescope import artifacts, provenance
from prunescope.errors import InputError, how_to_rebuild

MASK_PREFIX = "mask:"


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


def save(network: Network, path: str | Path) -> None:
    """Write a network file, whole or not at all."""
    # `asarray`, not `ascontiguousarray`: that one gives scalars an axis.
    content = {name: np.asarray(tensor, order="C") for name, tensor in network.tensors.items()}
    content |= {
        MASK_PREFIX + name: np.asarray(mask, order="C") for name, mask in network.masks.items()
    }
    # One metadata entry only: safetensors does not keep the order of several.
    header = {"network": asdict(network.description), "provenance": provenance.current()}
    metadata = {provenance.KEY: json.dumps(header, sort_keys=True)}
    with artifacts.atomic(path) as temporary:
        # Not `save_file`: it replaces the file by one that only its owner may read.
        temporary.write_bytes(to_bytes(content, metadata))


def load(path: str | Path) -> Network:
    """Read a network file.

    Raises
    ------
    InputError
        The file is damaged or was not written by prunescope.
    """
    with artifacts.reading(path, "safetensors file"):
        with safe_open(path, framework="numpy") as file:
            header = _header(file)
            content = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if "network" not in header:
            raise InputError(
                f"{path}: a safetensors file without a prunescope description. Network files are "
                f"made by this workflow; see docs/artifacts.md. {how_to_rebuild(path)}"
            )
        description = _description(header["network"])
    masks = {
        name.removeprefix(MASK_PREFIX): tensor
        for name, tensor in content.items()
        if name.startswith(MASK_PREFIX)
    }
    tensors = {name: tensor for name, tensor in content.items() if not name.startswith(MASK_PREFIX)}
    return Network(description, tensors, masks)


def read_provenance(path: str | Path) -> dict:
    """Where a network file comes from; empty if it does not say.

    Raises
    ------
    InputError
        The file is damaged.
    """
    with (
        artifacts.reading(path, "safetensors file"),
        safe_open(path, framework="numpy") as file,
    ):
        return dict(_header(file).get("provenance", {}))


def _header(file: safe_open) -> dict:
    return json.loads((file.metadata() or {}).get(provenance.KEY, "{}"))


def _description(fields: dict) -> Description:
    layers = tuple(
        Layer(
            **{
                **layer,
                "shape": tuple(layer["shape"]),
                "output_size": tuple(layer["output_size"]),
            }
        )
        for layer in fields["layers"]
    )
    return Description(
        **{**fields, "layers": layers, "mean": tuple(fields["mean"]), "std": tuple(fields["std"])}
    )
