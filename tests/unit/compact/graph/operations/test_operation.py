"""Each operation answers every question about itself, and an unknown one is refused everywhere."""

import math
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import one_operation
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from compacted import lowered
from one_operation import DESCRIPTION, SIDE, Around
from torch import nn

from prunescope.compact import channels, layer_report, removal, sizes
from prunescope.compact.channels import Facts, Needs
from prunescope.compact.graph import batch_norms, onnx_models, torch_modules
from prunescope.compact.graph.graph import Graph, check_shapes, from_json, to_json
from prunescope.compact.graph.nodes import INPUT, Node, Value
from prunescope.compact.graph.operations.combining import WORTH
from prunescope.compact.graph.operations.elementwise import Elementwise
from prunescope.compact.graph.operations.operation import Operation
from prunescope.compact.graph.operations.table import OPERATIONS, operation_of
from prunescope.compact.graph.torch_layers import LayerNormOfPart
from prunescope.compact.surgery import Surgery
from prunescope.foundation.errors import InputError

Function = Callable[[Any, torch.Tensor], torch.Tensor]


class Scaled(nn.Module):
    """A factor for each of 8 channels, 0 and 1 among them."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("by", torch.tensor([1.0, 2, 0.5, 1, 0, 1, 1, -1]).reshape(8, 1, 1))


class Table(nn.Module):
    """Parameters that nothing computes: a first token, or positions."""

    def __init__(self, *shape: int) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(shape))


def tokens(maps: torch.Tensor) -> torch.Tensor:
    """Maps as `(images, 36, channels)`."""
    return maps.flatten(2).transpose(1, 2)


def plain(function: Callable[[torch.Tensor], torch.Tensor]) -> tuple[Function, dict]:
    return lambda _, maps: function(maps), {}


def with_layers(function: Function, **layers: nn.Module) -> tuple[Function, dict]:
    return function, layers


def conv(*args: Any, **options: Any) -> tuple[Function, dict]:
    return with_layers(lambda on, maps: on["it"](maps), it=nn.Conv2d(*args, **options))


def on_tokens(**layers: nn.Module) -> tuple[Function, dict]:
    return with_layers(lambda on, maps: on["it"](tokens(maps)), **layers)


def heads(values: torch.Tensor, number: int = 2) -> torch.Tensor:
    """`(images, tokens, channels)` as `(images, heads, tokens, channels of a head)`."""
    return values.unflatten(2, (number, -1)).transpose(1, 2)


def attended(on: Any, maps: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
    read = tokens(maps)
    query, key, value = (heads(part) for part in on["qkv"](read).chunk(3, -1))
    made = F.scaled_dot_product_attention(query, key, value, mask)
    return on["out"](made.transpose(1, 2).flatten(2))


def by_products(on: Any, maps: torch.Tensor) -> torch.Tensor:
    read = tokens(maps)
    query, key, value = on["qkv"](read).reshape(-1, 36, 3, 2, 4).permute(2, 0, 3, 1, 4).unbind(0)
    weights = (query * 0.5 @ key.transpose(-2, -1)).softmax(-1)
    return on["out"]((weights @ value).transpose(1, 2).reshape(-1, 36, 8))


def squeezed(on: Any, maps: torch.Tensor) -> torch.Tensor:
    gate = F.relu(on["down"](F.adaptive_avg_pool2d(maps, 1)))
    return maps * torch.sigmoid(on["up"](gate))


def shuffled(maps: torch.Tensor) -> torch.Tensor:
    images, number, height, width = maps.shape
    apart = maps.view(images, 2, number // 2, height, width)
    return apart.transpose(1, 2).contiguous().view(images, number, height, width)


ATTENTION = {"qkv": nn.Linear(8, 24), "out": nn.Linear(8, 8)}
# At least one network for each operation of PyTorch that lowering takes: what stands in it, and
# which operation it must become.
SAMPLES: dict[str, tuple[str, tuple[Function, dict]]] = {
    "conv": ("conv", conv(8, 4, 1)),
    "conv without bias": ("conv", conv(8, 4, 1, bias=False)),
    "conv with padding": ("conv", conv(8, 4, 3, padding=1)),
    "conv with dilation": ("conv", conv(8, 4, 3, padding=2, dilation=2, stride=2)),
    "conv with equal sizes": ("conv", conv(8, 4, 3, padding="same", dilation=2)),
    "conv in one direction": ("conv", conv(8, 4, (1, 3), padding=(0, 1))),
    "conv in groups": ("conv", conv(8, 6, 3, padding=1, groups=2)),
    "conv in groups without padding": ("conv", conv(8, 12, 1, groups=4)),
    "conv by depth": ("conv", conv(8, 8, 3, padding=1, groups=8)),
    "conv by depth that widens": ("conv", conv(8, 16, 3, groups=8)),
    "linear": ("linear", with_layers(lambda on, maps: on["it"](maps.mean((2, 3))),
                                     it=nn.Linear(8, 4))),
    "linear of tokens": ("linear", on_tokens(it=nn.Linear(8, 4, bias=False))),
    "linear of maps": ("linear", with_layers(lambda on, maps: on["it"](maps.flatten(1)),
                                             it=nn.Linear(288, 5))),
    "addmm": ("linear", with_layers(
        lambda on, maps: torch.addmm(on["it"].bias, maps.mean((2, 3)), on["it"].weight.t()),
        it=nn.Linear(8, 4))),
    "batch_norm": ("batch_norm", with_layers(lambda on, maps: on["it"](maps),
                                             it=nn.BatchNorm2d(8, eps=1e-3))),
    "batch_norm of vectors": ("batch_norm", with_layers(
        lambda on, maps: on["it"](maps.mean((2, 3))), it=nn.BatchNorm1d(8))),
    "layer_norm": ("layer_norm", on_tokens(it=nn.LayerNorm(8))),
    "layer_norm without scale": ("layer_norm", on_tokens(
        it=nn.LayerNorm(8, elementwise_affine=False))),
    "layer_norm of maps": ("layer_norm", with_layers(
        lambda on, maps: on["it"](maps.permute(0, 2, 3, 1)).permute(0, 3, 1, 2),
        it=nn.LayerNorm(8, eps=1e-6))),
    "group_norm": ("group_norm", with_layers(lambda on, maps: on["it"](maps),
                                             it=nn.GroupNorm(4, 8))),
    # Functions of single numbers.
    "relu": ("relu", plain(F.relu)),
    "relu_": ("relu", plain(lambda maps: F.relu(maps * 2, inplace=True))),
    "sigmoid": ("sigmoid", plain(torch.sigmoid)),
    "tanh": ("tanh", plain(torch.tanh)),
    "erf": ("erf", plain(torch.erf)),
    "exp": ("exp", plain(torch.exp)),
    "log": ("log", plain(lambda maps: torch.log(maps.abs() + 1))),
    "sqrt": ("sqrt", plain(lambda maps: torch.sqrt(maps.abs()))),
    "abs": ("abs", plain(torch.abs)),
    "neg": ("neg", plain(torch.neg)),
    "softplus": ("softplus", plain(F.softplus)),
    "hardswish": ("hardswish", plain(F.hardswish)),
    "hardsigmoid": ("hardsigmoid", plain(F.hardsigmoid)),
    "silu": ("silu", plain(F.silu)),
    "mish": ("mish", plain(F.mish)),
    "gelu": ("gelu", plain(F.gelu)),
    "gelu by tanh": ("gelu", plain(lambda maps: F.gelu(maps, approximate="tanh"))),
    "relu6": ("clip", plain(F.relu6)),
    "hardtanh": ("clip", plain(F.hardtanh)),
    "clamp from below": ("clip", plain(lambda maps: maps.clamp(min=-0.5))),
    "clamp from above": ("clip", plain(lambda maps: maps.clamp(max=1))),
    "leaky_relu": ("leaky_relu", plain(lambda maps: F.leaky_relu(maps, 0.2))),
    "elu": ("elu", plain(lambda maps: F.elu(maps, 0.7))),
    "square": ("power", plain(torch.square)),
    "pow": ("power", plain(lambda maps: maps**3)),
    "rsqrt": ("power", plain(lambda maps: torch.rsqrt(maps.abs() + 1))),
    "reciprocal": ("power", plain(lambda maps: 1 / (maps.abs() + 1))),
    # Functions of two.
    "add of a number": ("add", plain(lambda maps: maps + 3)),
    "add of two branches": ("add", with_layers(
        lambda on, maps: maps + on["it"](maps), it=nn.Conv2d(8, 8, 3, padding=1))),
    "add of a table": ("add", with_layers(
        lambda on, maps: tokens(maps) + on["it"].table, it=Table(1, 36, 8))),
    "sub": ("sub", plain(lambda maps: maps - F.relu(maps))),
    "sub from a number": ("sub", plain(lambda maps: 1 - maps)),
    "rsub": ("sub", plain(lambda maps: torch.rsub(maps, 2))),
    "mul of two": ("mul", plain(lambda maps: maps * torch.sigmoid(maps))),
    "mul with zeros": ("mul", with_layers(lambda on, maps: maps * on["it"].by, it=Scaled())),
    "div of two": ("div", plain(lambda maps: maps / (maps.abs() + 1))),
    "div of a tensor": ("div", plain(
        lambda maps: torch.tensor([2.0]) / (maps.abs() + 0.5))),
    "maximum": ("maximum", plain(lambda maps: torch.maximum(maps, -maps / 2))),
    "minimum": ("minimum", plain(lambda maps: torch.minimum(maps, maps**2))),
    "addcmul": ("mul", with_layers(
        lambda on, maps: torch.addcmul(maps, maps.sigmoid(), on["it"].by), it=Scaled())),
    # Pools, means and sizes.
    "max_pool": ("max_pool", plain(lambda maps: F.max_pool2d(maps, 2))),
    "max_pool with padding": ("max_pool", plain(
        lambda maps: F.max_pool2d(maps, 3, 2, 1, ceil_mode=True))),
    "max_pool with dilation": ("max_pool", plain(
        lambda maps: F.max_pool2d(maps, 2, 1, 0, dilation=2))),
    "average_pool": ("average_pool", plain(lambda maps: F.avg_pool2d(maps, 2))),
    "average_pool with padding": ("average_pool", plain(
        lambda maps: F.avg_pool2d(maps, 3, 1, 1))),
    "average_pool without padding": ("average_pool", plain(
        lambda maps: F.avg_pool2d(maps, 3, 1, 1, count_include_pad=False))),
    "average_pool that fits": ("average_pool", plain(
        lambda maps: F.avg_pool2d(maps, 2, 2, ceil_mode=True))),
    "average_pool to a size": ("average_pool", plain(
        lambda maps: F.adaptive_avg_pool2d(maps, 3))),
    "average_pool of all": ("reduce", plain(lambda maps: F.adaptive_avg_pool2d(maps, 1))),
    "pad": ("pad", plain(lambda maps: F.pad(maps, (1, 0, 2, 1)))),
    "pad with a number": ("pad", plain(lambda maps: F.pad(maps, (1, 1), value=3.0))),
    "pad of channels": ("pad", plain(lambda maps: F.pad(maps, (0, 0, 0, 0, 3, 2)) * 2)),
    "pad of channels and positions": ("pad", plain(
        lambda maps: F.pad(maps, (1, 1, 0, 0, 2, 4), value=2.0))),
    "resize to nearest": ("resize", plain(
        lambda maps: F.interpolate(maps, scale_factor=2, mode="nearest"))),
    "resize to nearest by a fraction": ("resize", plain(
        lambda maps: F.interpolate(maps, size=9, mode="nearest"))),
    "resize": ("resize", plain(
        lambda maps: F.interpolate(maps, size=(9, 4), mode="bilinear", align_corners=False))),
    "resize with corners": ("resize", plain(
        lambda maps: F.interpolate(maps, size=11, mode="bilinear", align_corners=True))),
    "mean": ("reduce", plain(lambda maps: maps.mean(2, keepdim=True))),
    "mean of channels": ("reduce", plain(lambda maps: maps * maps.mean(1, keepdim=True))),
    "sum": ("reduce", plain(lambda maps: maps.sum((2, 3)))),
    "sum of channels": ("reduce", plain(lambda maps: maps + maps.sum(1, keepdim=True))),
    "amax": ("reduce", plain(lambda maps: maps.amax((2, 3)))),
    "norm": ("reduce", plain(
        lambda maps: maps * torch.linalg.vector_norm(maps, dim=(2, 3), keepdim=True))),
    "norm of channels": ("reduce", plain(
        lambda maps: maps / (torch.linalg.vector_norm(maps, dim=1, keepdim=True) + 1))),
    "softmax of channels": ("softmax", plain(lambda maps: maps.softmax(1))),
    "softmax of positions": ("softmax", plain(lambda maps: maps * maps.flatten(2).softmax(2)
                                              .view_as(maps))),
    # Numbers that move.
    "reshape": ("reshape", plain(lambda maps: maps.reshape(-1, 8, 36, 1))),
    "flatten": ("reshape", plain(lambda maps: F.max_pool2d(maps, 6).flatten(1))),
    "flatten with positions": ("reshape", plain(lambda maps: F.max_pool2d(maps, 3).flatten(1))),
    "shuffle": ("reshape", plain(shuffled)),
    "permute": ("permute", plain(lambda maps: maps.permute(0, 3, 1, 2).permute(0, 2, 1, 3))),
    "slice of channels": ("slice", plain(lambda maps: maps[:, 1:7:2])),
    "slice of positions": ("slice", plain(lambda maps: maps[:, :, ::2, 1:])),
    "chunk": ("slice", plain(lambda maps: maps.chunk(2, 1)[0] * maps.chunk(2, 1)[1].sigmoid())),
    "split": ("slice", plain(lambda maps: torch.cat(maps.split([3, 5], 1)[::-1], 1))),
    "select of a position": ("slice", plain(lambda maps: tokens(maps)[:, 3])),
    "select of a channel": ("slice", plain(lambda maps: maps * maps[:, 4].unsqueeze(1))),
    "unbind": ("slice", plain(lambda maps: torch.stack(maps.unbind(1)[::-1], 1))),
    "expand": ("repeat", plain(lambda maps: maps.mean(2, keepdim=True).expand(-1, -1, 6, -1))),
    "roll": ("roll", plain(lambda maps: maps.roll((1, -2), (2, 3)) * maps.sigmoid())),
    "cat": ("concat", plain(lambda maps: torch.cat([F.relu(maps), maps], 1))),
    "cat of positions": ("concat", plain(lambda maps: torch.cat([maps, maps * 2], 3))),
    "cat with a token": ("concat", with_layers(
        lambda on, maps: torch.cat([on["it"].table.expand(len(maps), -1, -1), tokens(maps)], 1),
        it=Table(1, 1, 8))),
    "stack": ("concat", plain(lambda maps: torch.stack([maps, maps.sigmoid()], 1).sum(1))),
    "index_select": ("select", plain(
        lambda maps: maps.index_select(1, torch.tensor([5, 0, 1, 7, 3])))),
    "index_select of positions": ("select", plain(
        lambda maps: maps.index_select(3, torch.tensor([5, 0, 1])) * 2)),
    # Attention.
    "attention": ("attention", with_layers(attended, **ATTENTION)),
    "attention with a mask": ("attention", with_layers(
        lambda on, maps: attended(on, maps, torch.ones(36, 36).tril() > 0), **ATTENTION)),
    "attention with biases": ("attention", with_layers(
        lambda on, maps: attended(on, maps, on["more"].table), more=Table(1, 2, 36, 36),
        **ATTENTION)),
    "attention by products": ("matmul", with_layers(by_products, **ATTENTION)),
    "squeeze and excitation": ("mul", with_layers(
        squeezed, down=nn.Conv2d(8, 4, 1), up=nn.Conv2d(4, 8, 1))),
}  # fmt: skip
# Operations that only compaction makes, or a description: tests of their own are below.
OTHERS = {"scale", "extend"}


def test_every_operation_has_a_sample() -> None:
    assert {op for op, _ in SAMPLES.values()} | OTHERS == set(OPERATIONS)
    assert all(operation.name == name for name, operation in OPERATIONS.items())


def sample(name: str) -> Around:
    function, layers = SAMPLES[name][1]
    torch.manual_seed(1)
    return Around(function, **layers)


# Constants of the means behind positions that differ, such as those at a border; and those that
# follow from what a step is not asked about.
HIDDEN = {
    "conv by depth": 3,
    "group_norm": 4,
    "add of a table": 4,
    "average_pool with padding": 3,
    "pad": 3,
    "pad with a number": 3,
    "pad of channels and positions": 3,
    "cat of positions": 3,
    "cat with a token": 4,
    "stack": 8,
}


# Where every channel counts, or channels are put together in a way that no class sees through.
WHOLE = {
    "conv in groups", "group_norm", "mean of channels", "sum of channels", "norm of channels",
    "softmax of channels", "unbind",
}  # fmt: skip


@pytest.mark.parametrize("round_to", [1, 4])
@pytest.mark.parametrize("name", SAMPLES)
def test_every_operation_keeps_its_word_in_a_network(name: str, round_to: int) -> None:
    module = sample(name)
    made = one_operation.prove(
        module, SAMPLES[name][0], hidden=HIDDEN.get(name, 0), round_to=round_to
    )
    if round_to == 1:
        assert one_operation.removes(made, module)
        assert len(made.tensors["first.weight"]) < 8 or name in WHOLE


@pytest.mark.parametrize("name", SAMPLES)
def test_every_operation_answers_every_question(name: str) -> None:
    op = SAMPLES[name][0]
    graph, tensors = lowered(sample(name), SIDE)
    shapes = {key: tensor.shape for key, tensor in tensors.items()}
    facts = channels.find_constants(graph, tensors)
    for node in (node for node in graph.nodes if node.op == op):
        operation, step = operation_of(node), facts.step(node, tensors)
        assert set(node.settings) == set(operation.settings)
        assert set(operation.optional) <= set(operation.tensors)
        assert [node.tensor(key) for key in operation.present(node, tensors)] == [
            key for key in graph.tensor_names(tensors) if key.rpartition(".")[0] == node.name
        ]
        assert operation.fault(node, [value.shape for value in step.given], shapes) == ""
        assert operation.axes(node, step.given) == step.made.axes
        assert node.batch not in step.made.axes
        assert operation.constants(step).dtype == np.float64
        assert set(operation.merge_constants(step)) <= set(operation.tensors)
        everything = operation.settle(step, np.ones(step.made.small, bool))
        assert everything.all()
        reads = operation.reads(step, everything)
        assert len(reads) == len(node.inputs)
        for part, value in zip(reads, step.given, strict=True):
            assert part.dtype == bool
            assert len(part.shape) == len(value.shape)
            assert all(n in (1, length) for n, length in zip(part.shape, value.shape, strict=True))
            assert not np.shares_memory(part, everything), "the caller may change them"


def test_an_operation_that_leaves_a_question_open_cannot_be_made() -> None:
    class Half(Elementwise):
        name = "half"

        def function(self, numbers: np.ndarray, settings: Any) -> np.ndarray:
            return numbers / 2

    with pytest.raises(TypeError, match="abstract methods to_onnx, to_torch"):
        Half()  # type: ignore[abstract]
    assert {"constants", "reads", "remake"} <= Operation.__abstractmethods__


# --- single operations, by hand --------------------------------------------------------------


def outputs(module: nn.Module) -> np.ndarray:
    with torch.inference_mode():
        return module(torch.from_numpy(one_operation.some_images())).numpy()


def compacted(module: nn.Module, round_to: int = 1) -> removal.Compact:
    """The compact form of a network, whose outputs are the same."""
    return one_operation.prove_graph(*lowered(module, SIDE), outputs(module), round_to)


def only(made: removal.Compact, op: str) -> Node:
    (node,) = [node for node in made.graph.nodes if node.op == op]
    return node


@pytest.mark.parametrize("eps", [1e-5, 0.1])
def test_a_layer_norm_of_a_part_is_that_of_the_whole(eps: float) -> None:
    torch.manual_seed(0)
    values, weight, bias = torch.randn(4, 5, 8).double() + 1, torch.randn(8), torch.randn(8)
    lost, left = [1, 4, 6], [0, 2, 3, 5, 7]
    values[..., lost] = torch.tensor([2.0, -3, 0]).double()
    norm = LayerNormOfPart(5, 8, eps, True, True).double()
    norm.load_state_dict({
        "weight": weight[left], "bias": bias[left],
        "sum": torch.tensor(-1.0), "squares": torch.tensor(13 - 1 / 3),
    })  # fmt: skip
    whole = F.layer_norm(values, (8,), weight.double(), bias.double(), eps)
    assert torch.allclose(norm(values[..., left]), whole[..., left], atol=1e-7)


def test_a_layer_norm_loses_constants_that_nobody_wants() -> None:
    made = compacted(sample("layer_norm"))
    # Channels 3 and 7 emit 0 and 3; 1 and 2 are wanted by the classifier.
    assert float(made.tensors["layers.it.sum"]) == 3
    assert float(made.tensors["layers.it.squares"]) == 2 * 1.5**2
    assert made.tensors["layers.it.weight"].shape == (6,)


HEAD = [*range(4), *range(8, 12), *range(16, 20)]


@pytest.mark.parametrize("name", ["attention", "attention with biases", "attention by products"])
def test_a_head_without_weights_goes(name: str) -> None:
    module = sample(name)
    with torch.no_grad():
        module.layers["qkv"].weight[HEAD] = 0
        module.layers["qkv"].bias[HEAD] = 0
    made = compacted(module)
    assert made.tensors["layers.qkv.weight"].shape[0] == 12
    assert made.tensors["layers.out.weight"].shape[1] == 4
    if name == "attention by products":
        assert [node.shape[1] for node in made.graph.nodes if node.op == "matmul"] == [1, 1]
    else:
        assert only(made, "attention").shape[1] == 1
    if name == "attention with biases":
        mask = made.tensors[only(made, "attention").tensor("mask")]
        assert np.array_equal(mask, module.layers["more"].table.detach()[:, 1:].numpy())


def test_values_that_are_constant_become_a_bias() -> None:
    """Weights of attention sum to 1: what they make of a constant is the constant."""
    module = sample("attention")
    with torch.no_grad():
        module.layers["qkv"].weight[16:20] = 0
    made = compacted(module)
    layers = module.layers
    first, out = layers["qkv"].bias[16:20].detach(), layers["out"]
    expected = out.bias + out.weight[:, :4] @ first
    kept = len(made.tensors["layers.out.bias"])
    assert np.isin(
        made.tensors["layers.out.bias"].round(4), expected.detach().numpy().round(4)
    ).all()
    assert made.tensors["layers.out.weight"].shape == (kept, 4)
    assert only(made, "attention").shape[1] == 1


def test_keys_that_are_constant_go_with_their_queries() -> None:
    """They add the same to all products of a query, which the softmax takes away."""
    module = sample("attention")
    with torch.no_grad():
        module.layers["qkv"].weight[[9, 13]] = 0
    made = compacted(module)
    shapes = {node.name: node.shape for node in made.graph.nodes}
    query, key, value = (shapes[name] for name in only(made, "attention").inputs)
    assert (query[-1], key[-1], value[-1]) == (3, 3, 4)
    assert made.tensors["layers.qkv.weight"].shape[0] == 20


def residual(size: int, combine: Callable[..., torch.Tensor] = torch.add) -> nn.Module:
    """A value of 8 channels and a branch beside it, both read by the classifier."""
    module = Around(
        lambda on, maps: combine(maps, on["it"](maps)),
        it=nn.Conv2d(8, 8, size, padding=size // 2),
    )
    with torch.no_grad():
        module.first.weight.normal_()
        module.fc.weight.normal_()
    return module


def test_constants_fill_a_branch_up_where_that_pays() -> None:
    """Of 3 x 3 weights of 8 channels, four filters save more than a pass over 8 channels costs."""
    assert WORTH * 8 <= 4 * 72
    module = residual(3)
    with torch.no_grad():
        module.layers["it"].weight[[0, 2, 3, 7]] = 0
    made = compacted(module)
    assert made.tensors["layers.it.weight"].shape == (4, 8, 3, 3)
    extend = only(made, "extend")
    bias = module.layers["it"].bias.detach().numpy()
    fill = made.tensors[extend.tensor("fill")].reshape(-1)
    assert np.array_equal(fill, np.where(np.isin(np.arange(8), [0, 2, 3, 7]), bias, 0))
    # Where constants stand, 4 is beyond the last channel.
    assert made.tensors[extend.tensor("channels")].tolist() == [4, 0, 4, 4, 1, 2, 3, 4]
    one_operation.prove_constants(made.graph, made.tensors)

    # Filled up with zeros, there is nothing to add.
    with torch.no_grad():
        module.layers["it"].bias.zero_()
    plain_fill = compacted(module)
    assert only(plain_fill, "extend").tensor("fill") not in plain_fill.tensors


@pytest.mark.parametrize("bias", [0, 2])
def test_one_branch_is_filled_up_where_the_other_is_gone(bias: float) -> None:
    module = Around(
        lambda on, maps: on["it"](maps) + on["gone"](maps),
        it=nn.Conv2d(8, 8, 3, padding=1), gone=nn.Conv2d(8, 8, 1),
    )  # fmt: skip
    with torch.no_grad():
        module.first.weight.normal_()
        module.fc.weight.normal_()
        module.layers["it"].weight[[0, 2, 3, 7]] = 0
        module.layers["gone"].weight.zero_()
        module.layers["gone"].bias.fill_(bias)
    # At the border, the pool needs the constants as well.
    module.function = lambda on, maps: F.avg_pool2d(on["it"](maps) + on["gone"](maps), 3, 1, 1)
    compacted(module)


def test_channels_of_a_filled_branch_can_go_later() -> None:
    module = residual(3)
    with torch.no_grad():
        module.layers["it"].weight[[0, 2, 3, 7]] = 0
    made = compacted(module)
    tensors = dict(made.tensors)
    tensors["fc.weight"] = tensors["fc.weight"].copy()
    tensors["fc.weight"][:, [0, 1]] = 0
    expected = one_operation.in_torch(made.graph, tensors, one_operation.some_images())
    again = one_operation.prove_graph(made.graph, tensors, expected)
    assert again.tensors["layers.it.weight"].shape == (3, 8, 3, 3)
    channels_of = again.tensors[only(again, "extend").tensor("channels")]
    assert channels_of.tolist() == [3, 3, 0, 1, 2, 3]
    # Only constants and nothing to fill them into: no step is left of it.
    tensors["fc.weight"][:, [0, 2, 3, 7]] = 0
    tensors["fc.weight"][:, 1] = 1
    expected = one_operation.in_torch(made.graph, tensors, one_operation.some_images())
    last = one_operation.prove_graph(made.graph, tensors, expected)
    assert "extend" not in {node.op for node in last.graph.nodes}


def test_constants_stay_where_filling_up_costs_more() -> None:
    assert WORTH * 8 > 4 * 8
    module = residual(1)
    with torch.no_grad():
        module.layers["it"].weight[[0, 2, 3, 7]] = 0
    made = compacted(module)
    assert made.tensors["layers.it.weight"].shape == (8, 8, 1, 1)
    assert "extend" not in {node.op for node in made.graph.nodes}


@pytest.mark.parametrize("combine", [torch.add, torch.sub, torch.mul])
def test_a_channel_goes_that_is_constant_in_all_branches(combine: Callable) -> None:
    module = residual(1, combine)
    with torch.no_grad():
        module.first.weight[[0, 1]] = 0
        module.layers["it"].weight[[0, 1, 2]] = 0
    made = compacted(module)
    assert len(made.tensors["first.weight"]) == len(made.tensors["layers.it.weight"]) == 6
    first, it = (layer.bias[:2].detach() for layer in (module.first, module.layers["it"]))
    folded = module.fc.bias + module.fc.weight[:, :2] @ combine(first, it)
    assert np.allclose(made.tensors["fc.bias"], folded.detach(), atol=1e-6)


@pytest.mark.parametrize("size", [1, 3])
def test_a_branch_of_zeros_leaves_nothing_behind(size: int) -> None:
    module = residual(size)
    with torch.no_grad():
        module.layers["it"].weight.zero_()
        module.layers["it"].bias.zero_()
    made = compacted(module)
    assert [node.name for node in made.graph.nodes] == ["first", "mean", "fc"]
    with torch.no_grad():
        module.layers["it"].bias.fill_(2)
    made = compacted(module)
    add = only(made, "add")
    assert (add.inputs, add.settings["other_first"]) == (("first",), False)
    assert (made.tensors[add.tensor("other")] == 2).all()


@pytest.mark.parametrize(
    ("combine", "left"),
    [
        (lambda maps, branch: branch - maps, {"other_first": True}),
        (lambda maps, branch: branch / (maps.abs() + 1), {"other_first": True}),
        (lambda maps, branch: maps - branch, {"other_first": False}),
        (lambda maps, branch: maps / branch, {"other_first": False}),
    ],
)
def test_the_order_of_operands_stays(combine: Callable, left: dict) -> None:
    module = residual(1, combine)
    with torch.no_grad():
        module.layers["it"].weight.zero_()
        module.layers["it"].bias.copy_(torch.arange(2.0, 10))
    made = compacted(module)
    steps = [node for node in made.graph.nodes if node.op in ("sub", "div")]
    assert [dict(node.settings) for node in steps] == [left]
    assert [len(node.inputs) for node in steps] == [1]


def test_a_gate_of_zero_takes_its_channel_with_it() -> None:
    module = sample("squeeze and excitation")
    with torch.no_grad():
        module.layers["up"].weight[[1, 5]] = 0
        module.layers["up"].bias[[1, 5]] = -torch.inf
        module.fc.weight.normal_()
    made = compacted(module)
    # The fourth channel is zero whatever its gate is.
    assert len(made.tensors["layers.up.weight"]) == 5
    assert made.tensors["fc.weight"].shape[1] == 5


def test_channels_that_only_a_squeeze_reads_stay_there() -> None:
    module = sample("squeeze and excitation")
    made = compacted(module)
    # The classifier reads 1, 2, 5 and 6; the gate is made of all that differ from image to image.
    assert len(made.tensors["layers.up.weight"]) == 4
    assert made.tensors["layers.down.weight"].shape[1] == 4
    assert module.layers["down"].weight.shape[1] == 8


def shortcut(before: int, after: int) -> nn.Module:
    """A value with channels of zeros around it, and a branch of as many channels."""
    module = Around(
        lambda on, maps: F.pad(maps, (0, 0, 0, 0, before, after)) + on["it"](maps),
        it=nn.Conv2d(8, 8 + before + after, 1),
    )
    with torch.no_grad():
        module.first.weight.normal_()
        module.fc.weight.normal_()
    return module


def test_a_shortcut_that_pads_channels_loses_some() -> None:
    module = shortcut(4, 2)
    with torch.no_grad():
        # Of those of zeros, the first three and the last; of the others, the second.
        module.fc.weight[:, [0, 1, 2, 5, 13]] = 0
    made = compacted(module)
    pad = only(made, "pad")
    assert (pad.settings["before"][1], pad.settings["after"][1]) == (1, 1)
    assert pad.shape[1] == 9
    # Nothing is left of one end, of both, or of the middle.
    for gone, left in (([*range(4)], (0, 2)), ([12, 13], (4, 0)), ([*range(4), 12, 13], None)):
        module = shortcut(4, 2)
        with torch.no_grad():
            module.fc.weight[:, gone] = 0
        made = compacted(module)
        if left is None:
            assert "pad" not in {node.op for node in made.graph.nodes}
        else:
            settings = only(made, "pad").settings
            assert (settings["before"][1], settings["after"][1]) == left
    module = shortcut(4, 2)
    with torch.no_grad():
        module.fc.weight[:, 4:12] = 0
    compacted(module)


@pytest.mark.parametrize("groups", [2, 4, 8])
def test_a_group_whose_filters_are_all_gone_goes(groups: int) -> None:
    module = Around(
        lambda on, maps: on["it"](maps), it=nn.Conv2d(8, 8, 3, padding=1, groups=groups)
    )
    with torch.no_grad():
        module.first.weight.normal_()
        module.fc.weight.normal_()
        module.layers["it"].weight[: 8 // groups] = 0
        module.layers["it"].bias[: 8 // groups] = 0
    made = compacted(module)
    (conv_of,) = [node for node in made.graph.nodes if node.name == "layers.it"]
    assert conv_of.settings["groups"] == groups - 1
    assert len(made.tensors["first.weight"]) == 8 - 8 // groups


@pytest.mark.parametrize("round_to", [4, 8])
def test_layers_keep_multiples(round_to: int) -> None:
    torch.manual_seed(2)
    module = Around(
        lambda on, maps: on["second"](F.relu(on["it"](maps))),
        it=nn.Conv2d(8, 32, 3), second=nn.Conv2d(32, 24, 3),
    )  # fmt: skip
    with torch.no_grad():
        for layer, gone in (("it", 11), ("second", 9)):
            module.layers[layer].weight[:gone] = 0
            module.layers[layer].bias[:gone] = 0
        module.fc.weight.normal_()
    plain_form, made = compacted(module), compacted(module, round_to)
    counts = {
        name: plain_form.tensors[f"layers.{name}.weight"].shape[:2] for name in ("it", "second")
    }
    assert counts == {"it": (21, 4), "second": (15, 21)}
    for name, (filters, inputs) in counts.items():
        found = made.tensors[f"layers.{name}.weight"].shape[:2]
        assert found == tuple(round_to * math.ceil(n / round_to) for n in (filters, inputs))


def test_a_transformed_input_loses_channels() -> None:
    module = residual(3)
    with torch.no_grad():
        module.first.weight[:, 1] = 0
    settings = {"factor": (0.5, 2.0, 3.0), "shift": (1.0, -1.0, 0.5)}
    graph, tensors = lowered(module, SIDE)
    first, *others = graph.nodes
    scaled = Node("scaled", "scale", (INPUT,), settings, graph.shape)
    assert first.inputs == (INPUT,)
    graph = replace(graph, nodes=(scaled, replace(first, inputs=("scaled",)), *others))
    images = torch.from_numpy(one_operation.some_images())
    factor, shift = (torch.tensor(settings[key]).reshape(3, 1, 1) for key in ("factor", "shift"))
    with torch.inference_mode():
        expected = module(images * factor + shift).numpy()
    one_operation.prove_constants(graph, tensors)
    made = one_operation.prove_graph(graph, tensors, expected)
    assert only(made, "scale").settings == {"factor": (0.5, 3.0), "shift": (1.0, 0.5)}


# --- unknown operations ----------------------------------------------------------------------

SHAPE = (1, 3)
ODD = Node("odd", "swish", ("relu",), shape=SHAPE)
GRAPH = Graph((Node("relu", "relu", (INPUT,), shape=SHAPE), ODD), SHAPE)
LAYER = Graph(
    (Node("fc", "linear", (INPUT,), shape=SHAPE), Node("odd", "swish", ("fc",), shape=SHAPE)), SHAPE
)
NAMES = (INPUT, "relu", "fc", "odd")
FACTS = Facts(
    dict.fromkeys(NAMES, Value(SHAPE, (1,))),
    dict.fromkeys(NAMES, np.full(SHAPE, np.nan)),
    dict.fromkeys(NAMES, 0.0),
)
NEEDED = Needs(
    dict.fromkeys(NAMES, np.ones(SHAPE, bool)), dict.fromkeys([("relu", 0)], np.ones(SHAPE, bool))
)
WEIGHT = {"fc.weight": np.ones((3, 3), np.float32)}

PLACES: dict[str, Callable[[], object]] = {
    "find_constants": lambda: channels.find_constants(GRAPH, {}),
    "merge_constants": lambda: channels.merge_constants(GRAPH, {}, FACTS),
    "find_needs": lambda: channels.find_needs(GRAPH, {}, FACTS),
    "surgery": lambda: Surgery(GRAPH, {}, FACTS, NEEDED).run(),
    "describe_layers": lambda: layer_report.describe_layers(
        WEIGHT, Surgery(LAYER, WEIGHT, FACTS, NEEDED), {}
    ),
    "compact": lambda: removal.compact(GRAPH, {}),
    "fold_batch_norms": lambda: batch_norms.fold_batch_norms(GRAPH, {}),
    "tensor_names": lambda: GRAPH.tensor_names([]),
    "parameter_names": lambda: GRAPH.parameter_names([]),
    "layers": lambda: GRAPH.layers(),
    "count": lambda: sizes.count(GRAPH, {}, {}),
    "to_json": lambda: to_json(GRAPH),
    "check_shapes": lambda: check_shapes(GRAPH, {}),
    "build": lambda: torch_modules.build(GRAPH, {}),
    "to_onnx": lambda: onnx_models.to_onnx(GRAPH, {}, DESCRIPTION),
}


@pytest.mark.parametrize("place", PLACES)
def test_an_unknown_operation_is_refused_everywhere(place: str) -> None:
    with pytest.raises(ValueError, match="step 'odd' has the unknown operation 'swish'") as error:
        PLACES[place]()
    assert not isinstance(error.value, InputError), "no file is to blame"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"op": "swish"}, "step 'it' has the unknown operation 'swish'; known: conv, linear"),
        ({"inputs": []}, "step 'it' reads 0 values; relu reads 1"),
        ({"inputs": [INPUT, INPUT]}, "step 'it' reads 2 values; relu reads 1"),
        ({"inputs": ["later"]}, "step 'it' reads later, which no step before it makes"),
        ({"op": "add", "inputs": [INPUT] * 3, "other_first": False}, "add reads 1 to 2"),
        ({"slope": 0.1}, "step 'it' has the settings slope; relu has none"),
        ({"op": "batch_norm"}, "step 'it' has the settings none; batch_norm has eps"),
    ],
)
def test_files_with_unsound_steps_are_refused(fields: dict, message: str) -> None:
    shape = [1, 3, 4, 4]
    sound = {"name": "it", "op": "relu", "inputs": [INPUT], "shape": shape, "batch": 0}
    assert from_json({"shape": shape, "nodes": [sound]}).output == "it"
    with pytest.raises(InputError, match=message):
        from_json({"shape": shape, "nodes": [sound | fields]})


# --- what is imported ------------------------------------------------------------------------

WITHOUT_TORCH = [
    "removal",
    "sizes",
    "equivalence",
    "timing",
    "graph.graph_files",
    "graph.batch_norms",
    "graph.onnx_sessions",
]


def test_graphs_are_compacted_without_torch_and_onnx() -> None:
    """Jobs that import neither start faster, and do not become stale by what concerns them."""
    modules = ", ".join(f"prunescope.compact.{name}" for name in WITHOUT_TORCH)
    code = (
        f"import sys, {modules}\n"
        "print([name for name in ('torch', 'onnx', 'onnxruntime') if name in sys.modules])"
    )
    scripts = Path(removal.__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=scripts, capture_output=True, text=True, check=True
    )
    assert run.stdout == "[]\n"
