"""Optimizers get their settings, and step as torch's do."""

from dataclasses import replace

import pytest
import torch
from test_recipe import RECIPE

from prunescope.train.recipes import optimizers


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


@pytest.mark.parametrize("name", optimizers.OPTIMIZERS)
def test_weights_alone_decay(name: str) -> None:
    """Without a gradient, weight decay is all that changes a parameter; Adam's needs one."""
    shapes = {"conv": (4, 1, 3, 3), "linear": (4, 3), "norm": (4,), "bias": (4,), "scale": ()}
    for recipe, still in (
        (RECIPE, set()),
        (replace(RECIPE, weight_decay_on="weights"), {"norm", "bias", "scale"}),
    ):
        parameters = {key: torch.nn.Parameter(torch.ones(shape)) for key, shape in shapes.items()}
        optimizer = optimizers.make(parameters.values(), recipe)
        held = [one for group in optimizer.param_groups for one in group["params"]]
        assert {id(one) for one in held} == {id(one) for one in parameters.values()}
        assert len(held) == len(parameters)
        for _ in range(3):
            for parameter in parameters.values():
                parameter.grad = torch.zeros_like(parameter)
            optimizer.step()
        assert {key for key, one in parameters.items() if bool((one == 1).all())} == still


def test_one_group_if_there_are_only_weights() -> None:
    weight = torch.nn.Parameter(torch.ones(2, 2))
    optimizer = optimizers.make([weight], replace(RECIPE, weight_decay_on="weights"))
    (group,) = optimizer.param_groups
    assert group["weight_decay"] == 0.01
