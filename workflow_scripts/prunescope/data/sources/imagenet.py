"""ILSVRC2012: a train folder for each synset, and validation images by synset or in one folder."""

import csv
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl

from prunescope.data.class_folders import (
    TRAIN,
    VALIDATION,
    check_classes,
    index_classes,
    index_files,
    list_classes,
    scan,
)
from prunescope.data.file_names import diagnosis, shown, spelled
from prunescope.foundation.errors import InputError

log = logging.getLogger("prunescope")

REQUIRED = ("resize", "on_error")
OPTIONAL = ("validation_labels",)
IMAGES = None

SYNSET = re.compile(r"n[0-9]{8}")
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
META = "meta.mat"
# Columns of the accepted CSV files: a file of the user, and Kaggle's LOC_val_solution.csv.
CSV_COLUMNS = (("file", "synset"), ("ImageId", "PredictionString"))


def index(folder: Path, dataset: Mapping[str, Any]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """List the images of ILSVRC2012: `train/<synset>/*`, and `val/<synset>/*` or `val/*`.

    Parameters
    ----------
    folder
        The dataset's folder.
    dataset
        Its section of the config. If all validation images lie in `val/` itself,
        `validation_labels` names the file with their labels (see `read_validation_labels`).
        If `val/` has a folder for each synset, it is None or missing.

    Returns
    -------
    tuple of polars.DataFrame
        `image_tables.INDEX` of the train images and of the validation images. The class names
        are the synsets.

    Raises
    ------
    InputError
        A folder is missing or empty, a class is no synset, or labels are missing or unknown.
    """
    validation_labels = dataset.get("validation_labels")
    validation = folder / VALIDATION
    folders, files = scan(validation)
    if folders and validation_labels is not None:
        raise InputError(
            f"datasets.<name>.validation_labels: {validation_labels}, but the images in "
            f"{validation} are in class folders already. Set it to null."
        )
    by_synset = list_classes(folder / TRAIN)
    synsets = sorted(by_synset)
    _check_synsets(folder, synsets)
    train = index_classes(TRAIN, by_synset, synsets)
    if folders:
        sorted_validation = list_classes(validation)
        check_classes(folder, set(by_synset), set(sorted_validation))
        return train, index_classes(VALIDATION, sorted_validation, synsets)
    names = _label(validation, files, validation_labels, set(synsets))
    return train, index_files(VALIDATION, files, names, synsets)


def other_files(dataset: Mapping[str, Any]) -> tuple[Path, ...]:
    """The files with the labels of the validation images."""
    labels = dataset.get("validation_labels")
    if labels is None:
        return ()
    kit = _kit(Path(labels))
    return (kit / GROUND_TRUTH, kit / META) if kit else (Path(labels),)


def _check_synsets(folder: Path, classes: Sequence[str]) -> None:
    others = [name for name in classes if not SYNSET.fullmatch(name)]
    if others:
        raise InputError(
            f"{folder / TRAIN}: {', '.join(map(spelled, others[:5]))} is no synset (such as "
            "n01440764). Remove the folder, or use `source: image_folder`, which takes any class "
            "names."
        )


def _label(
    path: Path, files: Sequence[str], validation_labels: str | None, synsets: set[str]
) -> list[str]:
    """The synset of each file of a validation folder without class folders."""
    if not files:
        raise InputError(
            f"{path}: no images, neither in folders of synsets nor in the folder itself."
        )
    if validation_labels is None:
        raise InputError(
            f"{path}: holds images, not folders of synsets, so their labels must be named: set "
            "`datasets.<name>.validation_labels` to a CSV file or to the folder of the "
            "development kit (docs/imagenet.md)."
        )
    labels = read_validation_labels(Path(validation_labels))
    unlabelled = [name for name in files if Path(name).stem not in labels]
    if unlabelled:
        raise InputError(
            f"{validation_labels}: no label for {len(unlabelled)} of the {len(files)} images of "
            f"{path}, the first is {shown(unlabelled[0])}."
        )
    found = [labels[Path(name).stem] for name in files]
    unknown = sorted(set(found) - synsets)
    if unknown:
        raise InputError(
            f"{validation_labels}: synset {unknown[0]} has no folder in {path.parent / TRAIN} "
            f"({len(unknown)} such synsets)."
        )
    log.info("%s: %d images, %d labels", path, len(files), len(labels))
    return found


def read_validation_labels(path: Path) -> dict[str, str]:
    """Read the synset of each validation image, by its file name without suffix.

    Parameters
    ----------
    path
        A CSV file with the columns `file,synset`; Kaggle's `LOC_val_solution.csv` with the
        columns `ImageId,PredictionString`; or the development kit: its folder, its folder
        `data/`, or the file with the ground truth.

    Raises
    ------
    InputError
        The file is none of these, or is damaged.
    """
    try:
        kit = _kit(path)
        is_file = path.is_file()
    except OSError as error:
        raise InputError(f"{shown(path)}: {'. '.join(diagnosis(path, error))}.") from error
    if kit:
        return _read_devkit(kit)
    if is_file:
        return _read_csv(path)
    raise InputError(
        f"{path}: neither a CSV file nor the folder of the development kit, which holds "
        f"data/{GROUND_TRUTH} and data/{META}."
    )


def _kit(path: Path) -> Path | None:
    """The folder `data/` of the development kit that a path names; None if it names none."""
    if path.name == GROUND_TRUTH:
        return path.parent
    kits = (data for data in (path / "data", path) if (data / GROUND_TRUTH).is_file())
    return next(kits, None)


def _read_csv(path: Path) -> dict[str, str]:
    labels: dict[str, str] = {}
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            rows = csv.DictReader(file)
            columns = [pair for pair in CSV_COLUMNS if set(pair) <= set(rows.fieldnames or ())]
            if not columns:
                raise InputError(
                    f"{path}: the first line is {','.join(rows.fieldnames or ())!r}; it must be "
                    f"{' or '.join(repr(','.join(pair)) for pair in CSV_COLUMNS)}."
                )
            name, synset = columns[0]
            for row in rows:
                # In Kaggle's file, bounding boxes follow the synset.
                found = (row[synset] or "").split()[:1]
                if not SYNSET.fullmatch("".join(found)):
                    raise InputError(f"{path}: line {rows.line_num}: {row[synset]!r} is no synset.")
                key = Path(row[name]).stem
                if labels.setdefault(key, found[0]) != found[0]:
                    raise InputError(f"{path}: line {rows.line_num}: two labels for {key}.")
    except (UnicodeDecodeError, csv.Error, OSError) as error:
        raise InputError(f"{path}: cannot be read as CSV ({error}).") from error
    return labels


def _read_devkit(data: Path) -> dict[str, str]:
    synsets = _read_meta(data / META)
    try:
        lines = (data / GROUND_TRUTH).read_text(encoding="ascii").split()
        return {
            f"ILSVRC2012_val_{number:08d}": synsets[int(line)]
            for number, line in enumerate(lines, start=1)
        }
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{data / GROUND_TRUTH}: must hold one id of {META} on each line ({error!r})."
        ) from error


def _read_meta(path: Path) -> Mapping[int, str]:
    """The synset of each ILSVRC2012_ID. The ids are not in the order of the synsets."""
    # Imported here because importing it takes half a second.
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    # Errors of scipy for other files, and of the lookups below for other tables.
    damage = (MatReadError, OSError, ValueError, TypeError, LookupError, NotImplementedError)
    try:
        synsets = loadmat(path, squeeze_me=True)["synsets"]
        ids, names = synsets["ILSVRC2012_ID"].tolist(), synsets["WNID"].tolist()
    except damage as error:
        raise InputError(
            f"{path}: not the {META} of ILSVRC2012's development kit ({error!r})."
        ) from error
    return {int(key): str(name) for key, name in zip(ids, names, strict=True)}
