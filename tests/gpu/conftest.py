"""What the tests of a GPU share. Without one they are skipped."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch

from prunescope.data.packed_images import PackedImages
from prunescope.networks import devices, modules
from prunescope.networks.describing.describe import describe
from prunescope.networks.description import Description, Network
from prunescope.prune.masks import PruningMethod, make_masks
from prunescope.train.images.packed_source import PackedSource
from prunescope.train.recipes.recipe import Recipe
from prunescope.train.training import Task

CLASSES = 5
BLANK = Description(
    "torchvision:googlenet", CLASSES, 32, (0.5,) * 3, (0.25,) * 3, options={"init_weights": False}
)
# A small learning rate and few steps: training makes a difference in rounding grow.
RECIPE = Recipe("sgd", 0.0001, 0.001, "cosine", 32, 64, momentum=0.9, steps=8, images_per_epoch=128)


@pytest.fixture
def gpu() -> torch.device:
    """The GPU of a job, with the settings of jobs."""
    if not torch.cuda.is_available():
        pytest.skip("torch sees no GPU")
    return devices.choose()


@pytest.fixture(scope="session")
def pictures() -> PackedImages:
    """Stripes of five directions under noise: something to learn."""
    rng = np.random.default_rng(0)
    labels = np.arange(160) % CLASSES
    rows, columns = np.mgrid[:32, :32]
    angles = np.pi * labels / CLASSES
    waves = np.cos(angles)[:, None, None] * rows + np.sin(angles)[:, None, None] * columns
    values = 128 + 80 * np.sin(waves)[:, None] + rng.normal(0, 20, (160, 3, 32, 32))
    return PackedImages(values.clip(0, 255).astype(np.uint8), labels)


@pytest.fixture(scope="session")
def pruned() -> Network:
    """An untrained GoogLeNet without four fifths of its filters."""
    module = modules.create(BLANK, seed=0)
    described = replace(BLANK, layers=describe(module, BLANK.image_size).layers)
    network = modules.to_network(module, described)
    method = PruningMethod("filter", "layer", "l1", ("conv2d",))
    return network.masked(make_masks(network, method, 0.8, exclude=["conv1.conv"]))


@pytest.fixture
def task_of(pictures: PackedImages, pruned: Network) -> Callable[..., Task]:
    """The training of the pruned network, with changes to its recipe."""

    def make(**changes: object) -> Task:
        recipe = replace(RECIPE, **changes)
        return Task(pruned, PackedSource(pictures), pictures, recipe, seed=0)

    return make
