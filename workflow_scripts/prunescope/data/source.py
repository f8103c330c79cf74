"""The interface of a source of images, and how to load one by its name.

Each file in `data/sources/` is a source; the name of the file is the name in the config. There are
two kinds. An archive is packed as a whole and then sampled. A folder of image files is indexed
first, and only the validation and probe samples are packed.
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
        Class names by label.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    classes: Mapping[int, str]

    def index(self) -> pl.DataFrame:
        """The images in order, with the columns of `image_tables.INDEX`."""
        return pl.DataFrame(
            {
                "image": np.arange(len(self.labels)),
                "label": self.labels,
                "class": [self.classes[label] for label in self.labels.tolist()],
                "source_split": self.name,
                "source_index": np.arange(len(self.labels)),
                "file": None,
            }
        )


class Source(Protocol):
    """The constants that every file in `data/sources/` must define.

    Attributes
    ----------
    REQUIRED, OPTIONAL
        Keys of `datasets.<name>` in the config that the source needs or accepts, in addition to
        the keys of all sources.
    IMAGES
        Number of images of the splits `train` and `test`; None if it depends on the files.
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
        Names of the files in the dataset's `folder` and their SHA-256; None accepts any content.
    DOWNLOADED
        Whether a rule of the workflow fetches the files.
    """

    FILES: Mapping[str, str | None]
    DOWNLOADED: bool

    def read(self, files: Mapping[str, Path], image_size: int) -> Iterator[Split]:
        """Read the splits `train` and `test`, scaled or padded to `image_size` pixels.

        `files` are the paths of `FILES` by their names.
        """
        ...


@runtime_checkable
class Folder(Source, Protocol):
    """A source whose images are image files in a folder."""

    def index(self, folder: Path, dataset: Mapping[str, Any]) -> tuple[pl.DataFrame, pl.DataFrame]:
        """List the train and the test images, each as a table `image_tables.INDEX`.

        `dataset` is the section `datasets.<name>` of the config.
        """
        ...


def load(name: str) -> Archive | Folder:
    """The source `name`.

    Raises
    ------
    InputError
        There is no such source, or its file does not define all that a source needs.
    """
    found = plugins.load(SOURCES, name)
    if not isinstance(found, Archive | Folder):
        raise InputError(
            f"data/sources/{name}.py: neither an archive nor a folder of image files. "
            "prunescope/data/source.py lists what each must define."
        )
    return found
