"""A small training job in a process of its own, for tests that kill it.

It trains a small network with chance in it (dropout, augmentation) and momentum.
"""

import json
import logging
import multiprocessing
import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch._dynamo  # optimizers import it at their first step, which takes seconds
from torch import nn

from prunescope.data.packed_images import PackedImages
from prunescope.foundation import job, whole_files
from prunescope.foundation.errors import StoppedError
from prunescope.networks.description import Description, Network
from prunescope.train import training
from prunescope.train.images.packed_source import PackedSource
from prunescope.train.mask_updates.updates import MaskUpdates
from prunescope.train.processes import World
from prunescope.train.recipes.recipe import Recipe
from prunescope.train.saved_state import SavedState
from prunescope.train.training import Surroundings, Task

DESCRIPTION = Description("plain", 5, 8, (0.2, 0.3, 0.4), (0.5, 0.25, 0.4))
RECIPE = Recipe(
    optimizer="adamw",
    lr=0.01,
    weight_decay=0.01,
    schedule="cosine",
    batch=8,
    epochs=8,
    history_images=8,
    augmentation=("horizontal_flip", "random_shift"),
    accumulate=2,
)


def pictures() -> PackedImages:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(64, 3, 8, 8), dtype=np.uint8)
    return PackedImages(images, rng.integers(0, 5, size=64))


def build(dropout: float = 0.3) -> tuple[nn.Module, dict[str, np.ndarray]]:
    """A convolution with batch norm and dropout, half of it pruned."""
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Dropout(dropout),
        nn.Linear(288, 5),
    )  # fmt: skip
    mask = np.random.default_rng(1).random((8, 3, 3, 3)) < 0.5
    return module.to(memory_format=torch.channels_last), {"0.weight": mask}


def task(masks: dict[str, np.ndarray], recipe: Recipe = RECIPE) -> Task:
    """To train the network of `build` with these masks."""
    images = pictures()
    network = Network(DESCRIPTION, {}, masks)
    return Task(network, PackedSource(images), images, recipe, seed=3)


def train_in(
    around: Surroundings, recipe: Recipe, updates: MaskUpdates | None = None
) -> tuple[list[dict], nn.Module]:
    """Train the network without dropout, in these surroundings."""
    module, masks = build(dropout=0)
    described = replace(task(masks, recipe), updates=updates)
    return list(training.train(module, described, around)), module


def take_part(
    world: World,
    device: torch.device,
    recipe: Recipe,
    side: SavedState,
    folder: Path,
    updates: MaskUpdates | None = None,
) -> None:
    """What another process of a group does; it leaves its weights in `folder`."""
    around = Surroundings(device, world=world, saved_state=side)
    _, module = train_in(around, recipe, updates)
    state = {name: value.numpy() for name, value in module.state_dict().items()}
    np.savez(folder / f"rank{world.rank}.npz", **state)


def fail(world: World, device: torch.device) -> None:
    """Another process of a group that breaks down."""
    raise ValueError(f"process {world.rank} broke down")


def train(folder: Path, every_seconds: float, pause: float, workers: int = 0) -> None:
    """Write FOLDER/network.npz; `pause` slows each step down, in seconds."""
    module, masks = build()
    side = SavedState(folder, {"recipe": vars(RECIPE)}, (), every_seconds)
    caught = job.catch_signals()

    def stop() -> bool:
        time.sleep(pause)
        return caught()

    around = Surroundings(workers=workers, saved_state=side, stop=stop)
    rows = list(training.train(module, task(masks), around))
    state = {name: value.numpy() for name, value in module.state_dict().items()}
    if holder := side.lease.taken_over_by():
        raise StoppedError(f"another job trains this network: {holder}")
    with whole_files.atomic(folder / "network.npz") as temporary, temporary.open("wb") as file:
        np.savez(file, history=np.array(json.dumps(rows, sort_keys=True)), **state)
    side.remove()


def run(output: Path, *arguments: Any) -> None:
    """What the process does: leads a group of its own, writes what it says to `output`."""
    os.setsid()
    # As in a job of the workflow, whatever made this process.
    multiprocessing.set_start_method("fork", force=True)
    with output.open("w") as file:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(file.fileno(), stream.fileno())
    logging.basicConfig(level=logging.INFO, stream=sys.stderr)
    torch.set_num_threads(1)
    try:
        train(*arguments)
    except StoppedError as reason:
        print(reason, flush=True)
        sys.exit(os.EX_TEMPFAIL)
