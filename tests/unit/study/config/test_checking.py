"""Which configs are valid, and the messages for invalid ones."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from good_config import DELETED, FOLDER, SHIPPED, SIMILARITY, changed, good, refusal, shipped
from registries import register, register_architecture

from prunescope.networks import architecture, architecture_files
from prunescope.networks.architecture_files import Group, Member
from prunescope.networks.description import Layer
from prunescope.study.config.checking import check

PROJECT = Path(__file__).resolve().parents[4]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.name)
def test_shipped_configs_are_taken(path: Path) -> None:
    check(shipped(path))


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
METRIC = f"{SIMILARITY}.metric"
VARIANTS = "sensitivity.variants"
VARIANT = f"{VARIANTS}.other"

CLOTHES = "datasets.clothes"
ADDRESS = {"url": "https://example.org/a.pth", "sha256": "0" * 64}
IMAGENET_MEAN = [0.485, 0.456, 0.406]
IMAGENET_STD = [0.229, 0.224, 0.225]

# What is changed, and what the message must say about it.
BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "a probe set of a variant beside its pooling": (
        {VARIANT: {"probe": {"images": 2000, "seed": 0}, "pooling": "max", "tasks": 3}},
        [f"`{VARIANT}.probe`: cannot stand beside pooling: only"],
    ),
    "a probe set of a variant that is too small": (
        {VARIANT: {"probe": {"images": 399, "seed": 0}}},
        [f"`{VARIANT}.probe.images`: 399, but 400 are needed, twice `{PER_SIDE}`"],
    ),
    "a probe set of a variant that is too large": (
        {VARIANT: {"probe": {"images": 60001, "seed": 0}}},
        [f"`{VARIANT}.probe.images`: 60001, but fashion_mnist has 60000 train images"],
    ),
    "variants of a seed that the study lacks": (
        {"sensitivity.seeds": [0, 3]},
        ["`sensitivity.seeds`: 3 is not known", "Allowed: 0"],
    ),
    "compact networks of a seed that the study lacks": (
        {"compact.seeds": [7]},
        ["`compact.seeds`: 7 is not known"],
    ),
    "chains of dense networks for methods of different rates": (
        {"model.retraining": ["iterative"], f"{METHOD}.rates": [0.2, 0.3],
         f"{METHOD}.retraining": ["iterative"],
         "pruning.methods.other": {**good()["pruning"]["methods"]["structured"],
                                   "retraining": ["iterative"]}},
        ["`model.retraining`: 'iterative' retrains a chain", "structured [0.2, 0.3]; other ["],
    ),
    "rewinding with another recipe than that of the dense network": (
        {"retraining.iterative.rewind": {"what": "weights", "step": 5}},
        ["`retraining.iterative.recipe`: 'short', but `rewind` follows", "'from_scratch'"],
    ),
    "rewinding to a step that the dense training lacks": (
        {"retraining.iterative.rewind": {"what": "learning_rate", "step": 10**6},
         "retraining.iterative.recipe": "from_scratch"},
        ["`retraining.iterative.rewind.step`: 1000000, but recipe 'from_scratch' has "],
    ),
    "rewinding to something unknown": (
        {"retraining.iterative.rewind": {"what": "optimizer", "step": 5},
         "retraining.iterative.recipe": "from_scratch"},
        ["`retraining.iterative.rewind.what`: 'optimizer'", "weights", "learning_rate"],
    ),
    "rewinding without training": (
        {"retraining.iterative.rewind": {"what": "weights", "step": 5},
         "retraining.iterative.recipe": None},
        ["`retraining.iterative.recipe`: None, but `rewind` follows"],
    ),
    "rewinding of weights from elsewhere": (
        {"retraining.iterative.rewind": {"what": "weights", "step": 5},
         "retraining.iterative.recipe": "from_scratch", "model.checkpoint": {"file": "a.pth"}},
        ["`retraining.iterative.rewind`: needs a dense network that is trained here"],
    ),
    "masks that grow after the training": (
        {"retraining.one_shot.gradual": {"begin": 0, "end": 10**6, "every": 10}},
        ["`retraining.one_shot.gradual.end`: 1000000, but the training has "],
    ),
    "masks that grow after the rest of a training": (
        {"retraining.one_shot": {"start": "dense", "mask": "enforced", "recipe": "short",
                                 "rewind": {"what": "weights", "step": 30},
                                 "gradual": {"begin": 0, "end": 10, "every": 10}},
         "model.recipe": "short", "recipes.short.steps": 40, "recipes.short.epochs": None},
        ["`retraining.one_shot.gradual.end`: 10, but the training has 10 steps"],
    ),
    "masks whose last update is missing": (
        {"retraining.one_shot.gradual": {"begin": 1, "end": 11, "every": 4}},
        ["`retraining.one_shot.gradual.every`: 4 does not divide the 10 steps"],
    ),
    "masks that grow backwards": (
        {"retraining.one_shot.gradual": {"begin": 10, "end": 10, "every": 1}},
        ["`retraining.one_shot.gradual.end`: 10 must be larger than `begin`, 10"],
    ),
    "masks that grow in a chain": (
        {"retraining.iterative.gradual": {"begin": 0, "end": 4, "every": 2}},
        ["`retraining.iterative.start`: 'previous_rate', but `gradual` prunes the dense network"],
    ),
    "masks that grow without training": (
        {"retraining.one_shot.recipe": None,
         "retraining.one_shot.gradual": {"begin": 0, "end": 4, "every": 2}},
        ["`retraining.one_shot.gradual`: needs a recipe"],
    ),
    "masks that grow and are not held": (
        {"retraining.one_shot.mask": "released",
         "retraining.one_shot.gradual": {"begin": 0, "end": 4, "every": 2}},
        ["`retraining.one_shot.mask`: 'released', but `gradual` holds what it pruned"],
    ),
    "masks that grow and that a method does not hold": (
        {f"{METHOD}.mask": "released",
         "retraining.one_shot.gradual": {"begin": 0, "end": 4, "every": 2}},
        [f"`{METHOD}.mask`: 'released', but `retraining.one_shot` prunes while it trains"],
    ),
    "masks that grow by what is measured": (
        {f"{METHOD}.criterion": "taylor",
         "retraining.one_shot.gradual": {"begin": 0, "end": 4, "every": 2}},
        [f"`{METHOD}.criterion`: 'taylor' is measured by running the network, and `retraining.one"],
    ),
    "a pattern that is made gradually": (
        {METHOD: {**good()["pruning"]["methods"]["structured"], "granularity": "n_of_m",
                  "pattern": "2:4", "rates": [0.5]},
         "retraining.one_shot.gradual": {"begin": 0, "end": 4, "every": 2}},
        [f"`{METHOD}.pattern`: '2:4' is made in one step, and `retraining.one_shot` prunes"],
    ),
    "masks that move after the training": (
        {f"{METHOD}.granularity": "weight",
         "retraining.one_shot.regrow": {"every": 10, "end": 10**6, "fraction": 0.3}},
        ["`retraining.one_shot.regrow.end`: 1000000, but the training has "],
    ),
    "masks that never move": (
        {"retraining.one_shot.regrow": {"every": 10, "end": 10, "fraction": 0.3}},
        ["`retraining.one_shot.regrow.end`: 10 must be larger than `every`, 10"],
    ),
    "masks of which no number moves": (
        {"retraining.one_shot.regrow": {"every": 2, "end": 4, "fraction": float("nan")}},
        ["`retraining.one_shot.regrow.fraction`: "],
    ),
    "masks that move and grow": (
        {"retraining.one_shot.regrow": {"every": 2, "end": 4, "fraction": 0.3},
         "retraining.one_shot.gradual": {"begin": 0, "end": 4, "every": 2}},
        ["`retraining.one_shot.regrow`: cannot stand beside `gradual`"],
    ),
    "masks that move without training": (
        {"retraining.one_shot.recipe": None,
         "retraining.one_shot.regrow": {"every": 2, "end": 4, "fraction": 0.3}},
        ["`retraining.one_shot.regrow`: needs a recipe"],
    ),
    "masks that move and are not held": (
        {"retraining.one_shot.mask": "released",
         "retraining.one_shot.regrow": {"every": 2, "end": 4, "fraction": 0.3}},
        ["`retraining.one_shot.mask`: 'released', but `regrow` holds what is pruned"],
    ),
    "filters that move": (
        {"retraining.one_shot.regrow": {"every": 2, "end": 4, "fraction": 0.3}},
        [f"`{METHOD}.granularity`: 'filter', but `retraining.one_shot` moves single weights"],
    ),
    "masks that move in half precision": (
        {"recipes.short.precision": "fp16", f"{METHOD}.granularity": "weight",
         "retraining.one_shot.regrow": {"every": 2, "end": 4, "fraction": 0.3}},
        ["`retraining.one_shot.regrow`: compares gradients, which may overflow", "fp16"],
    ),
    "rates that are no geometric levels": (
        {"retraining.iterative.start": "geometric", f"{METHOD}.rates": [0.2, 0.5, 0.9],
         f"{METHOD}.retraining": ["iterative"]},
        [f"`{METHOD}.rates`: [0.2, 0.5, 0.9] are not 3 levels up to 0.9", "[0.54, 0.78, 0.9]",
         "`retraining.iterative.start` is 'geometric'"],
    ),
    "rates of the study that are no geometric levels": (
        {"retraining.iterative.start": "geometric", RATES: [0.2, 0.4],
         f"{METHOD}.retraining": ["iterative"]},
        [f"`{RATES}`: [0.2, 0.4] are not 2 levels", "Write [0.23, 0.4]", "`structured` is pruned"],
    ),
    "geometric levels that are cumulative": (
        {"retraining.iterative.start": "geometric", f"{METHOD}.rates": [0.54, 0.78, 0.9],
         f"{METHOD}.retraining": ["iterative"], f"{METHOD}.cumulative": True},
        [f"`{METHOD}.cumulative`: true, but the schedule itself", "Remove it"],
    ),
    "a margin of training without an untrained network": (
        {"statistics.margin": {"of_training": 0.25}, "model.untrained": False},
        ["`statistics.margin.of_training`: needs an untrained network", "`model.untrained`"],
    ),
    "a margin of runs with one run": (
        {"statistics.margin": {"of_runs": 3}, "seeds": [0]},
        ["`statistics.margin.of_runs`: needs at least two `seeds`, not 1"],
    ),
    "a margin in two units": (
        {"statistics.margin": {"of_runs": 3, "of_training": 0.25}},
        ["`statistics.margin`: {'of_runs': 3.0, 'of_training': 0.25} cannot be used"],
    ),
    "a margin in an unknown unit": (
        {"statistics.margin": {"of_units": 3}},
        ["`statistics.margin.of_units` is not a key", "Allowed: of_runs, of_training"],
    ),
    "a margin that is too large": (
        {"statistics.margin": 0.5},
        ["`statistics.margin`: 0.5 must be a number between 0 and 0.5"],
    ),
    "unknown key": (
        {"sedes": [0]},
        ["`sedes` is not a key", "Did you mean `seeds`?", "Allowed: charts, compact, dataset"],
    ),
    **{
        f"study named as the folder {name}": (
            {"study": name},
            [f"`study`: '{name}' is the name of a folder that holds {content}", "Choose another"],
        )
        for name, content in (
            ("logs", "the logs of all studies"),
            ("datasets", "the images of all studies"),
            ("downloads", "the logs of downloads"),
            ("benchmarks", "what `make benchmark` measures"),
            ("slurm", "SLURM's own logs"),
        )
    },
    "published numbers in a file with braces": (
        {"published": "tables/{study}.csv"},
        ["`published`: 'tables/{study}.csv' has braces, which Snakemake takes for", "ln -s"],
    ),
    "study with a name that is too long for a folder": (
        {"study": "s" * 300},
        ["`study`: 'sss", "must be a name: at most 100 lower-case letters"],
    ),
    "method with a name that is too long for a folder": (
        {f"pruning.methods.{'m' * 101}": good()["pruning"]["methods"]["structured"]},
        ["`pruning.methods.mmm", "must be a name: at most 100 lower-case letters"],
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
        [f"`{METHOD}.criterion`", "'l11'", "Did you mean `l1`?", "Allowed: fpgm, l1, l2,"],
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
    "unknown handling of unreached weights": (
        {"pruning.unreached": "pruned"},
        ["`pruning.unreached`", "'pruned'", "Allowed: left_out, counted"],
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
        ["`model.retraining`", "'none' is no control", "must have a recipe or a recalibration"],
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
        ["`retraining.one_shot.start`", "'scratch'", "Allowed: dense, geometric, previous_rate"],
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
    "compact networks that are compiled": (
        {f"{RECIPE}.retrain_on": "compact", f"{RECIPE}.compile": True},
        [f"`{RECIPE}.retrain_on`: `compact` cannot be compiled. Choose `auto` or `masked`"],
    ),
    "compact networks whose weights regrow": (
        {f"{RECIPE}.retrain_on": "compact", "retraining.one_shot.mask": "released"},
        [f"`{RECIPE}.retrain_on`: `compact`, but `retraining.one_shot` does not hold masks"],
    ),
    "compact networks whose masks grow": (
        {f"{RECIPE}.retrain_on": "compact",
         "retraining.one_shot.gradual": {"begin": 0, "end": 4, "every": 2}},
        [f"`{RECIPE}.retrain_on`: `compact`, but `retraining.one_shot` does not hold masks"],
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
        ["`model.checkpoint`: 'trian'", "`train`; or weights from elsewhere: `torchvision` alone"],
    ),
    "unknown weights of torchvision": (
        {"model.checkpoint": {"torchvision": "IMAGENET1K_V3"}},
        ["`model.checkpoint.torchvision`: 'IMAGENET1K_V3'", "Did you mean `IMAGENET1K_V"],
    ),
    "weights of another network": (
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
    "another mean than the weights were trained with": (
        {
            "model.checkpoint": {"torchvision": "IMAGENET1K_V1"},
            f"{CLOTHES}.std": IMAGENET_STD,
            f"{CLOTHES}.image_size": 224,
        },
        [
            f"`{CLOTHES}.mean`: [0.286, 0.286, 0.286], but the weights of `model.checkpoint` were "
            "trained with [0.485, 0.456, 0.406]",
        ],
    ),
    "another image size than the weights were trained with": (
        {
            "model.checkpoint": {"torchvision": "IMAGENET1K_V1"},
            f"{CLOTHES}.mean": IMAGENET_MEAN,
            f"{CLOTHES}.std": IMAGENET_STD,
        },
        [f"`{CLOTHES}.image_size`: 32, but the weights of `model.checkpoint`", "with 224"],
    ),
    "weights of another library": (
        {"model.checkpoint": {"timm": "a1_in1k"}},
        [
            "`model.checkpoint.timm`: 'a1_in1k' is not known",
            "that timm publishes of torchvision:googlenet",
        ],
    ),
    "a local file with a checksum": (
        {"model.checkpoint": {"file": "a.pth", "sha256": "0" * 64}},
        ["`model.checkpoint`: {'sha256': ", "Allowed: `torchvision` alone; `timm` alone;"],
    ),
    "a local file that only a shell finds": (
        {"model.checkpoint": {"file": "~/a.pth"}},
        ["`model.checkpoint.file`: '~/a.pth' is for a shell"],
    ),
    "a network from elsewhere with the name of a method": (
        {"imported": {"structured": {"file": "a.pth", "rate": 0.5}}},
        ["`imported.structured`: `structured` is a pruning method; choose another name"],
    ),
    "a network from elsewhere with the name of the dense one": (
        {"imported": {"dense": {"file": "a.pth", "rate": 0.5}}},
        ["`imported.dense`: `dense` is a network that is not pruned"],
    ),
    "a network from elsewhere without a rate": (
        {"imported": {"theirs": {"file": "a.pth"}}},
        ["`imported.theirs.rate` is missing"],
    ),
    "a network from elsewhere at a rate that no folder can have": (
        {"imported": {"theirs": {"file": "a.pth", "rate": 0.123}}},
        ["`imported.theirs.rate`", "at most two decimals"],
    ),
    "a network from elsewhere at the rate of the dense one": (
        {"imported": {"theirs": {"file": "a.pth", "rate": 0.0}}},
        ["`imported.theirs.rate`"],
    ),
    "a network from elsewhere without weights": (
        {"imported": {"theirs": {"rate": 0.5}}},
        ["`imported.theirs`: {} cannot be used"],
    ),
    "a network from elsewhere in a chain": (
        {"imported": {"theirs": {"file": "a.pth", "rate": 0.5, "retraining": ["iterative"]}}},
        ["`imported.theirs.retraining`: 'iterative' goes on from the rate before"],
    ),
    "a network from elsewhere retrained in an unknown way": (
        {"imported": {"theirs": {"file": "a.pth", "rate": 0.5, "retraining": ["one_shoot"]}}},
        ["`imported.theirs.retraining`: 'one_shoot'", "Did you mean `one_shot`?"],
    ),
    "two downloads of one name": (
        {
            "model.checkpoint": ADDRESS,
            "imported": {"theirs": {**ADDRESS, "url": "https://example.org/b/a.pth", "rate": 0.5}},
        },
        ["`imported.theirs`: https://example.org/b/a.pth would be saved as downloads/a.pth"],
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
        [
            "`model.architecture`: 'resnet18' names no source",
            "Did you mean `timm:resnet18` or `torchvision:resnet18`?",
            "Allowed: `file:PATH.py:FUNCTION`, `timm:NAME`, `torchvision:NAME`",
        ],
    ),
    "the architecture of an older config": (
        {"model.architecture": "googlenet"},
        ["`model.architecture`: 'googlenet'", "Did you mean `torchvision:googlenet`?"],
    ),
    "unknown network of torchvision": (
        {"model.architecture": "torchvision:resnet5O"},
        ["`model.architecture`: 'torchvision:resnet5O'", "Did you mean `torchvision:resnet50`"],
    ),
    "unknown network of timm": (
        {"model.architecture": "timm:convnext_tini"},
        ["`model.architecture`: 'timm:convnext_tini'", "Did you mean `timm:convnext_tiny`"],
    ),
    "unknown source of networks": (
        {"model.architecture": "torchvison:googlenet"},
        ["'torchvison:googlenet' is not known", "Did you mean `torchvision:googlenet`?"],
    ),
    "a file that is not there": (
        {"model.architecture": "file:networks/none.py:net"},
        ["`model.architecture`: 'file:networks/none.py:net'", "No such file"],
    ),
    "a file without its source": (
        {"model.architecture": "networks/none.py:net"},
        ["'networks/none.py:net'", "Did you mean `file:networks/none.py:net`?"],
    ),
    "options that are no mapping": (
        {"model.options": [1]},
        ["`model.options`: [1] must be a mapping of names to values"],
    ),
    "an option that another key sets": (
        {"model.options": {"num_classes": 10}},
        ["`model.options.num_classes`: comes from the classes of the dataset; remove it here"],
    ),
    "heads of a network without heads": (
        {"model.architecture": "torchvision:resnet18", "model.auxiliary_heads": True},
        ["`model.auxiliary_heads`: true, but the architecture torchvision:resnet18 has no aux"],
    ),
    "unknown dataset": (
        {"dataset": "mnist"},
        ["`dataset`", "'mnist'", "Allowed: clothes"],
    ),
    "unknown source": (
        {"datasets.clothes.source": "imagnet"},
        ["`datasets.clothes.source`", "'imagnet' is", "Did you mean `imagenet`? Allowed: cifar10"],
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
    "copies of packed images": (
        {"datasets.clothes.train_store": {"shorter_side": 256, "quality": 90}},
        ["`datasets.clothes.train_store`", "'fashion_mnist' packs its train images. Remove it"],
    ),
    "copies smaller than the images": (
        {"datasets.clothes": {**FOLDER, "train_store": {"shorter_side": 200, "quality": 90}}},
        ["`datasets.clothes.train_store`", "shorter_side 200", "`datasets.clothes.resize`, 256"],
    ),
    "copies of no quality": (
        {"datasets.clothes": {**FOLDER, "train_store": {"shorter_side": 256, "quality": 0}}},
        ["`datasets.clothes.train_store.quality`", "0", "from 1 to 100"],
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
    "an epoch of more images than there are": (
        {f"{RECIPE}.images_per_epoch": 60001},
        [f"`{RECIPE}.images_per_epoch`: 60001", "fashion_mnist has 60000 train images"],
    ),
    "a batch of more images than there are": (
        {f"{RECIPE}.images_per_epoch": None, f"{RECIPE}.batch": 60001},
        [f"`{RECIPE}.batch`: 60001", "fashion_mnist has 60000 train images"],
    ),
    "more images to recalibrate on than there are": (
        {"retraining.again": {"start": "dense", "mask": "enforced", "recipe": None,
                              "recalibration": {"images": 60002, "batch": 2}}},
        ["`retraining.again.recalibration.images`: 60002", "fashion_mnist has 60000 train images"],
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
        {"model.checkpoint": {"file": "weights/a.pth"}},
        {"model.checkpoint": {"file": "weights/a.pth", "transform_input": False}},
        {"imported": {}},
        {"imported": {"theirs": {"file": "a.pth", "rate": 0.5}}},
        {"imported": {"theirs": {**ADDRESS, "rate": 0.5, "retraining": ["none", "one_shot"]}}},
        {"model.checkpoint": ADDRESS, "model.recipe": None},
        {"model.checkpoint": {**ADDRESS, "sha256": "Ab" * 32, "transform_input": False}},
        {
            "model.checkpoint": {"torchvision": "IMAGENET1K_V1"},
            "model.recipe": None,
            f"{CLOTHES}.image_size": 224,
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


@pytest.mark.parametrize(
    ("key", "values", "told"),
    [
        ("mean", [123.7, 116.3, 103.5], "on the scale 0..255: [0.4851, 0.4561, 0.4059]"),
        ("mean", [0, 116, 0], "on the scale 0..255: [0.0, 0.4549, 0.0]"),
        ("mean", [-0.1, 0.5, 0.5], "[-0.1, 0.5, 0.5] must be from 0 to 1: images are scaled to 0"),
        ("mean", [300, 0.5, 0.5], "must be from 0 to 1: images are scaled to 0..1"),
        ("std", [58.4, 57.1, 57.4], "on the scale 0..255: [0.229, 0.2239, 0.2251]"),
        ("std", [0.5, 1.02, 0.5], "must be above 0, at most 1: images are scaled to 0..1. Divide"),
        ("std", [0.5, -0.1, 0.5], "must be above 0, at most 1: images are scaled to 0..1"),
    ],
)
def test_means_on_the_scale_of_bytes_are_refused(key: str, values: list[float], told: str) -> None:
    message = refusal(changed({f"{CLOTHES}.{key}": values}))
    assert f"  - `{CLOTHES}.{key}`: {values} must be" in message
    assert told in message
    assert message.count("\n") == 1
    assert ("255" in message) == (1 < max(values) <= 255)


@pytest.mark.parametrize("value", [0, 0.5, 1])
def test_means_and_deviations_of_scaled_images_are_taken(value: float) -> None:
    check(changed({f"{CLOTHES}.mean": [value] * 3, f"{CLOTHES}.std": [value or 0.01] * 3}))


OWN_ARCHIVE = {"FILES": {"all.npz": None}, "REQUIRED": (), "OPTIONAL": (), "IMAGES": None}


@pytest.mark.parametrize("downloaded", [False, True])
def test_folders_whose_files_are_inputs_have_no_braces(
    monkeypatch: pytest.MonkeyPatch, downloaded: bool
) -> None:
    """Other folders may have them: jobs look into these by themselves."""
    facts = OWN_ARCHIVE | {
        "DOWNLOADED": downloaded,
        "ADDRESSES": {},
        "read": lambda files, image_size: iter(()),
    }
    register(monkeypatch, "data.sources", "own", **facts)
    config = changed({f"{CLOTHES}.source": "own", f"{CLOTHES}.folder": "my {0} files"})
    if downloaded:
        check(config)
    else:
        assert f"`{CLOTHES}.folder`: 'my {{0}} files' has braces, which" in refusal(config)
    check(changed({"datasets.clothes": {**FOLDER, "folder": "my {0} files"}}))


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


def test_weights_are_those_of_the_chosen_architecture(monkeypatch: pytest.MonkeyPatch) -> None:
    register_architecture(monkeypatch, "plain", None)
    changes = {
        "model.architecture": "plain",
        "model.checkpoint": {"torchvision": "IMAGENET1K_V1"},
        "pruning.exclude": [],
    }
    told = refusal(changed(changes))
    assert "`model.checkpoint.torchvision`: 'IMAGENET1K_V1' is not known. Allowed: none." in told
    told = refusal(changed({**changes, "model.auxiliary_heads": True}))
    assert "`model.auxiliary_heads`: true, but the architecture plain has no auxiliary" in told


def test_a_control_may_have_any_schedule(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fields = {
        "start": lambda lower: None,
        "fraction": lambda rate, rates: rate,
        "problem": lambda rates: "",
    }
    register(monkeypatch, "prune.schedules", "alike", FROM_DENSE=True, **fields)
    config = changed({"retraining.one_shot.start": "alike"})
    check(config)
    register(monkeypatch, "prune.schedules", "alike", FROM_DENSE=False, **fields)
    check(config)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"criterion": "lamp", "granularity": "weight", "biases": True}, "set `biases` to false"),
        ({"criterion": "fpgm", "granularity": "kernel"}, "no pieces of kind `kernel`"),
        ({"criterion": "taylor", "granularity": "channel_group"}, "needs gradients, but groups"),
        ({"criterion": "fpgm", "scope": "global"}, "choose another `scope` than `global`"),
        ({"criterion": "slimming", "granularity": "weight"}, "no pieces of kind `weight`"),
    ],
)
def test_a_criterion_refuses_what_it_cannot_rank(changes: dict[str, Any], told: str) -> None:
    method = "pruning.methods.structured"
    asked = {f"{method}.{key}": value for key, value in changes.items()}
    assert f"`{method}.criterion`: {changes['criterion']!r}" in refusal(changed(asked))
    assert told in refusal(changed(asked))


@pytest.mark.parametrize("scope", ["erk", "uniform_plus"])
def test_shares_of_layers_have_no_biases(scope: str) -> None:
    method = "pruning.methods.structured"
    check(changed({f"{method}.scope": scope}))
    asked = {f"{method}.scope": scope, f"{method}.granularity": "weight", f"{method}.biases": True}
    told = refusal(changed(asked))
    assert f"`{method}.scope`: '{scope}' divides weights among layers: set `biases` to" in told


PATTERN = {"granularity": "n_of_m", "pattern": "2:4", "rates": [0.5]}


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"pattern": None}, "pattern` is missing: granularity `n_of_m` needs it"),
        ({"pattern": "4:2"}, "pattern`: '4:2' is no pattern N:M"),
        ({"pattern": 124}, "pattern`: 124 must be N and M in quotation marks"),
        ({"rates": None}, "rates` is missing: the pattern 2:4 is the rate. Write [0.5]"),
        ({"rates": [0.4, 0.5]}, "rates`: [0.4, 0.5]: the pattern 2:4 is the rate."),
        ({"scope": "global"}, "scope`: 'global', but a pattern ranks each block by itself"),
        ({"cumulative": True}, "cumulative`: true, but a pattern has one rate"),
        ({"granularity": "weight"}, "pattern`: needs granularity `n_of_m`, not 'weight'"),
        ({"criterion": "fpgm"}, "no pieces of kind `n_of_m`"),
    ],
)
def test_a_pattern_is_a_rate(changes: dict[str, Any], told: str) -> None:
    method = "pruning.methods.structured"
    check(changed({f"{method}.{key}": value for key, value in PATTERN.items()}))
    asked = {f"{method}.{key}": value for key, value in {**PATTERN, **changes}.items()}
    assert told in refusal(changed(asked))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"criterion": "l1", "sample": {}}, "sample`: the criterion 'l1' needs no images"),
        ({"criterion": "synflow", "sample": {}}, "sample`: the criterion 'synflow' needs no"),
        (
            {"criterion": "slimming", "iterations": 2},
            "iterations`: 2, but the criterion 'slimming'",
        ),
        (
            {"criterion": "taylor", "sample": {"images": 100, "batch": 64}},
            "sample.images`: 100 is not a multiple of `batch`, 64",
        ),
        (
            {"criterion": "snip", "sample": {"images": 64000, "batch": 64}},
            "sample.images`: 64000, but fashion_mnist has 60000 train images",
        ),
        (
            {"criterion": "wanda", **PATTERN, "iterations": 3},
            "iterations`: 3, but a pattern is made in one step",
        ),
        ({"criterion": "wanda"}, "criterion`: 'wanda' compares what belongs to one output"),
        (
            {"criterion": "wanda", "granularity": "weight", "biases": True},
            "criterion`: 'wanda' multiplies weights with their inputs: set `biases` to false",
        ),
        (
            {"criterion": "synflow", "granularity": "weight", "biases": True},
            "criterion`: 'synflow' follows what runs through weights: set `biases` to false",
        ),
    ],
)
def test_what_is_measured_fits_the_criterion(changes: dict[str, Any], told: str) -> None:
    method = "pruning.methods.structured"
    asked = {f"{method}.{key}": value for key, value in changes.items()}
    assert f"`{method}.{told}" in refusal(changed(asked))


@pytest.mark.parametrize("scope", ["erk", "uniform_plus"])
def test_groups_of_channels_have_no_shares_of_layers(scope: str) -> None:
    method = "pruning.methods.structured"
    asked = {f"{method}.granularity": "channel_group", f"{method}.scope": scope}
    assert f"`{method}.scope`: '{scope}' divides pieces among layers, and" in refusal(
        changed(asked)
    )


def test_settings_of_measuring_are_optional() -> None:
    method = "pruning.methods.structured"
    plain = check(good()).model_dump()["pruning"]["methods"]["structured"]
    assert not plain.keys() & {"pattern", "sample", "iterations"}
    asked = {"criterion": "taylor", "sample": {"images": 128}, "iterations": 2}
    said = check(changed({f"{method}.{key}": value for key, value in asked.items()}))
    found = said.model_dump()["pruning"]["methods"]["structured"]
    assert found["sample"] == {"images": 128, "batch": 64, "seed": 0}
    assert found["iterations"] == 2


def test_a_recipe_without_the_penalty_does_not_mention_it() -> None:
    """Networks that were trained before the key was there are not stale because of it."""
    assert "l1_on_scales" not in check(good()).model_dump()["recipes"]["short"]
    said = check(changed({f"{RECIPE}.l1_on_scales": 0.0001})).model_dump()["recipes"]
    assert said["short"]["l1_on_scales"] == 0.0001
    assert "l1_on_scales" not in said["from_scratch"]


@pytest.fixture
def described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The description of the good config's architecture, where the config looks for it."""
    monkeypatch.chdir(tmp_path)
    config = good()
    path = Path(architecture.file_of(config["dataset"], check(config).model_dump()["model"]))
    layers = [Layer("conv1.conv", "conv2d", (4, 3, 3, 3), (8, 8))]
    layers += [Layer("conv2.conv", "conv2d", (4, 1, 3, 3), (8, 8), groups=4)]
    layers += [Layer("fc", "linear", (10, 4), (1, 1))]
    architecture_files.save(architecture_files.Architecture(tuple(layers)), path)
    return path


EXCLUDE = "pruning.exclude"


def test_excluded_layers_are_checked_where_the_architecture_is_known(described: Path) -> None:
    check(changed({EXCLUDE: ["conv1.conv", "conv*", "first", "classifier", "depthwise"]}))
    told = refusal(changed({EXCLUDE: ["conv9.conv", "fc", "layer4.*"]}))
    assert "`pruning.exclude`: 'conv9.conv' fits no layer of the network. Did you mean `" in told
    assert "`pruning.exclude`: 'layer4.*' fits no layer" in told
    assert "'fc'" not in told
    # Other options are another network, which nobody has described yet.
    check(changed({EXCLUDE: ["conv9.conv"], "model.options": {"dropout": 0.1}}))


def test_scales_are_looked_for_where_the_architecture_is_known(described: Path) -> None:
    slimming = {"pruning.methods.structured.criterion": "slimming"}
    told = refusal(changed({EXCLUDE: ["conv2.conv"], **slimming}))
    assert "`pruning.methods.structured.criterion`: no batch norm follows conv1.conv, so" in told
    assert "conv2.conv" not in told
    # Fully connected layers are not pruned by this method.
    check(changed({EXCLUDE: ["conv*"], **slimming}))


def test_without_batch_norms_nothing_can_be_recalibrated(described: Path) -> None:
    found = architecture_files.load(described)
    kind = {"start": "dense", "mask": "enforced", "recipe": None,
            "recalibration": {"images": 64, "batch": 32}}  # fmt: skip
    config = changed({"retraining.anew": kind, EXCLUDE: ["first"]})
    used = changed({"retraining.anew": kind, EXCLUDE: ["first"], "model.retraining": ["anew"]})
    for batch_norms in (None, 1):
        architecture_files.save(replace(found, batch_norms=batch_norms), described)
        check(used)
    architecture_files.save(replace(found, batch_norms=0), described)
    told = refusal(used)
    assert "`retraining.anew.recalibration`: the network has no batch norm whose" in told
    assert "Remove this kind of retraining" in told
    # What no network gets does no harm.
    check(config)


def test_groups_of_channels_are_checked_where_the_architecture_is_known(described: Path) -> None:
    found = architecture_files.load(described)
    stem = Group((Member("conv1.conv", "out", 0), Member("fc", "in", 0)), 4)
    logits = Group((Member("fc", "out", 0),), 10, "output")
    architecture_files.save(replace(found, coupled=(stem, logits)), described)
    method = {f"{METHOD}.granularity": "channel_group", EXCLUDE: []}
    check(changed(method))
    told = refusal(changed({**method, EXCLUDE: ["first"]}))
    assert f"`{METHOD}.granularity`: pruning: no group of channels" in told
    assert "conv1.conv (pruning.exclude names conv1.conv); fc (output)" in told
    assert "made by conv2d layers" in refusal(changed({**method, f"{METHOD}.layers": ["linear"]}))
    check(changed({EXCLUDE: ["first"]}))


def test_a_damaged_description_is_no_fault_of_the_config(described: Path) -> None:
    described.write_text("{")
    check(changed({EXCLUDE: ["conv9.conv"]}))


def test_layers_of_a_file_that_changed_since_are_not_checked_yet(
    described: Path, tmp_path: Path
) -> None:
    (tmp_path / "net.py").write_text("def net(): pass\n")
    model = {"model.architecture": "file:net.py:net", EXCLUDE: ["other"]}
    section = check(changed(model)).model_dump()["model"]
    path = Path(architecture.file_of(good()["dataset"], section))
    path.parent.mkdir(parents=True)
    described.rename(path)
    os.utime(tmp_path / "net.py", (0, 0))
    assert "'other' fits no layer" in refusal(changed(model))
    os.utime(tmp_path / "net.py", (2**32, 2**32))
    check(changed(model))
