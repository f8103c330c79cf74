"""Schedules of the learning rate against torch's, and by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from test_recipe import vary
from torch.optim import lr_scheduler

from prunescope.train.recipes import learning_rates
from prunescope.train.recipes.recipe import Recipe, make_plan


def factors(recipe: Recipe, images: int) -> list[float]:
    plan = make_plan(recipe, images)
    schedule = learning_rates.LEARNING_RATES[recipe.schedule]
    return [schedule(recipe, plan, step) for step in range(plan.steps)]


def by_torch(
    make: type[lr_scheduler.LRScheduler], steps: int, every: int, **settings: float
) -> list[float]:
    """Learning rates of `steps` steps; the scheduler is stepped after each `every` of them."""
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    schedule = make(optimizer, **settings)
    rates = []
    for step in range(1, steps + 1):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        if step % every == 0:
            schedule.step()
    return rates


def test_constant() -> None:
    assert factors(vary(schedule="constant"), 40) == [1.0] * 12


@pytest.mark.parametrize("images", [40, 47])
def test_exponential_is_torchs_stepped_after_each_epoch(images: int) -> None:
    expected = by_torch(lr_scheduler.ExponentialLR, 12, every=4, gamma=0.8)
    assert factors(vary(schedule="exponential"), images) == pytest.approx(expected)


def test_exponential_counts_epochs_of_a_recipe_in_steps() -> None:
    found = factors(vary(schedule="exponential", epochs=None, steps=6, images_per_epoch=25), 40)
    assert found == pytest.approx([1, 1, 0.8, 0.8, 0.64, 0.64])


@pytest.mark.parametrize("epochs", [1, 3, 20])
def test_cosine_is_torchs_stepped_after_each_step(epochs: int) -> None:
    steps = 4 * epochs
    expected = by_torch(lr_scheduler.CosineAnnealingLR, steps, every=1, T_max=steps)
    assert factors(vary(schedule="cosine", epochs=epochs), 40) == pytest.approx(expected, abs=1e-9)


def test_one_cycle_by_hand() -> None:
    found = factors(vary(schedule="one_cycle", epochs=None, steps=10), 40)
    # A third a step for three steps, then half a cosine over the seven that remain.
    falling = [0.950484, 0.811745, 0.611260, 0.388740, 0.188255, 0.049516, 0]
    assert found == pytest.approx([1 / 3, 2 / 3, 1, *falling], abs=1e-6)


@given(st.integers(2, 400))
def test_one_cycle_rises_to_its_peak_and_falls_to_nothing(steps: int) -> None:
    found = factors(vary(schedule="one_cycle", epochs=None, steps=steps), 40)
    peak = found.index(max(found))
    assert max(found) <= 1
    assert found[-1] == pytest.approx(0, abs=1e-12)
    assert min(found) >= 0
    assert abs((peak + 1) / steps - 0.3) <= 1 / steps
    assert found[: peak + 1] == sorted(found[: peak + 1])
    assert found[peak:] == sorted(found[peak:], reverse=True)


@given(st.integers(1, 90))
def test_one_cycle_peaks_at_one_after_three_tenths(tenth: int) -> None:
    found = factors(vary(schedule="one_cycle", epochs=None, steps=10 * tenth), 40)
    assert found[3 * tenth - 1] == pytest.approx(1)
