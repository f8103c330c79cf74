"""Which trained weights a config can name, and where they come from.

The config is checked against this at every start, so nothing heavy is imported here. A test
compares the table with torchvision's own.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from prunescope.networks import architecture

TRAIN = "train"

# The names of torchvision's files end in the first digits of their SHA-256.
_HASH = re.compile(r"-([0-9a-f]{8,})\.")


@dataclass(frozen=True)
class Checkpoint:
    """A file of trained weights to download.

    Attributes
    ----------
    url
        Where the file is.
    checksum
        `sha256`, or, where only its first digits are known, `sha256_prefix`.
    transform_input
        Whether the network takes images normalised with ImageNet's mean and deviation, and
        normalises them to -1..1 itself.
    """

    url: str
    checksum: Mapping[str, str]
    transform_input: bool

    @property
    def file(self) -> str:
        """The name of the file."""
        return file_name(self.url)


def file_name(url: str) -> str:
    """The name of the file at an address; empty where the address names none."""
    return PurePosixPath(urlsplit(url).path).name


def from_config(model: Mapping[str, Any]) -> Checkpoint | None:
    """What the checked config section `model` asks for; None to train the network here."""
    checkpoint = model["checkpoint"]
    if isinstance(checkpoint, str):
        return None
    if "torchvision" in checkpoint:
        return _of_torchvision(model["architecture"], checkpoint["torchvision"])
    return Checkpoint(
        checkpoint["url"],
        {"sha256": checkpoint["sha256"]},
        checkpoint.get("transform_input", False),
    )


def _of_torchvision(architecture_name: str, name: str) -> Checkpoint:
    url, transform_input = architecture.load(architecture_name).WEIGHTS[name]
    (prefix,) = _HASH.findall(url)
    return Checkpoint(url, {"sha256_prefix": prefix}, transform_input)
