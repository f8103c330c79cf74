"""List the image files of a dataset that has one folder for each class."""

import logging
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from prunescope.data import class_names, image_tables
from prunescope.data.file_names import diagnosis, is_utf8, shown, spelled
from prunescope.foundation.errors import InputError

log = logging.getLogger("prunescope")

TRAIN = "train"
VALIDATION = "val"
EXTENSIONS = (".jpeg", ".jpg", ".png")
# How many names a message has.
NAMED = 5

# What an entry of a folder is, after links are followed.
FOLDER, FILE, DEVICE = "a folder", "a file", "neither a file nor a folder"


def list_classes(path: Path) -> dict[str, list[str]]:
    """Sorted image files of each class folder in `path`, relative to `path`.

    Raises
    ------
    InputError
        There are no class folders, a class folder has no images, an image lies outside them, two
        class names look alike, or an entry cannot be used (see `scan`).
    """
    classes, strays = scan(path)
    if strays:
        raise InputError(
            f"{shown(path)}: {len(strays)} images lie beside the class folders, the first is "
            f"{shown(strays[0])}. Move them into their class folders."
        )
    class_names.check_names(path, classes)
    images = {name: _scan_class(path / name) for name in classes}
    empty = [name for name, files in images.items() if not files]
    if empty or not images:
        place = f" in {', '.join(map(spelled, empty[:NAMED]))}" if empty else ""
        raise InputError(
            f"{shown(path)}: no images{place}. It must hold one folder for each class, with files "
            f"that end in {', '.join(EXTENSIONS)}."
        )
    total = sum(len(files) for files in images.values())
    log.info("%s: %d images of %d classes", shown(path), total, len(images))
    return {name: [f"{name}/{file}" for file in files] for name, files in images.items()}


def _scan_class(path: Path) -> list[str]:
    folders, images = scan(path)
    if folders:
        log.warning("%s: %d folders in a folder of a class are ignored", shown(path), len(folders))
    return images


def scan(path: Path) -> tuple[list[str], list[str]]:
    """Sorted names of the folders and of the image files in `path`.

    Hidden entries are ignored. Other files are ignored and counted in the log. No file is opened.

    Raises
    ------
    InputError
        The folder cannot be listed, a link in it leads nowhere, or something that is named like
        an image is none or has a name that is not UTF-8.
    """
    kinds = _kinds(path)
    _check_links(path, kinds)
    images = [name for name in kinds if name.lower().endswith(EXTENSIONS)]
    _check_images(path, {name: kinds[name] for name in images})
    folders = [name for name, kind in kinds.items() if kind == FOLDER]
    others = Counter(Path(name).suffix or name for name in kinds.keys() - {*folders, *images})
    if others:
        counts = ", ".join(f"{number} {shown(kind)}" for kind, number in sorted(others.items()))
        total = others.total()
        log.warning("%s: %d files are no images and ignored (%s)", shown(path), total, counts)
    return folders, images


def _kinds(path: Path) -> dict[str, str | OSError]:
    """What each visible entry of a folder is, sorted by name."""
    try:
        with os.scandir(path) as entries:
            visible = {
                entry.name: _kind(entry) for entry in entries if not entry.name.startswith(".")
            }
    except OSError as error:
        reason, advice = diagnosis(path, error)
        raise InputError(
            f"{shown(path)}: {reason}. {advice}. The `folder` of a dataset holds {TRAIN}/ and "
            f"{VALIDATION}/ (link or rename other names), and these a folder for each class."
        ) from error
    return dict(sorted(visible.items(), key=lambda entry: entry[0]))


def _kind(entry: os.DirEntry) -> str | OSError:
    """What an entry is, or why a link cannot be followed.

    Only links cost a look at the disk: there may be a million files.
    """
    try:
        if entry.is_symlink():
            entry.stat()
    except OSError as error:
        return error
    if entry.is_dir():
        return FOLDER
    return FILE if entry.is_file() else DEVICE


def _check_links(path: Path, kinds: Mapping[str, str | OSError]) -> None:
    broken = {name: kind for name, kind in kinds.items() if isinstance(kind, OSError)}
    if broken:
        name, error = next(iter(broken.items()))
        reason, advice = diagnosis(path / name, error)
        raise InputError(
            f"{shown(path / name)}: {reason}. {advice}. Links of this folder that cannot be "
            f"followed: {len(broken)}."
        )


def _check_images(path: Path, kinds: Mapping[str, str | OSError]) -> None:
    for name, kind in kinds.items():
        if kind != FILE:
            raise InputError(
                f"{shown(path / name)}: named like an image, but {kind}. Names that end in "
                f"{', '.join(EXTENSIONS)} are those of image files: rename or remove it."
            )
    other = [name for name in kinds if not is_utf8(name)]
    if other:
        raise InputError(
            f"{shown(path)}: {len(other)} image files have names that are not UTF-8, the first is "
            f"{shown(other[0])}. Rename them."
        )


def check_classes(folder: Path, train: set[str], validation: set[str]) -> None:
    """Check that the train and the validation folder have the same classes.

    Raises
    ------
    InputError
        The classes differ. What cannot be seen of the names is spelled out.
    """
    if train == validation:
        return
    said = [
        f"only in {split}/: {', '.join(map(spelled, sorted(names)[:NAMED]))}"
        for split, names in ((TRAIN, train - validation), (VALIDATION, validation - train))
        if names
    ]
    ways = class_names.UNSEEN_OR_CASE
    alike = [
        class_names.difference(*pair, ways)
        for pair in class_names.look_alikes(train | validation, ways)
        if not {*pair} <= train & validation
    ]
    raise InputError(
        f"{shown(folder)}: {TRAIN}/ and {VALIDATION}/ do not have the same class folders "
        f"({'; '.join([*said, *alike[:NAMED]])}). Add, remove or rename folders."
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
        `image_tables.INDEX`, with a row for each file, still without sizes and dates.
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
            "bytes": None,
            "modified": None,
        }
    )
    return image_tables.INDEX.conform(index)
