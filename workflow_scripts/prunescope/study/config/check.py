"""The config: what may stand in it, and the networks that it asks for."""

import difflib
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import yaml

from prunescope.data import source
from prunescope.foundation import plugins
from prunescope.foundation.errors import InputError
from prunescope.interpret import mis, score_variants
from prunescope.interpret.metrics import catalogue
from prunescope.networks import architecture
from prunescope.networks.coordinates import (
    DENSE,
    NOT_RETRAINED,
    UNTRAINED,
)
from prunescope.networks.imported import known_weights
from prunescope.prune import pieces
from prunescope.train.images.augmentation import AUGMENTATIONS, RANDOM_RESIZED_CROP
from prunescope.train.recipes import learning_rates, optimizers

SCHEMA = Path(__file__).resolve().parents[4] / "rules" / "schemas" / "config.schema.yaml"
CHECKPOINT_FORMS = ({"torchvision"}, {"url", "sha256"}, {"url", "sha256", "transform_input"})
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


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
        if isinstance(source.load(dataset["source"]), source.Folder):
            yield from _image_source_problems(f"datasets.{name}", dataset)
        else:
            yield from _packed_source_problems(f"datasets.{name}", dataset)
        if min(dataset["std"]) <= 0:
            yield f"`datasets.{name}.std`: {dataset['std']} must be above 0"


def _source_problems(path: str, dataset: Mapping[str, Any]) -> Iterator[str]:
    kind = source.load(dataset["source"])
    required, optional = kind.REQUIRED, kind.OPTIONAL
    for key in required:
        if key not in dataset:
            yield f"`{path}.{key}` is missing: source {dataset['source']!r} needs it"
    for key in ("resize", "on_error", "validation_labels"):
        if key in dataset and key not in (*required, *optional):
            yield f"`{path}.{key}`: source {dataset['source']!r} does not use it. Remove it"


def _packed_source_problems(path: str, dataset: Mapping[str, Any]) -> Iterator[str]:
    images = source.load(dataset["source"]).IMAGES
    for split, drawn_from in (("probe", "train"), ("validation", "test")):
        assert images is not None
        available = images[drawn_from]
        number = dataset[split]["images"]
        if number is None:
            yield (
                f"`{path}.{split}.images`: null needs one of the sources "
                "['image_folder', 'imagenet']"
            )
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


def _model_problems(config: Mapping[str, Any]) -> Iterator[str]:
    model = config["model"]
    problems = list(_checkpoint_problems(model["checkpoint"]))
    yield from problems or _normalisation_problems(config)
    if model["recipe"] is not None:
        yield from _known("model.recipe", model["recipe"], config["recipes"])
    elif model["checkpoint"] == known_weights.TRAIN:
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
    if checkpoint == known_weights.TRAIN:
        return
    if isinstance(checkpoint, str) or set(checkpoint) not in CHECKPOINT_FORMS:
        yield (
            f"`model.checkpoint`: {checkpoint!r} cannot be used. Allowed: `{known_weights.TRAIN}`; "
            "`torchvision` alone; or `url` and `sha256`, with or without `transform_input`"
        )
    elif "torchvision" in checkpoint:
        name = checkpoint["torchvision"]
        yield from _known(
            "model.checkpoint.torchvision", name, architecture.load("googlenet").WEIGHTS
        )
    elif not FILE_NAME.fullmatch(name := known_weights.file_name(checkpoint["url"])):
        yield (
            f"`model.checkpoint.url`: the file at its end, {name!r}, needs a name of letters, "
            "digits, `.`, `_` and `-`"
        )


def _normalisation_problems(config: Mapping[str, Any]) -> Iterator[str]:
    checkpoint = known_weights.from_config(config["model"])
    dataset = config["datasets"].get(config["dataset"])
    if checkpoint is None or not checkpoint.transform_input or dataset is None:
        return
    for key, needed in (
        ("mean", architecture.load("googlenet").INPUT_MEAN),
        ("std", architecture.load("googlenet").INPUT_STD),
    ):
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
        yield from _known(
            "pruning.exclude", name, architecture.load(config["model"]["architecture"]).LAYERS
        )
    for name, method in settings["methods"].items():
        path = f"pruning.methods.{name}"
        if name in (DENSE, UNTRAINED):
            yield f"`{path}`: `{name}` is a network that is not pruned; choose another name"
        yield from _rate_problems(f"{path}.rates", method.get("rates", []))
        yield from _known(f"{path}.criterion", method["criterion"], plugins.names(pieces.CRITERIA))
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
    untouched = config["retraining"].get(NOT_RETRAINED)
    if untouched is None or untouched["recipe"] is not None or untouched["start"] != "dense":
        yield (
            f"`retraining.{NOT_RETRAINED}`: must be there, start from `dense` and have recipe "
            "null: the dense network is measured under this name"
        )
    elif "recalibration" in untouched:
        yield (
            f"`retraining.{NOT_RETRAINED}.recalibration`: networks under this name are left as "
            "they are; recalibrate under another name"
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
    yield from _known(f"{path}.optimizer", recipe["optimizer"], optimizers.OPTIMIZERS)
    yield from _known(f"{path}.schedule", recipe["schedule"], learning_rates.SCHEDULES)
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
    score = mis.ScoreSettings(**settings["mis"])
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
    if score_variants.UNCHANGED in config["sensitivity"]["variants"]:
        yield (
            f"`sensitivity.variants`: `{score_variants.UNCHANGED}` is the study's own way to "
            "score; choose another name"
        )


def _need(score: mis.ScoreSettings) -> str:
    if score.pool:
        return f"pool {score.pool} images are needed on each side"
    return (
        f"tasks {score.tasks} x (explanations {score.explanations} + 1) = "
        f"{score.images_per_side} images are needed on each side"
    )


def _score_problems(path: str, score: mis.ScoreSettings) -> Iterator[str]:
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
    score = score_variants.settings_of(variant, mis.ScoreSettings(**settings["mis"]))
    yield from _score_problems(path, score)
    recorded = settings["activations"]["images"]
    if variant.get("probe_images", 0) > recorded:
        yield (
            f"`{path}.probe_images`: {variant['probe_images']}, but only "
            f"`interpretability.activations.images` = {recorded} are recorded"
        )
    if score_variants.ranks_anew(variant):
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
    if name in catalogue.known() and catalogue.find(name).weights:
        free = [other for other in catalogue.known() if not catalogue.find(other).weights]
        yield (
            f"`{path}.metric`: {name} needs files that only the study's own metric may need; "
            f"allowed: {', '.join(free)}"
        )


def _similarity_problems(path: str, settings: Mapping[str, Any]) -> Iterator[str]:
    name = settings["metric"]
    yield from _known(f"{path}.metric", name, catalogue.known())
    if name not in catalogue.known():
        return
    metric = catalogue.find(name)
    if metric.only_size not in (None, settings["image_size"]):
        yield (
            f"`{path}.image_size`: {settings['image_size']}, but {name} is defined for images of "
            f"{metric.only_size} pixels only"
        )
    # Nobody can make a known checksum another one by mistake.
    open_files = [file.name for file in metric.weights if file.sha256 is None]
    for file in settings.get("sha256", {}):
        yield from _known(f"{path}.sha256", file, open_files)
