"""Two processes on the CPU train the network that one trains on the same batches."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import trained
from described import create_described
from torch import distributed as torch_distributed
from torch import nn

from prunescope.data import packed_images
from prunescope.foundation.errors import InputError, StoppedError
from prunescope.networks import modules, network_files
from prunescope.networks.description import Description
from prunescope.train import processes, training, training_job
from prunescope.train.images.packed_source import PackedSource
from prunescope.train.mask_updates.regrowth import Pace, Regrowth
from prunescope.train.mask_updates.updates import MaskUpdates
from prunescope.train.recipes.recipe import Recipe
from prunescope.train.saved_state import SavedState
from prunescope.train.training import Surroundings, Task

CPU = torch.device("cpu")
RECIPE = Recipe(
    optimizer="sgd",
    lr=0.05,
    momentum=0.9,
    weight_decay=0.01,
    schedule="cosine",
    batch=16,
    epochs=2,
    history_images=8,
)
# Only the order in which numbers are added differs.
TOLERANCE = 1e-5


def train_two(
    folder: Path,
    recipe: Recipe,
    stop_after: int | None = None,
    updates: MaskUpdates | None = None,
    changed: Callable = training.overlook,
) -> tuple[list[dict], nn.Module]:
    side = SavedState(folder, {}, (), 1000)
    taken = iter(range(1, 1000))
    with processes.together(2, CPU, trained.take_part, recipe, side, folder, updates) as world:
        around = Surroundings(
            world=world,
            saved_state=side,
            stop=lambda: next(taken) == stop_after,
            changed=changed,
        )
        return trained.train_in(around, recipe, updates)


def assert_close(module: nn.Module, expected: nn.Module, tolerance: float) -> None:
    for name, value in expected.state_dict().items():
        found = module.state_dict()[name]
        torch.testing.assert_close(found, value, rtol=tolerance, atol=tolerance, msg=name)


@pytest.mark.slow
def test_two_processes_train_the_network_of_one(tmp_path: Path) -> None:
    rows, module = train_two(tmp_path, RECIPE)
    alone_rows, alone = trained.train_in(Surroundings(), RECIPE)
    assert_close(module, alone, TOLERANCE)
    untrained, _ = trained.build(dropout=0)
    moved = (module[0].weight - untrained[0].weight).abs().max()
    assert moved > 1000 * TOLERANCE, "so little was trained that the comparison says nothing"
    for row, expected in zip(rows, alone_rows, strict=True):
        assert row.keys() == expected.keys()
        for key in ("epoch", "step", "lr", "train_top1", "sparsity"):
            assert row[key] == pytest.approx(expected[key])
        if row["epoch"]:
            assert row["train_loss"] == pytest.approx(expected["train_loss"], rel=1e-5)
    with np.load(tmp_path / "rank1.npz") as other:
        for name, value in module.state_dict().items():
            np.testing.assert_array_equal(other[name], value.numpy(), err_msg=name)


@pytest.mark.slow
def test_two_processes_move_the_weights_that_one_moves(tmp_path: Path) -> None:
    """Also if they are interrupted between two moves."""
    updates, told = Regrowth(Pace(2, 7, 0.5)), []
    with pytest.raises(StoppedError):
        train_two(tmp_path, RECIPE, 3, updates)
    changed = lambda *found: told.append(found)  # noqa: E731
    _, module = train_two(tmp_path, RECIPE, None, updates, changed)
    _, alone = trained.train_in(Surroundings(changed=changed), RECIPE, updates)
    (two, changes), (one, expected) = told
    assert changes == expected
    assert sum(change["grown"] for change in changes) > 20
    np.testing.assert_array_equal(two["0.weight"], one["0.weight"])
    assert_close(module, alone, TOLERANCE)
    with np.load(tmp_path / "rank1.npz") as other:
        for name, value in module.state_dict().items():
            np.testing.assert_array_equal(other[name], value.numpy(), err_msg=name)


@pytest.mark.slow
def test_two_processes_accumulate(tmp_path: Path) -> None:
    """Batch norm sees half a batch at a time, in one process and in two."""
    recipe = replace(RECIPE, accumulate=2)
    _, module = train_two(tmp_path, recipe)
    _, alone = trained.train_in(Surroundings(), RECIPE)
    difference = (module[0].weight - alone[0].weight).abs().max()
    assert 1e-5 < difference < 0.05


@pytest.mark.slow
def test_a_group_that_was_stopped_goes_on(tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    expected_rows, expected = train_two(whole, RECIPE)
    with pytest.raises(StoppedError, match="after step 3;"):
        train_two(tmp_path, RECIPE, stop_after=3)
    assert len(list(tmp_path.glob("training.*.safetensors"))) == 1
    rows, module = train_two(tmp_path, RECIPE)
    assert rows == expected_rows
    assert_close(module, expected, 0)


@pytest.mark.slow
def test_the_failure_of_another_process_is_told(tmp_path: Path) -> None:
    with (
        pytest.raises(torch.multiprocessing.ProcessRaisedException, match="process 1 broke down"),
        processes.together(2, CPU, trained.fail) as world,
    ):
        world.decide(0)
    assert not torch_distributed.is_initialized()


def test_alone_there_is_no_group() -> None:
    with processes.together(1, CPU, trained.fail) as world:
        assert world.leads
        assert world.decide(2) == 2
        assert world.gather("mine") == ["mine"]
        assert not torch_distributed.is_initialized()


@pytest.mark.slow
def test_a_batch_that_processes_cannot_share_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"batch 15 cannot be divided .* \(2 processes"):
        train_two(tmp_path, replace(RECIPE, batch=15))


def test_on_the_cpu_a_job_is_one_process() -> None:
    assert training_job.count_processes(CPU, gpus=4) == 1


def test_a_job_sees_fewer_gpus_than_it_was_promised(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    device = torch.device("cuda", 0)
    assert training_job.count_processes(device, gpus=2) == 2
    with pytest.raises(InputError, match=r"resources.gpu: 3 GPUs .* sees 2"):
        training_job.count_processes(device, gpus=3)


@pytest.mark.slow
def test_two_processes_retrain_a_pruned_googlenet(tmp_path: Path) -> None:
    blank = Description(
        "torchvision:googlenet", 5, 32, *[(0.3, 0.3, 0.3)] * 2, options={"init_weights": False}
    )
    network = modules.to_network(*create_described(blank, seed=0))
    weight = "inception3a.branch1.conv.weight"
    mask = np.random.default_rng(0).random(network.tensors[weight].shape) < 0.5
    network = network.masked({weight: mask})
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(32, 3, 32, 32), dtype=np.uint8)
    packed = packed_images.PackedImages(images, rng.integers(0, 5, size=32))
    saved = training_job.make_saved_state(
        str(tmp_path / "network.safetensors"), {}.items(), [], 1000
    )
    recipe = replace(RECIPE, augmentation=("horizontal_flip",))
    task = Task(network, PackedSource(packed), packed, recipe, seed=0)
    around = Surroundings(saved_state=saved)
    trained_network, rows = training_job.run(task, around, 2, list)
    assert [row["epoch"] for row in rows] == [0, 1, 2]
    assert np.isfinite(rows[-1]["train_loss"])
    assert not trained_network.tensors[weight][~mask].any()
    assert (trained_network.tensors[weight] != network.tensors[weight])[mask].mean() > 0.9
    network_files.save(trained_network, tmp_path / "network.safetensors")
    modules.to_module(network_files.load(tmp_path / "network.safetensors"))
