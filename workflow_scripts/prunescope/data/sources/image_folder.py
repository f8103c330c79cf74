"""A dataset with one folder for each class: `train/<class>/*` and `val/<class>/*`."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import polars as pl

from prunescope.data.class_folders import (
    TRAIN,
    VALIDATION,
    check_classes,
    index_classes,
    list_classes,
)

REQUIRED = ("resize", "on_error")
OPTIONAL = ()
IMAGES = None


def index(folder: Path, _dataset: Mapping[str, Any]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """List the images of a folder.

    Classes are numbered in alphabetical order. Files are sorted by class, then by name, as in
    torchvision's `ImageFolder`.

    Returns
    -------
    tuple of polars.DataFrame
        `image_tables.INDEX` of the train images and of the validation images.

    Raises
    ------
    InputError
        A folder is missing or empty, or the two splits do not have the same classes.
    """
    train = list_classes(folder / TRAIN)
    classes = sorted(train)
    validation = list_classes(folder / VALIDATION)
    check_classes(folder, set(train), set(validation))
    return index_classes(TRAIN, train, classes), index_classes(VALIDATION, validation, classes)


def other_files(_dataset: Mapping[str, Any]) -> tuple[Path, ...]:
    """None: the folders tell the classes."""
    return ()
