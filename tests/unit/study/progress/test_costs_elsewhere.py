"""For which studies the costs of the default study hold, and that they are there."""

import copy
from pathlib import Path
from typing import Any

import pytest

from prunescope.study import remaining_work
from prunescope.study.config import reading
from prunescope.study.progress import costs_elsewhere

ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture(scope="module")
def default() -> dict[str, Any]:
    return reading.read(ROOT / "config.yaml").values


def test_the_table_is_of_the_default_study(default: dict[str, Any]) -> None:
    costs = costs_elsewhere.read().of(default)
    assert set(remaining_work.TRAININGS[:2]) < costs.keys()
    # 521 jobs took 18 minutes on the two cores, the longest trainings minutes, the shortest
    # steps a fraction of a second.
    assert 60 < 3600 * costs["train_dense"][0].hours < 600
    assert 3600 * costs["account_network"][0].hours < 1
    assert "cores of" in costs_elsewhere.read().machine


def test_more_networks_cost_the_same_each(default: dict[str, Any]) -> None:
    other = copy.deepcopy(default)
    other["seeds"] = [0, 1, 2, 3, 4]
    other["pruning"]["rates"] = [0.5]
    assert costs_elsewhere.read().of(other) == costs_elsewhere.read().of(default)


def test_longer_trainings_are_not_known(default: dict[str, Any]) -> None:
    other = copy.deepcopy(default)
    other["recipes"]["short"]["epochs"] += 1
    costs = costs_elsewhere.read().of(other)
    assert not costs.keys() & set(remaining_work.TRAININGS)
    assert "evaluate_network" in costs


@pytest.mark.parametrize("name", ["tiny", "paper", "published_scores", "cifar10_resnet20"])
def test_of_other_networks_and_images_nothing_is_known(name: str) -> None:
    config = reading.read(ROOT / "config" / f"{name}.yaml").values
    assert costs_elsewhere.read().of(config) == {}
