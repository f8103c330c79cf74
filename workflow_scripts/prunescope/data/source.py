"""Where images come from.

Each file in `data/sources/` is a source of its name. There are two kinds: archives, which are
packed as a whole and then sampled, and folders of image files, which are listed first; only the
samples that are measured are packed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np
import polars as pl

from prunescope.foundation import plugins
from prunescope.foundation.errors import InputError

SOURCES = "data.sources"


@dataclass(frozen=True)
class Split:
    """All images of one split.

    Attributes
    ----------
    name
        `train` or `test`.
    images
        uint8 `(images, 3, side, side)`.
    labels
        int64 `(images,)`.
    classes
        The name of the class of each label.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    classes: Mapping[int, str]


class Source(Protocol):
    """What every file in `data/sources/` holds.

    Attributes
    ----------
    REQUIRED, OPTIONAL
        Keys of `datasets.<name>` that the source needs or may have beside those of all sources.
    IMAGES
        How many images the splits `train` and `test` have; None where that depends on the files.
    """

    REQUIRED: tuple[str, ...]
    OPTIONAL: tuple[str, ...]
    IMAGES: Mapping[str, int] | None


@runtime_checkable
class Archive(Source, Protocol):
    """A source whose images are packed as a whole.

    Attributes
    ----------
    FILES
        Names of the files that it reads, in the dataset's `folder`, each with the SHA-256 of its
        content; None where any content will do.
    DOWNLOADED
        Whether a rule of the workflow fetches these files.
    """

    FILES: Mapping[str, str | None]
    DOWNLOADED: bool

    def read(self, files: Mapping[str, Path], image_size: int) -> Iterator[Split]:
        """Read the splits `train` and `test`, scaled or padded to `image_size` pixels.

        `files` are the paths of `FILES` by name.
        """
        ...


@runtime_checkable
class Folder(Source, Protocol):
    """A source of image files."""

    def index(self, folder: Path, dataset: Mapping[str, Any]) -> tuple[pl.DataFrame, pl.DataFrame]:
        """List the train and the test images, each as `image_tables.INDEX`.

        `dataset` is the section of the config.
        """
        ...


def load(name: str) -> Archive | Folder:
    """The source of that name.

    Raises
    ------
    InputError
        There is none, or the file lacks something.
    """
    found = plugins.load(SOURCES, name)
    if not isinstance(found, Archive | Folder):
        raise InputError(
            f"data/sources/{name}.py: neither an archive nor a folder of image files. "
            "prunescope/data/source.py lists what each must hold."
        )
    return found
