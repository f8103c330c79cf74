"""What the config of a study asks for: its networks, and what they need."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from prunescope import embedded, sensitivity, similarity

DENSE = "dense"
# The control with weights as they start.
UNTRAINED = "untrained"
UNTOUCHED = "none"
# Images in the train and the test split of each source.
SOURCE_IMAGES = {"fashion_mnist": (60_000, 10_000)}
# Sources that are folders of image files, and what each needs and may have beside the other keys.
IMAGE_SOURCES = {
    "image_folder": (("resize", "on_error"), ()),
    "imagenet": (("resize", "on_error"), ("validation_labels",)),
}

_BLOCKS = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
_BRANCHES = ("branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1")
# Prunable layers by module name, so that a config can be checked without importing torch.
LAYER_NAMES: Mapping[str, tuple[str, ...]] = {
    "googlenet": (
        *(f"conv{number}.conv" for number in (1, 2, 3)),
        *(f"inception{block}.{branch}.conv" for block in _BLOCKS for branch in _BRANCHES),
        *(f"aux{number}.{name}" for number in (1, 2) for name in ("conv.conv", "fc1", "fc2")),
        "fc",
    )
}


@dataclass(frozen=True)
class Coordinates:
    """A network of the study: one folder."""

    method: str
    retraining: str
    rate: str
    seed: int


def networks(config: Mapping[str, Any]) -> list[Coordinates]:
    """List the networks of a study: the dense one, its retrained controls, all pruned ones."""
    dense = [
        Coordinates(DENSE, retraining, format_rate(0), seed)
        for retraining in [UNTOUCHED, *config["model"]["retraining"]]
        for seed in config["seeds"]
    ]
    pruned = [
        Coordinates(name, retraining, rate, seed)
        for name, method in config["pruning"]["methods"].items()
        for retraining in method["retraining"]
        for rate in rates_of(config, name)
        for seed in config["seeds"]
    ]
    untrained = [
        Coordinates(UNTRAINED, UNTOUCHED, format_rate(0), seed)
        for seed in config["seeds"]
        if config["model"]["untrained"]
    ]
    return dense + untrained + pruned


def varied_networks(config: Mapping[str, Any]) -> list[Coordinates]:
    """The networks that are scored in every variant: those at certain rates, and the unpruned."""
    rates = [format_rate(rate) for rate in (0, *config["sensitivity"]["rates"])]
    return [network for network in networks(config) if network.rate in rates]


def compacted_networks(config: Mapping[str, Any]) -> list[Coordinates]:
    """The networks that are made compact and timed: those at certain rates that were retrained."""
    rates = [format_rate(rate) for rate in config["compact"]["rates"]]
    return [
        network
        for network in networks(config)
        if network.rate in rates and network.retraining != UNTOUCHED
    ]


def varied_poolings(config: Mapping[str, Any]) -> list[str]:
    """The poolings that variants of the score need: the study's own comes first."""
    variants = config["sensitivity"]["variants"].values()
    return list(dict.fromkeys(["mean", *(variant.get("pooling", "mean") for variant in variants)]))


def varied_metrics(config: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Settings of the metrics that variants of the score compare by, without the study's own."""
    variants = config["sensitivity"]["variants"].values()
    return {
        sensitivity.metric_of(variant): variant["similarity"]
        for variant in variants
        if "similarity" in variant
    }


def kinds_of_input(config: Mapping[str, Any]) -> list[str]:
    """What scores are computed from, by the study's own metric and each of `varied_metrics`.

    The matrix of similarities; where it would exceed `largest_matrix_mb`, the embeddings.
    """
    own = config["interpretability"]["similarity"]
    names = [own["metric"], *(settings["metric"] for settings in varied_metrics(config).values())]
    images = config["datasets"][config["dataset"]]["probe"]["images"]
    if 4 * images**2 <= own["largest_matrix_mb"] * 1e6:
        return [embedded.MATRIX] * len(names)
    return [
        embedded.DISTANCES if similarity.find(name).distance else embedded.PRODUCTS
        for name in names
    ]


def rates_of(config: Mapping[str, Any], method: str) -> list[str]:
    """The rates of a method as they stand in paths: its own, or those of the study."""
    pruning_settings = config["pruning"]
    own = pruning_settings["methods"][method].get("rates") or pruning_settings["rates"]
    return [format_rate(rate) for rate in own]


def rate_before(config: Mapping[str, Any], method: str, rate: str) -> str | None:
    """The next lower rate of a method as it stands in paths; None for its lowest."""
    lower = [other for other in rates_of(config, method) if float(other) < float(rate)]
    return lower[-1] if lower else None


def effective_rate(config: Mapping[str, Any], method: str, rate: str) -> float:
    """Fraction of the original network's pieces that a method prunes at a rate.

    This is the rate itself. For a method that is `cumulative`, every rate up to this one is
    applied in turn to what the one before left, as where a network is not reset between rates
    (von Rad & Seuffert, arXiv 2409.19727): 1 - (1 - r_1) ... (1 - r_k).
    """
    if not config["pruning"]["methods"][method].get("cumulative", False):
        return float(rate)
    applied = [other for other in rates_of(config, method) if float(other) < float(rate)]
    # Exact, because counts are rounded: 0.52 times 100 channels must not become 51.
    return float(1 - math.prod(1 - Fraction(step) for step in [*applied, rate]))


def format_rate(rate: float) -> str:
    """A rate as it stands in paths: two decimals."""
    return f"{rate:.2f}"


def missing_files(config: Mapping[str, Any]) -> str | None:
    """Tell which files of the study's dataset are not there, or None.

    Only folders of images are looked for: other datasets are fetched by the workflow. The
    config must have passed its check.
    """
    name = config["dataset"]
    dataset = config["datasets"][name]
    if dataset["source"] not in IMAGE_SOURCES:
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
