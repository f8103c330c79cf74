"""Optimizers get their settings, and step as torch's do."""

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
