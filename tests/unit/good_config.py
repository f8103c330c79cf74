"""A config in which every value is known here, and the shipped ones, which may be tuned."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from prunescope.foundation.errors import InputError
from prunescope.study.config import reading
from prunescope.study.config.checking import check

PROJECT = Path(__file__).resolve().parents[2]
SHIPPED = [PROJECT / "config.yaml", *sorted((PROJECT / "config").glob("*.yaml"))]
# Those that make networks.
OF_NETWORKS = [path for path in SHIPPED if "\nunit_scores:" not in path.read_text(encoding="utf-8")]
DELETED = object()
SIMILARITY = "interpretability.similarity"

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
  architecture: torchvision:googlenet
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


FOLDER = {
    **good()["datasets"]["clothes"], "source": "image_folder", "folder": "data/clothes",
    "image_size": 224, "resize": 256, "on_error": "fail",
}  # fmt: skip
