"""Which configs are valid, the messages for invalid ones, and what a config asks for."""

import copy
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from torch import nn

from prunescope.foundation.errors import InputError
from prunescope.networks import coordinates
from prunescope.networks.architectures import googlenet
from prunescope.networks.coordinates import Coordinates
from prunescope.networks.description import Network
from prunescope.prune import rates
from prunescope.study import readiness
from prunescope.study.config import reading
from prunescope.study.config.checking import check
from prunescope.study.study import Study

PROJECT = Path(__file__).resolve().parents[2]
SHIPPED = [PROJECT / "config.yaml", *sorted((PROJECT / "config").glob("*.yaml"))]
DELETED = object()


# A config in which every value is known here: the shipped ones may be tuned.
GOOD = """
study: toy
seeds: [0]
dataset: clothes
datasets:
  clothes:
    source: fashion_mnist
    folder: null
    image_size: 32
    mean: [0.2860, 0.2860, 0.2860]
    std: [0.3530, 0.3530, 0.3530]
    validation: {images: 2000, seed: 0}
    probe: {images: 2000, seed: 0}
model:
  architecture: googlenet
  checkpoint: train
  recipe: from_scratch
  auxiliary_heads: false
  untrained: false
  retraining: [one_shot]
pruning:
  rates: [0.20, 0.40, 0.60, 0.80]
  exclude: [conv1.conv, aux2.conv.conv]
  batch_norm: pruned
  methods:
    structured:
      granularity: filter
      scope: layer
      criterion: l1
      layers: [conv2d]
      biases: false
      retraining: [none, one_shot, iterative]
retraining:
  none: {start: dense, mask: enforced, recipe: null}
  one_shot: {start: dense, mask: enforced, recipe: short}
  iterative: {start: previous_rate, mask: enforced, recipe: short}
recipes:
  from_scratch: &recipe
    optimizer: adamw
    lr: 0.004
    weight_decay: 0.05
    schedule: one_cycle
    batch: 64
    epochs: 5
    images_per_epoch: 8000
    augmentation: []
    history_images: 500
  short: {<<: *recipe, epochs: 2}
interpretability:
  exemplars: {per_side: 200, ties: random, seed: 0}
  similarity: {metric: "timm:tf_efficientnet_lite0", image_size: 96, largest_matrix_mb: 16}
  mis: {explanations: 9, tasks: 20, tau: 0.16, draw: imi, seed: 0}
  activations: {images: 500, seed: 0}
  ablation: {units: 10, images: 500, seed: 0}
compact: {rates: [0.4], rounds: 15}
sensitivity: {rates: [], variants: {}}
statistics: {resamples: 1000, margin: 0.02, seed: 0}
charts: {width: 420, height: 300, png_scale: 2}
"""


def good() -> dict[str, Any]:
    return yaml.safe_load(GOOD)


def shipped(path: Path) -> dict[str, Any]:
    return reading.read(path).values


def changed(changes: dict[str, Any]) -> dict[str, Any]:
    """The good config with other values under some keys (`a.b.c`)."""
    config = good()
    for key, value in changes.items():
        *parents, last = key.split(".")
        section = config
        for parent in parents:
            section = section[parent]
        if value is DELETED:
            del section[last]
        else:
            section[last] = copy.deepcopy(value)
    return config


def refusal(config: dict[str, Any]) -> str:
    with pytest.raises(InputError) as refused:
        check(config)
    return str(refused.value)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_configs_are_taken(path: Path) -> None:
    check(shipped(path))


@pytest.mark.parametrize(
    "settings",
    [
        {"metric": "lpips:squeeze", "image_size": 64},
        {"metric": "dreamsim:dinov2_vitb14_patch", "image_size": 224},
        {
            "metric": "dreamsim:ensemble",
            "image_size": 224,
            "sha256": {"dreamsim_ensemble_checkpoint.zip": "0" * 64},
        },
    ],
)
def test_optional_metrics_are_taken(settings: dict[str, Any]) -> None:
    check(changed({SIMILARITY: {"largest_matrix_mb": 4000, **settings}}))


def test_both_studies_are_shipped() -> None:
    assert {"config.yaml", "tiny.yaml"} <= {path.name for path in SHIPPED}


RATES = "pruning.rates"
METHOD = "pruning.methods.structured"
RECIPE = "recipes.short"
MIS = "interpretability.mis"
PER_SIDE = "interpretability.exemplars.per_side"
RECALIBRATED = {
    "start": "dense",
    "mask": "enforced",
    "recipe": None,
    "recalibration": {"images": 512, "batch": 128},
}
SIMILARITY = "interpretability.similarity"
METRIC = f"{SIMILARITY}.metric"
VARIANTS = "sensitivity.variants"
VARIANT = f"{VARIANTS}.other"

CLOTHES = "datasets.clothes"
ADDRESS = {"url": "https://example.org/a.pth", "sha256": "0" * 64}
IMAGENET_MEAN = [0.485, 0.456, 0.406]
IMAGENET_STD = [0.229, 0.224, 0.225]
FOLDER = {
    **good()["datasets"]["clothes"], "source": "image_folder", "folder": "data/clothes",
    "image_size": 224, "resize": 256, "on_error": "fail",
}  # fmt: skip

# What is changed, and what the message must say about it.
BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "unknown key": (
        {"sedes": [0]},
        ["`sedes` is not a key", "Did you mean `seeds`?", "Allowed: charts, compact, dataset"],
    ),
    "unknown key, nested": (
        {f"{MIS}.explanation": 9},
        [f"`{MIS}.explanation` is not a key", "Did you mean `explanations`?", "tasks, tau"],
    ),
    "unknown key in a method": (
        {f"{METHOD}.granularty": "filter"},
        [f"`{METHOD}.granularty` is not a key", "Did you mean `granularity`?"],
    ),
    "unknown key like no other": ({"zzz": 1}, ["`zzz` is not a key of the config. Allowed: "]),
    "missing key": ({"seeds": DELETED}, ["`seeds` is missing"]),
    "missing key, nested": ({f"{MIS}.tau": DELETED}, [f"`{MIS}.tau` is missing"]),
    "missing key of a recipe": ({f"{RECIPE}.lr": DELETED}, [f"`{RECIPE}.lr` is missing"]),
    "text for a number": (
        {f"{MIS}.tasks": "twenty"},
        [f"`{MIS}.tasks`", "'twenty'", "must be a whole number from 1"],
    ),
    "a fraction for a count": (
        {f"{RECIPE}.batch": 3.5},
        [f"`{RECIPE}.batch`", "3.5", "must be a whole number from 2"],
    ),
    "a count written as a fraction": (
        {f"{RECIPE}.batch": 64.0},
        [f"`{RECIPE}.batch`", "64.0", "must be a whole number from 2"],
    ),
    "a number for a list": (
        {"seeds": 0},
        ["`seeds`", "0", "must be a list of different whole numbers from 0, at least one"],
    ),
    "a truth value for a number": (
        {"seeds": [True]},
        ["`seeds.0`", "True", "must be a whole number from 0"],
    ),
    "a number for a recipe": (
        {"retraining.one_shot.recipe": 5},
        ["`retraining.one_shot.recipe`", "5", "a key of `recipes`, or null"],
    ),
    "seed twice": ({"seeds": [1, 1]}, ["`seeds`", "[1, 1]", "must be a list of different"]),
    "seed below 0": ({"seeds": [-1]}, ["`seeds.0`", "-1", "must be a whole number from 0"]),
    "no seeds": ({"seeds": []}, ["`seeds`", "[]"]),
    "name with capitals": (
        {"study": "My-Study"},
        ["`study`", "'My-Study'", "lower-case letters, digits and underscores"],
    ),
    "learning rate 0": ({f"{RECIPE}.lr": 0}, [f"`{RECIPE}.lr`", "0", "must be a number above 0"]),
    "rate 0": ({RATES: [0, 0.5]}, [f"`{RATES}.0`", "0 must be", "between 0 and 1 (both excluded)"]),
    "rate 1": ({RATES: [0.5, 1]}, [f"`{RATES}.1`", "1 must be", "between 0 and 1 (both excluded)"]),
    "rate 1.2": ({RATES: [0.5, 1.2]}, [f"`{RATES}.1`", "1.2", "between 0 and 1"]),
    "rate -0.1": ({RATES: [-0.1]}, [f"`{RATES}.0`", "-0.1", "between 0 and 1"]),
    "rate twice": ({RATES: [0.2, 0.2, 0.4]}, [f"`{RATES}`", "[0.2, 0.2, 0.4]", "twice"]),
    "rates that fall": (
        {RATES: [0.4, 0.2]},
        [f"`{RATES}`", "[0.4, 0.2]", "must rise: [0.2, 0.4]"],
    ),
    "rate with three decimals": (
        {RATES: [0.123]},
        [f"`{RATES}`", "[0.123]", "at most two decimals"],
    ),
    "no rates": ({RATES: []}, [f"`{RATES}`", "[]"]),
    "a method's rate 1": (
        {f"{METHOD}.rates": [1]},
        [f"`{METHOD}.rates.0`", "1", "between 0 and 1 (both excluded)"],
    ),
    "a method's rates that fall": (
        {f"{METHOD}.rates": [0.4, 0.2]},
        [f"`{METHOD}.rates`", "[0.4, 0.2]", "must rise: [0.2, 0.4]"],
    ),
    "a method's rate with three decimals": (
        {f"{METHOD}.rates": [0.784]},
        [f"`{METHOD}.rates`", "[0.784]", "at most two decimals"],
    ),
    "a method without rates": ({f"{METHOD}.rates": []}, [f"`{METHOD}.rates`", "[]"]),
    "a number for cumulative": (
        {f"{METHOD}.cumulative": 1},
        [f"`{METHOD}.cumulative`", "1", "must be `true` or `false`"],
    ),
    "unknown criterion": (
        {f"{METHOD}.criterion": "l11"},
        [f"`{METHOD}.criterion`", "'l11'", "Did you mean `l1`?", "Allowed: l1, l2, random"],
    ),
    "unknown granularity": (
        {f"{METHOD}.granularity": "filters"},
        [f"`{METHOD}.granularity`", "'filters'", "weight", "filter", "input_channel", "kernel"],
    ),
    "unknown scope": (
        {f"{METHOD}.scope": "block"},
        [f"`{METHOD}.scope`", "'block'", "Allowed: global, layer"],
    ),
    "unknown kind of layer": (
        {f"{METHOD}.layers": ["conv2d", "conv3d"]},
        [f"`{METHOD}.layers.1`", "'conv3d'", "Did you mean `conv2d`? Allowed: conv2d, linear"],
    ),
    "unknown layer": (
        {"pruning.exclude": ["conv1.conv", "conv9.conv"]},
        ["`pruning.exclude`", "'conv9.conv'", "Did you mean `conv", "inception3a.branch1.conv"],
    ),
    "method named dense": (
        {"pruning.methods.dense": good()["pruning"]["methods"]["structured"]},
        ["`pruning.methods.dense`", "is not pruned", "another name"],
    ),
    "biases of filters": (
        {f"{METHOD}.biases": True},
        [f"`{METHOD}.biases`", "true needs granularity `weight`, not 'filter'"],
    ),
    "unknown batch norm": (
        {"pruning.batch_norm": "gone"},
        ["`pruning.batch_norm`", "'gone'", "Allowed: pruned, kept"],
    ),
    "unknown retraining of a method": (
        {f"{METHOD}.retraining": ["one_shoot"]},
        [f"`{METHOD}.retraining`", "'one_shoot'", "Did you mean `one_shot`?", "none, one_shot"],
    ),
    "unknown retraining of the dense network": (
        {"model.retraining": ["one_shoot"]},
        ["`model.retraining`", "'one_shoot'", "Did you mean `one_shot`?"],
    ),
    "a control without a recipe": (
        {"model.retraining": ["none"]},
        ["`model.retraining`", "'none' is no control", "start from `dense` and have a recipe"],
    ),
    "a control that starts from the previous rate": (
        {"model.retraining": ["iterative"]},
        ["`model.retraining`", "'iterative' is no control", "start from `dense`"],
    ),
    "no retraining `none`": (
        {"retraining.none": DELETED, f"{METHOD}.retraining": ["one_shot"]},
        ["`retraining.none`", "must be there", "recipe null"],
    ),
    "a recipe for `none`": (
        {"retraining.none.recipe": "short"},
        ["`retraining.none`", "must", "recipe null"],
    ),
    "another start for `none`": (
        {"retraining.none.start": "previous_rate"},
        ["`retraining.none`", "must", "start from `dense`"],
    ),
    "a recalibration for `none`": (
        {"retraining.none": RECALIBRATED},
        ["`retraining.none.recalibration`", "left as they are", "another name"],
    ),
    "a recipe and a recalibration": (
        {"retraining.one_shot": RECALIBRATED | {"recipe": "short"}},
        ["`retraining.one_shot.recalibration`", "needs `recipe: null`, not 'short'"],
    ),
    "a recalibration with a last batch of another size": (
        {"retraining.fresh": RECALIBRATED | {"recalibration": {"images": 500, "batch": 128}}},
        ["`retraining.fresh.recalibration.images`", "500 is not a multiple", "`batch`, 128"],
    ),
    "a recalibration without a batch": (
        {"retraining.fresh": RECALIBRATED | {"recalibration": {"images": 500}}},
        ["`retraining.fresh.recalibration.batch` is missing"],
    ),
    "unknown start": (
        {"retraining.one_shot.start": "scratch"},
        ["`retraining.one_shot.start`", "'scratch'", "Allowed: dense, previous_rate"],
    ),
    "unknown mask": (
        {"retraining.one_shot.mask": "free"},
        ["`retraining.one_shot.mask`", "'free'", "Allowed: enforced, released"],
    ),
    "unknown recipe of a retraining": (
        {"retraining.one_shot.recipe": "shrot"},
        ["`retraining.one_shot.recipe`", "'shrot'", "Did you mean `short`?", "from_scratch, short"],
    ),
    "unknown recipe of the model": (
        {"model.recipe": "scratch"},
        ["`model.recipe`", "'scratch'", "Did you mean `from_scratch`?", "from_scratch, short"],
    ),
    "epochs and steps": (
        {f"{RECIPE}.steps": 10},
        [f"`{RECIPE}`", "`epochs` or as `steps`, exactly one"],
    ),
    "neither epochs nor steps": (
        {f"{RECIPE}.epochs": DELETED},
        [f"`{RECIPE}`", "`epochs` or as `steps`, exactly one"],
    ),
    "exponential without gamma": (
        {f"{RECIPE}.schedule": "exponential"},
        [f"`{RECIPE}.gamma` is missing", "`exponential` needs it"],
    ),
    "batch larger than an epoch": (
        {f"{RECIPE}.images_per_epoch": 63},
        [f"`{RECIPE}.images_per_epoch`", "63 is less than one batch of 64"],
    ),
    "unknown optimizer": (
        {f"{RECIPE}.optimizer": "adamax"},
        [f"`{RECIPE}.optimizer`", "'adamax'", "Did you mean `adam", "sgd, adam, adamw"],
    ),
    "unknown schedule": (
        {f"{RECIPE}.schedule": "cosin"},
        [f"`{RECIPE}.schedule`", "'cosin'", "`cosine`?", "constant, one_cycle, cosine, exp"],
    ),
    "unknown augmentation": (
        {f"{RECIPE}.augmentation": ["flip"]},
        [f"`{RECIPE}.augmentation`", "'flip'", "Allowed: horizontal_flip, random_shift, "],
    ),
    "tasks that need more images": (
        {f"{MIS}.tasks": 21},
        ["`interpretability.mis`", "21", "9", "= 210", f"`{PER_SIDE}` is 200"],
    ),
    "more exemplars than the probe set has": (
        {PER_SIDE: 1001},
        [f"`{PER_SIDE}`", "1001", "2002", "`datasets.clothes.probe.images` is 2000"],
    ),
    "probe larger than the dataset": (
        {"datasets.clothes.probe.images": 60_001},
        ["`datasets.clothes.probe.images`", "60001", "60000 images"],
    ),
    "validation larger than the dataset": (
        {"datasets.clothes.validation.images": 10_001},
        ["`datasets.clothes.validation.images`", "10001", "10000 images"],
    ),
    "standard deviation 0": (
        {"datasets.clothes.std": [0.3, 0, 0.3]},
        ["`datasets.clothes.std`", "[0.3, 0, 0.3]", "above 0"],
    ),
    "unknown metric": (
        {METRIC: "timm:tf_efficientnet_lite1"},
        [f"`{METRIC}`", "'timm:tf_efficientnet_lite1'", "Did you mean", "tf_efficientnet_lite0"],
    ),
    "unknown family of metrics": ({METRIC: "ssim:alex"}, [f"`{METRIC}`", "'ssim:alex'"]),
    "unknown model of DreamSim": (
        {METRIC: "dreamsim:dino_vitb1"},
        [f"`{METRIC}`", "'dreamsim:dino_vitb1'", "Did you mean `dreamsim:dino_vitb16`?"],
    ),
    "DreamSim at another size": (
        {METRIC: "dreamsim:ensemble"},
        [f"`{SIMILARITY}.image_size`: 96, but dreamsim:ensemble", "224 pixels only"],
    ),
    "checksum of a file that is not used": (
        {f"{SIMILARITY}.sha256": {"net.pth": "0" * 64}},
        [f"`{SIMILARITY}.sha256`", "'net.pth'"],
    ),
    "checksum of a file whose checksum is known": (
        {METRIC: "lpips:vgg", f"{SIMILARITY}.sha256": {"vgg16-397923af.pth": "0" * 64}},
        [f"`{SIMILARITY}.sha256`", "'vgg16-397923af.pth'"],
    ),
    "half a checksum of a metric's file": (
        {f"{SIMILARITY}.sha256": {"net.pth": "0" * 32}},
        [f"`{SIMILARITY}.sha256.net.pth`", "64 hexadecimal digits"],
    ),
    "parts that do not divide the batch": (
        {f"{RECIPE}.accumulate": 5},
        [f"`{RECIPE}.accumulate`: 5 does not divide the batch of 64"],
    ),
    "a loss of heads that are not there": (
        {f"{RECIPE}.auxiliary_weight": 0.3},
        [f"`{RECIPE}.auxiliary_weight`: 0.3", "`model.auxiliary_heads` to true"],
    ),
    "unknown precision": (
        {f"{RECIPE}.precision": "int8"},
        [f"`{RECIPE}.precision`", "Allowed: float32, bf16, fp16"],
    ),
    "unknown mask of a method": (
        {f"{METHOD}.mask": "held"},
        [f"`{METHOD}.mask`", "Allowed: enforced, released"],
    ),
    "a metric without a model": ({METRIC: "timm"}, [f"`{METRIC}`", "'timm'"]),
    "misspelt checkpoint": (
        {"model.checkpoint": "trian"},
        ["`model.checkpoint`: 'trian'", "`train`; `torchvision` alone; or `url` and `sha256`"],
    ),
    "unknown weights of torchvision": (
        {"model.checkpoint": {"torchvision": "IMAGENET1K_V2"}},
        ["`model.checkpoint.torchvision`: 'IMAGENET1K_V2'", "Did you mean `IMAGENET1K_V1`?"],
    ),
    "torchvision's weights transformed by hand": (
        {"model.checkpoint": {"torchvision": "IMAGENET1K_V1", "transform_input": False}},
        ["`model.checkpoint`", "`torchvision` alone"],
    ),
    "checkpoint without a checksum": (
        {"model.checkpoint": {"url": "https://example.org/a.pth"}},
        ["`model.checkpoint`", "example.org", "`url` and `sha256`"],
    ),
    "checkpoint without an address": (
        {"model.checkpoint": {"sha256": "0" * 64}},
        ["`model.checkpoint`", "`url` and `sha256`"],
    ),
    "empty checkpoint": ({"model.checkpoint": {}}, ["`model.checkpoint`: {} cannot be used"]),
    "half a checksum": (
        {"model.checkpoint": {**ADDRESS, "sha256": "0" * 32}},
        ["`model.checkpoint.sha256`", "64 hexadecimal digits"],
    ),
    "checkpoint from a local path": (
        {"model.checkpoint": {**ADDRESS, "url": "file:///a.pth"}},
        ["`model.checkpoint.url`", "'file:///a.pth'", "an https address"],
    ),
    "checkpoint over a line that anyone can change": (
        {"model.checkpoint": {**ADDRESS, "url": "http://example.org/a.pth"}},
        ["`model.checkpoint.url`", "'http://example.org/a.pth'", "an https address"],
    ),
    "checkpoint from an address that only begins as this machine's": (
        {"model.checkpoint": {**ADDRESS, "url": "http://127.0.0.1:80@example.org/a.pth"}},
        ["`model.checkpoint.url`", "'http://127.0.0.1:80@example.org/a.pth'", "an https address"],
    ),
    "unknown key of a checkpoint": (
        {"model.checkpoint": {**ADDRESS, "transform": True}},
        ["`model.checkpoint.transform` is not a key", "Did you mean `transform_input`?"],
    ),
    "checkpoint without a file name": (
        {"model.checkpoint": {**ADDRESS, "url": "https://example.org/"}},
        ["`model.checkpoint.url`", "the file at its end, ''", "letters, digits"],
    ),
    "checkpoint with a strange file name": (
        {"model.checkpoint": {**ADDRESS, "url": "https://example.org/my net.pth"}},
        ["`model.checkpoint.url`", "'my net.pth'"],
    ),
    "another mean than the weights need": (
        {"model.checkpoint": {"torchvision": "IMAGENET1K_V1"}, f"{CLOTHES}.std": IMAGENET_STD},
        [f"`{CLOTHES}.mean`: [0.286, 0.286, 0.286]", "[0.485, 0.456, 0.406]"],
    ),
    "another deviation than the weights need": (
        {
            "model.checkpoint": {**ADDRESS, "transform_input": True},
            f"{CLOTHES}.mean": IMAGENET_MEAN,
        },
        [f"`{CLOTHES}.std`: [0.353, 0.353, 0.353]", "[0.229, 0.224, 0.225]"],
    ),
    "training without a recipe": (
        {"model.recipe": None},
        ["`model.recipe`: null", "trained here", "Allowed: from_scratch, short"],
    ),
    "auxiliary heads by number": (
        {"model.auxiliary_heads": 2},
        ["`model.auxiliary_heads`", "2", "must be `true` or `false`"],
    ),
    "unknown architecture": (
        {"model.architecture": "resnet18"},
        ["`model.architecture`", "'resnet18'", "Allowed: googlenet"],
    ),
    "unknown dataset": (
        {"dataset": "mnist"},
        ["`dataset`", "'mnist'", "Allowed: clothes"],
    ),
    "unknown source": (
        {"datasets.clothes.source": "imagnet"},
        ["`datasets.clothes.source`", "'imagnet' is", "Did you mean `imagenet`? Allowed: fashion"],
    ),
    "a crop that is not the first": (
        {f"{RECIPE}.augmentation": ["horizontal_flip", "random_resized_crop"]},
        [f"`{RECIPE}.augmentation`", "'random_resized_crop' must stand first"],
    ),
    "all images of a packed source": (
        {"datasets.clothes.validation.images": None},
        ["`datasets.clothes.validation.images`", "null", "['image_folder', 'imagenet']"],
    ),
    "all images for the probe": (
        {"datasets.clothes.probe.images": None},
        ["`datasets.clothes.probe.images`", "null must be a whole number from 1"],
    ),
    "keys of folders of images": (
        {"datasets.clothes.resize": 36},
        ["`datasets.clothes.resize`", "'fashion_mnist' does not use it"],
    ),
    "folder without a way to treat damage": (
        {"datasets.clothes": {key: value for key, value in FOLDER.items() if key != "on_error"}},
        ["`datasets.clothes.on_error` is missing", "'image_folder' needs it"],
    ),
    "unknown way to treat damage": (
        {"datasets.clothes": {**FOLDER, "on_error": "ignore"}},
        ["`datasets.clothes.on_error`", "'ignore'", "Allowed: fail, skip"],
    ),
    "source without its folder": (
        {"datasets.clothes": {**FOLDER, "folder": None}},
        ["`datasets.clothes.folder`", "train/ and val/"],
    ),
    "resize below the size": (
        {"datasets.clothes": {**FOLDER, "resize": 223}},
        ["`datasets.clothes.resize`", "223", "`datasets.clothes.image_size`, 224"],
    ),
    "labels for a folder of classes": (
        {"datasets.clothes": {**FOLDER, "validation_labels": None}},
        ["`datasets.clothes.validation_labels`", "'image_folder' does not use it"],
    ),
    "method named as the control": (
        {"pruning.methods": {"untrained": good()["pruning"]["methods"]["structured"]}},
        ["`pruning.methods.untrained`", "is not pruned; choose another name"],
    ),
    "a query beyond the task": (
        {f"{MIS}.query": 10},
        [f"`{MIS}.query`: 10", "from 0 to `explanations`, 9"],
    ),
    "a pool for adjacent images": (
        {f"{MIS}.pool": 100},
        [f"`{MIS}.pool`", "for the draw `quantile`", "the draw is imi"],
    ),
    "quantiles without a pool": (
        {f"{MIS}.draw": "quantile"},
        [f"`{MIS}.pool`", "`quantile`, which needs it"],
    ),
    "a pool that is too small": (
        {MIS: {**good()["interpretability"]["mis"], "draw": "quantile", "pool": 9}},
        [f"`{MIS}.pool`: 9 images cannot make a task", "10"],
    ),
    "a pool beyond the exemplars": (
        {MIS: {**good()["interpretability"]["mis"], "draw": "quantile", "pool": 201}},
        [f"`{MIS}`: pool 201 images", "`interpretability.exemplars.per_side` is 200"],
    ),
    "more recorded images than the probe set": (
        {"interpretability.activations.images": 2001},
        ["`interpretability.activations.images`: 2001", "`datasets.clothes.probe.images` is 2000"],
    ),
    "more images for the ablation than there are": (
        {"interpretability.ablation.images": 2001},
        ["`interpretability.ablation.images`: 2001", "clothes.validation.images` is 2000"],
    ),
    "a variant named as the study's own score": (
        {VARIANTS: {"unchanged": {"tau": 0.1}}},
        [f"`{VARIANTS}`: `unchanged` is the study's own way to score"],
    ),
    "unknown key of a variant": (
        {VARIANT: {"taau": 0.1}},
        [f"`{VARIANT}.taau` is not a key", "Did you mean `tau`?"],
    ),
    "a variant with more tasks than exemplars": (
        {VARIANT: {"tasks": 21}},
        [f"`{VARIANT}`: tasks 21 x (explanations 9 + 1) = 210", "per_side` is 200"],
    ),
    "a variant with a smaller probe set than its tasks": (
        {VARIANT: {"probe_images": 399}},
        [f"`{VARIANT}`: tasks 20 x", "200 images are needed on each side, twice that of 399"],
    ),
    "a variant with more images than are recorded": (
        {VARIANT: {"probe_images": 501}},
        [f"`{VARIANT}.probe_images`: 501", "`interpretability.activations.images` = 500"],
    ),
    "a variant whose metric needs weights of its own": (
        {VARIANT: {"similarity": {"metric": "lpips:squeeze", "image_size": 64}}},
        [f"`{VARIANT}.similarity.metric`: lpips:squeeze", "only the study's own", "pixels:"],
    ),
    "a variant with an unknown metric": (
        {VARIANT: {"similarity": {"metric": "pixels:hue", "image_size": 64}}},
        [f"`{VARIANT}.similarity.metric`", "pixels:hue", "pixels:correlation"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "said"), BAD.values(), ids=BAD)
def test_a_bad_config_is_refused_with_a_hint(changes: dict, said: list[str]) -> None:
    message = refusal(changed(changes))
    assert message.startswith("the config cannot be used:\n  - ")
    assert message.count("\n") == 1, f"one mistake, one line: {message}"
    for fragment in said:
        assert fragment in message


@pytest.mark.parametrize(
    "changes",
    [
        {"seeds": "0", f"{RECIPE}.lr": -1, "charts.widht": 3, "dataset": DELETED},
        {RATES: [0.5, 0.25], f"{METHOD}.criterion": "l3", PER_SIDE: 1500, "model.recipe": "x"},
        {"seeds": DELETED, "dataset": DELETED, "study": DELETED},
    ],
)
def test_all_mistakes_are_listed_at_once(changes: dict) -> None:
    message = refusal(changed(changes))
    for key in changes:
        assert message.count(f"`{key}`") == 1, message


def test_keys_that_yaml_reads_as_numbers() -> None:
    message = refusal(changed({"seeds": DELETED}) | {1: 2, "sedes": [0]})
    assert "`1` is not a key" in message
    assert "`sedes` is not a key" in message
    assert "`seeds` is missing" in message


def test_a_config_is_not_changed_by_its_check() -> None:
    config = good()
    check(config)
    assert config == good()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {RATES: [0.01, 0.07, 0.29, 0.57, 0.99]},
        {"seeds": [3, 1, 2]},
        {"model.retraining": []},
        {"model.checkpoint": ADDRESS},
        {"model.checkpoint": ADDRESS, "model.recipe": None},
        {"model.checkpoint": {**ADDRESS, "sha256": "Ab" * 32, "transform_input": False}},
        {
            "model.checkpoint": {"torchvision": "IMAGENET1K_V1"},
            "model.recipe": None,
            f"{CLOTHES}.mean": IMAGENET_MEAN,
            f"{CLOTHES}.std": IMAGENET_STD,
        },
        {"model.auxiliary_heads": True},
        {"pruning.exclude": []},
        {"pruning.methods": {}},
        {PER_SIDE: 1000},
        {f"{MIS}.tasks": 10, PER_SIDE: 100},
        {f"{RECIPE}.images_per_epoch": 64},
        {f"{RECIPE}.images_per_epoch": None},
        {f"{RECIPE}.epochs": DELETED, f"{RECIPE}.steps": 7},
        {f"{RECIPE}.schedule": "exponential", f"{RECIPE}.gamma": 0.9},
        {"datasets.clothes.folder": "my/files"},
        {"datasets.clothes.probe.images": 60_000},
        {"datasets.clothes": FOLDER},
        {"datasets.clothes": {**FOLDER, "validation": {"images": None, "seed": 0}}},
        {"datasets.clothes": {**FOLDER, "probe": {"images": 10**6, "seed": 0}}},
        {"datasets.clothes": {**FOLDER, "source": "imagenet", "on_error": "skip"}},
        {"datasets.clothes": {**FOLDER, "source": "imagenet", "validation_labels": "a.csv"}},
        {f"{RECIPE}.augmentation": ["random_resized_crop", "horizontal_flip"]},
        {"retraining.cumulative": {"start": "previous_rate", "mask": "released", "recipe": None}},
        {f"{METHOD}.rates": [0.89]},
        {f"{METHOD}.cumulative": True},
        {f"{METHOD}.mask": "released"},
        {f"{RECIPE}.accumulate": 4, f"{RECIPE}.precision": "fp16", f"{RECIPE}.compile": True},
        {f"{RECIPE}.auxiliary_weight": 0.3, "model.auxiliary_heads": True},
        {"retraining.fresh": RECALIBRATED, "model.retraining": ["one_shot", "fresh"]},
    ],
)
def test_a_good_config_is_taken(changes: dict) -> None:
    check(changed(changes))


def test_missing_images_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert readiness.missing_files(good()) is None
    labels = {"source": "imagenet", "validation_labels": "kit"}
    config = changed({"datasets.clothes": {**FOLDER, **labels}})

    def said() -> str:
        message = readiness.missing_files(config)
        assert message is not None
        assert "docs/imagenet.md" in message
        return message

    assert "data/clothes (`datasets.clothes.folder`)" in said()
    assert f"seen from {tmp_path}" in said()
    (tmp_path / "data/clothes/train").mkdir(parents=True)
    assert "not there: data/clothes/val (`datasets.clothes.folder`), kit (`" in said()
    (tmp_path / "data/clothes/val").mkdir()
    assert "not there: kit (`datasets.clothes.validation_labels`) not found" in said()
    (tmp_path / "kit").mkdir()
    assert readiness.missing_files(config) is None


def test_networks_of_a_config() -> None:
    config = {
        "seeds": [0, 7],
        "model": {"retraining": ["one_shot", "long"], "untrained": True},
        "pruning": {
            "rates": [0.07, 0.5],
            "methods": {
                "structured": {"retraining": ["iterative", "none"]},
                "unstructured": {"retraining": ["one_shot"]},
            },
        },
    }
    assert Study(config).networks == [
        Coordinates("dense", "none", "0.00", 0),
        Coordinates("dense", "none", "0.00", 7),
        Coordinates("dense", "one_shot", "0.00", 0),
        Coordinates("dense", "one_shot", "0.00", 7),
        Coordinates("dense", "long", "0.00", 0),
        Coordinates("dense", "long", "0.00", 7),
        Coordinates("untrained", "none", "0.00", 0),
        Coordinates("untrained", "none", "0.00", 7),
        Coordinates("structured", "iterative", "0.07", 0),
        Coordinates("structured", "iterative", "0.07", 7),
        Coordinates("structured", "iterative", "0.50", 0),
        Coordinates("structured", "iterative", "0.50", 7),
        Coordinates("structured", "none", "0.07", 0),
        Coordinates("structured", "none", "0.07", 7),
        Coordinates("structured", "none", "0.50", 0),
        Coordinates("structured", "none", "0.50", 7),
        Coordinates("unstructured", "one_shot", "0.07", 0),
        Coordinates("unstructured", "one_shot", "0.07", 7),
        Coordinates("unstructured", "one_shot", "0.50", 0),
        Coordinates("unstructured", "one_shot", "0.50", 7),
    ]


def test_what_variants_need() -> None:
    variants = {
        "tau": {"tau": 0.1},
        "max": {"pooling": "max"},
        "max_small": {"pooling": "max", "probe_images": 450},
        "pixels": {"similarity": {"metric": "pixels:correlation", "image_size": 32}},
    }
    config = changed({"sensitivity": {"rates": [0.4], "variants": variants}})
    check(config)
    assert Study(config).varied_poolings == ["mean", "max"]
    assert Study(config).varied_metrics == {
        "pixels:correlation 32": variants["pixels"]["similarity"]
    }
    assert {network.rate for network in Study(config).varied_networks} == {"0.00", "0.40"}
    assert Study(good()).varied_poolings == ["mean"]


def test_retrained_networks_at_some_rates_are_made_compact() -> None:
    made = Study(good()).compacted_networks
    assert {network.rate for network in made} == {"0.40"}
    retrained = {
        network
        for network in Study(good()).networks
        if network.rate == "0.40" and network.retraining != "none"
    }
    assert set(made) == retrained != set()
    assert Study(changed({"compact.rates": []})).compacted_networks == []


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"compact.rates": [0.8, 0.4]}, "`compact.rates`: [0.8, 0.4] must rise"),
        ({"compact.rounds": 14}, "`compact.rounds`: 14 must be a whole number from 15 to 1000"),
    ],
)
def test_settings_of_compact_networks_are_checked(changes: dict, told: str) -> None:
    with pytest.raises(InputError) as caught:
        check(changed(changes))
    assert told in str(caught.value)


@pytest.mark.parametrize(("budget", "kinds"), [(16, ["matrix", "matrix"]),
                                               (15.9, ["distances", "products"]),
                                               (0, ["distances", "products"])])  # fmt: skip
def test_a_matrix_over_the_budget_is_not_made(budget: float, kinds: list[str]) -> None:
    """2000 images have 4 million pairs of 4 bytes."""
    pixels = {"similarity": {"metric": "pixels:correlation", "image_size": 32}}
    config = changed(
        {
            f"{SIMILARITY}.metric": "lpips:alex",
            f"{SIMILARITY}.largest_matrix_mb": budget,
            "sensitivity": {"rates": [], "variants": {"pixels": pixels}},
        }
    )
    check(config)
    assert Study(config).kinds_of_input == kinds


def with_own_rates(cumulative: bool = False) -> dict[str, Any]:
    """One method with the rates of the study, and one with its own."""
    methods = {
        "plain": {"retraining": ["none"]},
        "steps": {"retraining": ["none"], "rates": [0.2, 0.4, 0.6], "cumulative": cumulative},
    }
    return {
        "seeds": [0],
        "model": {"retraining": [], "untrained": False},
        "pruning": {"rates": [0.1, 0.5], "methods": methods},
    }


def test_a_method_may_have_rates_of_its_own() -> None:
    config = with_own_rates()
    assert rates.rates_of(config, "plain") == ["0.10", "0.50"]
    assert rates.rates_of(config, "steps") == ["0.20", "0.40", "0.60"]
    listed = [(network.method, network.rate) for network in Study(config).networks[1:]]
    assert listed == [
        ("plain", "0.10"),
        ("plain", "0.50"),
        ("steps", "0.20"),
        ("steps", "0.40"),
        ("steps", "0.60"),
    ]


@pytest.mark.parametrize(
    ("method", "rate", "before"),
    [
        ("plain", "0.10", None),
        ("plain", "0.50", "0.10"),
        ("steps", "0.20", None),
        ("steps", "0.60", "0.40"),
    ],
)
def test_a_chain_follows_the_rates_of_its_method(
    method: str, rate: str, before: str | None
) -> None:
    assert (rates.lower_rates(with_own_rates(), method, rate) or [None])[-1] == before


def test_rates_are_fractions_of_the_original_network() -> None:
    config = with_own_rates(cumulative=False)
    assert [rates.effective_rate(config, "steps", rate) for rate in ("0.20", "0.60")] == [0.2, 0.6]


def test_cumulative_rates_take_their_share_of_what_is_left() -> None:
    config = with_own_rates(cumulative=True)
    # 0.8, 0.8 * 0.6 = 0.48 and 0.48 * 0.4 = 0.192 are left. Exactly: int(0.52 * 100) is 52.
    reached = [rates.effective_rate(config, "steps", rate) for rate in ("0.20", "0.40", "0.60")]
    assert reached == [0.2, 0.52, 0.808]
    assert rates.effective_rate(config, "plain", "0.50") == 0.5


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_no_network_is_listed_twice(path: Path) -> None:
    networks = Study(shipped(path)).networks
    assert len(set(networks)) == len(networks)


@pytest.mark.parametrize(
    ("rate", "text"), [(0, "0.00"), (0.07, "0.07"), (0.2, "0.20"), (0.29, "0.29"), (0.99, "0.99")]
)
def test_rates_in_paths(rate: float, text: str) -> None:
    assert coordinates.format_rate(rate) == text


def test_layer_names_are_those_of_torchvision(googlenet_module: nn.Module) -> None:
    names = [
        name
        for name, child in googlenet_module.named_modules()
        if isinstance(child, nn.Conv2d | nn.Linear)
    ]
    assert len(names) == 64
    assert sorted(googlenet.LAYERS) == sorted(names)


def test_layer_names_are_in_forward_order(googlenet_network: Network) -> None:
    main = [name for name in googlenet.LAYERS if not name.startswith("aux")]
    assert main == [layer.name for layer in googlenet_network.description.measured_layers]


def test_a_config_is_checked_without_torch() -> None:
    program = "import prunescope.study.config.reading, sys; assert 'torch' not in sys.modules"
    environment = {**os.environ, "PYTHONPATH": str(PROJECT / "workflow_scripts")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
