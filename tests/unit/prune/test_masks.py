"""Masks against `torch.nn.utils.prune`, against loops written from the definition, and by hand."""

import itertools
import zlib
from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import nn
from torch.nn.utils import prune

from prunescope.foundation import plugins
from prunescope.foundation.errors import InputError
from prunescope.networks import coordinates, modules
from prunescope.networks.description import Description, Layer, Network
from prunescope.prune import pieces as pieces_module
from prunescope.prune.masks import PruningMethod, count, make_masks
from prunescope.prune.rates import effective_rate

RATES = (0.2, 0.4, 0.6, 0.8)
GRANULARITIES = tuple(pieces_module.GRANULARITIES)
# Those of budgets are tested with them.
SCOPES = ("global", "layer")
CONV_AND_LINEAR = ("conv2d", "linear")
OF_WEIGHTS = [
    name
    for name in plugins.names(pieces_module.CRITERIA)
    if pieces_module.load_criterion(name).NEEDS == pieces_module.WEIGHTS
]


# --- torch.nn.utils.prune on GoogLeNet -----------------------------------------------------------


def holder(array: np.ndarray) -> nn.Module:
    """A module with one parameter, which torch can prune."""
    module = nn.Module()
    module.weight = nn.Parameter(torch.from_numpy(array))
    return module


def torch_mask(array: np.ndarray, method: Callable, **options: object) -> np.ndarray:
    module = holder(array)
    method(module, name="weight", **options)
    return module.weight_mask.numpy().astype(bool)


def assert_same_up_to_ties(ours: np.ndarray, theirs: np.ndarray, scores: np.ndarray) -> None:
    """Torch does not say which of equal scores it prunes: there, only the number must agree."""
    assert ours.sum() == theirs.sum()
    threshold = scores[~theirs].max()
    np.testing.assert_array_equal(ours[scores != threshold], theirs[scores != threshold])


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(("criterion", "n"), [("l1", 1), ("l2", 2)])
def test_filters_equal_ln_structured(
    googlenet_network: Network, criterion: str, n: int, rate: float
) -> None:
    masks = make_masks(googlenet_network, PruningMethod("filter", "layer", criterion), rate)
    for layer in googlenet_network.description.layers:
        if layer.kind == "conv2d":
            weight = googlenet_network.tensors[layer.weight].astype(np.float64)
            expected = torch_mask(weight, prune.ln_structured, amount=rate, n=n, dim=0)
            np.testing.assert_array_equal(masks[layer.weight], expected, err_msg=layer.name)


@pytest.mark.parametrize("rate", RATES)
def test_input_channels_equal_ln_structured(googlenet_network: Network, rate: float) -> None:
    masks = make_masks(googlenet_network, PruningMethod("input_channel", "layer", "l1"), rate)
    for layer in googlenet_network.description.layers:
        if layer.kind == "conv2d":
            weight = googlenet_network.tensors[layer.weight].astype(np.float64)
            number = int(layer.shape[1] * rate)
            expected = torch_mask(weight, prune.ln_structured, amount=number, n=1, dim=1)
            np.testing.assert_array_equal(masks[layer.weight], expected, err_msg=layer.name)


@pytest.mark.parametrize("rate", RATES)
def test_weights_of_each_layer_equal_l1_unstructured(
    googlenet_network: Network, rate: float
) -> None:
    settings = PruningMethod("weight", "layer", "l1")
    masks = make_masks(googlenet_network, settings, rate)
    for layer in googlenet_network.description.layers:
        if layer.kind == "conv2d":
            weight = googlenet_network.tensors[layer.weight]
            expected = torch_mask(weight, prune.l1_unstructured, amount=rate)
            assert_same_up_to_ties(masks[layer.weight], expected, np.abs(weight))


@pytest.mark.parametrize("rate", RATES)
def test_global_weights_and_biases_equal_global_unstructured(
    googlenet_network: Network, rate: float
) -> None:
    settings = PruningMethod("weight", "global", "l1", layers=CONV_AND_LINEAR, biases=True)
    masks = make_masks(googlenet_network, settings, rate)
    names = [
        name
        for layer in googlenet_network.description.layers
        for name in (layer.weight, layer.bias)
        if name in googlenet_network.tensors
    ]
    assert "aux2.fc2.bias" in names  # the paper ranks auxiliary heads and biases along
    assert masks.keys() == set(names)
    holders = [holder(googlenet_network.tensors[name]) for name in names]
    prune.global_unstructured(
        [(module, "weight") for module in holders], prune.L1Unstructured, amount=rate
    )
    assert_same_up_to_ties(
        np.concatenate([masks[name].ravel() for name in names]),
        np.concatenate([module.weight_mask.numpy().astype(bool).ravel() for module in holders]),
        np.concatenate([np.abs(googlenet_network.tensors[name]).ravel() for name in names]),
    )


def test_cumulative_rates_equal_repeated_global_unstructured() -> None:
    """Torch without a reset between rates. It rounds at each call, we round once."""
    rates = [0.2, 0.4, 0.6, 0.8]
    method = {"rates": rates, "cumulative": True}
    config = {"pruning": {"rates": [0.5], "methods": {"global": method}}}
    rng = np.random.default_rng(0)
    weights = {"a.weight": rng.normal(size=(40, 11, 3, 3)), "b.weight": rng.normal(size=(97, 13))}
    layers = tuple(
        Layer(name[0], "conv2d" if array.ndim == 4 else "linear", array.shape, (1, 1))
        for name, array in weights.items()
    )
    network = Network(Description("none", 2, 8, (0,), (1,), layers), weights)
    holders = [holder(array) for array in weights.values()]
    for calls, rate in enumerate(rates, start=1):
        effective = effective_rate(config, "global", coordinates.format_rate(rate))
        masks = make_masks(
            network, PruningMethod("weight", "global", "l1", layers=CONV_AND_LINEAR), effective
        )
        prune.global_unstructured(
            [(module, "weight") for module in holders], prune.L1Unstructured, amount=rate
        )
        different = sum(
            np.count_nonzero(masks[name] != module.weight_mask.numpy())
            for name, module in zip(weights, holders, strict=True)
        )
        assert different <= calls
    assert effective == 0.9616


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize(
    ("granularity", "method", "options"),
    [
        ("filter", prune.random_structured, {"dim": 0}),
        ("weight", prune.random_unstructured, {}),
    ],
)
def test_random_removes_as_many_as_torch(
    googlenet_network: Network, granularity: str, method: Callable, options: dict, rate: float
) -> None:
    masks = make_masks(googlenet_network, PruningMethod(granularity, "layer", "random"), rate)
    for layer in googlenet_network.description.layers:
        if layer.name.startswith("inception3"):
            weight = googlenet_network.tensors[layer.weight]
            expected = torch_mask(weight, method, amount=rate, **options)
            assert masks[layer.weight].sum() == expected.sum()


# --- loops written from the definition -----------------------------------------------------------


def pieces_of(shape: tuple[int, ...], granularity: str) -> Iterator[tuple]:
    """The index of every piece of a weight, in the order of the flattened weight."""
    everything = slice(None)
    out, channels = shape[:2]
    rest = [range(size) for size in shape[2:]]
    if granularity == "filter":
        yield from ((o,) for o in range(out))
    elif granularity == "input_channel":
        yield from ((everything, i) for i in range(channels))
    elif granularity == "kernel":
        yield from ((o, i) for o in range(out) for i in range(channels))
    else:
        yield from itertools.product(range(out), range(channels), *rest)


def exact_score(piece: np.ndarray, criterion: str) -> Fraction:
    power = {"l1": 1, "l2": 2}[criterion]
    values = [abs(int(value)) ** power for value in np.ravel(piece)]
    return Fraction(sum(values), len(values))


def number_to_prune(rate: float, pieces: int, granularity: str) -> int:
    return int(rate * pieces) if granularity == "input_channel" else round(rate * pieces)


def counting(counted: dict[str, np.ndarray], layer: Layer) -> np.ndarray:
    return np.broadcast_to(counted.get(layer.weight, True), layer.shape)


def brute_force(
    network: Network,
    granularity: str,
    scope: str,
    criterion: str,
    rate: float,
    counted: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:
    masks = {layer.weight: np.ones(layer.shape, dtype=bool) for layer in network.description.layers}
    ranking = [
        (
            exact_score(
                network.tensors[layer.weight][index][counting(counted, layer)[index]], criterion
            ),
            place,
            layer.weight,
            index,
        )
        for place, (layer, index) in enumerate(
            (layer, index)
            for layer in network.description.layers
            for index in pieces_of(layer.shape, granularity)
            if counting(counted, layer)[index].any()
        )
    ]
    groups = [ranking]
    if scope == "layer":
        groups = [[entry for entry in ranking if entry[2] == name] for name in masks]
    for group in groups:
        number = number_to_prune(rate, len(group), granularity)
        for _score, _place, name, index in sorted(group, key=lambda entry: entry[:2])[:number]:
            masks[name][index] = False
    return masks


conv_shapes = st.tuples(st.integers(3, 6), st.integers(3, 5), st.integers(1, 2), st.integers(1, 3))
shapes = st.one_of(conv_shapes, st.tuples(st.integers(3, 6), st.integers(3, 6)))


@st.composite
def weights_by_layer(draw: st.DrawFn, values: st.SearchStrategy) -> dict[str, np.ndarray]:
    return {
        name: draw(hnp.arrays(np.float32, draw(shapes), elements=values)) for name in ("a", "b")
    }


@st.composite
def weights_and_reach(draw: st.DrawFn, values: st.SearchStrategy) -> tuple[dict, dict]:
    """Weights by layer, and which of them count: any positions of a kernel, at least one."""
    weights = draw(weights_by_layer(values))
    counted = {}
    for name, weight in weights.items():
        positions = weight[0, 0].size
        reached = draw(st.lists(st.booleans(), min_size=positions, max_size=positions))
        if any(reached) and not all(reached):
            counted[f"{name}.weight"] = np.reshape(reached, (1, 1, *weight.shape[2:]))
    return weights, counted


few_values = st.integers(-3, 3).map(float)  # small integers: many ties, exact means
any_values = st.floats(-10, 10, width=32)
rates = st.floats(0.05, 0.8)


@given(
    drawn=weights_and_reach(few_values),
    granularity=st.sampled_from(GRANULARITIES),
    scope=st.sampled_from(SCOPES),
    criterion=st.sampled_from(["l1", "l2"]),
    rate=rates,
)
def test_masks_equal_loops_over_ranked_pieces(
    network_of: Callable, drawn: tuple, granularity: str, scope: str, criterion: str, rate: float
) -> None:
    weights, counted = drawn
    network = network_of(weights)
    settings = PruningMethod(granularity, scope, criterion, layers=CONV_AND_LINEAR)
    masks = make_masks(network, settings, rate, counted=counted)
    expected = brute_force(network, granularity, scope, criterion, rate, counted)
    assert masks.keys() == expected.keys()
    for name in expected:
        np.testing.assert_array_equal(masks[name], expected[name])


# --- invariants ----------------------------------------------------------------------------------


def pruned_pieces(
    masks: dict, network: Network, granularity: str, counted: dict[str, np.ndarray]
) -> list[int]:
    """How many pieces of each layer are gone; a piece goes as a whole, and only if it counts."""
    numbers = []
    for layer in network.description.layers:
        gone = 0
        for index in pieces_of(layer.shape, granularity):
            piece = masks[layer.weight][index]
            assert np.all(piece) or not np.any(piece)
            assert np.all(piece) or counting(counted, layer)[index].any()
            gone += not np.any(piece)
        numbers.append(gone)
    return numbers


def all_pieces(network: Network, granularity: str, counted: dict[str, np.ndarray]) -> list[int]:
    return [
        sum(counting(counted, layer)[index].any() for index in pieces_of(layer.shape, granularity))
        for layer in network.description.layers
    ]


def possible(settings: PruningMethod) -> bool:
    criterion = pieces_module.load_criterion(settings.criterion)
    return not criterion.problem(settings.granularity, settings.scope, settings.biases)


methods = st.builds(
    PruningMethod,
    granularity=st.sampled_from(GRANULARITIES),
    scope=st.sampled_from(SCOPES),
    criterion=st.sampled_from(OF_WEIGHTS),
    layers=st.just(CONV_AND_LINEAR),
).filter(possible)


def makes_nothing_empty(settings: PruningMethod, total: list[int], rate: float) -> bool:
    """Whether a part of what is ranked together is left at a rate."""
    groups = [sum(total)] if settings.scope == "global" else total
    return all(number_to_prune(rate, group, settings.granularity) < group for group in groups)


@given(drawn=weights_and_reach(any_values), settings=methods, rate=rates)
def test_number_of_pruned_pieces_is_exact(
    network_of: Callable, drawn: tuple, settings: PruningMethod, rate: float
) -> None:
    weights, counted = drawn
    network = network_of(weights)
    total = all_pieces(network, settings.granularity, counted)
    assume(makes_nothing_empty(settings, total, rate))
    masks = make_masks(network, settings, rate, counted=counted)
    pruned = pruned_pieces(masks, network, settings.granularity, counted)
    if settings.scope == "global":
        pruned, total = [sum(pruned)], [sum(total)]
    assert pruned == [number_to_prune(rate, pieces, settings.granularity) for pieces in total]


@given(
    drawn=weights_and_reach(any_values),
    settings=methods,
    pair=st.tuples(rates, rates).map(sorted),
    seed=st.integers(0, 9),
)
def test_masks_of_rising_rates_are_nested(
    network_of: Callable, drawn: tuple, settings: PruningMethod, pair: list, seed: int
) -> None:
    weights, counted = drawn
    network = network_of(weights)
    total = all_pieces(network, settings.granularity, counted)
    assume(makes_nothing_empty(settings, total, pair[1]))
    low, high = (make_masks(network, settings, rate, seed=seed, counted=counted) for rate in pair)
    for name in low:
        assert not (high[name] & ~low[name]).any()


@given(
    drawn=weights_and_reach(any_values),
    settings=methods,
    pair=st.tuples(rates, rates).map(sorted),
)
def test_iterative_pruning_of_unchanged_weights_equals_one_shot(
    network_of: Callable, drawn: tuple, settings: PruningMethod, pair: list
) -> None:
    # Its distances are to the filters that are left: without the pruned ones they are others.
    assume(settings.criterion != "fpgm")
    weights, counted = drawn
    network = network_of(weights)
    total = all_pieces(network, settings.granularity, counted)
    assume(makes_nothing_empty(settings, total, pair[1]))
    first = make_masks(network, settings, pair[0], counted=counted)
    second = make_masks(network.masked(first), settings, pair[1], counted=counted)
    at_once = make_masks(network, settings, pair[1], counted=counted)
    for name in at_once:
        np.testing.assert_array_equal(second[name], at_once[name])


@given(
    drawn=weights_and_reach(any_values),
    retrained=st.randoms(use_true_random=False),
    settings=methods,
    first=rates,
    second=rates,
)
def test_pruned_pieces_stay_pruned_and_count_towards_the_rate(
    network_of: Callable,
    drawn: tuple,
    retrained,
    settings: PruningMethod,
    first: float,
    second: float,
) -> None:
    weights, counted = drawn
    network = network_of(weights)
    total = all_pieces(network, settings.granularity, counted)
    assume(makes_nothing_empty(settings, total, max(first, second)))
    masks = make_masks(network, settings, first, counted=counted)
    # Weights that have nothing to do with the old ones, also where the mask says zero.
    tensors = {
        name: np.float32([retrained.random() for _ in range(tensor.size)]).reshape(tensor.shape)
        for name, tensor in network.tensors.items()
    }
    later = Network(network.description, tensors, masks)
    again = make_masks(later, settings, second, counted=counted)
    for name, mask in masks.items():
        assert not (again[name] & ~mask).any()
    before = pruned_pieces(masks, network, settings.granularity, counted)
    after = pruned_pieces(again, network, settings.granularity, counted)
    if settings.scope == "global":
        before, after, total = [sum(before)], [sum(after)], [sum(total)]
    asked = [number_to_prune(second, pieces, settings.granularity) for pieces in total]
    assert after == [max(old, new) for old, new in zip(before, asked, strict=True)]


# --- by hand -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rate", "pieces", "granularity", "expected"),
    [
        (0.5, 5, "weight", 2),  # 2.5: half to even
        (0.5, 7, "filter", 4),  # 3.5: half to even
        (0.6, 6, "kernel", 4),  # 3.6
        (0.5, 5, "input_channel", 2),
        (0.5, 7, "input_channel", 3),  # 3.5 is cut off
        (0.6, 6, "input_channel", 3),  # 3.6 is cut off
    ],
)
def test_count(rate: float, pieces: int, granularity: str, expected: int) -> None:
    assert count(rate, pieces, granularity) == expected


def test_of_equal_pieces_the_first_go(network_of: Callable) -> None:
    network = network_of({"a": np.ones((2, 3, 1, 1)), "b": -np.ones((2, 3, 1, 1))})
    kept = make_masks(network, PruningMethod("weight", "layer", "l1"), 0.5)["b.weight"]
    assert kept.ravel().tolist() == [False, False, False, True, True, True]
    masks = make_masks(network, PruningMethod("weight", "global", "l1"), 2 / 3)
    assert not masks["a.weight"].any()
    assert masks["b.weight"].ravel().tolist() == [False, False, True, True, True, True]


def test_global_scope_compares_means_not_sums(network_of: Callable) -> None:
    # The filters of `large` have the larger norms, those of `small` the larger weights.
    network = network_of({"large": np.full((2, 8, 3, 3), 0.5), "small": np.ones((2, 2, 1, 1))})
    masks = make_masks(network, PruningMethod("filter", "global", "l1"), 0.5)
    assert not masks["large.weight"].any()
    assert masks["small.weight"].all()


def test_a_piece_is_ranked_by_what_is_reached(network_of: Callable) -> None:
    """Filters whose weights in the padding would turn the order round."""
    weight = np.full((4, 2, 3, 3), 9.0)
    weight[:, :, 1, 1] = [[4, 4], [1, 1], [2, 2], [3, 3]]
    weight[3, :, 0, 0] = 0
    network = network_of({"a": weight})
    centre = np.zeros((1, 1, 3, 3), bool)
    centre[0, 0, 1, 1] = True
    for granularity in ("filter", "kernel"):
        settings = PruningMethod(granularity, "layer", "l1")
        masks = make_masks(network, settings, 0.5, counted={"a.weight": centre})
        # A pruned piece goes with its weights in the padding, so that it is zero as a whole.
        assert masks["a.weight"].reshape(4, -1).all(axis=1).tolist() == [True, False, False, True]
        assert masks["a.weight"].reshape(4, -1).any(axis=1).tolist() == [True, False, False, True]
    single = make_masks(
        network, PruningMethod("weight", "layer", "l2"), 0.5, counted={"a.weight": centre}
    )["a.weight"]
    assert single[:, :, 1, 1].tolist() == [[True] * 2, [False] * 2, [False] * 2, [True] * 2]
    assert single.sum() == single.size - 4


def test_random_ranks_of_single_weights_are_those_of_the_whole_layer(network_of: Callable) -> None:
    """Leaving weights out draws no other numbers for those that stay."""
    network = network_of({"a": np.ones((8, 8, 3, 3))})
    corner = np.zeros((1, 1, 3, 3), bool)
    corner[0, 0, :2, :2] = True
    settings = PruningMethod("weight", "layer", "random")
    ranks = pieces_module.load_criterion("random").rank(
        network.tensors["a.weight"], (), np.random.default_rng([7, zlib.crc32(b"a.weight")])
    )
    mask = make_masks(network, settings, 0.25, seed=7, counted={"a.weight": corner})["a.weight"]
    reached = ranks[:, :, :2, :2]
    lowest = np.sort(reached.ravel())[: reached.size // 4]
    np.testing.assert_array_equal(~mask[:, :, :2, :2], np.isin(reached, lowest))
    assert mask[:, :, 2].all()
    assert mask[:, :, :, 2].all()


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("scope", SCOPES)
def test_a_layer_that_no_image_reaches_is_left_whole(
    network_of: Callable, granularity: str, scope: str
) -> None:
    rng = np.random.default_rng(0)
    weights = {"a": rng.normal(size=(4, 4, 2, 2)), "b": rng.normal(size=(4, 4, 2, 2)) / 100}
    nowhere = {"b.weight": np.zeros((1, 1, 2, 2), bool)}
    settings = PruningMethod(granularity, scope, "l1")
    masks = make_masks(network_of(weights), settings, 0.5, counted=nowhere)
    assert masks["b.weight"].all()
    assert masks["a.weight"].mean() == 0.5
    with pytest.raises(InputError, match=r"no image reaches a weight of b, .*pruning\.unreached"):
        make_masks(network_of(weights), settings, 0.5, exclude=["a"], counted=nowhere)


def test_biases_of_layers_with_padding_are_ranked(network_of: Callable) -> None:
    bias = {"a.bias": np.float32([0, 5, 0, 5])}
    network = network_of({"a": np.ones((4, 1, 1, 3))}, **bias)
    settings = PruningMethod("weight", "global", "l1", biases=True)
    middle = np.array([[[[False, True, False]]]])
    masks = make_masks(network, settings, 0.5, counted={"a.weight": middle})
    assert masks["a.bias"].tolist() == [False, True, False, True]
    assert masks["a.weight"][:, 0, 0].tolist() == [[True, False, True]] * 2 + [[True] * 3] * 2


def test_only_the_chosen_layers_get_masks(network_of: Callable) -> None:
    weights = {name: np.random.default_rng(0).normal(size=(4, 4, 1, 1)) for name in "ab"}
    weights["c"] = np.random.default_rng(1).normal(size=(4, 4))
    network = network_of(weights, **{"c.bias": np.zeros(4, dtype=np.float32)})
    settings = PruningMethod("weight", "layer", "l1")
    assert make_masks(network, settings, 0.5, exclude=["a"]).keys() == {"b.weight"}
    settings = PruningMethod("weight", "layer", "l1", layers=("linear",), biases=True)
    assert make_masks(network, settings, 0.5).keys() == {"c.weight", "c.bias"}


def test_bias_and_batch_norm_follow_their_filter(network_of: Callable) -> None:
    weight = np.reshape([4, 1, 2, 3], (4, 1, 1, 1))
    per_filter = {
        name: np.ones(4, dtype=np.float32) for name in ("a.bias", "a_bn.weight", "a_bn.bias")
    }
    network = network_of({"a": weight}, **per_filter)
    settings = PruningMethod("filter", "layer", "l1")
    masks = make_masks(network, settings, 0.5, batch_norm="pruned")
    assert masks.keys() == {"a.weight", *per_filter}
    for name in per_filter:
        assert masks[name].tolist() == [True, False, False, True]
    kept = make_masks(network, settings, 0.5, batch_norm="kept")
    assert kept.keys() == {"a.weight", "a.bias"}


@pytest.mark.parametrize("training", [False, True])
def test_pruned_units_emit_zero_or_a_constant(make_toy: Callable, training: bool) -> None:
    _, network = make_toy()
    images = torch.randn(4, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    emitted = {}
    for batch_norm in ("pruned", "kept"):
        settings = PruningMethod("filter", "layer", "l1")
        masks = make_masks(network, settings, 0.5, batch_norm=batch_norm)
        module = modules.to_module(network.masked(masks)).train(training)
        branch = module.mixed.branch1
        emitted[batch_norm] = branch.bn(branch.conv(module.stem(images))).detach()
        gone = torch.from_numpy(~masks["mixed.branch1.conv.weight"].any(axis=(1, 2, 3)))
        assert gone.sum() == 2
    assert (emitted["pruned"][:, gone] == 0).all()
    of_pruned = emitted["kept"][:, gone]
    assert (of_pruned != 0).all()
    assert torch.equal(of_pruned, of_pruned[:1, :, :1, :1].expand_as(of_pruned))
    assert emitted["kept"][:, ~gone].std(dim=(0, 2, 3)).min() > 0.01


def test_masked_zeroes_a_copy(network_of: Callable) -> None:
    network = network_of({"a": np.reshape([4, 1, 2, 3], (4, 1, 1, 1))})
    masks = make_masks(network, PruningMethod("filter", "layer", "l1"), 0.5)
    pruned = network.masked(masks)
    assert pruned.tensors["a.weight"].ravel().tolist() == [4, 0, 0, 3]
    assert pruned.tensors["a.weight"].dtype == np.float32
    assert pruned.masks == masks
    assert network.tensors["a.weight"].ravel().tolist() == [4, 1, 2, 3]
    assert not network.masks


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.2, 1.5, float("nan")])
def test_rates_outside_0_to_1_are_refused(network_of: Callable, rate: float) -> None:
    network = network_of({"a": np.ones((4, 4, 1, 1))})
    with pytest.raises(InputError, match=f"pruning rate {rate}"):
        make_masks(network, PruningMethod("weight", "layer", "l1"), rate)


def test_removing_a_whole_layer_is_refused(network_of: Callable) -> None:
    network = network_of({"a": np.ones((8, 4, 1, 1)), "small": np.ones((1, 4, 1, 1))})
    with pytest.raises(InputError, match=r"all 1 pieces \(filter\) of small\.weight"):
        make_masks(network, PruningMethod("filter", "layer", "l1"), 0.6)


def test_removing_everything_is_refused(network_of: Callable) -> None:
    network = network_of({"a": np.ones((2, 4, 1, 1)), "b": np.ones((2, 4, 1, 1))})
    with pytest.raises(InputError, match="all 4 pieces"):
        make_masks(network, PruningMethod("filter", "global", "l1"), 0.9)


def test_pieces_that_a_criterion_cannot_rank_are_refused(network_of: Callable) -> None:
    network = network_of({"a": np.ones((4, 4, 1, 1))})
    with pytest.raises(InputError, match=r"criterion 'fpgm' measures .* `kernel`\."):
        make_masks(network, PruningMethod("kernel", "layer", "fpgm"), 0.5)


def test_nothing_left_to_prune_is_refused(network_of: Callable) -> None:
    network = network_of({"a": np.ones((4, 4, 1, 1))})
    with pytest.raises(InputError, match=r"pruning\.exclude"):
        make_masks(network, PruningMethod("weight", "layer", "l1"), 0.5, exclude=["a"])
    with pytest.raises(InputError, match="linear"):
        make_masks(network, PruningMethod("weight", "layer", "l1", layers=("linear",)), 0.5)
