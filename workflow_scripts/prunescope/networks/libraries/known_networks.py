"""The networks that torchvision and timm know, and their published weights, from tables.

The config is checked with these tables at every start of the workflow. So this module must not
import a library of networks. `resources/make_network_tables.py` writes the tables.
"""

import csv
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

RESOURCES = Path(__file__).resolve().parents[4] / "resources"

Numbers = tuple[float, ...]


@dataclass(frozen=True)
class TorchvisionNetwork:
    """A classifier of torchvision.

    Attributes
    ----------
    parameters, auxiliary_parameters
        Numbers of parameters with ImageNet's classes: without auxiliary heads, and those of them.
    auxiliary
        Prefixes of the names of all tensors of auxiliary heads.
    units
        Outputs of its convolutions and fully connected layers, without auxiliary heads.
    gmacs
        Multiply-accumulates for one image, in 10^9, as torchvision says.
    """

    parameters: int
    auxiliary_parameters: int
    auxiliary: tuple[str, ...]
    units: int
    gmacs: float


@dataclass(frozen=True)
class TorchvisionWeights:
    """A file of weights that torchvision publishes.

    Attributes
    ----------
    url, sha256_prefix
        Address of the file, and the first digits of its SHA-256.
    mean, std
        Mean and standard deviation of each channel of the images that it was trained with.
    crop_size, resize_size, interpolation
        Side of these images in pixels, their shorter side before the crop, and how they are
        resized.
    transform_input
        As in `Description`.
    """

    url: str
    sha256_prefix: str
    mean: Numbers
    std: Numbers
    crop_size: int
    resize_size: int
    interpolation: str
    transform_input: bool


@dataclass(frozen=True)
class TimmWeights:
    """Weights that timm publishes.

    Attributes
    ----------
    hub
        Their repository on the Hugging Face hub; empty if there is none.
    classes
        Number of classes.
    mean, std
        Mean and standard deviation of each channel of the images that they were trained with.
    crop_size, crop_fraction, interpolation
        Side of these images in pixels, its ratio to their side before the crop, and how they are
        resized.
    """

    hub: str
    classes: int
    mean: Numbers
    std: Numbers
    crop_size: int
    crop_fraction: float
    interpolation: str


@cache
def torchvision_networks() -> Mapping[str, TorchvisionNetwork]:
    """The classifiers of torchvision, by name."""
    return {
        row["name"]: TorchvisionNetwork(
            int(row["parameters"]),
            int(row["auxiliary_parameters"]),
            tuple(row["auxiliary"].split()),
            int(row["units"]),
            float(row["gmacs"]),
        )
        for row in _rows("torchvision_networks")
    }


@cache
def torchvision_weights() -> Mapping[str, Mapping[str, TorchvisionWeights]]:
    """The weights that torchvision publishes: by network, then by name."""
    found: dict[str, dict[str, TorchvisionWeights]] = {}
    for row in _rows("torchvision_weights"):
        found.setdefault(row["network"], {})[row["weights"]] = TorchvisionWeights(
            row["url"],
            row["sha256_prefix"],
            _numbers(row["mean"]),
            _numbers(row["std"]),
            int(row["crop_size"]),
            int(row["resize_size"]),
            row["interpolation"],
            row["transform_input"] == "True",
        )
    return found


@cache
def timm_networks() -> Mapping[str, None]:
    """The names of timm's networks."""
    return {row["name"]: None for row in _rows("timm_networks")}


@cache
def timm_weights() -> Mapping[str, Mapping[str, TimmWeights]]:
    """The weights that timm publishes: by network, then by tag; the tag may be empty."""
    found: dict[str, dict[str, TimmWeights]] = {}
    for row in _rows("timm_weights"):
        found.setdefault(row["network"], {})[row["tag"]] = TimmWeights(
            row["hub"],
            int(row["classes"]),
            _numbers(row["mean"]),
            _numbers(row["std"]),
            int(row["crop_size"]),
            float(row["crop_fraction"]),
            row["interpolation"],
        )
    return found


def names() -> Mapping[str, Collection[str]]:
    """The names of all networks, by library."""
    return {"torchvision": torchvision_networks(), "timm": timm_networks()}


def _rows(table: str) -> list[dict[str, str]]:
    with (RESOURCES / f"{table}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _numbers(text: str) -> Numbers:
    return tuple(map(float, text.split()))
