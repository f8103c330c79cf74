"""Folders of images: which files there are, and of which class each is."""

import csv
import logging
import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from prunescope import tables
from prunescope.errors import InputError

log = logging.getLogger("prunescope")

TRAIN = "train"
VALIDATION = "val"
EXTENSIONS = (".jpeg", ".jpg", ".png")
SYNSET = re.compile(r"n\d{8}")
GROUND_TRUTH = "ILSVRC2012_validation_ground_truth.txt"
META = "meta.mat"
# Columns of the two kinds of CSV that are read: one's own, and Kaggle's LOC_val_solution.csv.
CSV_COLUMNS = (("file", "synset"), ("ImageId", "PredictionString"))


def index_image_folder(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """List `train/<class>/*` and `val/<class>/*` of a folder.

    Classes are numbered in the order of their names, and files follow the order of their
    classes and names, as in torchvision's `ImageFolder`.

    Returns
    -------
    tuple of polars.DataFrame
        `tables.INDEX` of the train and of the validation images.

    Raises
    ------
    InputError
        A folder is missing or empty, or the two do not have the same classes.
    """
    train = _by_class(folder / TRAIN)
    classes = sorted(train)
    validation = _by_class(folder / VALIDATION)
    _check_classes(folder, set(train), set(validation))
    return _index(TRAIN, train, classes), _index(VALIDATION, validation, classes)


def index_imagenet(
    folder: Path, validation_labels: str | None
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """List ILSVRC2012: `train/<synset>/*`, and `val/` by synset or flat.

    Parameters
    ----------
    folder
        The dataset's folder.
    validation_labels
        Where the labels of flat validation images stand: a CSV file, the folder of the
        development kit, or its file of ground truth. None where `val/` is by synset.

    Returns
    -------
    tuple of polars.DataFrame
        As from `index_image_folder`; classes are synsets.

    Raises
    ------
    InputError
        A folder is missing or empty, a class is no synset, or labels are missing or unknown.
    """
    validation = folder / VALIDATION
    folders, files = _scan(validation)
    if folders and validation_labels is not None:
        raise InputError(
            f"datasets.<name>.validation_labels: {validation_labels}, but {validation} has its "
            "images in folders of classes already. Set it to null."
        )
    by_synset = _by_class(folder / TRAIN)
    synsets = sorted(by_synset)
    _check_synsets(folder, synsets)
    train = _index(TRAIN, by_synset, synsets)
    if folders:
        sorted_validation = _by_class(validation)
        _check_classes(folder, set(by_synset), set(sorted_validation))
        return train, _index(VALIDATION, sorted_validation, synsets)
    names = _label(validation, files, validation_labels, set(synsets))
    return train, _index_files(VALIDATION, files, names, synsets)


def _by_class(path: Path) -> dict[str, list[str]]:
    """Sorted image files of each class folder, relative to `path`."""
    classes, strays = _scan(path)
    if strays:
        raise InputError(
            f"{path}: {len(strays)} images lie beside the folders of classes, the first is "
            f"{strays[0]}. Move them into the folders of their classes."
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
    folders, images = _scan(path)
    if folders:
        log.warning("%s: %d folders in a folder of a class are ignored", path, len(folders))
    return images


def _scan(path: Path) -> tuple[list[str], list[str]]:
    """Sorted names of the folders and of the images in a folder; the rest goes to the log."""
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


def _check_classes(folder: Path, train: set[str], validation: set[str]) -> None:
    if train != validation:
        only = [
            f"only in {split}/: {', '.join(sorted(names)[:5])}"
            for split, names in ((TRAIN, train - validation), (VALIDATION, validation - train))
            if names
        ]
        raise InputError(
            f"{folder}: {TRAIN}/ and {VALIDATION}/ have not the same class folders "
            f"({'; '.join(only)}). Add or remove folders."
        )


def _check_synsets(folder: Path, classes: Sequence[str]) -> None:
    others = [name for name in classes if not SYNSET.fullmatch(name)]
    if others:
        raise InputError(
            f"{folder / TRAIN}: {', '.join(others[:5])} is no synset (such as n01440764). Remove "
            "the folder, or use `source: image_folder`, which takes any class names."
        )


def _label(
    path: Path, files: Sequence[str], validation_labels: str | None, synsets: set[str]
) -> list[str]:
    """The synset of each file of a flat validation folder."""
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
            f"{path}, the first is {unlabelled[0]}."
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
    """Read the synset of each validation image, by the file's name without its ending.

    `path` is a CSV file with the columns `file,synset`, Kaggle's `LOC_val_solution.csv`
    (`ImageId,PredictionString`), or the folder of the development kit, its `data/`, or the file
    of ground truth in it.

    Raises
    ------
    InputError
        It is none of these, or damaged.
    """
    if path.name == GROUND_TRUTH:
        return _read_devkit(path.parent)
    for data in (path / "data", path):
        if (data / GROUND_TRUTH).is_file():
            return _read_devkit(data)
    if path.is_file():
        return _read_csv(path)
    raise InputError(
        f"{path}: neither a CSV file nor the folder of the development kit, which holds "
        f"data/{GROUND_TRUTH} and data/{META}."
    )


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
                # Kaggle's boxes follow the synset.
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
    """Synset of each ILSVRC2012_ID. The ids do not follow the order of the synsets."""
    # Only here: it takes half a second to import.
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    # What scipy raises on other content, and we on other tables.
    damage = (MatReadError, OSError, ValueError, TypeError, LookupError, NotImplementedError)
    try:
        synsets = loadmat(path, squeeze_me=True)["synsets"]
        ids, names = synsets["ILSVRC2012_ID"].tolist(), synsets["WNID"].tolist()
    except damage as error:
        raise InputError(
            f"{path}: not the {META} of ILSVRC2012's development kit ({error!r})."
        ) from error
    return {int(key): str(name) for key, name in zip(ids, names, strict=True)}


def _index(split: str, by_class: Mapping[str, list[str]], classes: Sequence[str]) -> pl.DataFrame:
    files = [file for name in classes for file in by_class[name]]
    names = [name for name in classes for _ in by_class[name]]
    return _index_files(split, files, names, classes)


def _index_files(
    split: str, files: Sequence[str], names: Sequence[str], classes: Sequence[str]
) -> pl.DataFrame:
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
    return tables.INDEX.conform(index)
