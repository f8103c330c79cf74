"""Sparsity and cost: a network counted by hand, the paper's sparsities, and public counts."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from described import create_described
from torch import nn
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models import GoogLeNet_Weights

from prunescope.compact import sizes
from prunescope.evaluate import counts
from prunescope.evaluate.counts import account
from prunescope.networks import modules, reach
from prunescope.networks.describing.describe import describe
from prunescope.networks.description import Description, Layer, Network
from prunescope.prune.masks import PruningMethod, make_masks

PUBLISHED = GoogLeNet_Weights.IMAGENET1K_V1.meta
GRANULARITIES = ("weight", "filter", "input_channel", "kernel")
RATES = (0.2, 0.4, 0.6, 0.8)


def of_sizes(*, zeros: int, shape: tuple[int, ...]) -> np.ndarray:
    """Ones, of which the first `zeros` are zero."""
    values = np.ones(np.prod(shape), dtype=np.float32)
    values[:zeros] = 0
    return values.reshape(shape)


@pytest.fixture
def counted() -> Network:
    layers = (
        Layer("first", "conv2d", (2, 3, 3, 3), (4, 5)),
        Layer("second", "conv2d", (4, 2, 1, 1), (2, 2)),
        Layer("fc", "linear", (5, 4), (1, 1)),
        Layer("aux.conv", "conv2d", (10, 2, 1, 1), (0, 0), auxiliary=True),
    )
    tensors = {
        "first.weight": of_sizes(zeros=4, shape=(2, 3, 3, 3)),  # 54 weights
        "second.weight": of_sizes(zeros=6, shape=(4, 2, 1, 1)),  # 8 weights
        "second_bn.weight": of_sizes(zeros=1, shape=(4,)),
        "second_bn.running_mean": np.zeros(4, dtype=np.float32),
        "second_bn.running_var": np.ones(4, dtype=np.float32),
        "second_bn.num_batches_tracked": np.array(0),
        "fc.weight": of_sizes(zeros=5, shape=(5, 4)),  # 20 weights
        "fc.bias": of_sizes(zeros=0, shape=(5,)),
        "aux.conv.weight": of_sizes(zeros=1, shape=(10, 2, 1, 1)),  # 20 weights
    }
    return Network(Description("none", 5, 8, (0.0,) * 3, (1.0,) * 3, layers), tensors)


def test_account_by_hand(counted: Network) -> None:
    row = account(counted, exclude=["first"])
    assert row.pop("sparsity_prunable") == pytest.approx((6 + 5) / (8 + 20))
    assert row.pop("sparsity_conv") == pytest.approx((4 + 6 + 1) / (54 + 8 + 20))
    assert row.pop("sparsity_all") == pytest.approx(17 / 111)
    assert row == {
        "parameters": 54 + 8 + 4 + 20 + 5 + 20,
        "nonzero_parameters": 50 + 2 + 3 + 15 + 5 + 19,
        "unreached_weights": 0,
        "macs": 54 * 20 + 8 * 4 + 20,
        "effective_macs": 50 * 20 + 2 * 4 + 15,
        "bytes": 4 * (54 + 8 + 4 + 4 + 4 + 20 + 5 + 20) + 8,
    }


def test_account_without_weights_that_no_image_reaches(counted: Network) -> None:
    """Of the first layer only the middle of the kernel, whose six weights are the 5th, 14th, ..."""
    first, *others = counted.description.layers
    ring = tuple(
        (row, column) for row in range(3) for column in range(3) if (row, column) != (1, 1)
    )
    layers = (replace(first, unreached=ring), *others)
    network = replace(counted, description=replace(counted.description, layers=layers))
    network.tensors["first.weight"][0, 1:, 1, 1] = 0
    left_out = account(network, [], reach.counted(network.description, "left_out"))
    # Zeros: 2 of the 6, then 6 of 8, 1 of 4, 5 of 20, none of 5, 1 of 20.
    assert left_out.pop("sparsity_prunable") == pytest.approx((2 + 6 + 5) / (6 + 8 + 20))
    assert left_out.pop("sparsity_conv") == pytest.approx((2 + 6 + 1) / (6 + 8 + 20))
    assert left_out.pop("sparsity_all") == pytest.approx(15 / 63)
    assert left_out == {
        "parameters": 63,
        "nonzero_parameters": 48,
        "unreached_weights": 2 * 3 * 8,
        "macs": 54 * 20 + 8 * 4 + 20,
        "effective_macs": 4 * 20 + 2 * 4 + 15,
        "bytes": 4 * (54 + 8 + 4 + 4 + 4 + 20 + 5 + 20) + 8,
    }
    everything = account(network, [], reach.counted(network.description, "counted"))
    assert everything["parameters"] == 111
    assert everything["nonzero_parameters"] == 111 - 19
    assert everything["unreached_weights"] == 48
    assert everything["effective_macs"] == 48 * 20 + 2 * 4 + 15


@pytest.mark.parametrize("granularity", GRANULARITIES)
@pytest.mark.parametrize("setting", ["left_out", "counted"])
def test_a_small_googlenet_is_as_sparse_as_asked(granularity: str, setting: str) -> None:
    """At 32 pixels a fifth of the weights sees padding only, whatever their values are."""
    blank = Description(
        "torchvision:googlenet", 10, 32, (0.0,) * 3, (1.0,) * 3, options={"init_weights": False}
    )
    network = modules.to_network(*create_described(blank, seed=0))
    counted = reach.counted(network.description, setting)
    for layer in network.description.layers:
        if layer.unreached and setting == "left_out":
            hidden = np.broadcast_to(~layer.reached, layer.shape)
            # As if pruning should take them first.
            network.tensors[layer.weight][hidden] = 1e-9
    method = PruningMethod(granularity, "layer", "l1")
    masks = make_masks(network, method, 0.5, counted=counted)
    row = account(network.masked(masks), ["fc"], counted)
    assert row["sparsity_prunable"] == pytest.approx(0.5, abs=0.01)
    assert row["unreached_weights"] == 1_081_344
    dense = account(network, ["fc"], counted)
    assert dense["parameters"] == 5_610_154 - (1_081_344 if setting == "left_out" else 0)


def test_only_exact_zeros_count(counted: Network) -> None:
    counted.tensors["fc.weight"][:] = 1e-38
    assert counts.sparsity(counted, ["fc.weight"]) == 0
    counted.tensors["fc.weight"][0] = -0.0
    assert counts.sparsity(counted, ["fc.weight"]) == pytest.approx(4 / 20)


def test_sparsity_of_nothing_is_zero(counted: Network) -> None:
    assert counts.sparsity(counted, []) == 0
    assert account(counted, exclude=["first", "second", "fc"])["sparsity_prunable"] == 0


def conv_weights(network: Network) -> list[str]:
    return [layer.weight for layer in network.description.layers if layer.kind == "conv2d"]


@pytest.mark.parametrize(
    ("granularity", "published"),
    [
        ("filter", (0.1913, 0.3822, 0.5728, 0.7637)),
        ("input_channel", (0.1889, 0.3795, 0.5711, 0.7617)),
    ],
)
def test_sparsities_of_the_paper(
    googlenet_network: Network,
    paper_exclude: tuple[str, ...],
    granularity: str,
    published: tuple[float, ...],
) -> None:
    """Structured pruning and connection sparsity of arXiv 2409.19727, as achieved there."""
    weights = conv_weights(googlenet_network)
    assert sum(googlenet_network.tensors[name].size for name in weights) == 5_718_464
    method = PruningMethod(granularity, "layer", "l1")
    achieved = []
    for rate in RATES:
        masks = make_masks(googlenet_network, method, rate, exclude=paper_exclude)
        pruned = googlenet_network.masked(masks)
        achieved.append(round(counts.sparsity(pruned, weights), 4))
        assert account(pruned)["sparsity_conv"] == counts.sparsity(pruned, weights)
    assert tuple(achieved) == published


def test_googlenet_has_the_units_of_the_paper(googlenet_network: Network) -> None:
    measured = googlenet_network.description.measured_layers
    convolutions = [layer for layer in measured if layer.kind == "conv2d"]
    assert len(convolutions) == 57
    assert sum(layer.units for layer in convolutions) == 7_280
    assert sum(layer.units for layer in measured) == 8_280
    idle = [layer.name for layer in googlenet_network.description.layers if layer.auxiliary]
    heads = [f"aux{head}.{name}" for head in (1, 2) for name in ("conv.conv", "fc1", "fc2")]
    assert idle == heads


def test_googlenet_macs(googlenet_network: Network, googlenet_module: nn.Module) -> None:
    macs = account(googlenet_network)["macs"]
    assert macs / 1e9 == pytest.approx(PUBLISHED["_ops"], abs=0.001)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        googlenet_module(torch.zeros(1, 3, 224, 224))
    assert macs == counter.get_total_flops() / 2


def test_googlenet_parameters() -> None:
    description = Description(
        "torchvision:googlenet", 1000, 32, (0.0,) * 3, (1.0,) * 3, options={"init_weights": False}
    )
    network = modules.to_network(*create_described(description, seed=0))
    parameters = account(network)["parameters"]
    assert parameters == PUBLISHED["num_params"] == 6_624_904


def test_effective_macs_follow_the_masks(googlenet_network: Network) -> None:
    """Half of the input channels of one layer: half of its multiply-accumulates."""
    layer = googlenet_network.description.layers[2]
    other = [entry.name for entry in googlenet_network.description.layers if entry != layer]
    method = PruningMethod("input_channel", "layer", "l1")
    masks = make_masks(googlenet_network, method, 0.5, exclude=other)
    row = account(googlenet_network.masked(masks))
    size, kernel, side = 64 * 192, 3 * 3, 56  # conv3 of the paper's Table 1
    assert layer.name == "conv3.conv"
    whole = account(googlenet_network)["effective_macs"]
    assert whole - row["effective_macs"] == size * kernel * side**2 / 2
    assert row["macs"] == account(googlenet_network)["macs"]


class Everything(nn.Module):
    """Groups, a depthwise convolution, a layer that runs twice, tokens, maps of tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.grouped = nn.Conv2d(8, 12, 3, groups=4)
        self.depthwise = nn.Conv2d(12, 24, 3, padding=1, groups=12)
        self.twice = nn.Linear(24, 24)
        self.maps = nn.Linear(24, 10)
        self.head = nn.Linear(10, 5)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = self.depthwise(self.grouped(self.stem(images)))
        tokens = self.twice(self.twice(maps.flatten(2).transpose(1, 2)))
        return self.head(self.maps(tokens.unflatten(1, (6, 6))).mean(dim=(1, 2)))


def test_macs_of_groups_runs_and_tokens() -> None:
    layers = (
        Layer("stem", "conv2d", (8, 3, 3, 3), (8, 8)),
        Layer("grouped", "conv2d", (12, 2, 3, 3), (6, 6), groups=4),
        Layer("depthwise", "conv2d", (24, 1, 3, 3), (6, 6), groups=12),
        Layer("twice", "linear", (24, 24), (36, 1), runs=2, unit_axis=-1),
        Layer("maps", "linear", (10, 24), (36, 1), unit_axis=-1),
        Layer("head", "linear", (5, 10), (1, 1)),
    )
    module = Everything()
    description = Description("none", 5, 16, (0.0,) * 3, (1.0,) * 3, layers)
    network = modules.to_network(module, description)
    with FlopCounterMode(display=False) as counter, torch.inference_mode():
        module(torch.zeros(1, 3, 16, 16))
    flops = {name.rpartition(".")[2]: sum(ops.values())
             for name, ops in counter.get_flop_counts().items()}  # fmt: skip
    for layer in layers:
        assert counts.macs(layer) == flops[layer.name] / 2, layer.name
    row = account(network)
    assert row["macs"] == row["effective_macs"] == counter.get_total_flops() / 2
    network.tensors["twice.weight"][:12] = 0
    halved = account(network)
    assert halved["effective_macs"] == row["macs"] - 12 * 24 * 36 * 2
    assert halved["macs"] == row["macs"]


class Attending(nn.Module):
    """Tokens that attend to each other, by PyTorch's own module."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(24, 8)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=True)
        self.last = nn.Linear(8, 2)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        tokens = self.first(images.reshape(len(images), 8, 24))
        attended, _ = self.attention(tokens, tokens, tokens, need_weights=False)
        return self.last(attended.mean(dim=1))


def test_weights_without_a_layer_count_among_the_macs() -> None:
    module = Attending().eval()
    found = describe(module, 8)
    projections = "attention.in_proj_weight"
    # Of 8 tokens, 8 x 8 each for queries, keys and values.
    assert found.parameter_macs == {projections: 8 * 3 * 8 * 8}
    by_hand = 8 * (24 * 8 + 3 * 8 * 8 + 8 * 8) + 8 * 2
    assert found.macs == by_hand
    description = Description(
        "none", 2, 8, (0.0,) * 3, (1.0,) * 3, found.layers, parameter_macs=found.parameter_macs
    )
    network = modules.to_network(module, description)
    row = account(network)
    assert row["macs"] == row["effective_macs"] == by_hand
    assert row["parameters"] == found.parameters == 24 * 8 + 8 + 4 * (8 * 8 + 8) + 8 * 2 + 2
    assert sizes.count_whole(network)["macs"] == by_hand
    network.tensors[projections][:12] = 0
    assert account(network)["effective_macs"] == by_hand - 8 * 12 * 8
    # It is no layer, so it is not among what pruning can take.
    assert account(network)["sparsity_prunable"] == 0
