"""The config: what may stand in it, and the networks that it asks for."""

import difflib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from prunescope import embedded, mis, pruning, recipes, sensitivity, similarity, weights
from prunescope.datasets import AUGMENTATIONS, RANDOM_RESIZED_CROP
from prunescope.errors import InputError

SCHEMA = Path(__file__).resolve().parents[2] / "rules" / "schemas" / "config.schema.yaml"
DENSE = "dense"
# The control with weights as they start.
UNTRAINED = "untrained"
UNTOUCHED = "none"
CHECKPOINT_FORMS = ({"torchvision"}, {"url", "sha256"}, {"url", "sha256", "transform_input"})
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
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
    own = pruning_settings["methods"][method].get("rates", pruning_settings["rates"])
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


def check(config: Mapping[str, Any]) -> None:
    """Check a config against the schema, and its parts against each other.

    Raises
    ------
    InputError
        Lists everything that is wrong: the key, the value, and what is allowed.
    """
    problems = list(_schema_problems(config)) or list(_cross_field_problems(config))
    if problems:
        lines = "\n".join(f"  - {problem}" for problem in problems)
        raise InputError(f"the config cannot be used:\n{lines}")


def _schema_problems(config: Mapping[str, Any]) -> Iterator[str]:
    schema = yaml.safe_load(SCHEMA.read_text(encoding="utf-8"))
    errors = _Validator(schema).iter_errors(config)
    ordered = sorted(errors, key=lambda error: [str(part) for part in error.absolute_path])
    # Each missing key is an error of its own, but all keys that miss in a section are one line.
    yield from dict.fromkeys(_explain(error) for error in ordered)


def _is_integer(_checker: object, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


# JSON takes 3.0 for an integer; Python counts nothing with it.
_Validator = jsonschema.validators.extend(
    jsonschema.Draft202012Validator,
    type_checker=jsonschema.Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_integer),
)


def _explain(error: jsonschema.ValidationError) -> str:
    path = ".".join(str(part) for part in error.absolute_path)
    if error.validator == "additionalProperties":
        return "; ".join(_unknown_keys(error, path))
    if error.validator == "required":
        missing = [key for key in error.validator_value if key not in error.instance]
        return "; ".join(f"`{_join(path, key)}` is missing" for key in missing)
    hint = f" ({error.schema['description']})" if "description" in error.schema else ""
    return f"`{path}`: {error.message}{hint}"


def _unknown_keys(error: jsonschema.ValidationError, path: str) -> Iterator[str]:
    allowed = sorted(error.schema.get("properties", {}))
    for key in sorted(set(error.instance) - set(allowed), key=str):
        yield f"`{_join(path, key)}` is not a key of the config. {_suggest(str(key), allowed)}"


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else str(key)


def _suggest(value: str, allowed: Sequence[str]) -> str:
    close = difflib.get_close_matches(value, allowed, n=1)
    meant = f"Did you mean `{close[0]}`? " if close else ""
    return f"{meant}Allowed: {', '.join(allowed) or 'none'}."


def _cross_field_problems(config: Mapping[str, Any]) -> Iterator[str]:
    yield from _dataset_problems(config)
    yield from _model_problems(config)
    yield from _pruning_problems(config)
    yield from _retraining_problems(config)
    for name, recipe in config["recipes"].items():
        yield from _recipe_problems(f"recipes.{name}", recipe)
        if recipe.get("auxiliary_weight") and not config["model"]["auxiliary_heads"]:
            yield (
                f"`recipes.{name}.auxiliary_weight`: {recipe['auxiliary_weight']}, but the network "
                "has no auxiliary heads. Set `model.auxiliary_heads` to true, or remove it"
            )
    yield from _interpretability_problems(config)
    yield from _rate_problems("compact.rates", config["compact"]["rates"])


def _known(path: str, value: str, allowed: Sequence[str] | Mapping[str, Any]) -> Iterator[str]:
    if value not in allowed:
        yield f"`{path}`: {value!r} is not known. {_suggest(value, list(allowed))}"


def _dataset_problems(config: Mapping[str, Any]) -> Iterator[str]:
    yield from _known("dataset", config["dataset"], config["datasets"])
    for name, dataset in config["datasets"].items():
        yield from _source_problems(f"datasets.{name}", dataset)
        if dataset["source"] in IMAGE_SOURCES:
            yield from _image_source_problems(f"datasets.{name}", dataset)
        else:
            yield from _packed_source_problems(f"datasets.{name}", dataset)
        if min(dataset["std"]) <= 0:
            yield f"`datasets.{name}.std`: {dataset['std']} must be above 0"


def _source_problems(path: str, dataset: Mapping[str, Any]) -> Iterator[str]:
    required, optional = IMAGE_SOURCES.get(dataset["source"], ((), ()))
    for key in required:
        if key not in dataset:
            yield f"`{path}.{key}` is missing: source {dataset['source']!r} needs it"
    for key in ("resize", "on_error", "validation_labels"):
        if key in dataset and key not in (*required, *optional):
            yield f"`{path}.{key}`: source {dataset['source']!r} does not use it. Remove it"


def _packed_source_problems(path: str, dataset: Mapping[str, Any]) -> Iterator[str]:
    train, test = SOURCE_IMAGES[dataset["source"]]
    for split, available in (("probe", train), ("validation", test)):
        number = dataset[split]["images"]
        if number is None:
            yield f"`{path}.{split}.images`: null needs one of the sources {list(IMAGE_SOURCES)}"
        elif number > available:
            yield (
                f"`{path}.{split}.images`: {number}, "
                f"but {dataset['source']} has {available} images to draw from"
            )


def _image_source_problems(path: str, dataset: Mapping[str, Any]) -> Iterator[str]:
    if dataset["folder"] is None:
        yield (
            f"`{path}.folder`: null, but source {dataset['source']!r} needs the folder that holds "
            "train/ and val/"
        )
    if dataset.get("resize", dataset["image_size"]) < dataset["image_size"]:
        yield (
            f"`{path}.resize`: {dataset['resize']} is less than `{path}.image_size`, "
            f"{dataset['image_size']}"
        )


def missing_files(config: Mapping[str, Any]) -> str | None:
    """Tell which files of the study's dataset are not there, or None.

    Only folders of images are looked for: other datasets are fetched by the workflow. The
    config must have passed `check`.
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


def _model_problems(config: Mapping[str, Any]) -> Iterator[str]:
    model = config["model"]
    problems = list(_checkpoint_problems(model["checkpoint"]))
    yield from problems or _normalisation_problems(config)
    if model["recipe"] is not None:
        yield from _known("model.recipe", model["recipe"], config["recipes"])
    elif model["checkpoint"] == weights.TRAIN:
        yield (
            "`model.recipe`: null, but the dense network is trained here. "
            f"{_suggest('', list(config['recipes']))}"
        )
    for kind in model["retraining"]:
        yield from _known("model.retraining", kind, config["retraining"])
        settings = config["retraining"].get(kind, {"start": "dense", "recipe": "any"})
        changes = settings["recipe"] is not None or "recalibration" in settings
        if settings["start"] != "dense" or not changes:
            yield (
                f"`model.retraining`: {kind!r} is no control for the dense network: it must start "
                "from `dense` and have a recipe or a recalibration"
            )


def _checkpoint_problems(checkpoint: str | Mapping[str, Any]) -> Iterator[str]:
    if checkpoint == weights.TRAIN:
        return
    if isinstance(checkpoint, str) or set(checkpoint) not in CHECKPOINT_FORMS:
        yield (
            f"`model.checkpoint`: {checkpoint!r} cannot be used. Allowed: `{weights.TRAIN}`; "
            "`torchvision` alone; or `url` and `sha256`, with or without `transform_input`"
        )
    elif "torchvision" in checkpoint:
        name = checkpoint["torchvision"]
        yield from _known("model.checkpoint.torchvision", name, weights.TORCHVISION)
    elif not FILE_NAME.fullmatch(name := weights.file_name(checkpoint["url"])):
        yield (
            f"`model.checkpoint.url`: the file at its end, {name!r}, needs a name of letters, "
            "digits, `.`, `_` and `-`"
        )


def _normalisation_problems(config: Mapping[str, Any]) -> Iterator[str]:
    checkpoint = weights.from_config(config["model"]["checkpoint"])
    dataset = config["datasets"].get(config["dataset"])
    if checkpoint is None or not checkpoint.transform_input or dataset is None:
        return
    for key, needed in (("mean", weights.IMAGENET_MEAN), ("std", weights.IMAGENET_STD)):
        if tuple(dataset[key]) != needed:
            yield (
                f"`datasets.{config['dataset']}.{key}`: {dataset[key]}, but the weights of "
                "`model.checkpoint` transform their input, which takes images normalised with "
                f"{list(needed)}"
            )


def _pruning_problems(config: Mapping[str, Any]) -> Iterator[str]:
    settings = config["pruning"]
    yield from _rate_problems("pruning.rates", settings["rates"])
    for name in settings["exclude"]:
        yield from _known("pruning.exclude", name, LAYER_NAMES[config["model"]["architecture"]])
    for name, method in settings["methods"].items():
        path = f"pruning.methods.{name}"
        if name in (DENSE, UNTRAINED):
            yield f"`{path}`: `{name}` is a network that is not pruned; choose another name"
        yield from _rate_problems(f"{path}.rates", method.get("rates", []))
        yield from _known(f"{path}.criterion", method["criterion"], pruning.CRITERIA)
        if method["biases"] and method["granularity"] != "weight":
            yield f"`{path}.biases`: true needs granularity `weight`, not {method['granularity']!r}"
        for kind in method["retraining"]:
            yield from _known(f"{path}.retraining", kind, config["retraining"])


def _rate_problems(path: str, rates: Sequence[float]) -> Iterator[str]:
    if any(round(rate, 2) != rate for rate in rates):
        yield f"`{path}`: {rates}: rates have at most two decimals, as folder names do"
    if len(set(rates)) < len(rates):
        yield f"`{path}`: {rates} names a rate twice"
    elif list(rates) != sorted(rates):
        yield f"`{path}`: {rates} must rise: {sorted(rates)}"


def _retraining_problems(config: Mapping[str, Any]) -> Iterator[str]:
    untouched = config["retraining"].get(UNTOUCHED)
    if untouched is None or untouched["recipe"] is not None or untouched["start"] != "dense":
        yield (
            f"`retraining.{UNTOUCHED}`: must be there, start from `dense` and have recipe null: "
            "the dense network is measured under this name"
        )
    elif "recalibration" in untouched:
        yield (
            f"`retraining.{UNTOUCHED}.recalibration`: networks under this name are left as they "
            "are; recalibrate under another name"
        )
    for name, settings in config["retraining"].items():
        if settings["recipe"] is not None:
            yield from _known(f"retraining.{name}.recipe", settings["recipe"], config["recipes"])
        yield from _recalibration_problems(f"retraining.{name}", settings)


def _recalibration_problems(path: str, settings: Mapping[str, Any]) -> Iterator[str]:
    if "recalibration" not in settings:
        return
    if settings["recipe"] is not None:
        yield (
            f"`{path}.recalibration`: needs `recipe: null`, not {settings['recipe']!r}: training "
            "measures the statistics anew by itself"
        )
    images, batch = settings["recalibration"]["images"], settings["recalibration"]["batch"]
    if images % batch:
        yield (
            f"`{path}.recalibration.images`: {images} is not a multiple of `batch`, {batch}: "
            "batches count alike, so they must be of one size"
        )


def _recipe_problems(path: str, recipe: Mapping[str, Any]) -> Iterator[str]:
    yield from _known(f"{path}.optimizer", recipe["optimizer"], recipes.OPTIMIZERS)
    yield from _known(f"{path}.schedule", recipe["schedule"], recipes.SCHEDULES)
    for name in recipe["augmentation"]:
        yield from _known(f"{path}.augmentation", name, AUGMENTATIONS)
    if RANDOM_RESIZED_CROP in recipe["augmentation"][1:]:
        yield (
            f"`{path}.augmentation`: {RANDOM_RESIZED_CROP!r} must stand first (and once): it cuts "
            "from the original image"
        )
    if ("epochs" in recipe) == ("steps" in recipe):
        yield f"`{path}`: give its length as `epochs` or as `steps`, exactly one of them"
    if recipe["schedule"] == "exponential" and "gamma" not in recipe:
        yield f"`{path}.gamma` is missing: schedule `exponential` needs it"
    parts = recipe.get("accumulate", 1)
    if recipe["batch"] % parts:
        yield f"`{path}.accumulate`: {parts} does not divide the batch of {recipe['batch']}"
    images = recipe.get("images_per_epoch")
    if images is not None and images < recipe["batch"]:
        yield f"`{path}.images_per_epoch`: {images} is less than one batch of {recipe['batch']}"


def _interpretability_problems(config: Mapping[str, Any]) -> Iterator[str]:
    settings = config["interpretability"]
    per_side = settings["exemplars"]["per_side"]
    score = mis.Settings(**settings["mis"])
    yield from _score_problems("interpretability.mis", score)
    if score.images_per_side > per_side:
        yield (
            f"`interpretability.mis`: {_need(score)}, but `interpretability.exemplars.per_side` "
            f"is {per_side}"
        )
    probe = config["datasets"].get(config["dataset"], {}).get("probe", {}).get("images")
    if probe is not None and 2 * per_side > probe:
        yield (
            f"`interpretability.exemplars.per_side`: {per_side} strongest and {per_side} weakest "
            f"images need a probe set of {2 * per_side}, but "
            f"`datasets.{config['dataset']}.probe.images` is {probe}"
        )
    yield from _similarity_problems("interpretability.similarity", settings["similarity"])
    yield from _part_problems(config, "activations", "probe")
    yield from _part_problems(config, "ablation", "validation")
    for name, variant in config["sensitivity"]["variants"].items():
        yield from _variant_problems(config, f"sensitivity.variants.{name}", variant)
    if sensitivity.UNCHANGED in config["sensitivity"]["variants"]:
        yield (
            f"`sensitivity.variants`: `{sensitivity.UNCHANGED}` is the study's own way to score; "
            "choose another name"
        )


def _need(score: mis.Settings) -> str:
    if score.pool:
        return f"pool {score.pool} images are needed on each side"
    return (
        f"tasks {score.tasks} x (explanations {score.explanations} + 1) = "
        f"{score.images_per_side} images are needed on each side"
    )


def _score_problems(path: str, score: mis.Settings) -> Iterator[str]:
    if score.query > score.explanations:
        yield (
            f"`{path}.query`: {score.query}, but the images of a task are numbered from 0 to "
            f"`explanations`, {score.explanations}"
        )
    if (score.draw == "quantile") != (score.pool is not None):
        yield f"`{path}.pool`: is for the draw `quantile`, which needs it; the draw is {score.draw}"
    if score.pool is not None and score.pool <= score.explanations:
        yield (
            f"`{path}.pool`: {score.pool} images cannot make a task of `explanations` + 1 = "
            f"{score.explanations + 1}"
        )


def _part_problems(config: Mapping[str, Any], key: str, split: str) -> Iterator[str]:
    """A sample of a split's images cannot be larger than the split."""
    images = config["interpretability"][key]["images"]
    whole = config["datasets"].get(config["dataset"], {}).get(split, {}).get("images")
    if whole is not None and images > whole:
        yield (
            f"`interpretability.{key}.images`: {images}, but "
            f"`datasets.{config['dataset']}.{split}.images` is {whole}"
        )


def _variant_problems(
    config: Mapping[str, Any], path: str, variant: Mapping[str, Any]
) -> Iterator[str]:
    settings = config["interpretability"]
    score = sensitivity.settings_of(variant, mis.Settings(**settings["mis"]))
    yield from _score_problems(path, score)
    recorded = settings["activations"]["images"]
    if variant.get("probe_images", 0) > recorded:
        yield (
            f"`{path}.probe_images`: {variant['probe_images']}, but only "
            f"`interpretability.activations.images` = {recorded} are recorded"
        )
    if sensitivity.ranks_anew(variant):
        images = variant.get("probe_images", recorded)
        if 2 * score.images_per_side > images:
            yield f"`{path}`: {_need(score)}, twice that of {images} images"
    elif score.images_per_side > settings["exemplars"]["per_side"]:
        yield (
            f"`{path}`: {_need(score)}, but `interpretability.exemplars.per_side` is "
            f"{settings['exemplars']['per_side']}"
        )
    if "similarity" in variant:
        yield from _similarity_problems(f"{path}.similarity", variant["similarity"])
        yield from _variant_metric_problems(f"{path}.similarity", variant["similarity"]["metric"])


def _variant_metric_problems(path: str, name: str) -> Iterator[str]:
    if name in similarity.known() and similarity.find(name).weights:
        free = [other for other in similarity.known() if not similarity.find(other).weights]
        yield (
            f"`{path}.metric`: {name} needs files that only the study's own metric may need; "
            f"allowed: {', '.join(free)}"
        )


def _similarity_problems(path: str, settings: Mapping[str, Any]) -> Iterator[str]:
    name = settings["metric"]
    yield from _known(f"{path}.metric", name, similarity.known())
    if name not in similarity.known():
        return
    metric = similarity.find(name)
    if metric.only_size not in (None, settings["image_size"]):
        yield (
            f"`{path}.image_size`: {settings['image_size']}, but {name} is defined for images of "
            f"{metric.only_size} pixels only"
        )
    # Nobody can make a known checksum another one by mistake.
    open_files = [file.name for file in metric.weights if file.sha256 is None]
    for file in settings.get("sha256", {}):
        yield from _known(f"{path}.sha256", file, open_files)
