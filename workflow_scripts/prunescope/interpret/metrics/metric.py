"""What perceptual metrics have in common: their description, their weights, their packages.

Torch is imported where images are embedded: a config is checked, and files fetched, without.
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

if TYPE_CHECKING:
    import torch


log = logging.getLogger("prunescope")

CHECKSUMS_KEY = "interpretability.similarity.sha256"
FOLDER = Path("downloads")

Embedder = Callable[[np.ndarray], "torch.Tensor"]


@dataclass(frozen=True)
class Weights:
    """A file with weights as its authors publish it.

    `sha256` is its checksum, whole or the first digits of it. None: no checksum is known, the
    config has to give it.
    """

    family: str
    name: str
    url: str
    sha256: str | None = None

    @property
    def path(self) -> Path:
        """Where the file is kept, seen from the folder of the project."""
        return FOLDER / self.family / self.name


@dataclass(frozen=True)
class Metric:
    """A perceptual metric.

    `load(files, image_size)` makes its embedder: `files` holds the paths of `weights` by name,
    `image_size` is the side in pixels at which images are seen. An embedder takes uint8 images
    `(images, 3, height, width)` as they are packed, and returns float32 `(images, features)`.

    The similarity of two images is the cosine of their vectors; for a metric with `distance`,
    1 minus the squared distance of their vectors.

    `only_size`, unless it is None, is the one image size that the metric is defined for.
    """

    load: Callable[[Mapping[str, Path], int], Embedder]
    weights: tuple[Weights, ...] = ()
    packages: tuple[str, ...] = ()
    only_size: int | None = None
    distance: bool = False
    batch: int = 100


def resize(images: np.ndarray, side: int) -> "torch.Tensor":
    """Scale uint8 images to 0..1 and to `side` pixels (bicubic, antialiased): float32."""
    import torch
    from torch.nn.functional import interpolate

    pixels = torch.from_numpy(images).float() / 255
    return interpolate(pixels, size=side, mode="bicubic", antialias=True).clamp(0, 1)


def device() -> str:
    """The GPU where there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def load_tensors(path: Path) -> Any:
    """Read what `torch.save` wrote: tensors and plain containers, never code.

    Raises
    ------
    InputError
        The file is damaged, or holds other things than tensors.
    """
    import torch

    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise InputError(f"{path}: not a whole file of weights ({error}).") from error


def named(weights: Iterable[Weights], name: str) -> Weights:
    """The file of that name."""
    return next(file for file in weights if file.name == name)


def fetch(weights: Weights, checksums: Mapping[str, str]) -> None:
    """Download a file, unless the right one is there: someone may have put it there by hand.

    Parameters
    ----------
    checksums
        `interpretability.similarity.sha256`: SHA-256 by file name.

    Raises
    ------
    InputError
        The file cannot be had, is not the expected one, or its checksum is not known.
    """
    path = weights.path
    sha256, prefix = _checksum(weights, checksums)
    if path.exists():
        downloads.verify(path, sha256=sha256, sha256_prefix=prefix)
        log.info("%s: there already, checksum right", path)
    else:
        downloads.fetch(weights.url, path, sha256=sha256, sha256_prefix=prefix)


def verified(metric: Metric, checksums: Mapping[str, str]) -> dict[str, Path]:
    """The paths of a metric's weights by name, after a look at their checksums.

    Raises
    ------
    InputError
        A file is not the expected one, or its checksum is not known.
    """
    for weights in metric.weights:
        sha256, prefix = _checksum(weights, checksums)
        downloads.verify(weights.path, sha256=sha256, sha256_prefix=prefix)
    return {weights.name: weights.path for weights in metric.weights}


def _checksum(
    weights: Weights, checksums: Mapping[str, str]
) -> tuple[str, None] | tuple[None, str]:
    """The SHA-256 of a file, or else its first digits."""
    digits = weights.sha256 or checksums.get(weights.name)
    if digits is None:
        raise InputError(how_to_pin(weights))
    return (digits, None) if len(digits) == downloads.HEX_DIGITS else (None, digits)


def how_to_pin(weights: Weights) -> str:
    """Say how the checksum of a file comes into the config."""
    return (
        f"the authors of {weights.name} publish no checksum, so the config must give it. "
        f"Download the file once (`curl --location --create-dirs --output {weights.path} "
        f"{weights.url}`), run `sha256sum {weights.path}`, and write what it prints to the "
        f"config: `{CHECKSUMS_KEY}: {{{weights.name}: <64 digits>}}`"
    )


def without_checksum(metric: Metric, checksums: Mapping[str, str]) -> list[Weights]:
    """The files of a metric whose checksum neither its authors nor the config give."""
    return [file for file in metric.weights if not file.sha256 and file.name not in checksums]


def package_versions(name: str, metric: Metric) -> dict[str, str]:
    """Versions of the packages that a metric needs beyond the default environment.

    Raises
    ------
    InputError
        One of them is not installed. The message says how to install it.
    """
    try:
        return {package: metadata.version(package) for package in metric.packages}
    except metadata.PackageNotFoundError as error:
        raise InputError(
            f"metric {name} needs the optional environment: make perceptual "
            f"({error.name} is not installed)"
        ) from error
