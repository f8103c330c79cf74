"""Graphs that are read from what PyTorch exported."""

from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
import torch.nn.functional as F  # noqa: N812
from compacted import lowered, lowered_network, recorded, state
from torch import nn
from torchvision.models import googlenet

from prunescope.compact import equivalence
from prunescope.compact.graph import lowering, torch_modules
from prunescope.compact.graph.graph import Graph
from prunescope.compact.graph.nodes import Tensors
from prunescope.compact.graph.operations.operation import CannotCompactError
from prunescope.networks.description import IMAGENET_MEAN, IMAGENET_STD, Network
from prunescope.networks.exported.steps import Recorded
from prunescope.networks.preprocessing import logits_of

SIDE = 8


def run(graph: Graph, tensors: Tensors, images: torch.Tensor) -> np.ndarray:
    with torch.inference_mode():
        return torch_modules.build(graph, tensors)(images).numpy()


def test_a_lowered_graph_is_the_network(
    masked: Network, images: torch.Tensor, expected: np.ndarray
) -> None:
    graph, used = lowered_network(masked)
    assert equivalence.difference(expected, run(graph, used, images)) <= 1e-6
    assert graph.nodes[0].op == "scale"
    assert {name for name in masked.tensors if name not in used} == {
        name for name in masked.tensors if name.startswith("aux")
    }
    assert all(np.array_equal(used[name], masked.tensors[name]) for name in used)


def test_a_transformed_input_is_that_of_torchvision(images: torch.Tensor) -> None:
    torch.manual_seed(0)
    plain = googlenet(num_classes=4, aux_logits=False, init_weights=False).eval()
    graph, tensors = lowering.lower(recorded(plain, 32), state(plain), transform_input=True)
    plain.transform_input = True
    with torch.inference_mode():
        expected = plain(images).numpy()
    assert equivalence.difference(expected, run(graph, tensors, images)) <= 1e-5
    # Not the other way round: images of ImageNet's mean become those of mean 0.5.
    scale = graph.nodes[0].settings
    mean = np.zeros(3) * np.array(scale["factor"]) + np.array(scale["shift"])
    assert np.allclose(mean * 0.5 + 0.5, IMAGENET_MEAN)
    one = np.array(scale["factor"]) * 0.5
    assert np.allclose(one, IMAGENET_STD)


class Net(nn.Module):
    """A module whose forward pass is a function of its layers and the images."""

    def __init__(self, function: Callable[[Any, torch.Tensor], Any], **layers: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(0)
        for name, layer in layers.items():
            setattr(self, name, layer)
        self.function = function
        self.eval()

    def forward(self, images: torch.Tensor) -> Any:
        return self.function(self, images)


def prove(net: nn.Module, side: int = SIDE) -> tuple[Graph, Tensors]:
    """The lowered graph, which gives the module's own outputs of one and of several images."""
    graph, tensors = lowered(net, side)
    images = torch.randn(3, 3, side, side)
    with torch.inference_mode():
        expected = logits_of(net(images)).numpy()
    assert np.ptp(expected, axis=0).max() > 0
    for number in (3, 1):
        found = run(graph, tensors, images[:number])
        assert equivalence.difference(expected[:number], found) <= 1e-5
    return graph, tensors


def ops(graph: Graph) -> Counter:
    return Counter(node.op for node in graph.nodes)


def mean(maps: torch.Tensor) -> torch.Tensor:
    return maps.mean((2, 3))


# --- layers and their names ------------------------------------------------------------------


def test_a_layer_that_runs_twice_is_two_steps() -> None:
    """Each run has tensors of its own, so that it can lose channels of its own."""
    net = Net(lambda on, x: mean(on.conv(F.relu(on.conv(x)))), conv=nn.Conv2d(3, 3, 3, padding=1))
    graph, tensors = prove(net)
    assert [node.name for node in graph.layers()] == ["conv", "conv@2"]
    assert np.array_equal(tensors["conv.weight"], tensors["conv@2.weight"])


def test_a_layer_with_two_names_has_the_first_and_runs_twice() -> None:
    conv = nn.Conv2d(3, 3, 1)
    graph, _ = prove(Net(lambda on, x: mean(on.b(on.a(x))), a=conv, b=conv))
    assert len(graph.layers()) == 2
    assert len({node.name.partition("@")[0] for node in graph.layers()}) == 1


def test_layers_that_no_output_depends_on_are_left_out() -> None:
    net = Net(
        lambda on, x: {"aux": on.b(x), "logits": mean(on.a(x))},
        a=nn.Conv2d(3, 3, 1), b=nn.Conv2d(3, 5, 1),
    )  # fmt: skip
    graph, tensors = prove(net)
    assert [node.name for node in graph.layers()] == ["a"]
    assert set(tensors) == {"a.weight", "a.bias"}


class Named(NamedTuple):
    aux: torch.Tensor
    logits: torch.Tensor


@pytest.mark.parametrize(
    "answer",
    [
        lambda a, b: (b, a),
        lambda a, b: [b, a],
        lambda a, b: {"out": b, "aux": a},
        Named,
    ],
)
def test_the_logits_among_several_outputs(answer: Callable) -> None:
    net = Net(
        lambda on, x: answer(mean(on.a(x)), mean(on.b(x))), a=nn.Conv2d(3, 3, 1),
        b=nn.Conv2d(3, 3, 1),
    )  # fmt: skip
    graph, _ = prove(net)
    assert [node.name for node in graph.layers()] == ["b"]


def test_weights_that_are_computed_from_parameters() -> None:
    """Weight norm, as a step before a layer: what does not depend on the images is a number."""
    net = Net(
        lambda on, x: mean(F.conv2d(x, on.conv.weight / on.conv.weight.norm(), on.conv.bias * 2)),
        conv=nn.Conv2d(3, 4, 3),
    )
    graph, tensors = prove(net)
    (layer,) = graph.layers()
    assert layer.name == "conv"
    assert np.linalg.norm(tensors["conv.weight"]) == pytest.approx(1, abs=1e-6)


def test_parametrizations_are_computed() -> None:
    net = Net(
        lambda on, x: mean(on.conv(x)),
        conv=nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3)),
    )
    graph, _ = prove(net)
    assert len(graph.layers()) == 1


# --- operations that write -------------------------------------------------------------------


def twice_in_place(on: Any, images: torch.Tensor) -> torch.Tensor:
    maps = on.conv(images)
    maps += on.other(images)
    maps.relu_()
    return mean(maps * 2)


def read_before_and_after(on: Any, images: torch.Tensor) -> torch.Tensor:
    maps = on.conv(images)
    before = maps * 3
    maps.mul_(2).add_(1)
    return mean(before + maps)


def of_parts(on: Any, images: torch.Tensor) -> torch.Tensor:
    """What is written to is read by no other name."""
    first, second = on.conv(images).chunk(2, 1)
    return mean(first.relu() - second.clone().mul_(3).flatten(2).relu_().view_as(second))


def dropped(on: Any, images: torch.Tensor) -> torch.Tensor:
    maps = F.dropout(on.conv(images), 0.5, training=False)
    return mean(maps.relu_() * 2)


@pytest.mark.parametrize("function", [twice_in_place, read_before_and_after, of_parts, dropped])
def test_what_is_written_in_place_is_read_from_then_on(function: Callable) -> None:
    prove(Net(function, conv=nn.Conv2d(3, 4, 1), other=nn.Conv2d(3, 4, 3, padding=1)))


def test_a_write_into_a_part_is_never_a_wrong_network() -> None:
    """The whole holds what was written to its part. Without a counterpart, that is refused."""

    def function(on: Any, images: torch.Tensor) -> torch.Tensor:
        maps = on.conv(images)
        maps[:, 1:3].mul_(5)
        return mean(maps)

    with pytest.raises(CannotCompactError, match="mul_ in a part of a value"):
        prove(Net(function, conv=nn.Conv2d(3, 4, 1)))


def test_a_write_to_the_whole_reaches_its_parts() -> None:
    def function(on: Any, images: torch.Tensor) -> torch.Tensor:
        maps = on.conv(images)
        part = maps[:, 1:3]
        maps.mul_(5)
        return mean(part)

    with pytest.raises(CannotCompactError, match="mul_ in a part of a value"):
        prove(Net(function, conv=nn.Conv2d(3, 4, 1)))


# --- constants -------------------------------------------------------------------------------


class Tokens(nn.Module):
    """Patches, a class token, positions, a table picked by indices, and attention."""

    def __init__(self, batch_first: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.patches = nn.Conv2d(3, 8, 4, stride=4)
        self.token = nn.Parameter(torch.randn(1, 1, 8))
        self.positions = nn.Parameter(torch.randn(1, 5, 8))
        self.biases = nn.Parameter(torch.randn(9, 2))
        self.register_buffer("index", torch.arange(25) % 9, persistent=False)
        self.attention = nn.MultiheadAttention(8, 2, batch_first=batch_first)
        self.batch_first = batch_first
        self.fc = nn.Linear(8, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        values = self.patches(images).flatten(2).transpose(1, 2)
        values = torch.cat([self.token.expand(len(values), -1, -1), values], 1) + self.positions
        if not self.batch_first:
            values = values.transpose(0, 1)
        values = values + self.attention(values, values, values, need_weights=False)[0]
        if not self.batch_first:
            values = values.transpose(0, 1)
        table = self.biases[self.index].view(5, 5, 2).permute(2, 0, 1)
        query = values.unflatten(2, (2, 4)).transpose(1, 2)
        made = F.scaled_dot_product_attention(query, query, query, table)
        return self.fc(made.transpose(1, 2).flatten(2)[:, 0])


@pytest.mark.parametrize("batch_first", [True, False])
def test_tokens_tables_and_an_axis_of_images_between_others(batch_first: bool) -> None:
    """torchvision's attention lays the images along the second axis, or between others."""
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        graph, tensors = prove(Tokens(batch_first))
    finally:
        torch.backends.mha.set_fastpath_enabled(True)
    assert {node.name for node in graph.layers()} >= {"patches", "fc"}
    assert ops(graph)["attention"] == 2
    assert any(node.batch != 0 for node in graph.nodes)
    mask = next(tensor for name, tensor in tensors.items() if name.endswith(".mask"))
    assert mask.shape[-3:] == (2, 5, 5)


def test_a_constant_that_no_state_dict_holds() -> None:
    made = Net(lambda on, x: mean(on.conv(x) * on.table), conv=nn.Conv2d(3, 4, 1))
    made.register_buffer("table", torch.arange(4.0).reshape(4, 1, 1), persistent=False)
    recording = recorded(made, SIDE)
    assert "table" not in state(made)
    assert np.array_equal(recording.constants["table"].ravel(), np.arange(4))
    prove(made)


def test_numbers_are_taken_from_the_tensors_not_from_the_recording() -> None:
    net = Net(lambda on, x: mean(on.conv(x)), conv=nn.Conv2d(3, 4, 1))
    recording = recorded(net, SIDE)
    tensors = {name: tensor + 1 for name, tensor in state(net).items()}
    _, found = lowering.lower(recording, tensors)
    assert np.array_equal(found["conv.weight"], tensors["conv.weight"])
    found["conv.weight"][:] = 0
    assert tensors["conv.weight"].any(), "the caller's tensors stay as they are"


# --- what steps become -----------------------------------------------------------------------


def test_addcmul_is_a_product_and_a_sum() -> None:
    net = Net(
        lambda on, x: mean(torch.addcmul(on.a(x), on.b(x), on.a(x))),
        a=nn.Conv2d(3, 4, 1), b=nn.Conv2d(3, 4, 1),
    )  # fmt: skip
    graph, _ = prove(net)
    assert ops(graph) == {"conv": 3, "mul": 1, "add": 1, "reduce": 1}


def test_what_changes_nothing_leaves_no_step() -> None:
    net = Net(
        lambda on, x: mean(
            on.drop(on.conv(x).contiguous().clone()).to(torch.float32)[:].expand(-1, -1, -1, -1)
        ),
        conv=nn.Conv2d(3, 4, 1), drop=nn.Dropout2d(0.5),
    )  # fmt: skip
    graph, _ = prove(net)
    assert [node.op for node in graph.nodes] == ["conv", "reduce"]


def test_windows_of_an_image_lie_along_the_axis_of_images() -> None:
    def function(on: Any, images: torch.Tensor) -> torch.Tensor:
        maps = on.conv(images).permute(0, 2, 3, 1)
        windows = maps.view(-1, 2, 4, 2, 4, 4).permute(0, 1, 3, 2, 4, 5).reshape(-1, 16, 4)
        windows = on.fc(windows).softmax(1)
        back = windows.view(-1, 2, 2, 4, 4, 4).permute(0, 1, 3, 2, 4, 5).reshape(-1, 8, 8, 4)
        return (maps * back).mean((1, 2))

    graph, _ = prove(Net(function, conv=nn.Conv2d(3, 4, 1), fc=nn.Linear(4, 4)))
    softmax = next(node for node in graph.nodes if node.op == "softmax")
    assert softmax.shape[softmax.batch] == 4, "four windows for each image"


# --- what is refused -------------------------------------------------------------------------

CONV = {"conv": nn.Conv2d(3, 4, 3, padding=1)}
REFUSED: dict[str, tuple[Callable[[Any, torch.Tensor], torch.Tensor], str]] = {
    "sin": (lambda on, x: mean(on.conv(x).sin()), "sin"),
    "conv1d": (lambda on, x: on.one(on.conv(x).flatten(2)).mean(2), "conv1d"),
    "sorting": (lambda on, x: mean(on.conv(x).sort(1).values), "sort"),
    "a mean over the images": (lambda on, x: mean(on.conv(x) - on.conv(x).mean(0, True)),
                               "mean over the images"),
    "a roll of the images": (lambda on, x: mean(on.conv(x).roll(1, 0)), "roll"),
    "a roll of channels": (lambda on, x: mean(on.conv(x).roll(1, 1)), "roll of channels"),
    "a pad of channels by reflection": (
        lambda on, x: mean(F.pad(on.conv(x), (1, 1, 1, 1), "reflect")), "pad"),
    "weights made of images": (
        lambda on, x: mean(F.conv2d(x, x.mean((2, 3), keepdim=True))), "conv2d with weights"),
    "a product with a factor": (lambda on, x: mean(torch.addcmul(on.conv(x), on.conv(x), on.conv(x),
                                                                value=2)), "addcmul"),
    "a sum with a factor": (lambda on, x: mean(torch.add(on.conv(x), on.conv(x), alpha=2)), "add"),
    "uneven windows": (lambda on, x: mean(F.adaptive_avg_pool2d(on.conv(x), 3)),
                       "adaptive_avg_pool2d"),
    "windows beyond the border": (lambda on, x: mean(F.avg_pool2d(on.conv(x), 3, 2, 0, True)),
                                  "avg_pool2d"),
    "a causal mask": (
        lambda on, x: F.scaled_dot_product_attention(
            *[on.conv(x).flatten(2)] * 3, is_causal=True).mean(2), "causal"),
    "images of each other": (lambda on, x: mean(on.conv(x).flip(0)), "flip"),
    "images in one row": (lambda on, x: on.conv(x).flatten().reshape(4, -1).t()[:2], "images"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_counterpart_is_refused_by_name(name: str) -> None:
    function, named = REFUSED[name]
    net = Net(function, **CONV, one=nn.Conv1d(4, 4, 1))
    from prunescope.compact import removal

    with pytest.raises(CannotCompactError, match="compact networks have no counterpart") as error:
        removal.compact(*lowered(net, SIDE))
    assert named in str(error.value)


def test_a_graph_that_could_not_be_recorded_is_refused_with_its_reason() -> None:
    with pytest.raises(CannotCompactError, match="no counterpart of the step wrap") as error:
        lowering.lower(Recorded(stays_masked="the step wrap"), {})
    assert error.value.operation == "the step wrap"


def test_an_output_that_is_not_of_single_images_is_refused() -> None:
    net = Net(lambda on, x: on.conv(x).flatten(2).transpose(0, 1).flatten(1), **CONV)
    with pytest.raises(CannotCompactError, match="images one by one"):
        lowered(net, SIDE)
