"""Levels by hand, and chains of masks against repeated calls of `torch.nn.utils.prune`."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.utils import prune

from prunescope.networks.description import Network
from prunescope.prune.masks import PruningMethod, make_masks
from prunescope.prune.schedules import geometric

# A fifth of what is left goes at each level: 0.8, 0.64, 0.512, 0.4096, 0.32768 are left.
FIFTHS = [0.2, 0.36, 0.49, 0.59, 0.67]


@pytest.mark.parametrize(
    ("lower", "before"), [([], None), (["0.20"], "0.20"), (["0.20", "0.36"], "0.36")]
)
def test_a_level_starts_from_the_one_before(lower: list[str], before: str | None) -> None:
    assert geometric.start(lower) == before


@pytest.mark.parametrize(
    ("rates", "pruned"),
    [
        ([0.5, 0.75], [0.5, 0.75]),
        # 0.64 = 0.8 * 0.8: floats give 0.19999999999999996.
        ([0.2, 0.36], [0.2, 0.36]),
        # A tenth is left after three levels of 1 - 0.1^(1/3) = 0.53584.
        ([0.54, 0.78, 0.9], [0.535841, 0.784557, 0.9]),
        ([0.8], [0.8]),
    ],
)
def test_each_level_prunes_the_same_share(rates: list[float], pruned: list[float]) -> None:
    found = [geometric.fraction(rate, rates) for rate in rates]
    assert found == pytest.approx(pruned, abs=1e-6)
    left = [1.0, *(1 - fraction for fraction in found)]
    shares = [after / before for before, after in itertools.pairwise(left)]
    assert shares == pytest.approx([shares[0]] * len(shares))
    assert found[-1] == rates[-1]


def test_a_truncated_count_is_not_one_too_small() -> None:
    assert int(geometric.fraction(0.2, [0.2, 0.36]) * 10) == 2


def test_rates_must_be_the_levels() -> None:
    assert geometric.problem(FIFTHS) == ""
    assert geometric.problem([0.9]) == ""
    told = geometric.problem([0.3, 0.6, 0.9])
    assert "3 levels up to 0.9" in told
    assert "Write [0.54, 0.78, 0.9]" in told
    assert geometric.problem([0.54, 0.78, 0.9]) == ""
    assert "fewer levels" in geometric.problem([0.9, 0.95, 0.96, 0.97, 0.98, 0.99] + [0.995] * 30)


def retrained(network: Network, level: int) -> Network:
    """The network with other weights where its masks keep them, as after retraining."""
    rng = np.random.default_rng(level)
    moved = {
        name: np.float32(value + rng.normal(size=value.shape))
        for name, value in network.tensors.items()
    }
    return replace(network, tensors=moved).masked(network.masks)


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_a_chain_equals_repeated_calls_of_torch(
    network_of: Callable[..., Network], scope: str
) -> None:
    """Torch prunes a fifth of the weights that are left, anew after each retraining."""
    rng = np.random.default_rng(9)
    shapes = {"one": (25, 25), "two": (50, 25)}
    network = network_of({name: rng.normal(size=shape) for name, shape in shapes.items()})
    theirs = nn.ModuleDict({name: nn.Linear(*shape[::-1]) for name, shape in shapes.items()})
    rates = [0.2, 0.36]
    settings = PruningMethod("weight", scope, "l1", ("linear",), biases=False)
    for level, rate in enumerate(rates):
        network = retrained(network, level)
        with torch.no_grad():
            for name, layer in theirs.items():
                stored = layer.weight_orig if level else layer.weight
                stored.copy_(torch.from_numpy(network.tensors[f"{name}.weight"]))
                # Torch ranks `weight`, which a pass computes anew from the stored one.
                layer(torch.zeros(1, 25))
        parts = [(layer, "weight") for layer in theirs.values()]
        if scope == "global":
            prune.global_unstructured(parts, prune.L1Unstructured, amount=0.2)
        else:
            for layer, name in parts:
                prune.l1_unstructured(layer, name, amount=0.2)
        masks = make_masks(network, settings, geometric.fraction(rate, rates))
        for name, layer in theirs.items():
            np.testing.assert_array_equal(
                masks[f"{name}.weight"], layer.weight_mask.numpy().astype(bool)
            )
        network = network.masked(masks)


def test_every_level_has_the_count_of_the_formula(network_of: Callable[..., Network]) -> None:
    """Of 997 weights 0.1^(1/3) = 0.46416, 0.1^(2/3) = 0.21544 and 0.1 are left, rounded."""
    network = network_of({"one": np.random.default_rng(0).normal(size=(997, 1))})
    settings = PruningMethod("weight", "layer", "l1", ("linear",), biases=False)
    rates, counts = [0.54, 0.78, 0.9], []
    for level, rate in enumerate(rates):
        before = network.masks.get("one.weight", np.True_)
        masks = make_masks(network, settings, geometric.fraction(rate, rates))
        assert not (masks["one.weight"] & ~before).any()
        network = retrained(network.masked(masks), level)
        counts.append(int((network.tensors["one.weight"] == 0).sum()))
    assert counts == [534, 782, 897]
