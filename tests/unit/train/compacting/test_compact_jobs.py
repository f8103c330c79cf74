"""A training job on a compact network: as with masks, and the same when it is resumed."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from prunescope.data.packed_images import PackedImages
from prunescope.foundation import provenance
from prunescope.foundation.errors import StoppedError
from prunescope.networks.description import Network
from prunescope.prune.masks import PruningMethod, make_masks
from prunescope.train import training_job
from prunescope.train.images.packed_source import PackedSource
from prunescope.train.recipes.recipe import COMPACT, MASKED, Recipe
from prunescope.train.saved_state import SavedState
from prunescope.train.training import Surroundings, Task

CLASSES = 7
RECIPE = Recipe(
    "sgd", 0.02, 0.01, "cosine", 8, 16, momentum=0.9, epochs=3, augmentation=("horizontal_flip",)
)


@pytest.fixture(autouse=True)
def _job() -> Iterator[None]:
    provenance.set_current({"rule": "retrain_network"})
    yield
    provenance.set_current({})


@pytest.fixture
def task(make_toy: Callable) -> Task:
    network = make_toy(CLASSES)[1]
    method = PruningMethod("filter", "layer", "l1", ("conv2d",))
    masked = network.masked(make_masks(network, method, 0.5))
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(32, 3, 8, 8), dtype=np.uint8)
    packed = PackedImages(images, rng.integers(0, CLASSES, size=32))
    return Task(masked, PackedSource(packed), packed, RECIPE, seed=1)


def run(task: Task, retrain_on: str, around: Surroundings | None = None) -> tuple[Network, list]:
    recipe = replace(task.recipe, retrain_on=retrain_on)
    found, rows = training_job.run(replace(task, recipe=recipe), around or Surroundings(), 1, list)
    assert provenance.current()["retrain_on"] == retrain_on
    return found, rows


@pytest.mark.parametrize(
    "changed",
    [
        {},
        {"accumulate": 2},
        {"weight_decay_on": "weights"},
        {"l1_on_scales": 0.001},
    ],
)
def test_both_ways_train_the_same_network(task: Task, changed: dict) -> None:
    task = replace(task, recipe=replace(task.recipe, **changed))
    expected, rows = run(task, MASKED)
    found, compact_rows = run(task, COMPACT)
    assert list(found.tensors) == list(expected.tensors)
    for name, value in expected.tensors.items():
        np.testing.assert_allclose(found.tensors[name], value, rtol=1e-4, atol=1e-5, err_msg=name)
        assert found.tensors[name].dtype == value.dtype
        assert not np.array_equal(value, task.network.tensors[name]), "it was not trained"
    for row, same in zip(rows, compact_rows, strict=True):
        assert same["sparsity"] == row["sparsity"]
        assert same["validation_loss"] == pytest.approx(row["validation_loss"], rel=1e-4)
    for name, mask in task.network.masks.items():
        assert not found.tensors[name][~mask].any()


@pytest.mark.parametrize("step", [1, 4, 7, 12])
@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_stopping_on_the_way_changes_no_bit(
    task: Task, tmp_path: Path, step: int, optimizer: str
) -> None:
    task = replace(task, recipe=replace(task.recipe, optimizer=optimizer))
    expected, _ = run(task, COMPACT)
    taken = iter(range(1, 1000))
    saved = SavedState(tmp_path, {}, (), every_seconds=1000)
    with pytest.raises(StoppedError, match=f"after step {step};"):
        run(task, COMPACT, Surroundings(saved_state=saved, stop=lambda: next(taken) == step))
    found, _ = run(task, COMPACT, Surroundings(saved_state=saved))
    for name, value in expected.tensors.items():
        np.testing.assert_array_equal(found.tensors[name], value, err_msg=name)


def test_mixed_precision_holds_the_masks_and_is_near(task: Task) -> None:
    exact, _ = run(task, COMPACT)
    mixed = replace(task, recipe=replace(task.recipe, precision="bf16"))
    found, _ = run(mixed, COMPACT)
    for name, mask in task.network.masks.items():
        assert not found.tensors[name][~mask].any()
    weight = "mixed.branch2.1.conv.weight"
    assert not np.array_equal(found.tensors[weight], exact.tensors[weight])
    np.testing.assert_allclose(found.tensors[weight], exact.tensors[weight], atol=0.05)


def test_the_dense_network_is_trained_whole(task: Task) -> None:
    dense = replace(task, network=replace(task.network, masks={}))
    training_job.run(dense, Surroundings(), 1, list)
    assert provenance.current()["retrain_on"] == MASKED


def test_a_training_where_released_weights_regrow_is_of_the_whole_network(task: Task) -> None:
    task = replace(task, enforce_masks=False)
    training_job.run(task, Surroundings(), 1, list)
    assert provenance.current()["retrain_on"] == MASKED
