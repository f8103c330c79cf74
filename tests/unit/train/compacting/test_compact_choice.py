"""What is trained: the whole network with its masks, or what they leave of it."""

import dataclasses
from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from prunescope.foundation.errors import InputError
from prunescope.networks import modules
from prunescope.networks.description import Description, Network
from prunescope.prune.masks import PruningMethod, make_masks
from prunescope.train.compacting import choice
from prunescope.train.compacting.compact_module import NotCompactError, compact
from prunescope.train.recipes.recipe import COMPACT, MASKED, Recipe

RECIPE = Recipe("sgd", 0.01, 0.0, "constant", 8, 8)


def pruned(network: Network, rate: float) -> Network:
    method = PruningMethod("filter", "layer", "l1", ("conv2d",))
    return network.masked(make_masks(network, method, rate))


def chosen(network: Network, *, held: bool = True, **fields: object) -> choice.Choice:
    recipe = dataclasses.replace(RECIPE, **fields)
    return choice.choose(modules.to_module(network), network, recipe, held=held)


def test_it_is_compact_where_little_is_left(make_toy: Callable) -> None:
    network = pruned(make_toy()[1], 0.8)
    found = chosen(network)
    assert found.trained_on == COMPACT
    assert "of the multiplications" in found.reason
    assert type(found.compact.module.get_submodule("stem.conv")) is not nn.Conv2d


def test_it_is_masked_where_much_is_left(make_toy: Callable) -> None:
    network = pruned(make_toy()[1], 0.1)
    found = chosen(network)
    assert found.trained_on == MASKED
    assert type(found.compact.module.get_submodule("stem.conv")) is nn.Conv2d
    assert chosen(network, retrain_on=COMPACT).trained_on == COMPACT


@pytest.mark.parametrize(
    ("told", "held", "fields"),
    [
        ("the recipe says so", True, {"retrain_on": MASKED}),
        ("masks are not held, or change", False, {}),
        ("the training is compiled", True, {"compile": True}),
    ],
)
def test_it_is_masked_where_something_stands_against_it(
    make_toy: Callable, told: str, held: bool, fields: dict
) -> None:
    found = chosen(pruned(make_toy()[1], 0.8), held=held, **fields)
    assert (found.trained_on, found.reason) == (MASKED, told)


def test_a_network_without_masks_is_whole(make_toy: Callable) -> None:
    assert chosen(make_toy()[1], retrain_on=COMPACT).reason == "there is no mask"


@pytest.mark.parametrize(
    ("told", "held", "fields"),
    [("masks are not held", False, {}), ("is compiled", True, {"compile": True})],
)
def test_what_a_recipe_asks_for_in_vain_is_an_error(
    make_toy: Callable, told: str, held: bool, fields: dict
) -> None:
    with pytest.raises(InputError, match=rf"retrain_on is `compact`, but .*{told}"):
        chosen(pruned(make_toy()[1], 0.8), held=held, retrain_on=COMPACT, **fields)


class ReadsWeights(nn.Module):
    """Reads the weight of a layer beside calling it."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 1, bias=False)
        self.last = nn.Linear(4, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values = nn.functional.conv2d(images, self.first.weight).mean((2, 3))
        return self.last(values)


def test_a_network_that_reads_weights_beside_its_layers_is_refused(make_toy: Callable) -> None:
    description = Description("reads", 2, 8, (0.0,) * 3, (1.0,) * 3)
    module = ReadsWeights()
    masks = {"first.weight": np.ones((4, 3, 1, 1), bool)}
    masks["first.weight"][:2] = False
    network = modules.to_network(module, description).masked(masks)
    module.load_state_dict({name: torch.tensor(value) for name, value in network.tensors.items()})
    with pytest.raises(NotCompactError, match="cannot run with compact layers"):
        compact(module, masks, description)
    assert type(module.first) is nn.Conv2d, "nothing was replaced"
    found = choice.choose(module, network, RECIPE, held=True)
    assert found.trained_on == MASKED
    recipe = dataclasses.replace(RECIPE, retrain_on=COMPACT)
    with pytest.raises(InputError, match=r"retrain_on is `compact`.*Choose `auto` or `masked`"):
        choice.choose(module, network, recipe, held=True)


def test_a_network_that_cannot_be_copied_is_trained_whole(
    make_toy: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = pruned(make_toy()[1], 0.8)
    module = modules.to_module(network)

    def refuse(_self: nn.Module, _memo: dict) -> nn.Module:
        raise RuntimeError("holds a handle")

    monkeypatch.setattr(type(module), "__deepcopy__", refuse, raising=False)
    found = choice.choose(module, network, RECIPE, held=True)
    assert found.trained_on == MASKED
    assert found.reason == "a copy of it cannot be tried (holds a handle)"


def test_layers_with_the_same_weight_stay_whole() -> None:
    torch.manual_seed(0)
    module = nn.Sequential(
        nn.Conv2d(3, 3, 1), nn.ReLU(), nn.Conv2d(3, 3, 1), nn.Flatten(), nn.Linear(192, 2)
    )
    module[2].weight = module[0].weight
    masks = {"0.weight": np.ones((3, 3, 1, 1), bool)}
    masks["0.weight"][0] = False
    masks["2.weight"] = masks["0.weight"]
    with torch.no_grad():
        module[0].weight[0] = 0
    made = compact(module, masks, Description("twice", 2, 8, (0.0,) * 3, (1.0,) * 3))
    assert set(made.layers) <= {"4"}
