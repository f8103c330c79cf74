"""A small network around one operation, and the proof that all code treats it as what it is."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from conftest import PREPROCESSING

from prunescope.compact import channels, equivalence, removal
from prunescope.compact.graph import onnx_models, onnx_sessions, torch_modules
from prunescope.compact.graph.graph import Graph, check_shapes, from_json, to_json
from prunescope.compact.graph.nodes import INPUT, Node
from prunescope.compact.graph.operations.table import OPERATIONS
from prunescope.networks.description import Description

DESCRIPTION = Description("one operation", 3, 6, **PREPROCESSING)
WINDOW = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1)}


@dataclass(frozen=True)
class Sample:
    """A step with the name of its operation, which reads `first` (8 channels) unless it says more.

    `after_mean`: it reads the means of these channels over all positions.
    """

    settings: Mapping[str, object] = field(default_factory=dict)
    tensors: Mapping[str, np.ndarray] = field(default_factory=dict)
    inputs: tuple[str, ...] = ("first",)
    after_mean: bool = False


def network_with(op: str, sample: Sample) -> tuple[Graph, dict[str, np.ndarray]]:
    """Images, a convolution of which four filters emit constants, the operation, a classifier.

    The classifier reads about half of the channels that the operation makes.
    """
    rng = np.random.default_rng(0)
    nodes = [Node("first", "conv", (INPUT,), WINDOW), Node("other", "relu", ("first",))]
    inputs = sample.inputs
    if sample.after_mean:
        nodes.append(Node("before", "global_mean", inputs))
        inputs = ("before",)
    nodes.append(Node("it", op, inputs, sample.settings))
    if not (sample.after_mean or OPERATIONS[op].leaves_one_position):
        nodes.append(Node("after", "global_mean", ("it",)))
    tensors = {
        "first.weight": rng.normal(size=(8, 3, 1, 1)),
        "first.bias": np.array([0.5, 2, -4, 0, 0.25, -0.5, 1, 3]),
        **{f"it.{name}": tensor for name, tensor in sample.tensors.items()},
    }
    tensors["first.weight"][[1, 2, 3, 7]] = 0
    shapes = {name: np.shape(tensor) for name, tensor in tensors.items()}
    counts = {"first": 8, "other": 8, "before": 8}
    read = [counts[name] for name in inputs]
    made = OPERATIONS[op].channels_out(Node("it", op, inputs, sample.settings), read, shapes)
    tensors["fc.weight"] = rng.normal(size=(3, made))
    tensors["fc.weight"][:, ::2] = 0
    nodes.append(Node("fc", "linear", (nodes[-1].name,)))
    return Graph(tuple(nodes)), {name: _float32(tensor) for name, tensor in tensors.items()}


def _float32(tensor: np.ndarray) -> np.ndarray:
    values = np.asarray(tensor)
    return values.astype(np.float32) if values.dtype == np.float64 else values


def in_torch(graph: Graph, tensors: Mapping[str, np.ndarray], images: np.ndarray) -> np.ndarray:
    used = {name: tensors[name] for name in graph.tensor_names(tensors)}
    with torch.inference_mode():
        return torch_modules.build(graph, used)(torch.from_numpy(images)).numpy()


def in_onnx(graph: Graph, tensors: Mapping[str, np.ndarray], images: np.ndarray) -> np.ndarray:
    model = onnx_models.to_onnx(graph, tensors, DESCRIPTION)
    return onnx_sessions.open_session(model, 1)(images)


def prove(op: str, sample: Sample) -> removal.Compact:
    """Check that an operation keeps its word in a network.

    What it calls constant is, and nothing else; PyTorch and ONNX compute the same; and the network
    without what is superfluous gives the same outputs in both from fewer channels.
    """
    graph, tensors = network_with(op, sample)
    check_shapes(graph, {name: tensor.shape for name, tensor in tensors.items()})
    assert from_json(json.loads(json.dumps(to_json(graph)))) == graph
    images = np.random.default_rng(1).normal(size=(5, 3, 6, 6)).astype(np.float32)
    expected = in_torch(graph, tensors, images)
    assert equivalence.difference(expected, in_onnx(graph, tensors, images)) <= 1e-5

    end = [node.name for node in graph.nodes].index("it") + 1
    values = in_torch(replace(graph, nodes=graph.nodes[:end]), tensors, images)
    constants = channels.find_constants(graph, tensors)["it"]
    assert constants.shape == values.shape[1:2]
    by_channel = values.swapaxes(0, 1).reshape(len(constants), -1)
    known = np.isfinite(constants)
    assert known.any()
    assert np.allclose(by_channel[known], constants[known, None], rtol=1e-5, atol=1e-6)
    assert (np.ptp(by_channel[~known], axis=1) > 1e-3).all()

    made = removal.compact(graph, tensors)
    assert equivalence.difference(expected, in_torch(made.graph, made.tensors, images)) <= 1e-5
    assert equivalence.difference(expected, in_onnx(made.graph, made.tensors, images)) <= 1e-5
    assert len(made.tensors["first.weight"]) < 8
    assert made.tensors["fc.weight"].shape[1] < tensors["fc.weight"].shape[1]
    again = removal.compact(made.graph, made.tensors)
    assert again.graph == made.graph
    return made
