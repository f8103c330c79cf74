"""SynFlow in steps, against a loop over a network of two layers, and what steps are for."""

import numpy as np
import pytest
import torch
from registries import register_architecture
from torch import nn

from prunescope.networks.description import Description, Layer, Network
from prunescope.prune.criteria import synflow
from prunescope.prune.masks import PruningMethod
from prunescope.prune.measuring import synaptic_flow
from prunescope.prune.steps import make_masks_in_steps

CPU = torch.device("cpu")
METHOD = PruningMethod("weight", "global", "synflow", layers=("linear",))


class Two(nn.Sequential):
    """Two linear layers on the 12 values of an image of 2 x 2 pixels."""

    def __init__(self) -> None:
        super().__init__(nn.Flatten(), nn.Linear(12, 6), nn.ReLU(), nn.Linear(6, 4))


@pytest.fixture
def network(monkeypatch: pytest.MonkeyPatch) -> Network:
    register_architecture(monkeypatch, "two", lambda _description: Two())
    rng = np.random.default_rng(0)
    shapes = {"1.weight": (6, 12), "1.bias": (6,), "3.weight": (4, 6), "3.bias": (4,)}
    layers = tuple(Layer(name, "linear", shapes[f"{name}.weight"], (1, 1)) for name in ("1", "3"))
    tensors = {name: np.float32(rng.normal(size=shape)) for name, shape in shapes.items()}
    return Network(Description("two", 4, 2, (0,) * 3, (1,) * 3, layers), tensors)


def measure(current: Network, layers) -> dict:
    return synaptic_flow.measure(current, layers, CPU)


def by_loops(network: Network, rate: float, steps: int) -> list[np.ndarray]:
    weights = [np.abs(network.tensors[f"{name}.weight"].astype(np.float64)) for name in ("1", "3")]
    kept = [np.ones(weight.shape, bool) for weight in weights]
    total = sum(weight.size for weight in weights)
    for step in range(1, steps + 1):
        first, second = (weight * mask for weight, mask in zip(weights, kept, strict=True))
        flows = np.concatenate(
            [
                (first * second.sum(axis=0)[:, None]).ravel(),
                (second * first.sum(axis=1)).ravel(),
            ]
        )
        flows[~np.concatenate([mask.ravel() for mask in kept])] = -1
        gone = round(total * (1 - (1 - rate) ** (step / steps)))
        flat = np.ones(total, bool)
        flat[np.argsort(flows, kind="stable")[:gone]] = False
        kept = [flat[:72].reshape(6, 12), flat[72:].reshape(4, 6)]
    return kept


@pytest.mark.parametrize("steps", [1, 5, 100])
@pytest.mark.parametrize("rate", [0.5, 0.9])
def test_steps_equal_a_loop(network: Network, rate: float, steps: int) -> None:
    masks = make_masks_in_steps(network, METHOD, rate, measure, steps)
    for name, expected in zip(("1", "3"), by_loops(network, rate, steps), strict=True):
        np.testing.assert_array_equal(masks[f"{name}.weight"], expected)
    assert sum((~mask).sum() for mask in masks.values()) == round(96 * rate)


def test_many_steps_leave_a_way_through_where_one_cuts_it(network: Network) -> None:
    """Layer collapse: at once, all of the layer of many small flows goes."""
    wide = {**network.tensors, "1.weight": np.full((6, 12), 1, np.float32)}
    wide["3.weight"] = np.full((4, 6), 1, np.float32)
    even = Network(network.description, wide)
    at_once = make_masks_in_steps(even, METHOD, 0.76, measure, 1)
    assert not at_once["1.weight"].any()
    in_steps = make_masks_in_steps(even, METHOD, 0.76, measure, 100)
    assert all(mask.any() for mask in in_steps.values())
    assert sum((~mask).sum() for mask in in_steps.values()) == 73


def test_a_chain_goes_on_from_what_is_pruned(network: Network) -> None:
    first = make_masks_in_steps(network, METHOD, 0.5, measure, 20)
    second = make_masks_in_steps(network.masked(first), METHOD, 0.8, measure, 20)
    for name, mask in first.items():
        assert not (second[name] & ~mask).any()
    assert sum((~mask).sum() for mask in second.values()) == round(0.8 * 96)


def test_biases_are_refused() -> None:
    assert "`biases`" in synflow.problem("weight", "global", True)
    assert synflow.problem("filter", "layer", False) == ""
