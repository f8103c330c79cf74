"""Shares by hand and against torch's cubic schedule; trainings against a plain loop."""

import pickle
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
import trained
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.ao.pruning import CubicSL
from torch.nn.functional import cross_entropy

from prunescope.foundation.errors import InputError, StoppedError
from prunescope.networks import modules
from prunescope.networks.description import Layer, Network
from prunescope.networks.preprocessing import to_input
from prunescope.prune.masks import PruningMethod, make_masks
from prunescope.train import training, training_job
from prunescope.train.images.packed_source import PackedSource
from prunescope.train.mask_updates.gradual import Gradual, Timing
from prunescope.train.mask_updates.updates import MASK_UPDATES
from prunescope.train.recipes.recipe import Recipe
from prunescope.train.saved_state import SavedState
from prunescope.train.training import Surroundings, Task

LAYERS = (
    Layer("0", "conv2d", (8, 3, 3, 3), output_size=(6, 6), batch_norm="1"),
    Layer("5", "linear", (5, 288), output_size=(1, 1)),
)
DESCRIPTION = replace(trained.DESCRIPTION, layers=LAYERS)
EVERYWHERE = PruningMethod("weight", "global", "l1", ("conv2d", "linear"))
WEIGHTS = 8 * 27 + 5 * 288
# Updates after the steps 4, 7 and 10 of 16: two epochs of 8 steps.
TIMING = Timing(begin=1, end=10, every=3)
RATE = 0.9
RECIPE = replace(trained.RECIPE, epochs=2)


def gradual(rate: float = RATE, timing: Timing = TIMING) -> Gradual:
    return Gradual(rate, timing, partial(make_masks, settings=EVERYWHERE))


def test_shares_are_those_of_the_formula() -> None:
    timing = Timing(begin=100, end=500, every=100)
    found = {step: timing.share(step) for step in range(700)}
    assert {step: share for step, share in found.items() if share is not None} == {
        200: 1 - 0.75**3,
        300: 1 - 0.5**3,
        400: 1 - 0.25**3,
        500: 1,
    }


@given(
    begin=st.integers(0, 50), updates=st.integers(1, 20), every=st.integers(1, 30),
    rate=st.floats(0.01, 0.99),
)  # fmt: skip
def test_rates_are_those_of_torch(begin: int, updates: int, every: int, rate: float) -> None:
    found = gradual(rate, Timing(begin, begin + updates * every, every))
    for update in range(1, updates + 1):
        step = begin + update * every
        theirs = CubicSL.sparsity_compute_fn(0.0, rate, step, begin, every, updates)
        assert found.scheduled(step) == pytest.approx(theirs)
    assert found.scheduled(begin + updates * every) == rate
    assert found.scheduled(begin) is None
    assert found.scheduled(begin + updates * every + every) is None


def build(dropout: float = 0.3) -> nn.Module:
    return trained.build(dropout)[0]


def task_of(updates: Gradual, recipe: Recipe = RECIPE) -> Task:
    images = trained.pictures()
    network = Network(DESCRIPTION, {}, {})
    return Task(network, PackedSource(images), images, recipe, seed=3, updates=updates)


def train(
    updates: Gradual, **around: object
) -> tuple[list[dict], dict[str, np.ndarray], dict[str, np.ndarray], list[dict]]:
    """The rows and tensors of a training, and its masks and their changes."""
    module, told = build(), []
    surroundings = Surroundings(changed=lambda *found: told.extend(found), **around)
    rows = list(training.train(module, task_of(updates), surroundings))
    masks, changes = told
    return (
        rows,
        {name: tensor.numpy() for name, tensor in module.state_dict().items()},
        masks,
        changes,
    )


@settings(max_examples=10, deadline=None)
@given(rate=st.floats(0.05, 0.95), every=st.integers(1, 5), updates=st.integers(1, 3))
def test_every_update_prunes_what_the_schedule_says(rate: float, every: int, updates: int) -> None:
    timing = Timing(0, every * updates, every)
    rows, tensors, masks, changes = train(gradual(rate, timing))
    shares = [1 - (1 - update / updates) ** 3 for update in range(1, updates + 1)]
    assert [change["step"] for change in changes] == [every * n for n in range(1, updates + 1)]
    for change, share in zip(changes, shares, strict=True):
        assert change["scheduled"] == pytest.approx(rate * share)
        assert change["masked"] == round(change["scheduled"] * WEIGHTS)
        assert change["with_masks"] == WEIGHTS
        assert change["sparsity"] == change["masked"] / WEIGHTS
    gone = sum(int((~mask).sum()) for mask in masks.values())
    assert gone == round(rate * WEIGHTS)
    assert rows[0]["sparsity"] == 0
    assert rows[-1]["sparsity"] == gone / WEIGHTS
    for name, mask in masks.items():
        np.testing.assert_array_equal(tensors[name] == 0, ~mask)
    MASK_UPDATES.conform(pl.DataFrame(changes))


def test_what_was_masked_stays_masked() -> None:
    seen: list[dict[str, np.ndarray]] = []

    def watched(network: Network, *, rate: float) -> dict[str, np.ndarray]:
        seen.append(dict(network.masks))
        return make_masks(network, EVERYWHERE, rate)

    _, _, last, _ = train(Gradual(RATE, TIMING, watched))
    first, *others = seen
    assert first == {}
    assert len(others) == 2
    for before, after in zip(others, [*others[1:], last], strict=True):
        for name in before:
            assert not (after[name] & ~before[name]).any()


def test_a_training_is_that_of_a_plain_loop() -> None:
    """With all images in each batch, their order does not matter."""
    recipe = replace(
        RECIPE, optimizer="sgd", momentum=0.9, lr=0.05, schedule="constant", weight_decay=0.001,
        batch=64, accumulate=1, augmentation=(), epochs=14,
    )  # fmt: skip
    images, told = trained.pictures(), []
    ours, theirs = build(dropout=0), build(dropout=0)
    around = Surroundings(changed=lambda *found: told.extend(found))
    list(training.train(ours, task_of(gradual(), recipe), around))

    optimizer = torch.optim.SGD(theirs.parameters(), lr=0.05, momentum=0.9, weight_decay=0.001)
    weights = [theirs[0].weight, theirs[5].weight]
    alive = [torch.ones_like(weight) for weight in weights]
    inputs = to_input(torch.from_numpy(images.images), DESCRIPTION, training.CPU)
    labels = torch.from_numpy(np.asarray(images.labels))
    theirs.train()
    for step in range(1, 15):
        optimizer.zero_grad()
        cross_entropy(theirs(inputs), labels).backward()
        optimizer.step()
        if step in (4, 7, 10):
            pruned = round(0.9 * (1 - (1 - (step - 1) / 9) ** 3) * WEIGHTS)
            sizes = [weight.abs() * mask for weight, mask in zip(weights, alive, strict=True)]
            threshold = torch.cat([size.flatten() for size in sizes]).sort().values[pruned]
            alive = [(size >= threshold).float() for size in sizes]
        with torch.no_grad():
            for weight, mask in zip(weights, alive, strict=True):
                weight.mul_(mask)
    masks, changes = told
    assert [change["step"] for change in changes] == [4, 7, 10]
    for name, mask in zip(("0.weight", "5.weight"), alive, strict=True):
        np.testing.assert_array_equal(masks[name], mask.bool().numpy())
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("step", [1, 3, 4, 5, 8, 10, 15])
def test_stopping_between_updates_changes_no_bit(tmp_path: Path, step: int) -> None:
    expected = train(gradual())
    saved = SavedState(tmp_path, {}, (), every_seconds=1000)
    taken = iter(range(1, 1000))
    stop: Callable[[], bool] = lambda: next(taken) == step  # noqa: E731
    with pytest.raises(StoppedError):
        train(gradual(), saved_state=saved, stop=stop)
    rows, tensors, masks, changes = train(gradual(), saved_state=saved)
    assert rows == expected[0]
    assert changes == expected[3]
    for found, whole in ((tensors, expected[1]), (masks, expected[2])):
        assert found.keys() == whole.keys()
        for name, value in whole.items():
            np.testing.assert_array_equal(found[name], value, err_msg=name)


@pytest.mark.parametrize(("end", "refused"), [(15, False), (16, True), (99, True)])
def test_updates_must_end_before_the_training(end: int, refused: bool) -> None:
    """The config cannot tell where nobody has counted the images of a folder yet."""
    updates = gradual(timing=Timing(0, end, end))
    if not refused:
        *_, changes = train(updates)
        assert [change["step"] for change in changes] == [end]
        return
    with pytest.raises(InputError, match=f"is {end}, but the training has 16 steps"):
        train(updates)


def test_updates_can_be_given_to_another_process() -> None:
    sent = pickle.loads(pickle.dumps(gradual()))
    network = modules.to_network(build(), DESCRIPTION)
    for name, mask in gradual().masks(10, network, {}).items():
        np.testing.assert_array_equal(sent.masks(10, network, {})[name], mask)


def test_the_network_of_a_job_has_the_last_masks(monkeypatch: pytest.MonkeyPatch) -> None:
    module = build()
    monkeypatch.setattr(training_job.modules, "to_module", lambda network: module)
    network, _ = training_job.run(task_of(gradual()), Surroundings(), 1, training_job.follow)
    assert sum(int((~mask).sum()) for mask in network.masks.values()) == round(RATE * WEIGHTS)
    for name, mask in network.masks.items():
        np.testing.assert_array_equal(network.tensors[name] == 0, ~mask)
