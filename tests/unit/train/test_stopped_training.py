"""Killed and started again, a training ends with the bits of one that was left alone."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

import numpy as np
import pytest
import torch
import trained
from safetensors.numpy import load_file

from prunescope.foundation.code_digest import SCRIPTS
from prunescope.foundation.errors import InputError, StoppedError
from prunescope.train import training
from prunescope.train.recipes.recipe import Recipe
from prunescope.train.saved_state import SavedState
from prunescope.train.training import Surroundings

SEARCHED = [SCRIPTS, Path(trained.__file__).parent]
JOBS = multiprocessing.get_context("forkserver")


@pytest.fixture(scope="module", autouse=True)
def importer() -> None:
    """A process that has imported torch: all jobs are forked from it, which takes no time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", os.pathsep.join(map(str, SEARCHED)))
        JOBS.set_forkserver_preload(["trained"])
        forkserver.ensure_running()


def output_of(folder: Path) -> Path:
    return folder.with_suffix(".txt")


def start(folder: Path, every_seconds: float, pause: float, workers: int = 0) -> BaseProcess:
    arguments = (output_of(folder), folder, every_seconds, pause, workers)
    process = JOBS.Process(target=trained.run, args=arguments)
    process.start()
    return process


def wait(process: BaseProcess) -> int | None:
    process.join()
    return process.exitcode


def contents(folder: Path) -> dict[str, np.ndarray]:
    with np.load(folder / "network.npz") as stored:
        return dict(stored)


def assert_same(folder: Path, expected: dict[str, np.ndarray]) -> None:
    found = contents(folder)
    assert found.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found[name], tensor, err_msg=name)
    assert [path.name for path in folder.iterdir()] == ["network.npz"]


def saved_at(folder: Path) -> set[tuple[str, int]]:
    """The states that are there, by name and time; a save may rename one meanwhile."""
    found = set()
    for path in folder.glob("training.*.safetensors"):
        with suppress(FileNotFoundError):
            found.add((path.name, path.stat().st_mtime_ns))
    return found


def wait_for_a_save(process: BaseProcess, folder: Path, before: set[tuple[str, int]]) -> None:
    while saved_at(folder) <= before:
        assert process.is_alive(), "ended before it saved anything"
        time.sleep(0.005)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, np.ndarray]:
    folder = tmp_path_factory.mktemp("undisturbed")
    assert wait(start(folder, 1000, 0)) == 0
    return contents(folder)


@pytest.mark.slow
def test_sigkill_at_random_moments_changes_no_bit(
    tmp_path: Path, undisturbed: dict[str, np.ndarray]
) -> None:
    chance = random.Random(0)
    damaged = False
    for kill in range(20):
        # Saved at every step, so that a kill may fall into a save.
        before = saved_at(tmp_path)
        process = start(tmp_path, 0, 0.05)
        if kill % 4:
            wait_for_a_save(process, tmp_path, before)
        # Else it may still be reading the state of the one before.
        time.sleep(chance.uniform(0, 0.1))
        assert process.is_alive(), "finished before it was killed: nothing was tested"
        process.kill()
        assert wait(process) == -signal.SIGKILL
        last_states = list(tmp_path.glob("training.????????????.safetensors"))
        if kill >= 10 and last_states and not damaged:
            # A state that was cut off: the one before it serves.
            damaged = True
            last_states[0].write_bytes(last_states[0].read_bytes()[:-100])
    assert damaged
    assert wait(start(tmp_path, 1000, 0)) == 0
    assert "going on from" in output_of(tmp_path).read_text()
    assert_same(tmp_path, undisturbed)


@pytest.mark.slow
def test_two_jobs_that_race_for_a_network_leave_a_whole_one(
    tmp_path: Path, undisturbed: dict[str, np.ndarray]
) -> None:
    """As when Snakemake was killed, its job was not, and it is started again."""
    chance = random.Random(1)
    stopped = 0
    for _ in range(10):
        orphan = start(tmp_path, 0, 0.01)
        time.sleep(chance.uniform(0, 1))
        late = start(tmp_path, 0, 0.01)
        codes = [wait(process) for process in (orphan, late)]
        assert 0 in codes
        assert set(codes) <= {0, os.EX_TEMPFAIL}
        stopped += os.EX_TEMPFAIL in codes
        assert_same(tmp_path, undisturbed)
        (tmp_path / "network.npz").unlink()
    assert stopped, "they never met: nothing was tested"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_saves_the_state_and_asks_for_another_try(
    tmp_path: Path, undisturbed: dict[str, np.ndarray], number: signal.Signals
) -> None:
    """A scheduler signals all processes of a job: also those that read images ahead."""
    process = start(tmp_path, 0, 0.1, workers=2)
    wait_for_a_save(process, tmp_path, set())
    assert process.pid is not None
    os.killpg(process.pid, number)
    assert wait(process) == os.EX_TEMPFAIL
    output = output_of(tmp_path).read_text()
    assert "asked to stop after step" in output
    assert "the state is saved in" in output
    assert wait(start(tmp_path, 1000, 0, workers=2)) == 0
    assert_same(tmp_path, undisturbed)


def run_to(step: int | None, folder: Path, recipe: Recipe = trained.RECIPE) -> tuple[list, dict]:
    """Train in this process; stop after `step` steps from the start or the restart."""
    module, masks = trained.build()
    side = SavedState(folder, {}, (), every_seconds=1000)
    taken = iter(range(1, 1000))
    around = Surroundings(saved_state=side, stop=lambda: next(taken) == step)
    rows = training.train(module, trained.task(masks, recipe), around)
    return list(rows), module.state_dict()


def assert_stopping_changes_no_bit(step: int, folder: Path, recipe: Recipe) -> None:
    expected_rows, expected = run_to(None, folder / "whole", recipe)
    with pytest.raises(StoppedError, match=f"after step {step};"):
        run_to(step, folder, recipe)
    rows, state = run_to(None, folder, recipe)
    assert rows == expected_rows
    for name, tensor in expected.items():
        np.testing.assert_array_equal(state[name], tensor, err_msg=name)


@pytest.mark.parametrize("step", [1, 7, 8, 9, 63, 64])
def test_stopping_after_any_step_changes_no_bit(tmp_path: Path, step: int) -> None:
    """Among them the last step of an epoch, and the very last one."""
    assert_stopping_changes_no_bit(step, tmp_path, trained.RECIPE)


@pytest.mark.parametrize("optimizer", ["sgd", "adamw"])
def test_stopping_a_training_with_groups_of_parameters_changes_no_bit(
    tmp_path: Path, optimizer: str
) -> None:
    recipe = replace(
        trained.RECIPE, optimizer=optimizer, momentum=0.9, weight_decay_on="weights", epochs=2
    )
    assert_stopping_changes_no_bit(5, tmp_path, recipe)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_stopping_a_training_in_mixed_precision_changes_no_bit(
    tmp_path: Path, optimizer: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scaler goes on too: it starts too high here, so it skips steps until it fits."""
    scalers: list[torch.amp.GradScaler] = []

    def make(kind: str, *, enabled: bool) -> torch.amp.GradScaler:
        scalers.append(original(kind, init_scale=2.0**24, enabled=enabled))
        return scalers[-1]

    original = torch.amp.GradScaler
    monkeypatch.setattr(torch.amp, "GradScaler", make)
    recipe = replace(trained.RECIPE, precision=precision, optimizer=optimizer, epochs=2)
    assert_stopping_changes_no_bit(3, tmp_path, recipe)
    whole, _, resumed = (scaler.get_scale() for scaler in scalers)
    assert resumed == whole
    assert precision == "bf16" or whole < 2.0**24, "nothing overflowed: nothing was tested"


def test_without_a_place_nothing_is_saved() -> None:
    module, masks = trained.build()
    rows = training.train(module, trained.task(masks), Surroundings(stop=lambda: True))
    with pytest.raises(StoppedError, match="nothing is saved"):
        list(rows)


def around(folder: Path, stop: Callable[[], bool], every_seconds: float = 1000) -> Surroundings:
    return Surroundings(saved_state=SavedState(folder, {}, (), every_seconds), stop=stop)


def rows_of(surroundings: Surroundings, recipe: Recipe = trained.RECIPE) -> Iterator[dict]:
    module, masks = trained.build()
    return training.train(module, trained.task(masks, recipe), surroundings)


def test_a_late_owner_stops_and_leaves_the_state_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "LOOK_SECONDS", 0.0)
    early = rows_of(around(tmp_path, stop=training.never, every_seconds=0))
    next(early)
    next(early)
    late = rows_of(around(tmp_path, stop=training.never))
    assert [next(late)["epoch"], next(late)["epoch"]] == [0, 1]
    before = saved_at(tmp_path)
    with pytest.raises(StoppedError, match=r"another job trains this network: .* process \d+"):
        next(early)
    assert saved_at(tmp_path) == before
    assert len(list(late)) == trained.RECIPE.epochs - 1


def test_a_diverged_training_keeps_the_last_good_state(tmp_path: Path) -> None:
    good = rows_of(around(tmp_path, stop=training.never, every_seconds=0))
    next(good)
    next(good)
    kept = {path: path.read_bytes() for path in tmp_path.glob("training.*.safetensors")}
    assert kept
    spoil = replace(trained.RECIPE, lr=1e30, optimizer="sgd")
    said = r"in epoch 2 at learning rate \S+\. Lower `lr` of the recipe\. .*good state is kept: "
    with pytest.raises(InputError, match=rf"the loss is (nan|inf) {said}"):
        list(rows_of(around(tmp_path, stop=training.never, every_seconds=0), spoil))
    assert all(
        np.isfinite(tensor).all()
        for path in kept
        for name, tensor in load_file(path).items()
        if name.startswith("module.")
    )
