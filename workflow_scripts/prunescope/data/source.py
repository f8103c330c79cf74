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
# The keys of `datasets.<name>` that not every source has, and those that decoding needs.
KEYS = ("resize", "on_error", "validation_labels")
OF_FOLDERS = ("resize", "on_error")


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
                "bytes": None,
                "modified": None,
            }
        )


class Source(Protocol):
    """The constants that every file in `data/sources/` must define.

    Attributes
    ----------
    REQUIRED, OPTIONAL
        Keys of `datasets.<name>` in the config that the source needs or accepts, in addition to
        the keys of all sources. Each is one of `KEYS`; a folder requires `OF_FOLDERS`.
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
    ADDRESSES
        The https addresses from which `fetch_archive` downloads the files, by the files' names.
        Empty if the files are the user's, or if a rule of their own fetches them.
    """

    FILES: Mapping[str, str | None]
    DOWNLOADED: bool
    ADDRESSES: Mapping[str, str]

    def read(self, files: Mapping[str, Path], image_size: int) -> Iterator[Split]:
        """Read the splits `train` and `test`, scaled or padded to `image_size` pixels.

        `files` are the paths of `FILES` by their names.
        """
        ...


@runtime_checkable
class Folder(Source, Protocol):
    """A source whose images are image files below `train/` and `val/` of a folder."""

    def index(self, folder: Path, dataset: Mapping[str, Any]) -> tuple[pl.DataFrame, pl.DataFrame]:
        """List the train and the test images, each as a table `image_tables.INDEX`.

        `dataset` holds the keys of `OPTIONAL` that the config gives. The columns `bytes` and
        `modified` are filled in afterwards.
        """
        ...

    def other_files(self, dataset: Mapping[str, Any]) -> tuple[Path, ...]:
        """The files that `index` reads besides the folder: their content becomes stale too."""
        ...


def load(name: str) -> Archive | Folder:
    """The source `name`.

    Raises
    ------
    InputError
        There is no such source, or its file does not define all that a source needs.
    """
    found = plugins.load(SOURCES, name, Source)
    kind = Archive if hasattr(found, "read") else Folder
    loaded: Archive | Folder = plugins.load(SOURCES, name, kind)
    if unknown := sorted({*loaded.REQUIRED, *loaded.OPTIONAL} - {*KEYS}):
        raise InputError(
            f"prunescope/data/sources/{name}.py: {', '.join(unknown)} cannot be a key of a source; "
            f"allowed: {', '.join(KEYS)}."
        )
    if kind is Folder and not {*OF_FOLDERS} <= {*loaded.REQUIRED}:
        raise InputError(
            f"prunescope/data/sources/{name}.py: REQUIRED of a folder of image files must name "
            f"{', '.join(OF_FOLDERS)}."
        )
    if isinstance(loaded, Archive):
        _check_addresses(name, loaded)
    return loaded


def _check_addresses(name: str, archive: Archive) -> None:
    if not archive.ADDRESSES:
        return
    sound = (
        archive.DOWNLOADED
        and archive.ADDRESSES.keys() == archive.FILES.keys()
        and all(archive.FILES.values())
        and all(address.startswith("https://") for address in archive.ADDRESSES.values())
    )
    if not sound:
        raise InputError(
            f"prunescope/data/sources/{name}.py: ADDRESSES needs DOWNLOADED = True, an https "
            "address for each of FILES, and for each of FILES its SHA-256."
        )
