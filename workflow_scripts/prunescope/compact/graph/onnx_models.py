"""Compact networks as ONNX models, written from their description.

Written, not traced by `torch.onnx.export`: that takes seconds, names everything anew, and needs
torch; the graph has a counterpart in ONNX for each of its steps already. The same network gives the
same bytes.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from prunescope import artifacts, provenance
from prunescope.checkpoints import Description
from prunescope.compact.graph.graph import INPUT, Graph, Node

# Of 2021: any runtime in use reads it.
OPSET = 15
IR_VERSION = 8
OUTPUT = "logits"

Tensors = Mapping[str, np.ndarray]


def to_onnx(graph: Graph, tensors: Tensors, description: Description) -> bytes:
    """Serialise a network.

    The model takes float32 `images`, `(batch, 3, side, side)`, scaled to 0..1 and normalised with
    the `mean` and `std` of its metadata, and gives `logits`, `(batch, classes)`. Its metadata hold
    the description (`network`) and the running job's provenance (`prunescope`), both as JSON.
    """
    constants = {name: np.asarray(tensors[name], order="C") for name in graph.tensor_names(tensors)}
    steps = []
    for node in graph.nodes:
        steps += CONVERTERS[node.op](node, constants)
    used = {name for step in steps for name in step.input}
    initializers = [
        numpy_helper.from_array(array, name) for name, array in constants.items() if name in used
    ]
    side = description.image_size
    model = helper.make_model(
        helper.make_graph(
            [_renamed(step, graph.output) for step in steps],
            description.architecture,
            [_value(INPUT, ["batch", graph.channels, side, side])],
            [_value(OUTPUT, ["batch", description.classes])],
            initializers,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="prunescope",
    )
    described = asdict(replace(description, layers=()))
    metadata = {
        "network": json.dumps(described, sort_keys=True),
        provenance.KEY: provenance.dumps(),
    }
    for key, value in sorted(metadata.items()):
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def read_metadata(path: str) -> dict[str, dict]:
    """The metadata of an ONNX file of ours, after a check of the file.

    Raises
    ------
    InputError
        The file is damaged.
    """
    with artifacts.reading(path, "ONNX model"):
        model = onnx.load(path)
        onnx.checker.check_model(model)
        return {entry.key: json.loads(entry.value) for entry in model.metadata_props}


def _value(name: str, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _renamed(step: onnx.NodeProto, output: str) -> onnx.NodeProto:
    if step.output[0] == output:
        step.output[0] = OUTPUT
    return step


def _step(op: str, node: Node, *more: str, name: str = "", **attributes: Any) -> onnx.NodeProto:
    name = name or node.name
    return helper.make_node(op, [*node.inputs, *more], [name], name=name, **attributes)


def _parameters(node: Node, constants: Tensors, *names: str) -> list[str]:
    return [node.tensor(name) for name in names if node.tensor(name) in constants]


def _window(node: Node) -> dict[str, Any]:
    return {
        "strides": list(node.settings["stride"]),
        "pads": [*node.settings["padding"]] * 2,
        "dilations": list(node.settings["dilation"]),
    }


def _conv(node: Node, constants: Tensors) -> list[onnx.NodeProto]:
    return [_step("Conv", node, *_parameters(node, constants, "weight", "bias"), **_window(node))]


def _linear(node: Node, constants: Tensors) -> list[onnx.NodeProto]:
    return [_step("Gemm", node, *_parameters(node, constants, "weight", "bias"), transB=1)]


def _batch_norm(node: Node, constants: Tensors) -> list[onnx.NodeProto]:
    names = _parameters(node, constants, "weight", "bias", "running_mean", "running_var")
    return [_step("BatchNormalization", node, *names, epsilon=node.settings["eps"])]


def _max_pool(node: Node, _constants: Tensors) -> list[onnx.NodeProto]:
    settings = {"kernel_shape": list(node.settings["kernel"]), **_window(node)}
    return [_step("MaxPool", node, ceil_mode=int(node.settings["ceil_mode"]), **settings)]


def _select(node: Node, constants: Tensors) -> list[onnx.NodeProto]:
    return [_step("Gather", node, *_parameters(node, constants, "channels"), axis=1)]


def _scale(node: Node, constants: dict[str, np.ndarray]) -> list[onnx.NodeProto]:
    for key in ("factor", "shift"):
        value = np.array(node.settings[key], dtype=np.float32).reshape(1, -1, 1, 1)
        # The only tensors that are not in the graph's own.
        constants[node.tensor(key)] = value
    scaled = f"{node.name}.scaled"
    return [
        _step("Mul", node, node.tensor("factor"), name=scaled),
        _step("Add", replace(node, inputs=(scaled,)), node.tensor("shift")),
    ]


def _global_mean(node: Node, _constants: Tensors) -> list[onnx.NodeProto]:
    return [_step("ReduceMean", node, axes=[2, 3], keepdims=0)]


CONVERTERS: Mapping[str, Callable[[Node, dict], list[onnx.NodeProto]]] = {
    "conv": _conv,
    "linear": _linear,
    "batch_norm": _batch_norm,
    "max_pool": _max_pool,
    "select": _select,
    "scale": _scale,
    "relu": lambda node, _constants: [_step("Relu", node)],
    "concat": lambda node, _constants: [_step("Concat", node, axis=1)],
    "global_mean": _global_mean,
}
