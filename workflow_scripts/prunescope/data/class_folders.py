"""List the image files of a dataset that has one folder for each class."""

import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from prunescope.data import image_tables
from prunescope.foundation.errors import InputError

log = logging.getLogger("prunescope")

TRAIN = "train"
VALIDATION = "val"
EXTENSIONS = (".jpeg", ".jpg", ".png")


def list_classes(path: Path) -> dict[str, list[str]]:
    """Sorted image files of each class folder in `path`, relative to `path`.

    Raises
    ------
    InputError
        There are no class folders, a class folder has no images, or an image lies outside them.
    """
    classes, strays = scan(path)
    if strays:
        raise InputError(
            f"{path}: {len(strays)} images lie beside the class folders, the first is "
            f"{strays[0]}. Move them into their class folders."
        )
    images = {name: _scan_class(path / name) for name in classes}
    empty = [name for name, files in images.items() if not files]
    if empty or not images:
        raise InputError(
            f"{path}: no images{' in ' if empty else ''}{', '.join(empty[:5])}. It must hold one "
            f"folder for each class, with files that end in {', '.join(EXTENSIONS)}."
        )
    total = sum(len(files) for files in images.values())
    log.info("%s: %d images of %d classes", path, total, len(images))
    return {name: [f"{name}/{file}" for file in files] for name, files in images.items()}


def _scan_class(path: Path) -> list[str]:
    folders, images = scan(path)
    if folders:
        log.warning("%s: %d folders in a folder of a class are ignored", path, len(folders))
    return images


def scan(path: Path) -> tuple[list[str], list[str]]:
    """Sorted names of the folders and of the image files in `path`.

    Hidden entries are ignored. Other files are ignored and counted in the log.

    Raises
    ------
    InputError
        The folder cannot be read.
    """
    try:
        with os.scandir(path) as entries:
            kinds = sorted((entry.name, entry.is_dir()) for entry in entries)
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}. The `folder` of a dataset holds {TRAIN}/ and "
            f"{VALIDATION}/ (link or rename other names)."
        ) from error
    visible = [(name, is_folder) for name, is_folder in kinds if not name.startswith(".")]
    folders = [name for name, is_folder in visible if is_folder]
    files = [name for name, is_folder in visible if not is_folder]
    images = [name for name in files if name.lower().endswith(EXTENSIONS)]
    others = Counter(Path(name).suffix or name for name in set(files) - set(images))
    if others:
        counts = ", ".join(f"{number} {kind}" for kind, number in sorted(others.items()))
        log.warning("%s: %d files are no images and ignored (%s)", path, others.total(), counts)
    return folders, images


def check_classes(folder: Path, train: set[str], validation: set[str]) -> None:
    """Check that the train and the validation folder have the same classes.

    Raises
    ------
    InputError
        The classes differ.
    """
    if train != validation:
        only = [
            f"only in {split}/: {', '.join(sorted(names)[:5])}"
            for split, names in ((TRAIN, train - validation), (VALIDATION, validation - train))
            if names
        ]
        raise InputError(
            f"{folder}: {TRAIN}/ and {VALIDATION}/ do not have the same class folders "
            f"({'; '.join(only)}). Add or remove folders."
        )


def index_classes(
    split: str, by_class: Mapping[str, list[str]], classes: Sequence[str]
) -> pl.DataFrame:
    """The index (`image_tables.INDEX`) of the files of each class, in the order of `classes`."""
    files = [file for name in classes for file in by_class[name]]
    names = [name for name in classes for _ in by_class[name]]
    return index_files(split, files, names, classes)


def index_files(
    split: str, files: Sequence[str], names: Sequence[str], classes: Sequence[str]
) -> pl.DataFrame:
    """The index of a split.

    Parameters
    ----------
    split
        `train` or `val`, the folder of the split.
    files
        Files relative to the folder of the split.
    names
        The class name of each file.
    classes
        All class names; the place of a name is the class index.

    Returns
    -------
    polars.DataFrame
        `image_tables.INDEX`, with a row for each file.
    """
    numbers = {name: number for number, name in enumerate(classes)}
    index = pl.DataFrame(
        {
            "image": range(len(files)),
            "label": [numbers[name] for name in names],
            "class": names,
            "source_split": split,
            "source_index": range(len(files)),
            "file": [f"{split}/{file}" for file in files],
        }
    )
    return image_tables.INDEX.conform(index)
