"""Plans by hand, schedules against torch's, optimizers by their settings."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler

from prunescope.foundation.errors import InputError
from prunescope.train.recipes import learning_rates, optimizers
from prunescope.train.recipes.recipe import Plan, Recipe, from_config, make_plan

RECIPE = Recipe(
    optimizer="sgd",
    lr=0.1,
    weight_decay=0.01,
    schedule="constant",
    batch=10,
    history_images=5,
    momentum=0.9,
    gamma=0.8,
    epochs=3,
)


def vary(**fields: object) -> Recipe:
    return Recipe(**{**vars(RECIPE), **fields})


@pytest.mark.parametrize(
    ("fields", "images", "per_epoch", "steps_by_epoch"),
    [
        ({"epochs": 3}, 40, 40, (4, 4, 4)),
        ({"epochs": 2}, 49, 49, (4, 4)),  # the incomplete last batch is left out
        ({"epochs": 2, "images_per_epoch": 20}, 49, 20, (2, 2)),
        ({"epochs": 2, "images_per_epoch": 49}, 49, 49, (4, 4)),
        ({"epochs": 1}, 10, 10, (1,)),
        ({"epochs": None, "steps": 8}, 40, 40, (4, 4)),
        ({"epochs": None, "steps": 10}, 40, 40, (4, 4, 2)),
        ({"epochs": None, "steps": 3}, 40, 40, (3,)),
        ({"epochs": None, "steps": 5, "images_per_epoch": 25}, 40, 25, (2, 2, 1)),
    ],
)
def test_plans(fields: dict, images: int, per_epoch: int, steps_by_epoch: tuple[int, ...]) -> None:
    plan = make_plan(vary(**fields), images)
    assert plan == Plan(images, per_epoch, 10, steps_by_epoch)
    assert plan.steps == sum(steps_by_epoch)


@given(st.integers(1, 50), st.integers(0, 200), st.integers(1, 300))
def test_a_plan_has_the_steps_that_were_asked_for(batch: int, more: int, steps: int) -> None:
    plan = make_plan(vary(batch=batch, epochs=None, steps=steps), batch + more)
    assert plan.steps == steps
    assert all(0 < count * batch <= plan.images_per_epoch for count in plan.steps_by_epoch)
    assert len(set(plan.steps_by_epoch[:-1])) <= 1


def test_more_images_per_epoch_than_there_are() -> None:
    with pytest.raises(InputError, match="images_per_epoch is 41, but the train split has 40"):
        make_plan(vary(images_per_epoch=41), 40)


@pytest.mark.parametrize("fields", [{}, {"images_per_epoch": 9}])
def test_a_batch_larger_than_an_epoch(fields: dict) -> None:
    images = 40 if fields else 9
    with pytest.raises(InputError, match="batch 10 is larger than the 9 images of an epoch"):
        make_plan(vary(**fields), images)


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


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("sgd", torch.optim.SGD, {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01}),
        ("adam", torch.optim.Adam, {"lr": 0.1, "weight_decay": 0.01}),
        ("adamw", torch.optim.AdamW, {"lr": 0.1, "weight_decay": 0.01}),
    ],
)
def test_optimizers_get_their_settings(name: str, kind: type, expected: dict) -> None:
    parameter = torch.nn.Parameter(torch.ones(3))
    optimizer = optimizers.OPTIMIZERS[name]([parameter], RECIPE)
    (group,) = optimizer.param_groups
    assert type(optimizer) is kind
    assert {key: group[key] for key in expected} == expected
    assert group["params"][0] is parameter


@pytest.mark.parametrize(
    ("name", "oracle"),
    [
        ("sgd", lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=0.01)),
        ("adam", lambda p: torch.optim.Adam(p, lr=0.1, weight_decay=0.01)),
        ("adamw", lambda p: torch.optim.AdamW(p, lr=0.1, weight_decay=0.01)),
    ],
)
def test_optimizers_step_as_torchs_plain_ones_do(name: str, oracle: object) -> None:
    found, expected = (torch.nn.Parameter(torch.linspace(-1, 1, 7)) for _ in range(2))
    for parameter, make in (
        (found, lambda p: optimizers.OPTIMIZERS[name](p, RECIPE)),
        (expected, oracle),
    ):
        optimizer = make([parameter])
        for _ in range(5):
            optimizer.zero_grad()
            ((parameter - 2) ** 2).sum().backward()
            optimizer.step()
    torch.testing.assert_close(found, expected)


def test_from_config() -> None:
    section = {
        "optimizer": "adamw",
        "lr": 0.004,
        "weight_decay": 0.05,
        "schedule": "cosine",
        "batch": 64,
        "steps": 3,
        "images_per_epoch": None,
        "augmentation": ["horizontal_flip", "random_shift"],
        "history_images": 500,
    }
    recipe = from_config(section)
    assert {key: getattr(recipe, key) for key in section} == {
        **section,
        "augmentation": ("horizontal_flip", "random_shift"),
    }
    assert (recipe.momentum, recipe.gamma, recipe.epochs) == (0.0, 1.0, None)
    assert isinstance(section["augmentation"], list), "the config is left as it was"
    hash(recipe)


def test_from_config_knows_its_keys() -> None:
    with pytest.raises(TypeError, match="learning_rate"):
        from_config({"learning_rate": 1, "augmentation": []})
