"""Networks kept along a training against shorter trainings; learning rates against the formula."""

import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import trained

from prunescope.foundation.errors import InputError, StoppedError
from prunescope.networks.description import Network
from prunescope.train import training
from prunescope.train.recipes.recipe import Plan, Recipe
from prunescope.train.saved_state import SavedState
from prunescope.train.training import Surroundings

# 64 images in batches of 8: 8 steps an epoch.
CONSTANT = replace(trained.RECIPE, schedule="constant", epochs=None, steps=11)


def train(
    recipe: Recipe, kept: tuple[int, ...] = (), first: int = 0, **around: object
) -> tuple[list[dict], dict[str, np.ndarray], dict[int, Network]]:
    """The rows, the tensors at the end, and the networks that were kept."""
    module, masks = trained.build()
    found: dict[int, Network] = {}
    task = replace(trained.task(masks, recipe), first_step=first, kept_steps=kept)
    rows = list(training.train(module, task, Surroundings(keep=found.__setitem__, **around)))
    return rows, {name: value.numpy() for name, value in module.state_dict().items()}, found


def assert_equal(found: Network, expected: dict[str, np.ndarray]) -> None:
    assert found.tensors.keys() == expected.keys()
    for name, tensor in expected.items():
        np.testing.assert_array_equal(found.tensors[name], tensor, err_msg=name)


def test_the_network_after_some_steps_is_that_of_a_training_of_as_many() -> None:
    _, end, found = train(CONSTANT, kept=(0, 5, 8))
    assert sorted(found) == [0, 5, 8]
    blank, _ = trained.build()
    assert_equal(found[0], {name: value.numpy() for name, value in blank.state_dict().items()})
    for steps in (5, 8):
        _, short, _ = train(replace(CONSTANT, steps=steps))
        assert_equal(found[steps], short)
    _, untouched, none = train(CONSTANT)
    assert none == {}
    for name, tensor in untouched.items():
        np.testing.assert_array_equal(tensor, end[name], err_msg=name)


def stop_after(steps: int) -> Callable[[], bool]:
    taken = iter(range(1, 1000))
    return lambda: next(taken) == steps


@pytest.mark.parametrize("stopped", [3, 5, 9])
def test_a_network_is_kept_over_an_interruption(tmp_path: Path, stopped: int) -> None:
    _, end, whole = train(CONSTANT, kept=(0, 5))
    saved = SavedState(tmp_path, {"kept": [0, 5]}, (), 1000)
    with pytest.raises(StoppedError):
        train(CONSTANT, kept=(0, 5), saved_state=saved, stop=stop_after(stopped))
    _, resumed_end, resumed = train(CONSTANT, kept=(0, 5), saved_state=saved)
    assert sorted(resumed) == [0, 5]
    for step, network in resumed.items():
        assert_equal(network, dict(whole[step].tensors))
    for name, tensor in end.items():
        np.testing.assert_array_equal(resumed_end[name], tensor, err_msg=name)


def test_learning_rates_go_on_from_the_step() -> None:
    """Of 64 steps of a cosine, the last 22 are taken: 6 to the end of the sixth epoch, then 16."""
    rows, _, _ = train(trained.RECIPE, first=42)
    assert [row["step"] for row in rows] == [0, 6, 14, 22]
    expected = [0.01 * 0.5 * (1 + math.cos(math.pi * step / 64)) for step in (47, 55, 63)]
    assert [row["lr"] for row in rows[1:]] == pytest.approx(expected)


def test_factors_of_epochs_go_on_from_the_step() -> None:
    recipe = replace(trained.RECIPE, schedule="exponential", gamma=0.5, epochs=3)
    rows, _, _ = train(recipe, first=10)
    assert [row["lr"] for row in rows[1:]] == pytest.approx([0.005, 0.0025])


@pytest.mark.parametrize("step", range(13))
def test_the_rest_of_a_plan_is_what_a_loop_leaves(step: int) -> None:
    epochs = (5, 5, 3)
    places = [epoch for epoch, steps in enumerate(epochs) for _ in range(steps)][step:]
    expected = tuple(places.count(epoch) for epoch in sorted(set(places)))
    assert Plan(60, 60, 12, epochs).after(step).steps_by_epoch == expected


@pytest.mark.parametrize("place", [{"first": 11}, {"kept": (11,)}])
def test_steps_that_a_recipe_lacks_are_refused(place: dict) -> None:
    with pytest.raises(InputError, match=r"`rewind.step` is 11, but the recipe has only 11 steps"):
        train(CONSTANT, **place)
