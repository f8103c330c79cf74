"""Training on a GPU against the CPU, in each precision, stopped and resumed, and side by side."""

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from prunescope.foundation.errors import StoppedError
from prunescope.networks import devices
from prunescope.networks.description import Network
from prunescope.train import training_job
from prunescope.train.recipes.recipe import PRECISIONS
from prunescope.train.saved_state import SavedState
from prunescope.train.training import CPU, Surroundings, Task

# The largest difference of a tensor, in parts of its largest value, after 8 steps. Float32 sums of
# another order; 8 and 11 bits of what is multiplied.
TOLERANCE = {"float32": 0.05, "fp16": 0.2, "bf16": 0.5}


def run(task: Task, device: torch.device, **around: object) -> tuple[Network, list[dict]]:
    return training_job.run(task, Surroundings(device, **around), 1, list)


def assert_near(found: Network, expected: Network, tolerance: float) -> None:
    assert list(found.tensors) == list(expected.tensors)
    for name, value in expected.tensors.items():
        scale = max(float(np.abs(value).max()), 0.01)
        difference = float(np.abs(found.tensors[name].astype(float) - value).max())
        assert difference <= tolerance * scale, f"{name}: {difference} of {scale}"


@pytest.mark.parametrize("retrain_on", ["masked", "compact"])
@pytest.mark.parametrize("precision", PRECISIONS)
def test_a_gpu_trains_the_network_of_the_cpu(
    task_of: Callable[..., Task], gpu: torch.device, precision: str, retrain_on: str
) -> None:
    expected, rows = run(task_of(retrain_on="masked"), CPU)
    found, found_rows = run(task_of(precision=precision, retrain_on=retrain_on), gpu)
    assert_near(found, expected, TOLERANCE[precision])
    assert found_rows[-1]["train_loss"] == pytest.approx(rows[-1]["train_loss"], rel=0.1)
    for name, mask in expected.masks.items():
        assert not found.tensors[name][~mask].any(), name


def test_tensorfloat_is_off_unless_asked_for(
    task_of: Callable[..., Task], gpu: torch.device
) -> None:
    exact, _ = run(task_of(), gpu)
    rounded, _ = run(task_of(tf32=True), gpu)
    devices.allow_tf32(False)
    assert_near(rounded, exact, TOLERANCE["fp16"])


def test_a_training_that_was_stopped_goes_on(
    task_of: Callable[..., Task], gpu: torch.device, tmp_path: Path
) -> None:
    """To the bit on the CPU; on a GPU up to operations without a reproducible algorithm."""
    expected, _ = run(task_of(), gpu)
    taken = iter(range(1, 100))
    saved = SavedState(tmp_path, {}, (), every_seconds=1000)
    with pytest.raises(StoppedError, match="after step 5;"):
        run(task_of(), gpu, saved_state=saved, stop=lambda: next(taken) == 5)
    found, rows = run(task_of(), gpu, saved_state=saved)
    assert [row["step"] for row in rows] == [0, 4, 8]
    assert_near(found, expected, TOLERANCE["float32"])


def train_beside(task: Task, path: Path) -> None:
    """What each of two jobs on one GPU does."""
    network, _ = run(task, devices.choose())
    np.savez(path, **network.tensors)


def test_two_jobs_share_a_gpu(
    task_of: Callable[..., Task], gpu: torch.device, tmp_path: Path
) -> None:
    context = multiprocessing.get_context("spawn")
    paths = [tmp_path / f"{number}.npz" for number in range(2)]
    jobs = [context.Process(target=train_beside, args=(task_of(), path)) for path in paths]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join(timeout=300)
    assert [job.exitcode for job in jobs] == [0, 0]
    expected, _ = run(task_of(), gpu)
    for path in paths:
        with np.load(path) as arrays:
            found = Network(expected.description, dict(arrays), expected.masks)
        assert_near(found, expected, TOLERANCE["float32"])


def test_a_batch_that_does_not_fit_is_told_as_such(gpu: torch.device) -> None:
    total = torch.cuda.get_device_properties(gpu).total_memory
    with pytest.raises(torch.OutOfMemoryError, match="out of memory"):
        torch.empty(2 * total, dtype=torch.uint8, device=gpu)


def test_workers_end_with_the_training(task_of: Callable[..., Task], gpu: torch.device) -> None:
    run(task_of(), gpu, workers=2)
    children = Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()
    names = [Path(f"/proc/{child}/cmdline").read_text() for child in children]
    assert not [name for name in names if "resource_tracker" not in name and name], names
