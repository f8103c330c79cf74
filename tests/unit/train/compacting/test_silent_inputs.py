"""Inputs that are zero whatever the image, and those that only look so."""

import numpy as np
import torch
from torch import nn

from prunescope.train.compacting import silent_inputs

SHAPE = (3, 8, 8)


def build(*, activation: type[nn.Module] = nn.ReLU, norm: bool = True) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, bias=False),
        nn.BatchNorm2d(4) if norm else nn.Identity(),
        activation(),
        nn.Conv2d(4, 5, 3),
        nn.Flatten(),
        nn.Linear(80, 2),
    )


def without_filters(*gone: int, norm: bool = True) -> dict[str, np.ndarray]:
    kept = ~np.isin(np.arange(4), gone)
    masks = {"0.weight": np.broadcast_to(kept[:, None, None, None], (4, 3, 3, 3)).copy()}
    return masks | ({"1.weight": kept, "1.bias": kept} if norm else {})


def silent(module: nn.Module, masks: dict[str, np.ndarray], layer: str) -> list[int]:
    return np.flatnonzero(silent_inputs.find(module, masks, SHAPE)[layer].numpy()).tolist()


def test_channels_of_pruned_filters_are_silent() -> None:
    assert silent(build(), without_filters(1, 3), "3") == [1, 3]
    assert silent(build(norm=False), without_filters(2, norm=False), "3") == [2]


def test_a_batch_norm_that_is_kept_shifts_them() -> None:
    masks = without_filters(1, 3)
    masks["1.bias"] = np.ones(4, bool)
    assert silent(build(), masks, "3") == []


def test_an_activation_may_make_another_number_of_zero() -> None:
    assert silent(build(activation=nn.Sigmoid), without_filters(1), "3") == []
    assert silent(build(activation=nn.GELU), without_filters(1), "3") == [1]


def test_a_filter_that_is_zero_now_without_a_mask_is_not_silent() -> None:
    module = build(norm=False)
    with torch.no_grad():
        module.get_parameter("0.weight")[1] = 0
    assert silent(module, {}, "3") == []


def test_a_unit_that_no_image_excites_now_is_not_silent() -> None:
    module = build()
    with torch.no_grad():
        module.get_parameter("1.bias")[:] = -100
    assert silent(module, without_filters(2), "3") == [2]


def test_a_whole_map_counts_for_the_features_that_come_of_it() -> None:
    masks = {"3.weight": np.ones((5, 4, 3, 3), bool), "3.bias": np.ones(5, bool)}
    for mask in masks.values():
        mask[4] = False
    assert silent(build(), masks, "5") == list(range(64, 80))


def test_a_layer_that_runs_twice_is_silent_where_it_is_so_both_times() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second = nn.Conv2d(3, 4, 1), nn.Conv2d(3, 4, 1)
            self.both = nn.Conv2d(4, 2, 1)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.both(self.first(images)) + self.both(self.second(images))

    masks = {}
    for name, gone in (("first", [0, 1]), ("second", [1, 2])):
        kept = ~np.isin(np.arange(4), gone)
        masks[f"{name}.weight"] = np.broadcast_to(kept[:, None, None, None], (4, 3, 1, 1)).copy()
        masks[f"{name}.bias"] = kept
    assert silent(Twice(), masks, "both") == [1]


def test_the_network_and_the_random_numbers_stay_as_they_are() -> None:
    module = build().train()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    silent_inputs.find(module, without_filters(1), SHAPE)
    assert torch.equal(torch.rand(3), expected)
    assert module.training
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
