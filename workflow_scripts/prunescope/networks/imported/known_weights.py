"""Find the file of weights that a checkpoint in the config names, and what is known of it.

The config is checked with this module at every start of the workflow, so it must not import torch.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from prunescope.foundation import downloads
from prunescope.foundation.first_use import lock_files
from prunescope.foundation.first_use.lock_files import Lock
from prunescope.networks.libraries import known_networks

TRAIN = "train"
FOLDER = "downloads"
# The keys of a section of the config that name weights.
WEIGHTS = ("torchvision", "timm", "url", "sha256", "file", "transform_input")
TORCHVISION, TIMM = LIBRARIES = ("torchvision", "timm")
# Where timm's weights lie. The variable is that of Hugging Face's own software, for mirrors.
HUB, HUB_VARIABLE = "https://huggingface.co", "HF_ENDPOINT"


@dataclass(frozen=True)
class Seen:
    """The images that weights were trained with.

    Attributes
    ----------
    mean, std
        Mean and standard deviation of each channel, for images scaled to 0..1.
    image_size
        Side in pixels.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    image_size: int


@dataclass(frozen=True)
class Checkpoint:
    """A file of weights.

    Attributes
    ----------
    path
        Where it lies.
    url
        Its address; None for a file of the user's own.
    checksum
        `sha256`, or `sha256_prefix` if only the first digits are published: keyword arguments of
        `downloads.fetch`. Empty if nothing is published.
    transform_input
        As in `Description`; None where nobody says.
    seen
        The images that the weights were trained with, where this is published.
    """

    path: str
    url: str | None
    checksum: Mapping[str, str]
    transform_input: bool | None
    seen: Seen | None = None

    @property
    def file(self) -> str:
        """The file's name."""
        return PurePosixPath(self.path).name


def file_name(url: str) -> str:
    """The name of the file at `url`; empty if the address contains none."""
    return PurePosixPath(urlsplit(url).path).name


def published(library: str, architecture: str) -> Mapping[str, Any]:
    """The weights of an architecture that a library publishes, by name; empty if there are none.

    Parameters
    ----------
    library
        `torchvision` or `timm`.
    architecture
        As in the config.
    """
    source, _, name = architecture.partition(":")
    if source != library:
        return {}
    if library == TORCHVISION:
        return known_networks.torchvision_weights().get(name, {})
    found = known_networks.timm_weights().get(name, {})
    return {tag: weights for tag, weights in found.items() if weights.hub}


def from_config(model: Mapping[str, Any]) -> Checkpoint | None:
    """The weights that the config section `model` names; None if the network is trained here.

    The section must have been checked.
    """
    checkpoint = model["checkpoint"]
    return None if checkpoint == TRAIN else named(model["architecture"], checkpoint)


def named(architecture: str, checkpoint: Mapping[str, Any]) -> Checkpoint:
    """The weights that a section about a checkpoint names. It must have been checked."""
    if "torchvision" in checkpoint:
        weights = published(TORCHVISION, architecture)[checkpoint["torchvision"]]
        return Checkpoint(
            f"{FOLDER}/{file_name(weights.url)}",
            weights.url,
            {"sha256_prefix": weights.sha256_prefix},
            weights.transform_input,
            Seen(weights.mean, weights.std, weights.crop_size),
        )
    if "timm" in checkpoint:
        weights = published(TIMM, architecture)[checkpoint["timm"]]
        hub = os.environ.get(HUB_VARIABLE, HUB).rstrip("/")
        return Checkpoint(
            f"{FOLDER}/{weights.hub.replace('/', '-')}.safetensors",
            f"{hub}/{weights.hub}/resolve/main/model.safetensors",
            {},
            False,
            Seen(weights.mean, weights.std, weights.crop_size),
        )
    transform_input = checkpoint.get("transform_input")
    if "file" in checkpoint:
        return Checkpoint(checkpoint["file"], None, {}, transform_input)
    return Checkpoint(
        f"{FOLDER}/{file_name(checkpoint['url'])}",
        checkpoint["url"],
        {"sha256": checkpoint["sha256"]},
        transform_input,
    )


def fetch(checkpoint: Checkpoint, lock: Lock, key: str) -> None:
    """Download a checkpoint, or verify the file if it exists already.

    Parameters
    ----------
    checkpoint
        The checkpoint; not a file of the user's own.
    lock
        Where the checksum is recorded if none is published.
    key
        The key of the config that names it, for messages.

    Raises
    ------
    InputError, NetworkError
        As in `downloads.fetch`.
    """
    assert checkpoint.url is not None
    advice = f"The config names this file in {key}."
    if checkpoint.checksum:
        downloads.fetch(
            checkpoint.url,
            checkpoint.path,
            sha256=checkpoint.checksum.get("sha256"),
            sha256_prefix=checkpoint.checksum.get("sha256_prefix"),
            advice=advice,
        )
    else:
        lock_files.fetch(checkpoint.url, checkpoint.path, lock, advice=advice)


def verify(checkpoint: Checkpoint, lock: Lock) -> None:
    """Compare a downloaded checkpoint with its checksum. Files of the user's own have none.

    Raises
    ------
    InputError
        It is another file.
    """
    if checkpoint.checksum:
        downloads.verify(Path(checkpoint.path), **checkpoint.checksum)
    elif checkpoint.url is not None:
        lock_files.verify(checkpoint.url, checkpoint.path, lock)
