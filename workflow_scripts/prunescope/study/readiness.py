"""Whether this machine has what a study needs before its first job starts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prunescope.data import source
from prunescope.interpret.metrics import catalogue

# Rules that read the image files themselves, and rules that need the metric.
FILE_READERS = (
    "index_images",
    "pack_sample",
    "train_dense",
    "retrain_network",
    "recalibrate_network",
)
METRIC_READERS = ("fetch_metric_weights", "embed_probe")


def missing(config: Mapping[str, Any], *, packages: bool) -> dict[str, tuple[str, ...]]:
    """What this machine lacks for a study, in words, and the rules that need it.

    `packages` tells whether to look for the packages of the metric in the running Python.
    """
    similarity = config["interpretability"]["similarity"]
    reasons: dict[str, tuple[str, ...]] = dict.fromkeys(
        catalogue.missing(similarity, packages=packages), METRIC_READERS
    )
    if files := missing_files(config):
        reasons[files] = FILE_READERS
    return reasons


def missing_files(config: Mapping[str, Any]) -> str | None:
    """Tell which files of the study's dataset are not there, or None.

    Only folders of images are looked for: other datasets are fetched by the workflow. The
    config must have passed `check`.
    """
    name = config["dataset"]
    dataset = config["datasets"][name]
    if not isinstance(source.load(dataset["source"]), source.Folder):
        return None
    folder = Path(dataset["folder"])
    wanted = {"folder": [folder / "train", folder / "val"] if folder.is_dir() else [folder]}
    if dataset.get("validation_labels") is not None:
        wanted["validation_labels"] = [Path(dataset["validation_labels"])]
    missing = [
        f"{path} (`datasets.{name}.{key}`)"
        for key, paths in wanted.items()
        for path in paths
        if not path.exists()
    ]
    if not missing:
        return None
    return (
        f"the images of dataset {name!r} are not there: {', '.join(missing)} not found, seen from "
        f"{Path.cwd()}. Put or link them there (ln -s /where/they/are {folder}), or change the "
        "config. docs/imagenet.md tells what the folder must hold."
    )
