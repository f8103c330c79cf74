"""Budgets against loops written from their definitions, by hand, and as properties."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunescope.foundation.errors import InputError
from prunescope.networks.description import Description, Layer, Network
from prunescope.prune import budgets
from prunescope.prune.masks import PruningMethod, count, make_masks

CONV_AND_LINEAR = ("conv2d", "linear")
WEIGHTS = ("weight", "kernel", "filter", "input_channel")


# --- dividing a total ----------------------------------------------------------------------------


def one_by_one(total: int, claims: list[int], least: list[int], most: list[int]) -> list[int]:
    """Each piece to the layer with the largest claim for each piece that it would then have."""
    found = list(least)
    while sum(found) < total:
        open_ones = [place for place in range(len(claims)) if found[place] < most[place]]
        # A layer that has more than its claim by its lower bound waits until the others catch up.
        worth = {place: Fraction(claims[place], 2 * found[place] + 1) for place in open_ones}
        best = max(worth.values())
        found[next(place for place in open_ones if worth[place] == best)] += 1
    return found


@st.composite
def divisions(draw: st.DrawFn) -> tuple:
    layers = draw(st.integers(1, 6))
    claims = draw(st.lists(st.integers(1, 9), min_size=layers, max_size=layers))
    most = draw(st.lists(st.integers(0, 12), min_size=layers, max_size=layers))
    least = [draw(st.integers(0, number)) for number in most]
    return draw(st.integers(sum(least), sum(most))), claims, least, most


@given(divisions())
def test_totals_are_divided_as_piece_by_piece(division: tuple) -> None:
    total, claims, least, most = division
    found = budgets.apportion(total, np.array(claims, float), np.array(least), np.array(most))
    assert found == one_by_one(total, claims, least, most)


@given(divisions())
def test_a_larger_total_takes_from_no_layer(division: tuple) -> None:
    _total, claims, least, most = division
    bounds = np.array(least), np.array(most)
    rows = [
        budgets.apportion(number, np.array(claims, float) / 7, *bounds)
        for number in range(sum(least), sum(most) + 1)
    ]
    assert [sum(row) for row in rows] == list(range(sum(least), sum(most) + 1))
    assert (np.diff(rows, axis=0) >= 0).all()


def test_totals_of_millions() -> None:
    sizes = np.array([9_408, 36_864, 2_359_296, 8_388_608])
    for total in (1, 9_999, 5_000_001, int(sizes.sum()) - 1):
        found = budgets.apportion(total, sizes / 3.0, np.zeros(4, int), sizes)
        assert sum(found) == total
        np.testing.assert_allclose(found, total * sizes / sizes.sum(), atol=1)


# --- ERK and uniform+ ----------------------------------------------------------------------------


def network_of(shapes: dict[str, tuple[int, ...]], seed: int = 0) -> Network:
    rng = np.random.default_rng(seed)
    layers = tuple(
        Layer(name, "conv2d" if len(shape) == 4 else "linear", shape, (1, 1))
        for name, shape in shapes.items()
    )
    tensors = {f"{name}.weight": np.float32(rng.normal(size=s)) for name, s in shapes.items()}
    return Network(Description("none", 10, 8, (0,) * 3, (1,) * 3, layers), tensors)


SHAPES = {
    "first": (16, 3, 3, 3), "second": (32, 16, 3, 3), "third": (64, 32, 3, 3),
    "point": (64, 64, 1, 1), "fc": (10, 64),
}  # fmt: skip


def densities(network: Network, scope: str, rate: float, **options: object) -> dict[str, float]:
    method = PruningMethod("weight", scope, "random", layers=CONV_AND_LINEAR)
    masks = make_masks(network, method, rate, **options)
    return {name.removesuffix(".weight"): float(mask.mean()) for name, mask in masks.items()}


def erk(shapes: dict[str, tuple[int, ...]], density: float) -> dict[str, float]:
    """The densities, by making layers dense one after another until none exceeds 1."""
    raw = {name: sum(shape) / np.prod(shape) for name, shape in shapes.items()}
    sizes = {name: np.prod(shape) for name, shape in shapes.items()}
    dense: set[str] = set()
    while True:
        left = density * sum(sizes.values()) - sum(sizes[name] for name in dense)
        factor = left / sum(raw[name] * sizes[name] for name in shapes if name not in dense)
        over = [name for name in shapes if name not in dense and factor * raw[name] > 1]
        if not over:
            return {name: 1.0 if name in dense else factor * raw[name] for name in shapes}
        dense.add(max(over, key=lambda name: raw[name]))


@pytest.mark.parametrize("rate", [0.3, 0.5, 0.8, 0.95])
def test_erk_densities_are_those_of_the_definition(rate: float) -> None:
    found, expected = densities(network_of(SHAPES), "erk", rate), erk(SHAPES, 1 - rate)
    for name, shape in SHAPES.items():
        assert found[name] == pytest.approx(expected[name], abs=1 / np.prod(shape)), name
    whole = [name for name, density in expected.items() if density == 1]
    small = ["first", "point", "fc"]
    expected_whole = {0.3: ["first", "second", "point", "fc"], 0.5: small, 0.8: ["fc"], 0.95: []}
    assert whole == expected_whole[rate]


def test_erk_by_hand() -> None:
    # 6 + 4 = 10 claims and 8 + 4 = 12, of 22 pieces to keep: each keeps as many as its dimensions.
    network = network_of({"a": (6, 4), "b": (8, 4)})
    assert densities(network, "erk", 34 / 56) == {"a": 10 / 24, "b": 12 / 32}


def test_uniform_plus_by_hand() -> None:
    # 27 + 640 + 160 = 827 weights; 165 stay: the first 27, a fifth (32) of the classifier, and
    # 106 of the middle layer, which alone would be left with its share.
    shapes = {"first": (3, 1, 3, 3), "middle": (40, 16, 1, 1), "fc": (10, 16)}
    found = densities(network_of(shapes), "uniform_plus", 1 - 165 / 827)
    assert found == {"first": 1, "middle": 106 / 640, "fc": 32 / 160}
    # At a low rate the classifier loses as much as the others.
    found = densities(network_of(shapes), "uniform_plus", 0.5)
    assert found["first"] == 1
    assert found["fc"] == pytest.approx(found["middle"], abs=0.01)


def test_an_excluded_first_layer_has_no_successor() -> None:
    found = densities(network_of(SHAPES), "uniform_plus", 0.5, exclude=["first", "fc"])
    assert found == pytest.approx(dict.fromkeys(["second", "third", "point"], 0.5), abs=1e-3)


def test_too_high_a_rate_for_uniform_plus_is_refused() -> None:
    shapes = {"first": (8, 8, 3, 3), "fc": (10, 8)}
    with pytest.raises(InputError, match=r"66 of 656 pieces .* `uniform_plus` keeps 592: .*rate"):
        densities(network_of(shapes), "uniform_plus", 0.9)


def test_layers_that_no_image_reaches_get_no_share() -> None:
    network = network_of({"a": (4, 4, 3, 3), "b": (4, 4, 3, 3)})
    centre = np.zeros((1, 1, 3, 3), bool)
    centre[0, 0, 1, 1] = True
    for reached, gone in ((centre, (144 + 16) // 2), (centre & False, 144 // 2)):
        method = PruningMethod("weight", "erk", "l1")
        masks = make_masks(network, method, 0.5, counted={"b.weight": reached})
        assert sum((~mask).sum() for mask in masks.values()) == gone
        assert masks["b.weight"][:, :, ~reached[0, 0]].all()


def test_biases_are_refused() -> None:
    assert "`biases`" in budgets.problem("erk", True)
    assert budgets.problem("global", True) == ""
    method = PruningMethod("weight", "erk", "l1", biases=True)
    with pytest.raises(InputError, match="scope 'erk' divides weights"):
        make_masks(network_of(SHAPES), method, 0.5)


# --- properties ----------------------------------------------------------------------------------


@given(
    scope=st.sampled_from(budgets.SHARED),
    granularity=st.sampled_from(WEIGHTS),
    criterion=st.sampled_from(["l1", "random", "lamp"]),
    pair=st.tuples(st.floats(0.05, 0.7), st.floats(0.05, 0.7)).map(sorted),
    seed=st.integers(0, 9),
)
def test_totals_are_those_of_global_and_masks_nested(
    scope: str, granularity: str, criterion: str, pair: list[float], seed: int
) -> None:
    shapes = {"a": (6, 3, 3, 3), "b": (8, 6, 3, 3), "c": (12, 8, 1, 1), "fc": (10, 12)}
    network = network_of(shapes, seed)
    method = PruningMethod(granularity, scope, criterion, layers=CONV_AND_LINEAR)
    low, high = (make_masks(network, method, rate, seed=seed) for rate in pair)
    weights = sum(int(np.prod(shape)) for shape in shapes.values())
    kernels = sum(shape[0] * shape[1] for shape in shapes.values())
    sizes = {"weight": weights, "kernel": kernels, "filter": 36, "input_channel": 29}
    for rate, masks in zip(pair, (low, high), strict=True):
        gone = sum(pieces_gone(mask, granularity) for mask in masks.values() if mask.ndim > 1)
        assert gone == count(rate, sizes[granularity], granularity)
    for name, mask in low.items():
        assert not (high[name] & ~mask).any()
    again = make_masks(network.masked(low), method, pair[1], seed=seed)
    assert sum(mask.sum() for mask in again.values()) == sum(mask.sum() for mask in high.values())


def pieces_gone(mask: np.ndarray, granularity: str) -> int:
    axes = {"weight": (), "kernel": (2, 3), "filter": (1, 2, 3), "input_channel": (0, 2, 3)}
    return int((~mask.any(axis=tuple(a for a in axes[granularity] if a < mask.ndim))).sum())


def test_googlenet(googlenet_network: Network) -> None:
    for scope in budgets.SHARED:
        method = PruningMethod("weight", scope, "l1", layers=CONV_AND_LINEAR)
        masks = make_masks(googlenet_network, method, 0.8)
        size = sum(mask.size for mask in masks.values())
        assert sum((~mask).sum() for mask in masks.values()) == round(0.8 * size)
        dense = {name for name, mask in masks.items() if mask.all()}
        assert ("conv1.conv.weight" in dense) == (scope == "uniform_plus") or scope == "erk"
        assert masks["fc.weight"].mean() >= (0.2 if scope == "uniform_plus" else 0)


def test_a_criterion_decides_within_the_share(network_of: Callable) -> None:
    network = network_of(
        {"a": np.arange(1, 25).reshape(6, 4), "b": 1e3 + np.arange(32).reshape(8, 4)}
    )
    method = PruningMethod("weight", "erk", "l1", layers=CONV_AND_LINEAR)
    masks = make_masks(network, method, 34 / 56)
    assert np.flatnonzero(masks["a.weight"]).tolist() == list(range(14, 24))
    assert np.flatnonzero(masks["b.weight"]).tolist() == list(range(20, 32))
