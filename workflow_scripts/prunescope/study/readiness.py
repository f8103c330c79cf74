"""Check before the first job whether this machine has what a study needs."""

import os
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from prunescope.data import source
from prunescope.data.file_names import diagnosis, shown, unreachable
from prunescope.interpret.metrics import catalogue
from prunescope.study import remaining_work
from prunescope.train import event_files

# The rules that read image files, those of them that read the copies instead where there are some,
# the rules that need the packages of the metric, and those that write event files.
FILE_READERS = ("index_images", "pack_sample", "copy_train_images")
TRAININGS = (*remaining_work.TRAININGS, "recalibrate_network")
METRIC_READERS = ("fetch_metric_weights", "embed_probe")
WATCHED = remaining_work.TRAININGS


def missing(config: Mapping[str, Any], *, packages: bool) -> dict[str, tuple[str, ...]]:
    """What this machine lacks for a study, in words, and the rules that need it.

    Parameters
    ----------
    config
        A config that has passed `check`.
    packages
        Whether jobs run in this Python, in which optional packages are then looked for.
    """
    similarity = config["interpretability"]["similarity"]
    reasons: dict[str, tuple[str, ...]] = dict.fromkeys(
        catalogue.missing(similarity, packages=packages), METRIC_READERS
    )
    if files := missing_files(config):
        copied = "train_store" in config["datasets"][config["dataset"]]
        reasons[files] = FILE_READERS if copied else (*FILE_READERS, *TRAININGS)
    if config.get("event_files") and (reason := event_files.missing(packages=packages)):
        reasons[reason] = WATCHED
    return reasons


def missing_files(config: Mapping[str, Any]) -> str | None:
    """Say which files of the study's dataset are missing; None if all are there.

    Only folders of images can be missing: the workflow fetches other datasets. The config must
    have passed `check`.
    """
    name = config["dataset"]
    dataset = config["datasets"][name]
    if not isinstance(source.load(dataset["source"]), source.Folder):
        return None
    folder = Path(dataset["folder"])
    wanted = {"folder": [folder] if unreachable(folder) else [folder / "train", folder / "val"]}
    if dataset.get("validation_labels") is not None:
        wanted["validation_labels"] = [Path(dataset["validation_labels"])]
    missing = [
        (path, f"{shown(path)} (`datasets.{name}.{key}`): {diagnosis(path, error)[0]}")
        for key, paths in wanted.items()
        for path in paths
        if (error := unreachable(path))
    ]
    if not missing:
        return None
    listed = "; ".join(text for _, text in missing)
    return (
        f"the images of dataset {name!r} are not there: {listed}; seen from {Path.cwd()}. Put or "
        f"link them there ({_link(missing[0][0])}), or change the config. docs/imagenet.md tells "
        "what the folder must hold."
    )


def unwritable(files: Iterable[str]) -> str | None:
    """Say why one of these files cannot be written; None if all can.

    Folders that are not there yet are made. Each folder is looked at once: there are many files.
    """
    wanted = {Path(file).parent: file for file in files}
    for folder, file in wanted.items():
        there = next(place for place in (folder, *folder.parents) if os.path.lexists(place))
        if error := unreachable(there):
            reason, advice = diagnosis(there, error)
            return f"{shown(there)} (for {file}): {reason}. {advice}."
        if not there.is_dir():
            return f"{shown(there)} (for {file}): is a file, not a folder. Move it away."
        if not os.access(there, os.W_OK | os.X_OK):
            return (
                f"{shown(there)} (for {file}): may not be written. Make it writable for you, or "
                "run in a copy of the project."
            )
    return None


def _link(path: Path) -> str:
    """The command that puts a link in the place of a missing file or folder."""
    link = f"ln -s /where/they/are {shlex.quote(str(path))}"
    # `Path.is_dir` fails where the folder may not be read.
    there = os.path.isdir(path.parent)  # noqa: PTH112
    return link if there else f"mkdir -p {shlex.quote(str(path.parent))} && {link}"
