"""Plans by hand, and recipes from the config."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.foundation.errors import InputError
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
