"""Moves by hand and against sorted lists; trainings against a plain loop of RigL's definition."""

import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
import trained
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.functional import cross_entropy

from prunescope.foundation.errors import StoppedError
from prunescope.networks.description import Network
from prunescope.networks.preprocessing import to_input
from prunescope.train import training
from prunescope.train.images.packed_source import PackedSource
from prunescope.train.mask_updates.regrowth import Pace, Regrowth, move
from prunescope.train.mask_updates.updates import MASK_UPDATES
from prunescope.train.recipes.recipe import Recipe
from prunescope.train.saved_state import SavedState
from prunescope.train.training import Surroundings, Task

# Updates in place of the steps 3, 6 and 9 of 16: two epochs of 8 steps.
PACE = Pace(every=3, end=12, fraction=0.5)
RECIPE = replace(trained.RECIPE, epochs=2)


def test_shares_fall_as_half_a_cosine() -> None:
    pace = Pace(every=25, end=100, fraction=0.3)
    found = {step: pace.share(step) for step in range(200)}
    assert {step: share for step, share in found.items() if share is not None} == {
        25: pytest.approx(0.15 * (1 + math.sqrt(0.5))),
        50: pytest.approx(0.15),
        75: pytest.approx(0.15 * (1 - math.sqrt(0.5))),
    }


def test_a_move_by_hand() -> None:
    """Of four live weights two go, -0.1 and 0.2; where 7 and 9 stand, gradients are largest."""
    weight = np.array([[0.5, -0.1, 0, 0], [0.2, -0.9, 0, 0]], dtype=np.float32)
    mask = weight != 0
    gradient = np.array([[99, 1, -9, 3], [7, 99, 2, 6]], dtype=np.float32)
    everywhere = np.ones_like(mask)
    moved = move(weight, gradient, mask, everywhere, 0.5)
    # What was dropped may grow back: 0.2 does.
    np.testing.assert_array_equal(moved, [[1, 0, 1, 0], [1, 1, 0, 0]])
    counted = everywhere.copy()
    counted[0, 2] = False
    moved = move(weight, gradient, mask, counted, 0.5)
    np.testing.assert_array_equal(moved, [[1, 0, 0, 0], [1, 1, 0, 1]])


ARRAYS = st.integers(0, 2**32 - 1).map(np.random.default_rng)


@given(rng=ARRAYS, size=st.integers(1, 60), density=st.floats(0, 1), share=st.floats(0, 1))
def test_moves_keep_the_number_of_live_weights(
    rng: np.random.Generator, size: int, density: float, share: float
) -> None:
    mask, counted = rng.random(size) < density, rng.random(size) < 0.8
    # Many are equal, so that ties matter.
    weight, gradient = rng.integers(-3, 4, (2, size)).astype(np.float32)
    moved = move(weight, gradient, mask, counted, share)
    assert moved.sum() == mask.sum()
    np.testing.assert_array_equal(moved[~counted], mask[~counted])
    live = [place for place in range(size) if mask[place] and counted[place]]
    dropped = sorted(live, key=lambda place: abs(weight[place]))[: math.floor(share * len(live))]
    kept = set(live) - set(dropped)
    free = [place for place in range(size) if counted[place] and place not in kept]
    grown = sorted(free, key=lambda place: -abs(gradient[place]))[: len(dropped)]
    assert {place for place in range(size) if moved[place] and counted[place]} == {*kept, *grown}


def masks() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(5)
    return {"0.weight": rng.random((8, 3, 3, 3)) < 0.4, "5.weight": rng.random((5, 288)) < 0.1}


def build(dropout: float = 0.3) -> nn.Module:
    """The network of `trained`, with the masks applied."""
    module, _ = trained.build(dropout)
    with torch.no_grad():
        for name, mask in masks().items():
            dict(module.named_parameters())[name].mul_(torch.from_numpy(mask))
    return module


def task_of(recipe: Recipe = RECIPE, updates: Regrowth | None = None) -> Task:
    images = trained.pictures()
    network = Network(trained.DESCRIPTION, {}, masks())
    updates = updates or Regrowth(PACE)
    return Task(network, PackedSource(images), images, recipe, seed=3, updates=updates)


def train(
    recipe: Recipe = RECIPE, dropout: float = 0.3, **around: object
) -> tuple[list[dict], dict[str, np.ndarray], dict[str, np.ndarray], list[dict]]:
    """The rows and tensors of a training, and its masks and their changes."""
    module, told = build(dropout), []
    surroundings = Surroundings(changed=lambda *found: told.extend(found), **around)
    rows = list(training.train(module, task_of(recipe), surroundings))
    tensors = {name: tensor.numpy() for name, tensor in module.state_dict().items()}
    return rows, tensors, *told


@settings(max_examples=6, deadline=None)
@given(every=st.integers(1, 5), fraction=st.floats(0.1, 1))
def test_each_layer_keeps_its_number_of_live_weights(every: int, fraction: float) -> None:
    seen: list[dict[str, np.ndarray]] = []

    class Watched(Regrowth):
        def masks(self, *given: object) -> dict[str, np.ndarray]:
            seen.append(super().masks(*given))
            return seen[-1]

    module, told = build(), []
    updates = Watched(Pace(every, 12, fraction))
    around = Surroundings(changed=lambda *found: told.extend(found))
    rows = list(training.train(module, task_of(updates=updates), around))
    last, changes = told
    before = masks()
    assert [change["step"] for change in changes] == list(range(every, 12, every))
    assert len(seen) == len(changes)
    for after, change in zip(seen, changes, strict=True):
        dropped = 0
        for name, mask in before.items():
            assert after[name].sum() == masks()[name].sum()
            lost = int((mask & ~after[name]).sum())
            # Some of what was dropped may have grown back.
            assert lost <= int(change["scheduled"] * mask.sum())
            dropped += lost
        assert change["dropped"] == change["grown"] == dropped
        assert change["masked"] == sum(int((~mask).sum()) for mask in masks().values())
        before = after
    assert sum(change["dropped"] for change in changes) > 0
    for name, mask in last.items():
        np.testing.assert_array_equal(mask, seen[-1][name])
        assert not module.state_dict()[name].numpy()[~mask].any()
    assert rows[-1]["sparsity"] == pytest.approx(changes[-1]["sparsity"])
    MASK_UPDATES.conform(pl.DataFrame(changes))


def plain_loop(module: nn.Module, recipe: Recipe, pace: Pace) -> dict[str, torch.Tensor]:
    """Full-batch training by the definition; gradients and momentum of masked weights are zero."""
    images = trained.pictures()
    inputs = to_input(torch.from_numpy(images.images), trained.DESCRIPTION, training.CPU)
    labels = torch.from_numpy(np.asarray(images.labels))
    parameters = dict(module.named_parameters())
    alive = {name: torch.from_numpy(mask).float() for name, mask in masks().items()}
    optimizer = torch.optim.SGD(
        module.parameters(), lr=recipe.lr, momentum=recipe.momentum,
        weight_decay=recipe.weight_decay,
    )  # fmt: skip
    module.train()
    assert recipe.epochs is not None
    for step in range(1, recipe.epochs + 1):
        optimizer.zero_grad()
        cross_entropy(module(inputs), labels).backward()
        if step % pace.every == 0 and step < pace.end:
            share = pace.fraction / 2 * (1 + math.cos(math.pi * step / pace.end))
            for name, mask in alive.items():
                weight, size = parameters[name], int(mask.sum())
                number = int(share * size)
                kept = torch.zeros(mask.numel())
                magnitudes = torch.where(mask.bool(), weight.detach().abs(), -1.0).flatten()
                kept[magnitudes.topk(size - number).indices] = 1
                slopes = torch.where(kept.bool(), -1.0, weight.grad.abs().flatten())
                kept[slopes.topk(number).indices] = 1
                alive[name] = kept.view(mask.shape)
        else:
            for name, mask in alive.items():
                parameters[name].grad.mul_(mask)
            optimizer.step()
        with torch.no_grad():
            for name, mask in alive.items():
                parameters[name].mul_(mask)
                if "momentum_buffer" in optimizer.state[parameters[name]]:
                    optimizer.state[parameters[name]]["momentum_buffer"].mul_(mask)
    return alive


def test_a_training_is_that_of_a_plain_loop() -> None:
    """With all images in each batch, their order does not matter."""
    recipe = replace(
        RECIPE, optimizer="sgd", momentum=0.9, lr=0.02, schedule="constant", weight_decay=0.001,
        batch=64, accumulate=1, augmentation=(), epochs=14,
    )  # fmt: skip
    _, tensors, found, changes = train(recipe, dropout=0)
    module = build(dropout=0)
    alive = plain_loop(module, recipe, PACE)
    assert [change["step"] for change in changes] == [3, 6, 9]
    assert changes[0]["grown"] > 10
    for name, mask in alive.items():
        np.testing.assert_array_equal(found[name], mask.bool().numpy())
    for name, value in module.state_dict().items():
        np.testing.assert_allclose(tensors[name], value.numpy(), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("step", [1, 2, 3, 4, 6, 8, 13])
def test_stopping_before_and_after_a_move_changes_no_bit(tmp_path: Path, step: int) -> None:
    whole = train()
    saved = SavedState(tmp_path, {}, (), every_seconds=1000)
    taken = iter(range(1, 1000))
    stop: Callable[[], bool] = lambda: next(taken) == step  # noqa: E731
    with pytest.raises(StoppedError):
        train(saved_state=saved, stop=stop)
    resumed = train(saved_state=saved)
    assert (resumed[0], resumed[3]) == (whole[0], whole[3])
    for found, expected in zip(resumed[1:3], whole[1:3], strict=True):
        assert found.keys() == expected.keys()
        for name, value in expected.items():
            np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
def test_what_grows_begins_at_zero_and_without_moments(
    optimizer: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While it was masked, the optimizer gathered gradients of it."""
    looked: list[tuple[str, np.ndarray]] = []
    forget = training._Session._forget_moments

    def watched(session: training._Session, grown: dict[str, np.ndarray]) -> None:
        parameters = dict(session.module.named_parameters())

        def gathered() -> list[torch.Tensor]:
            return [
                value[torch.from_numpy(where)]
                for name, where in grown.items()
                for value in session.optimizer.state[parameters[name]].values()
                if value.shape == parameters[name].shape
            ]

        assert any(value.any() for value in gathered())
        forget(session, grown)
        assert gathered()
        assert not any(value.any() for value in gathered())
        for name, where in grown.items():
            assert not parameters[name].detach().numpy()[where].any()
            looked.append((name, where))

    monkeypatch.setattr(training._Session, "_forget_moments", watched)
    train(replace(RECIPE, optimizer=optimizer, momentum=0.9))
    assert len(looked) == 6


def test_a_parameter_without_a_gradient_keeps_its_mask() -> None:
    network = Network(trained.DESCRIPTION, {"0.weight": np.ones((8, 3, 3, 3))}, masks())
    found = Regrowth(PACE).masks(3, network, {"0.weight": np.ones((8, 3, 3, 3))})
    np.testing.assert_array_equal(found["5.weight"], masks()["5.weight"])
    assert (found["0.weight"] != masks()["0.weight"]).any()


def test_regrowth_can_be_given_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(Regrowth(PACE))) == Regrowth(PACE)
