"""A small network around one operation, and the proof that all code treats it as what it is."""

import json
from collections.abc import Callable, Mapping

import numpy as np
import torch
from compacted import lowered
from conftest import PREPROCESSING
from torch import nn

from prunescope.compact import channels, equivalence, removal
from prunescope.compact.graph import onnx_models, onnx_sessions, torch_modules
from prunescope.compact.graph.graph import Graph, check_shapes, from_json, to_json
from prunescope.compact.graph.nodes import INPUT
from prunescope.compact.graph.operations.table import operation_of
from prunescope.networks.description import Description

SIDE = 6
DESCRIPTION = Description("one operation", 3, SIDE, **PREPROCESSING)
# What the filters without weights emit: the second, the third, the fourth and the last.
EMITTED = (0.5, 2.0, -4.0, 0.0, 0.25, -0.5, 1.0, 3.0)
CONSTANT = [1, 2, 3, 7]


class Around(nn.Module):
    """Images, a convolution of which four filters emit constants, the operation, a classifier.

    The classifier reads the means of about half of the channels that the operation makes.

    Parameters
    ----------
    function
        From maps of shape `(images, 8, 6, 6)` to maps, to tokens `(images, tokens, channels)` or to
        vectors. It may use the layers by their names: `function(layers, maps)`.
    layers
        Layers that it uses. Those with weights get values that are not trivial.
    """

    def __init__(
        self, function: Callable[[nn.Module, torch.Tensor], torch.Tensor], **layers: nn.Module
    ) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 1)
        self.layers = nn.ModuleDict(layers)
        self.function = function
        self.fc = nn.LazyLinear(3)
        torch.manual_seed(0)
        self(torch.zeros(2, 3, SIDE, SIDE))
        with torch.no_grad():
            for name, tensor in self.state_dict().items():
                if name.endswith(("running_var", "scale")):
                    tensor.uniform_(0.5, 2)
                elif tensor.is_floating_point():
                    tensor.normal_(std=0.5)
            self.first.weight.normal_()
            self.first.weight[CONSTANT] = 0
            self.first.bias.copy_(torch.tensor(EMITTED))
            # Of every four channels, two.
            self.fc.weight[:, ::4] = 0
            self.fc.weight[:, 3::4] = 0
        self.eval()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        made = self.function(self.layers, self.first(images))
        if made.ndim == 4:
            made = made.mean((2, 3))
        elif made.ndim == 3:
            made = made.mean(1)
        return self.fc(made)


def some_images(number: int = 5) -> np.ndarray:
    drawn = np.random.default_rng(1).normal(size=(number, 3, SIDE, SIDE))
    return np.asarray(drawn, np.float32)


def in_torch(graph: Graph, tensors: Mapping[str, np.ndarray], images: np.ndarray) -> np.ndarray:
    used = {name: tensors[name] for name in graph.tensor_names(tensors)}
    with torch.inference_mode():
        return torch_modules.build(graph, used)(torch.from_numpy(images)).numpy()


def in_onnx(graph: Graph, tensors: Mapping[str, np.ndarray], images: np.ndarray) -> np.ndarray:
    model = onnx_models.to_onnx(graph, tensors, DESCRIPTION)
    return onnx_sessions.open_session(model, 1)(images)


def prove(module: nn.Module, op: str, *, hidden: int = 0, round_to: int = 1) -> removal.Compact:
    """Check that an operation keeps its word in a network.

    The lowered graph computes what the module itself does. What a step calls constant is, and
    nothing else is. PyTorch and ONNX compute the same. The network without what is superfluous
    gives the same outputs in both, and has fewer numbers.

    Parameters
    ----------
    module
        The network.
    op
        The operation that must be among its steps.
    hidden
        How many channels of all steps are constant without being known to be.
    round_to
        As for `removal.compact`.
    """
    images = some_images()
    graph, tensors = lowered(module, SIDE)
    assert op in {node.op for node in graph.nodes}
    with torch.inference_mode():
        expected = module(torch.from_numpy(images)).numpy()
    assert np.ptp(expected, axis=0).min() > 1e-3, "the outputs say nothing of the images"
    prove_constants(graph, tensors, hidden)
    return prove_graph(graph, tensors, expected, round_to)


def prove_graph(
    graph: Graph,
    tensors: Mapping[str, np.ndarray],
    expected: np.ndarray,
    round_to: int = 1,
) -> removal.Compact:
    """Check that a graph and its compact form give these outputs of `some_images`."""
    images = some_images(len(expected))
    check_shapes(graph, {name: tensor.shape for name, tensor in tensors.items()})
    assert from_json(json.loads(json.dumps(to_json(graph)))) == graph
    made = removal.compact(graph, tensors, round_to=round_to)
    check_shapes(made.graph, {name: tensor.shape for name, tensor in made.tensors.items()})
    assert from_json(json.loads(json.dumps(to_json(made.graph)))) == made.graph
    for of, held in ((graph, tensors), (made.graph, made.tensors)):
        model = onnx_models.to_onnx(of, held, DESCRIPTION)
        session = onnx_sessions.open_session(model, 1)
        for number in (len(expected), 1):
            given, wanted = images[:number], expected[:number]
            assert equivalence.difference(wanted, in_torch(of, held, given)) <= 1e-5
            assert equivalence.difference(wanted, session(given)) <= 1e-5
    prove_constants(made.graph, made.tensors)
    again = removal.compact(made.graph, made.tensors, round_to=round_to)
    assert steps(again.graph) == steps(made.graph)
    return made


def steps(graph: Graph) -> list:
    """The steps of a graph in an order that does not depend on that in which they run."""
    return sorted(to_json(graph)["nodes"], key=lambda node: node["name"])


def prove_constants(
    graph: Graph, tensors: Mapping[str, np.ndarray], hidden: int | None = None
) -> None:
    """Check in float64 that every step makes the constants that it claims, and few others.

    `hidden` says how many others there are; None allows any number.
    """
    facts = channels.find_constants(graph, tensors)
    missed = {}
    for name, values in values_of(graph, tensors, some_images()).items():
        constants = facts.constants[name]
        axes = tuple(axis for axis, length in enumerate(constants.shape) if length == 1)
        known = np.isfinite(constants)
        claimed = np.broadcast_to(constants, values.shape)
        apart = np.abs(values - claimed)[np.broadcast_to(known, values.shape)]
        assert apart.max(initial=0) <= 1e-6 * max(1, np.abs(values).max()), name
        spread = np.ptp(values, axis=axes, keepdims=True)
        if found := int(np.count_nonzero((spread <= 1e-9) & ~known)):
            missed[name] = found
    assert hidden in (None, sum(missed.values())), missed


def values_of(
    graph: Graph, tensors: Mapping[str, np.ndarray], images: np.ndarray
) -> dict[str, np.ndarray]:
    """What each step makes in float64, by its name."""
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    values = {INPUT: torch.from_numpy(images).double()}
    for node in graph.nodes:
        with torch.device("meta"):
            made = operation_of(node).to_torch(node, shapes, may_overwrite=False)
        if isinstance(made, nn.Module):
            names = operation_of(node).present(node, tensors)
            held = {name: torch.tensor(tensors[node.tensor(name)]) for name in names}
            made.load_state_dict(held, assign=True)
            made.double().eval()
        with torch.inference_mode():
            values[node.name] = made(*(values[name] for name in node.inputs))
    return {node.name: values[node.name].numpy() for node in graph.nodes}


def removes(made: removal.Compact, module: nn.Module) -> bool:
    """Whether a compact network has fewer numbers."""
    _, tensors = lowered(module, SIDE)
    return numbers(made.tensors) < numbers(tensors)


def numbers(tensors: Mapping[str, np.ndarray]) -> int:
    """How many numbers these tensors hold."""
    return sum(tensor.size for tensor in tensors.values())
