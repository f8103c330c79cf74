"""Find the file of downloaded weights that `model.checkpoint` in the config names.

The config is checked with this module at every start of the workflow, so it must not import torch.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from prunescope.networks.libraries import known_networks
from prunescope.networks.libraries.known_networks import TorchvisionWeights

TRAIN = "train"
TORCHVISION = "torchvision"


@dataclass(frozen=True)
class Checkpoint:
    """A file of downloaded weights.

    Attributes
    ----------
    url
        Address of the file.
    checksum
        `sha256`, or `sha256_prefix` if only the first digits are known: keyword arguments of
        `downloads.fetch`.
    transform_input
        As in `Description`.
    """

    url: str
    checksum: Mapping[str, str]
    transform_input: bool

    @property
    def file(self) -> str:
        """The file's name."""
        return file_name(self.url)


def file_name(url: str) -> str:
    """The name of the file at `url`; empty if the address contains none."""
    return PurePosixPath(urlsplit(url).path).name


def from_config(model: Mapping[str, Any]) -> Checkpoint | None:
    """The weights that the config section `model` names; None if the network is trained here.

    The section must have been checked.
    """
    checkpoint = model["checkpoint"]
    if isinstance(checkpoint, str):
        return None
    if "torchvision" in checkpoint:
        weights = of_torchvision(model["architecture"])[checkpoint["torchvision"]]
        checksum = {"sha256_prefix": weights.sha256_prefix}
        return Checkpoint(weights.url, checksum, weights.transform_input)
    return Checkpoint(
        checkpoint["url"],
        {"sha256": checkpoint["sha256"]},
        checkpoint.get("transform_input", False),
    )


def of_torchvision(architecture: str) -> Mapping[str, TorchvisionWeights]:
    """The weights of an architecture that torchvision publishes, by name."""
    source, _, name = architecture.partition(":")
    return known_networks.torchvision_weights().get(name, {}) if source == TORCHVISION else {}
