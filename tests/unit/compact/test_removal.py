"""Compact networks: what goes, what stays and why, and that they compute the same."""

from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import polars as pl
import pytest
import torch
from compacted import SMALL_GOOGLENET, lowered_network
from conftest import PREPROCESSING, ConvNorm
from described import create_described
from hypothesis import given, settings
from hypothesis import strategies as st
from registries import register_architecture
from torch import nn

from prunescope.compact import cost_tables, equivalence, removal
from prunescope.compact.graph import batch_norms, torch_modules
from prunescope.compact.graph.graph import Graph, to_json
from prunescope.compact.graph.nodes import INPUT, Node, Tensors
from prunescope.compact.removal import Compact
from prunescope.networks import modules, reach
from prunescope.networks.describing.describe import describe
from prunescope.networks.description import Description, Network
from prunescope.prune.masks import PruningMethod, make_masks

POINT = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
PADDED = {**POINT, "padding": (1, 1)}
POOL = {"kernel": (3, 3), "stride": (1, 1), "padding": (1, 1), "dilation": (1, 1)}


# --- networks --------------------------------------------------------------------------------


class Block(nn.Module):
    """The four branches of an Inception block, as torchvision names them."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch1 = ConvNorm(channels, 3, 1)
        self.branch2 = nn.Sequential(ConvNorm(channels, 4, 1), ConvNorm(4, 5, 3))
        self.branch3 = nn.Sequential(ConvNorm(channels, 3, 1), ConvNorm(3, 2, 3))
        pool = nn.MaxPool2d(3, stride=1, padding=1, ceil_mode=True)
        self.branch4 = nn.Sequential(pool, ConvNorm(channels, 2, 1))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        branches = (self.branch1, self.branch2, self.branch3, self.branch4)
        return torch.cat([branch(images) for branch in branches], 1)


class Small(nn.Module):
    """GoogLeNet in small: stem, two Inception blocks with a pool between, dropout, classifier."""

    def __init__(self, description: Description) -> None:
        super().__init__()
        self.conv1 = ConvNorm(3, 6, 3, stride=2)
        self.block1 = Block(6)
        self.maxpool = nn.MaxPool2d(2, stride=2, ceil_mode=True)
        self.block2 = Block(12)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.dropout = nn.Dropout(0.5)
        self.fc = nn.Linear(12, description.classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        images = self.block2(self.maxpool(self.block1(self.conv1(images))))
        return self.fc(self.dropout(torch.flatten(self.avgpool(images), 1)))


@pytest.fixture(scope="module")
def small() -> Iterator[Network]:
    """A network of `Small` with nothing trivial about it."""
    with pytest.MonkeyPatch.context() as patch:
        register_architecture(patch, "small", Small)
        blank = Description("small", 5, 14, **PREPROCESSING)
        torch.manual_seed(0)
        module = Small(blank)
        for name, tensor in module.state_dict().items():
            if name.endswith(("running_var", "bn.weight")):
                tensor.uniform_(0.3, 1.5)
            elif tensor.is_floating_point():
                tensor.normal_(std=0.5)
        layers = describe(module, image_size=14).layers
        yield modules.to_network(module, replace(blank, layers=layers))


def settle(network: Network) -> Network:
    """Fit the batch norms to the strength of what a pruned network receives.

    Statistics of the dense network would let the signals of a strongly pruned one die out. Means
    are left at zero: to subtract those of a few images from nearly equal numbers would magnify
    rounding as no trained network does.
    """
    module = modules.to_module(network)

    def fit(norm: nn.Module, inputs: tuple[torch.Tensor]) -> None:
        norm.running_var.copy_(inputs[0].square().mean(dim=(0, 2, 3)))

    for child in module.modules():
        if isinstance(child, nn.BatchNorm2d):
            child.running_mean.zero_()
            child.register_forward_pre_hook(fit)
    with torch.no_grad():
        module(images_for(network, 16, seed=1))
    return modules.to_network(module, network.description, network.masks)


def images_for(network: Network, number: int = 4, seed: int = 0) -> torch.Tensor:
    side = network.description.image_size
    torch.manual_seed(seed)
    return torch.randn(number, 3, side, side)


def outputs(module: nn.Module, images: torch.Tensor) -> np.ndarray:
    with torch.inference_mode():
        return module(images).numpy()


def run(graph: Graph, tensors: Tensors, images: torch.Tensor) -> np.ndarray:
    return outputs(torch_modules.build(graph, tensors), images)


def prove(network: Network, *, fold: bool = True) -> Compact:
    """Compact a network; check that outputs are the same, and that nothing more could go."""
    graph, tensors = lowered_network(network)
    if fold:
        graph, tensors = batch_norms.fold_batch_norms(graph, tensors)
    made = removal.compact(graph, tensors)
    images = images_for(network)
    expected = outputs(modules.to_module(network), images)
    assert np.isfinite(expected).all()
    assert equivalence.difference(expected, run(made.graph, made.tensors, images)) <= 1e-5
    again = removal.compact(made.graph, made.tensors)
    assert steps(again.graph) == steps(made.graph)
    assert again.tensors.keys() == made.tensors.keys()
    assert all(np.array_equal(again.tensors[name], made.tensors[name]) for name in made.tensors)
    check_report(made, graph, tensors, {})
    return made


def check_report(made: Compact, graph: Graph, tensors: Tensors, counted: Tensors) -> None:
    rows = cost_tables.COMPACTION.conform(pl.DataFrame(made.layers))
    gone = pl.sum_horizontal("filters_zero", "filters_folded", "filters_unread")
    assert (rows["filters"] == rows.select(pl.col("filters_kept") + gone).to_series()).all()
    for row in rows.iter_rows(named=True):
        name = f"{row['layer']}.weight"
        weight = made.tensors.get(name, np.zeros((0, 0, *tensors[name].shape[2:])))
        assert weight.shape[:2] == (row["filters_kept"], row["inputs_kept"])
        counting = reach.values(name, weight, counted)
        zeros = sum(value for column, value in row.items() if column.startswith("zeros_"))
        assert zeros == (counting == 0).sum()
        assert row["weights_kept"] == counting.size
        assert np.count_nonzero(weight) == np.count_nonzero(counting)
        assert bool(row["why"]) or not zeros
        assert row["weights"] == reach.values(name, tensors[name], counted).size
        assert row["weights"] + row["weights_left_out"] == tensors[name].size
    assert len(rows) == sum(node.op in ("conv", "linear") for node in graph.nodes)


def steps(graph: Graph) -> list:
    """The steps in an order that does not depend on that in which they run."""
    return sorted(to_json(graph)["nodes"], key=lambda node: node["name"])


def layer(made: Compact, name: str) -> dict:
    return next(row for row in made.layers if row["layer"] == name)


def silence(network: Network, *names: str, batch_norm: bool = True) -> Network:
    """The network with all filters of the named convolutions pruned."""
    masks = {}
    for name in names:
        norm = name.removesuffix("conv") + "bn"
        pruned = [f"{name}.weight", *([f"{norm}.weight", f"{norm}.bias"] if batch_norm else [])]
        masks |= {other: np.zeros(network.tensors[other].shape, bool) for other in pruned}
    return network.masked(masks)


# --- the same outputs ------------------------------------------------------------------------

METHODS = {
    "global_unstructured": PruningMethod("weight", "global", "l1", ("conv2d", "linear"), True),
    "structured": PruningMethod("filter", "layer", "l1"),
    "structured_random": PruningMethod("filter", "layer", "random"),
    "connection_sparsity": PruningMethod("input_channel", "layer", "l1"),
    "connection_sparsity_random": PruningMethod("input_channel", "layer", "random"),
    "kernels": PruningMethod("kernel", "layer", "l1"),
}
RATES = (0.3, 0.8)


@pytest.fixture(scope="module")
def googlenet() -> Network:
    """torchvision's GoogLeNet for small images, with auxiliary heads and a transformed input."""
    module, described = create_described(SMALL_GOOGLENET, seed=0)
    for name, tensor in module.state_dict().items():
        if name.endswith(".bn.bias"):
            tensor.normal_(std=0.3)
    return modules.to_network(module, described)


@pytest.mark.parametrize("batch_norm", ["pruned", "kept"])
@pytest.mark.parametrize("method", METHODS)
def test_every_method(
    googlenet: Network, paper_exclude: tuple[str, ...], method: str, batch_norm: str
) -> None:
    if batch_norm == "kept" and not method.startswith("structured"):
        pytest.skip("batch norms follow filters only")
    images = images_for(googlenet, 6).double()
    counted = reach.counted(googlenet.description, "left_out")
    for rate in RATES:
        masks = make_masks(
            googlenet,
            METHODS[method],
            rate,
            exclude=paper_exclude,
            batch_norm=batch_norm,
            counted=counted,
        )
        masked = in_double(settle(googlenet.masked(masks)).masked(masks))
        graph, held = lowered_network(masked)
        made = removal.compact(*batch_norms.fold_batch_norms(graph, held), counted)
        check_report(made, graph, masked.tensors, counted)
        expected = outputs(modules.to_module(masked), images)
        assert expected.std(axis=0).max() > 0.01 * np.abs(expected).max(), "the images look alike"
        found = run(made.graph, made.tensors, images)
        assert equivalence.difference(expected, found) <= 1e-12, rate


def in_double(network: Network) -> Network:
    """The network in double precision: what is left of a difference is no rounding."""
    tensors = {
        name: tensor.astype(np.float64) if tensor.dtype == np.float32 else tensor
        for name, tensor in network.tensors.items()
    }
    return replace(network, tensors=tensors)


def masks_of(network: Network, rng: np.random.Generator, rates: tuple[float, ...]) -> dict:
    """Random masks: filters, input channels, kernels and weights, of any layer, at any rate."""
    masks = {}
    for name, tensor in network.tensors.items():
        if tensor.ndim == 0 or name.endswith(("running_mean", "running_var")):
            continue
        mask = np.ones(tensor.shape, bool)
        if tensor.ndim > 1:
            by_filter, by_input, by_kernel, by_weight = rng.permutation(rates)
            mask &= rng.random((len(tensor), *[1] * (tensor.ndim - 1))) >= by_filter
            mask &= rng.random((1, tensor.shape[1], *[1] * (tensor.ndim - 2))) >= by_input
            mask &= rng.random((*tensor.shape[:2], *[1] * (tensor.ndim - 2))) >= by_kernel
            mask &= rng.random(tensor.shape) >= by_weight
        else:
            mask &= rng.random(tensor.shape) >= rng.choice(rates) / 2
        masks[name] = mask
    return masks


@given(
    seed=st.integers(0, 2**32 - 1),
    rates=st.tuples(*[st.sampled_from([0.0, 0.3, 0.7, 1.0]) for _ in range(4)]),
    fold=st.booleans(),
)
@settings(max_examples=40)
def test_random_masks(small: Network, seed: int, rates: tuple[float, ...], fold: bool) -> None:
    masks = masks_of(small, np.random.default_rng(seed), rates)
    prove(small.masked(masks), fold=fold)


# --- odd cases -------------------------------------------------------------------------------


@pytest.mark.parametrize("fold", [False, True])
def test_nothing_to_remove(small: Network, fold: bool) -> None:
    made = prove(small, fold=fold)
    assert all(row["weights_kept"] == row["weights"] and not row["why"] for row in made.layers)
    ops = [node.op for node in made.graph.nodes]
    assert "select" not in ops
    assert ("batch_norm" in ops) != fold


def test_a_whole_branch(small: Network) -> None:
    made = prove(silence(small, "block1.branch3.1.conv"))
    names = {node.name for node in made.graph.nodes}
    # What led there goes as well, though its weights are not zero.
    assert not any(name.startswith("block1.branch3.") for name in names)
    assert layer(made, "block1.branch3.0.conv")["filters_unread"] == 3
    assert layer(made, "block2.branch1.conv")["inputs_kept"] == 10


def test_one_branch_left_needs_no_concatenation(small: Network) -> None:
    gone = [f"block1.{name}.conv" for name in ("branch1", "branch2.1", "branch3.1")]
    made = prove(silence(small, *gone))
    # That of the second block is left.
    assert [node.op for node in made.graph.nodes].count("concat") == 1
    assert layer(made, "block2.branch1.conv")["inputs_kept"] == 2


def test_one_channel_left(small: Network) -> None:
    mask = np.zeros(small.tensors["block2.branch1.conv.weight"].shape, bool)
    mask[:, 7] = True
    names = [f"block2.{name}.conv.weight" for name in ("branch1", "branch2.0", "branch3.0")]
    masks = {name: np.broadcast_to(mask[:1], small.tensors[name].shape) for name in names}
    pooled = "block2.branch4.1.conv.weight"
    masks[pooled] = np.broadcast_to(mask[:1], small.tensors[pooled].shape)
    made = prove(small.masked(masks))
    # All readers agree: filters with weights disappear at their producers.
    assert sum(layer(made, f"block1.{name}.conv")["filters_kept"]
               for name in ("branch1", "branch2.1", "branch3.1", "branch4.1")) == 1  # fmt: skip
    assert layer(made, "block1.branch1.conv")["filters_unread"] == 3
    assert "select" not in [node.op for node in made.graph.nodes]


def test_first_and_last_layer(small: Network) -> None:
    first = np.ones(small.tensors["conv1.conv.weight"].shape, bool)
    first[:, 1] = False
    last = np.ones(small.tensors["fc.weight"].shape, bool)
    last[:, 3:], last[2] = False, False
    made = prove(small.masked({"conv1.conv.weight": first, "fc.weight": last}))
    assert layer(made, "conv1.conv")["inputs_kept"] == 2
    assert made.graph.nodes[0].op in ("select", "slice")
    # Classes stay, whatever their weights are.
    assert layer(made, "fc")["filters_kept"] == 5
    assert "every class has an output" in layer(made, "fc")["why"]
    # Of block 2, only branch 1 is read.
    assert layer(made, "fc")["inputs_kept"] == 3


@pytest.mark.parametrize("batch_norm", [True, False])
def test_nothing_left(small: Network, batch_norm: bool) -> None:
    layers = [layer.name for layer in small.description.layers if layer.kind == "conv2d"]
    made = prove(silence(small, *layers, batch_norm=batch_norm))
    # One channel goes through, so that there is something to run.
    assert layer(made, "fc")["inputs_kept"] == 1
    assert "something to read" in layer(made, "fc")["why"]


def test_batch_norm_without_scale_makes_constants_of_any_weights(small: Network) -> None:
    tensors = dict(small.tensors)
    tensors["block1.branch1.bn.weight"] = np.zeros(3, np.float32)
    for fold in (False, True):
        made = prove(replace(small, tensors=tensors), fold=fold)
        assert layer(made, "block1.branch1.conv")["filters_kept"] == 0


def test_regrown_weights_stay(small: Network) -> None:
    """What counts are zeros, not masks."""
    masks = {"block1.branch1.conv.weight": np.zeros((3, 6, 1, 1), bool)}
    made = prove(replace(small, masks=masks))
    assert layer(made, "block1.branch1.conv")["filters_kept"] == 3


def test_weights_in_the_padding_keep_no_filter(googlenet: Network) -> None:
    """A filter without any weight that is reached goes, whatever its others are."""
    name = "inception5b.branch2.1.conv"
    mask = np.ones(googlenet.tensors[f"{name}.weight"].shape, bool)
    mask[:100, :, 1, 1] = False
    bias = np.ones(384, bool)
    bias[:100] = False
    masked = in_double(settle(googlenet.masked({f"{name}.weight": mask}))).masked(
        {f"{name}.weight": mask, f"{name.removesuffix('conv')}bn.bias": bias}
    )
    graph, held = lowered_network(masked)
    counted = reach.counted(masked.description, "left_out")
    made = removal.compact(*batch_norms.fold_batch_norms(graph, held), counted)
    images = images_for(masked, 6).double()
    expected = outputs(modules.to_module(masked), images)
    found = run(made.graph, made.tensors, images)
    assert equivalence.difference(expected, found) <= 1e-12
    row = layer(made, name)
    assert (row["filters"], row["filters_kept"], row["filters_zero"]) == (384, 284, 100)
    assert (row["weights"], row["weights_left_out"]) == (384 * 192, 384 * 192 * 8)
    assert row["weights_kept"] == 284 * 192
    assert not row["why"]
    everything = removal.compact(*batch_norms.fold_batch_norms(graph, held))
    assert layer(everything, name)["filters_kept"] == 384
    assert layer(everything, name)["weights_left_out"] == 0


# --- constants, by hand ----------------------------------------------------------------------


def constant_then(settings: dict, *, norm: bool = False) -> tuple[Graph, dict[str, np.ndarray]]:
    """Two filters of which the second and third emit 2 and 4, read by one convolution."""
    second = "norm" if norm else "second"
    maps, made = (1, 4, 6, 6), (1, 2, 6, 6)
    nodes = [
        Node("first", "conv", (INPUT,), POINT, maps),
        Node("relu", "relu", ("first",), shape=maps),
        Node("pool", "max_pool", ("relu",), {**POOL, "ceil_mode": False}, maps),
        Node("second", "conv", ("pool",), settings, made),
        *([Node("norm", "batch_norm", ("second",), {"eps": 0.0}, made)] if norm else []),
        Node("mean", "reduce", (second,), {"kind": "mean", "over": (2, 3), "keep": False}, (1, 2)),
        Node("fc", "linear", ("mean",), shape=(1, 2)),
    ]
    size = 3 if any(settings["padding"]) else 1
    rng = np.random.default_rng(0)
    tensors = {
        "first.weight": rng.normal(size=(4, 3, 1, 1)),
        "first.bias": np.array([0.5, 2, 4, -3]),
        "second.weight": rng.normal(size=(2, 4, size, size)),
        "fc.weight": rng.normal(size=(2, 2)),
        "fc.bias": np.zeros(2),
    }
    tensors["first.weight"][1:] = 0
    if norm:
        tensors |= {"norm.weight": np.array([1.0, 2]), "norm.bias": np.zeros(2),
                    "norm.running_mean": np.array([0.1, 0.2]), "norm.running_var": np.ones(2),
                    "norm.num_batches_tracked": np.array(0)}  # fmt: skip
    return Graph(tuple(nodes), (1, 3, 6, 6)), {
        name: tensor if tensor.ndim == 0 else tensor.astype(np.float32)
        for name, tensor in tensors.items()
    }


def same(graph: Graph, tensors: dict, made: Compact) -> None:
    images = torch.randn(3, 3, 6, 6)
    assert equivalence.difference(
        run(graph, tensors, images), run(made.graph, made.tensors, images)
    ) < 1e-6  # fmt: skip


def test_constants_join_the_bias_of_a_reader_without_padding() -> None:
    graph, tensors = constant_then(POINT)
    made = removal.compact(graph, tensors)
    weight = tensors["second.weight"][:, :, 0, 0]
    assert np.allclose(made.tensors["second.bias"], weight[:, 1] * 2 + weight[:, 2] * 4)
    assert made.tensors["second.weight"].shape == (2, 1, 1, 1)
    first = layer(made, "first")
    # The fourth filter emits relu(-3) = 0.
    assert (first["filters_folded"], first["filters_zero"]) == (2, 1)
    assert layer(made, "second")["constants_folded"] == 2
    same(graph, tensors, made)


def test_constants_become_a_bias_before_a_batch_norm() -> None:
    graph, tensors = constant_then(POINT, norm=True)
    made = removal.compact(graph, tensors)
    weight = tensors["second.weight"][:, :, 0, 0]
    assert np.allclose(made.tensors["second.bias"], weight[:, 1] * 2 + weight[:, 2] * 4)
    assert np.array_equal(made.tensors["norm.running_mean"], tensors["norm.running_mean"])
    same(graph, tensors, made)


def test_constants_of_a_last_layer_without_bias_become_its_bias() -> None:
    """No layer after it could add them."""
    graph, tensors = constant_then(POINT)
    del tensors["fc.bias"]
    tensors["second.weight"][1] = 0
    tensors["second.bias"] = np.array([0, 3], np.float32)
    made = removal.compact(graph, tensors)
    assert np.allclose(made.tensors["fc.bias"], tensors["fc.weight"][:, 1] * 3)
    assert layer(made, "fc")["constants_folded"] == 1
    same(graph, tensors, made)


def test_padding_keeps_one_constant_channel_that_stands_for_all() -> None:
    graph, tensors = constant_then(PADDED)
    made = removal.compact(graph, tensors)
    # The varying filter, and the one that emits 4; the 2 is half of it.
    assert made.tensors["first.bias"].tolist() == [0.5, 4]
    weight = tensors["second.weight"]
    assert np.allclose(made.tensors["second.weight"][:, 1], weight[:, 2] + weight[:, 1] / 2)
    assert "because of padding" in layer(made, "first")["why"]
    assert "second.bias" not in made.tensors
    same(graph, tensors, made)


# --- gathers ---------------------------------------------------------------------------------


def test_readers_of_the_same_channels_share_one_gather(small: Network) -> None:
    def keep(name: str, *channels: int) -> np.ndarray:
        mask = np.zeros(small.tensors[f"block2.{name}.conv.weight"].shape, bool)
        mask[:, list(channels)] = True
        return mask

    kept = {"branch1": (0, 5), "branch2.0": (0, 5), "branch3.0": (4, 5, 11), "branch4.1": (5,)}
    masks = {f"block2.{name}.conv.weight": keep(name, *which) for name, which in kept.items()}
    made = prove(small.masked(masks))
    gathers = [node for node in made.graph.nodes if ".select" in node.name]
    assert [node.op for node in gathers] == ["select", "slice", "slice"]
    # Of what is left, 0, 4, 5 and 11. Neighbours are a part of the memory, and are not copied.
    assert made.tensors[f"{gathers[0].name}.channels"].tolist() == [0, 2]
    parts = [(node.settings["start"], node.settings["stop"]) for node in gathers[1:]]
    assert parts == [(1, 4), (2, 3)]
    assert [layer(made, f"block2.{name}.conv")["inputs_gathered"] for name in kept] == [2, 2, 3, 0]
    pools = [node.inputs for node in made.graph.nodes if node.op == "max_pool"]
    assert (gathers[2].name,) in pools, "channels are picked before they are pooled"


def test_auxiliary_heads_are_left_out(googlenet: Network) -> None:
    made = removal.compact(*lowered_network(googlenet))
    assert not [name for name in made.tensors if name.startswith("aux")]
    assert len(made.layers) == 58


def test_differences_are_refused() -> None:
    expected = np.array([[1.0, -4.0]])
    assert equivalence.difference(expected, expected + 0.004) == pytest.approx(0.001)
    assert equivalence.difference(np.zeros(2), np.full(2, 0.5)) == 0.5
    near = equivalence.require(expected, {"pytorch": expected + 2e-5, "onnxruntime": expected})
    assert near["pytorch"] == pytest.approx(5e-6)
    # A network that rounds much by itself may differ by ten times as much.
    assert equivalence.require(expected, {"pytorch": expected + 1e-3}, rounding=1e-4)
    with pytest.raises(ArithmeticError, match=r"more than 0\.0001"):
        equivalence.require(expected, {"pytorch": expected + 1e-3}, rounding=1e-5)
    for wrong in (expected + 1e-3, expected * np.nan):
        with pytest.raises(ArithmeticError, match="in onnxruntime its outputs differ"):
            equivalence.require(expected, {"onnxruntime": wrong})


Build = Callable[..., tuple[nn.Module, Network]]


def test_means_over_positions_and_functions(make_toy: Build) -> None:
    """The toy of the other tests computes with functions what GoogLeNet does with modules."""
    _, network = make_toy()
    prove(silence(network, "mixed.branch1.conv"))
