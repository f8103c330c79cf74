"""Masks of every granularity on every kind of layer, against loops and against what layers compute.

What a piece is follows from the network here: an input channel is what one channel of the input
meets, a filter is what one channel of the output comes from.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from prunescope.evaluate.counts import account
from prunescope.networks.description import Description, Layer, Network
from prunescope.prune.masks import PruningMethod, make_masks
from prunescope.prune.pieces import GRANULARITIES

Index = tuple[int, ...]


@dataclass(frozen=True)
class Kind:
    """A kind of layer: outputs, inputs, kernel (empty: linear) and groups."""

    outputs: int
    inputs: int
    kernel: tuple[int, ...] = (3, 3)
    groups: int = 1

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.outputs, self.inputs // self.groups, *self.kernel)

    def layer(self, name: str) -> Layer:
        kind = "conv2d" if self.kernel else "linear"
        return Layer(name, kind, self.shape, (1, 1), groups=self.groups)

    def module(self) -> nn.Conv2d | nn.Linear:
        if not self.kernel:
            return nn.Linear(self.inputs, self.outputs, bias=False)
        return nn.Conv2d(
            self.inputs, self.outputs, self.kernel, groups=self.groups, bias=False, padding=1
        )

    def pieces(self, granularity: str) -> Iterator[list[Index]]:
        """The weights of each piece, found by asking which channels each weight connects."""
        found: dict[tuple, list[Index]] = {}
        of_a_group = self.outputs // self.groups
        for weight in itertools.product(*map(range, self.shape)):
            group = weight[0] // of_a_group
            source = group * self.shape[1] + weight[1]
            key = {
                "weight": weight,
                "filter": (weight[0],),
                "input_channel": (source,),
                "kernel": (weight[0], source),
            }[granularity]
            found.setdefault(key, []).append(weight)
        yield from (found[key] for key in sorted(found))


KINDS = {
    "plain": Kind(6, 4),
    "pointwise": Kind(6, 4, (1, 1)),
    "grouped": Kind(6, 8, groups=2),
    "depthwise": Kind(6, 6, groups=6),
    "two filters a channel": Kind(8, 4, groups=4),
    "one filter for two channels": Kind(4, 8, groups=4),
    "linear": Kind(6, 5, ()),
}


def network_of(kinds: dict[str, Kind], seed: int, values: int = 0) -> Network:
    """Layers with random weights; with `values`, small whole numbers, of which many are equal."""
    rng = np.random.default_rng(seed)
    tensors = {}
    for name, kind in kinds.items():
        weight = rng.normal(size=kind.shape)
        if values:
            weight = rng.integers(-values, values + 1, size=kind.shape)
        tensors[f"{name}.weight"] = weight.astype(np.float32)
    layers = tuple(kind.layer(name) for name, kind in kinds.items())
    return Network(Description("none", 2, 8, (0,) * 3, (1,) * 3, layers), tensors)


def number(rate: float, pieces: int, granularity: str) -> int:
    return int(rate * pieces) if granularity == "input_channel" else round(rate * pieces)


def by_loops(
    kinds: dict[str, Kind], network: Network, granularity: str, scope: str, rate: float
) -> dict[str, np.ndarray]:
    masks = {f"{name}.weight": np.ones(kind.shape, dtype=bool) for name, kind in kinds.items()}
    ranking = []
    for name, kind in kinds.items():
        weight = network.tensors[f"{name}.weight"]
        for piece in kind.pieces(granularity):
            mean = sum(abs(int(weight[index])) for index in piece) / len(piece)
            ranking.append((mean, len(ranking), f"{name}.weight", piece))
    together = [ranking]
    if scope == "layer":
        together = [[entry for entry in ranking if entry[2] == name] for name in masks]
    for entries in together:
        for _, _, name, piece in sorted(entries)[: number(rate, len(entries), granularity)]:
            for index in piece:
                masks[name][index] = False
    return masks


@st.composite
def kinds_of_layers(draw: st.DrawFn) -> dict[str, Kind]:
    found = {}
    for name in ("a", "b", "c"):
        groups = draw(st.integers(1, 3))
        outputs, inputs = (groups * draw(st.integers(1, 3)) for _ in range(2))
        kernel = draw(st.sampled_from([(), (1, 1), (2, 3)]))
        groups = groups if kernel else 1
        # Of one piece nothing can be pruned.
        found[name] = Kind(outputs + groups, inputs + groups, kernel, groups)
    return found


@given(
    kinds=kinds_of_layers(),
    granularity=st.sampled_from(sorted(GRANULARITIES)),
    scope=st.sampled_from(["global", "layer"]),
    rate=st.floats(0.05, 0.6),
    seed=st.integers(0, 99),
)
def test_masks_equal_loops_over_what_channels_meet(
    kinds: dict[str, Kind], granularity: str, scope: str, rate: float, seed: int
) -> None:
    network = network_of(kinds, seed, values=3)
    method = PruningMethod(granularity, scope, "l1", layers=("conv2d", "linear"))
    masks = make_masks(network, method, rate)
    expected = by_loops(kinds, network, granularity, scope, rate)
    assert masks.keys() == expected.keys()
    for name, mask in expected.items():
        np.testing.assert_array_equal(masks[name], mask)


@pytest.mark.parametrize("criterion", ["l1", "l2", "random"])
@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("name", KINDS)
def test_counts_are_exact_and_pieces_whole(name: str, granularity: str, criterion: str) -> None:
    kind = KINDS[name]
    network = network_of({name: kind}, seed=1)
    method = PruningMethod(granularity, "layer", criterion, layers=("conv2d", "linear"))
    first, second = (make_masks(network, method, rate)[f"{name}.weight"] for rate in (0.3, 0.6))
    pieces = list(kind.pieces(granularity))
    for rate, mask in ((0.3, first), (0.6, second)):
        kept = [{bool(mask[index]) for index in piece} for piece in pieces]
        assert kept.count({False}) == number(rate, len(pieces), granularity)
        assert kept.count({True}) == len(pieces) - number(rate, len(pieces), granularity)
    assert not (second & ~first).any()
    # A chain reaches the same rate.
    again = make_masks(network.masked({f"{name}.weight": first}), method, 0.6)
    assert again[f"{name}.weight"].sum() == second.sum()
    assert not (again[f"{name}.weight"] & ~first).any()


def responses(module: nn.Module, kind: Kind) -> np.ndarray:
    """Which outputs depend on which inputs: booleans `(outputs, inputs)`."""
    inputs = torch.randn(1, kind.inputs, *((5, 5) if kind.kernel else ()), requires_grad=True)
    made = module(inputs).reshape(kind.outputs, -1).abs().sum(dim=1)
    rows = [torch.autograd.grad(value, inputs, retain_graph=True)[0] for value in made]
    return np.stack([row.reshape(kind.inputs, -1).abs().sum(dim=1).numpy() > 0 for row in rows])


@pytest.mark.parametrize("name", KINDS)
def test_what_a_pruned_piece_does_to_the_layer(name: str) -> None:
    """Pruned inputs are read by no output, pruned filters read no input; all else is as before."""
    kind = KINDS[name]
    network = network_of({name: kind}, seed=2)
    module = kind.module()

    def connected(weight: np.ndarray) -> np.ndarray:
        with torch.no_grad():
            module.weight.copy_(torch.from_numpy(weight))
        return responses(module, kind)

    weight = network.tensors[f"{name}.weight"]
    whole = connected(weight)
    for granularity, axis in (("input_channel", 0), ("filter", 1)):
        method = PruningMethod(granularity, "layer", "l1", layers=("conv2d", "linear"))
        mask = make_masks(network, method, 0.5)[f"{name}.weight"]
        left = connected(np.where(mask, weight, 0))
        gone = ~left.any(axis=axis)
        assert gone.sum() == number(0.5, gone.size, granularity)
        expected = whole & ~(gone[None, :] if axis == 0 else gone[:, None])
        np.testing.assert_array_equal(left, expected)


def test_layers_that_are_not_measured_are_pruned_and_counted() -> None:
    kind = Kind(4, 6, ())
    layer = Layer("query", "linear", kind.shape, (10, 1), not_measured="a function computes it")
    tensors = {"query.weight": np.arange(1, 25, dtype=np.float32).reshape(4, 6)}
    network = Network(Description("none", 2, 8, (0,) * 3, (1,) * 3, (layer,)), tensors)
    masks = make_masks(network, PruningMethod("filter", "layer", "l1", layers=("linear",)), 0.5)
    row = account(network.masked(masks))
    assert row["sparsity_prunable"] == 0.5
    assert (row["macs"], row["effective_macs"]) == (24 * 10, 12 * 10)
