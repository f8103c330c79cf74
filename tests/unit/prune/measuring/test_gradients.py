"""Gradients against finite differences and against torch, batch by batch."""

import copy

import numpy as np
import pytest
import torch
from small_nets import Small, batches, make
from torch.nn.functional import cross_entropy

from prunescope.networks.preprocessing import to_input
from prunescope.prune.measuring import gradients

IMAGES = batches()


@pytest.fixture(scope="module")
def small() -> tuple:
    module = Small()
    return module, make(module)


def loss_of(module: torch.nn.Module, batch, description) -> torch.Tensor:
    inputs = to_input(batch.images, description).double()
    return cross_entropy(module(inputs), torch.from_numpy(batch.labels))


def test_gradients_equal_finite_differences(small: tuple) -> None:
    module, network = small
    found = gradients.measure(module, network.description, IMAGES, ["grouped.weight", "rows.bias"])
    exact = copy.deepcopy(module).double()
    step = 1e-6
    for name, place in (("grouped.weight", (1, 2, 0, 1)), ("rows.bias", (3,))):
        parameter = dict(exact.named_parameters())[name]
        losses = []
        for sign in (1, -1):
            with torch.no_grad():
                parameter[place] += sign * step
                losses.append(
                    sum(float(loss_of(exact, one, network.description)) for one in IMAGES) / 3
                )
                parameter[place] -= sign * step
        slope = (losses[0] - losses[1]) / (2 * step)
        assert abs(slope) > 1e-4
        assert found[name]["gradient"][place] == pytest.approx(slope, rel=1e-3)


def test_moments_are_those_of_the_batches(small: tuple) -> None:
    module, network = small
    names = [name for name, _ in module.named_parameters()]
    found = gradients.measure(module, network.description, IMAGES, names)
    exact = copy.deepcopy(module).double()
    for name, parameter in exact.named_parameters():
        each = [
            torch.autograd.grad(loss_of(exact, one, network.description), parameter)[0].numpy()
            for one in IMAGES
        ]
        expected = {
            "gradient": np.mean(each, axis=0),
            "squared_gradient": np.mean(np.square(each), axis=0),
            "absolute_gradient": np.mean(np.abs(each), axis=0),
        }
        assert found[name].keys() == expected.keys()
        for kind, values in expected.items():
            assert found[name][kind].dtype == np.float64
            np.testing.assert_allclose(found[name][kind], values, rtol=1e-3, atol=1e-7)
    assert all(parameter.grad is None for parameter in module.parameters())


def test_statistics_of_batch_norms_stay(small: tuple) -> None:
    module, network = small
    before = module.norm.running_mean.clone()
    gradients.measure(module, network.description, IMAGES, ["fc.weight"])
    assert torch.equal(module.norm.running_mean, before)


def test_parameters_that_do_not_take_part_are_left_out(small: tuple) -> None:
    module = Small()
    network = make(module)
    module.head = torch.nn.Linear(6, 5)
    found = gradients.measure(module, network.description, IMAGES, ["head.weight", "fc.weight"])
    assert found.keys() == {"fc.weight"}
