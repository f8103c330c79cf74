"""Random choice is a control of every criterion: the same pieces and budgets, and fair chances."""

import itertools
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.networks.architecture_files import Architecture, Group, Member
from prunescope.networks.description import Description, Layer, Network
from prunescope.prune import patterns, pieces
from prunescope.prune.group_masks import make_group_masks
from prunescope.prune.masks import PruningMethod, make_masks
from prunescope.study.config import choices
from prunescope.study.config.sections.pruning import Method

KINDS = ("conv2d", "linear")
SHAPES = {"a": (6, 4, 3, 3), "b": (8, 4, 3, 3), "c": (12, 8, 1, 1), "fc": (8, 12)}
Weights = Mapping[str, np.ndarray]


def weights(seed: int) -> Weights:
    rng = np.random.default_rng(seed)
    return {name: rng.normal(size=shape) for name, shape in SHAPES.items()}


# --- whatever a study may ask for ----------------------------------------------------------------


def accepted(**settings: Any) -> bool:
    """Whether the config takes a method."""
    pattern = "2:4" if settings["granularity"] == patterns.N_OF_M else None
    rates = [0.5] if pattern else None
    try:
        Method(**settings, layers=["conv2d"], pattern=pattern, rates=rates, retraining=["none"])
    except ValueError:
        return False
    return True


def test_random_takes_whatever_another_criterion_takes() -> None:
    number = 0
    for granularity, scope, biases, criterion in itertools.product(
        choices.granularities(), pieces.SCOPES, (False, True), choices.criteria()
    ):
        rest = {"granularity": granularity, "scope": scope, "biases": biases}
        if accepted(**rest, criterion=criterion):
            assert accepted(**rest, criterion="random"), (rest, criterion)
            number += 1
    assert number > 100


# --- the same numbers ----------------------------------------------------------------------------


def gone(masks: Mapping[str, np.ndarray], granularity: str) -> dict[str, int]:
    """How many pieces of each layer are gone."""
    axes = pieces.GRANULARITIES.get(granularity, ())
    return {
        name: int((~mask.any(axis=tuple(axis for axis in axes if axis < mask.ndim))).sum())
        for name, mask in masks.items()
    }


@given(
    granularity=st.sampled_from([*pieces.GRANULARITIES, patterns.N_OF_M]),
    scope=st.sampled_from(pieces.SCOPES),
    rate=st.floats(0.05, 0.6),
    pattern=st.sampled_from(["1:4", "2:4", "3:4", "1:2"]),
    seed=st.integers(0, 99),
)
def test_as_much_goes_as_by_size(
    network_of: Callable, granularity: str, scope: str, rate: float, pattern: str, seed: int
) -> None:
    """Of each layer; with the scope `global`, which has no shares, in total."""
    of_blocks = granularity == patterns.N_OF_M
    by_size, by_chance = (
        gone(
            make_masks(
                network_of(weights(seed)),
                PruningMethod(
                    granularity, "layer" if of_blocks else scope, criterion, KINDS,
                    pattern=pattern if of_blocks else None,
                ),
                rate,
                seed=seed,
            ),
            granularity,
        )
        for criterion in ("l1", "random")
    )  # fmt: skip
    if scope == "global" and not of_blocks:
        assert sum(by_chance.values()) == sum(by_size.values())
    else:
        assert by_chance == by_size


@given(
    granularity=st.sampled_from(list(pieces.GRANULARITIES)),
    scope=st.sampled_from(pieces.SCOPES),
    rates=st.tuples(st.floats(0.05, 0.6), st.floats(0.05, 0.6)).map(sorted),
    seed=st.integers(0, 99),
)
def test_weights_play_no_part_and_rising_rates_are_nested(
    network_of: Callable, granularity: str, scope: str, rates: list[float], seed: int
) -> None:
    method = PruningMethod(granularity, scope, "random", KINDS)
    low, high = (make_masks(network_of(weights(0)), method, rate, seed=seed) for rate in rates)
    other = make_masks(network_of(weights(1)), method, rates[0], seed=seed)
    for name, mask in low.items():
        np.testing.assert_array_equal(mask, other[name])
        assert not (high[name] & ~mask).any()


def test_random_biases_are_ranked_with_the_weights(network_of: Callable) -> None:
    network = network_of({"a": np.ones((50, 4, 1, 1))}, **{"a.bias": np.ones(50, np.float32)})
    layer = network.description.layers[0]
    assert layer.bias == "a.bias"
    masks = make_masks(network, PruningMethod("weight", "global", "random", biases=True), 0.5)
    assert sum((~mask).sum() for mask in masks.values()) == 125
    assert 10 < (~masks["a.bias"]).sum() < 40


# --- fair chances --------------------------------------------------------------------------------

SEEDS = 400
# Of so many draws, how often a piece may go more or less often than it should: five deviations.
TOLERANCE = 5 * (0.25 / SEEDS) ** 0.5


@pytest.mark.parametrize(
    ("granularity", "scope", "pattern"),
    [
        *((one, scope, None) for one in pieces.GRANULARITIES for scope in ("global", "layer")),
        (patterns.N_OF_M, "layer", "2:4"),
    ],
)
def test_each_piece_goes_as_often_as_others(
    network_of: Callable, granularity: str, scope: str, pattern: str | None
) -> None:
    shapes = {"a": (6, 4, 2, 1), "fc": (4, 8)}
    network = network_of({name: np.ones(shape) for name, shape in shapes.items()})
    method = PruningMethod(granularity, scope, "random", KINDS, pattern=pattern)
    kept = {name: np.zeros(shape) for name, shape in shapes.items()}
    for seed in range(SEEDS):
        for name, mask in make_masks(network, method, 0.5, seed=seed).items():
            kept[name.removesuffix(".weight")] += mask
    for share in kept.values():
        np.testing.assert_allclose(share / SEEDS, 0.5, atol=TOLERANCE)


# --- groups of channels --------------------------------------------------------------------------


def residual() -> tuple[Network, Architecture]:
    """A stream that three layers make, and a layer that is alone."""
    layers = tuple(Layer(name, "conv2d", (8, 8, 1, 1), (4, 4)) for name in ("a", "b", "c", "d"))
    tensors = {layer.weight: np.ones(layer.shape, np.float32) for layer in layers}
    stream = Group(tuple(Member(name, "out", 0) for name in ("a", "b", "c")), 8)
    network = Network(Description("none", 2, 8, (0,), (1,), layers), tensors)
    return network, Architecture(layers, (stream, Group((Member("d", "out", 0),), 8)))


def pieces_left(scope: str, seed: int, criterion: str = "random") -> np.ndarray:
    """Which of the eight pieces of the stream, then of the other layer, are left."""
    network, architecture = residual()
    method = PruningMethod(pieces.CHANNEL_GROUP, scope, criterion)
    masks = make_group_masks(network, architecture, method, 0.5, seed=seed)
    for name in ("b", "c"):
        np.testing.assert_array_equal(masks["a.weight"], masks[f"{name}.weight"])
    return np.concatenate([masks[f"{name}.weight"][:, 0, 0, 0] for name in ("a", "d")])


@pytest.mark.parametrize("scope", ["global", "layer"])
def test_groups_of_channels_go_as_often_whatever_makes_them(scope: str) -> None:
    drawn = np.array([pieces_left(scope, seed) for seed in range(SEEDS)])
    assert (drawn.sum(axis=1) == 8).all()
    if scope == "layer":
        assert (drawn[:, :8].sum(axis=1) == 4).all()
    np.testing.assert_allclose(drawn.mean(axis=0), 0.5, atol=TOLERANCE)
