"""Describe a perceptual metric, and fetch and verify the files of its weights.

The functions import torch themselves, because this module also checks the config and downloads
files, which must not wait for torch.
"""

import logging
import pickle
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from prunescope.foundation import downloads
from prunescope.foundation.errors import InputError
from prunescope.foundation.first_use import lock_files
from prunescope.foundation.first_use.lock_files import Lock

if TYPE_CHECKING:
    import torch


log = logging.getLogger("prunescope")

FOLDER = Path("downloads")

Embedder = Callable[[np.ndarray], "torch.Tensor"]


@dataclass(frozen=True)
class Weights:
    """A file with the weights of a metric, as its authors publish it.

    Attributes
    ----------
    family
        The family of metrics, which names the folder of the file.
    name
        Name of the file.
    url
        Its address.
    sha256
        Its checksum, or the first digits of it. None: no checksum is published, so the one of the
        first download is recorded, unless the config gives one.
    """

    family: str
    name: str
    url: str
    sha256: str | None = None

    @property
    def path(self) -> Path:
        """Path of the file, relative to the folder of the project."""
        return FOLDER / self.family / self.name


@dataclass(frozen=True)
class Metric:
    """A perceptual metric.

    Attributes
    ----------
    load
        `load(files, image_size)` makes the embedder. `files` are the paths of `weights` by name;
        `image_size` is the side in pixels to which images are scaled. An embedder takes packed
        uint8 images `(images, 3, height, width)` and returns float32 `(images, features)`.
    weights
        Files that must be downloaded.
    packages
        Packages that are not in the default environment.
    only_size
        The only image size that the metric is defined for; None if it accepts any.
    distance
        False: the similarity of two images is the cosine of their vectors. True: it is 1 minus the
        squared distance of their vectors.
    batch
        Number of images that are embedded at a time.
    """

    load: Callable[[Mapping[str, Path], int], Embedder]
    weights: tuple[Weights, ...] = ()
    packages: tuple[str, ...] = ()
    only_size: int | None = None
    distance: bool = False
    batch: int = 25


def resize(images: np.ndarray, side: int) -> "torch.Tensor":
    """Scale uint8 images to `side` pixels (bicubic, antialiased) and to 0..1, as float32."""
    import torch
    from torch.nn.functional import interpolate

    pixels = torch.from_numpy(images).float() / 255
    return interpolate(pixels, size=side, mode="bicubic", antialias=True).clamp(0, 1)


def device() -> str:
    """The name of the device for embedding: a GPU if there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def load_tensors(path: Path) -> Any:
    """Read a file of `torch.save` without running code in it.

    Raises
    ------
    InputError
        The file is damaged, or holds anything but tensors and plain containers.
    """
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise InputError(f"{path}: not a whole file of weights ({error}).") from error


def named(weights: Iterable[Weights], name: str) -> Weights:
    """The file with the name `name`."""
    return next(file for file in weights if file.name == name)


def fetch(weights: Weights, checksums: Mapping[str, str], lock: Lock) -> None:
    """Download a file. If it exists already, for example put there by hand, only verify it.

    Parameters
    ----------
    weights
        The file.
    checksums
        `interpretability.similarity.sha256` in the config: SHA-256 by file name.
    lock
        Where the checksum is recorded that is neither published nor in the config.

    Raises
    ------
    InputError
        The file cannot be downloaded, or its checksum is wrong.
    """
    path = weights.path
    digits = _digits(weights, checksums)
    if digits is None:
        lock_files.fetch(weights.url, path, lock)
    elif path.exists():
        sha256, prefix = _whole(digits)
        downloads.verify(path, sha256=sha256, sha256_prefix=prefix)
        log.info("%s: exists already, checksum is right", path)
    else:
        sha256, prefix = _whole(digits)
        downloads.fetch(weights.url, path, sha256=sha256, sha256_prefix=prefix)


def verified(metric: Metric, checksums: Mapping[str, str], lock: Lock) -> dict[str, Path]:
    """Verify the files of a metric's weights, and return their paths by name.

    Parameters are those of `fetch`.

    Raises
    ------
    InputError
        A checksum is wrong.
    """
    for weights in metric.weights:
        digits = _digits(weights, checksums)
        if digits is None:
            lock_files.verify(weights.url, weights.path, lock)
        else:
            sha256, prefix = _whole(digits)
            downloads.verify(weights.path, sha256=sha256, sha256_prefix=prefix)
    return {weights.name: weights.path for weights in metric.weights}


def _digits(weights: Weights, checksums: Mapping[str, str]) -> str | None:
    """The SHA-256 of a file or its first digits; None if the first use tells it."""
    return weights.sha256 or checksums.get(weights.name)


def _whole(digits: str) -> tuple[str | None, str | None]:
    """A checksum as `(sha256, None)`, or its first digits as `(None, sha256_prefix)`."""
    return (digits, None) if len(digits) == downloads.HEX_DIGITS else (None, digits)


def package_versions(name: str, metric: Metric) -> dict[str, str]:
    """The versions of a metric's packages that are not in the default environment.

    Raises
    ------
    InputError
        A package is not installed. The message says how to install it.
    """
    try:
        return {package: metadata.version(package) for package in metric.packages}
    except metadata.PackageNotFoundError as error:
        raise InputError(
            f"metric {name} needs the optional environment: make perceptual "
            f"({error.name} is not installed)"
        ) from error
