"""What a network computes, as a list of steps that names no framework.

A graph can be taken apart with NumPy alone, written as JSON, and rebuilt as a PyTorch module or an
ONNX model. Its tensors are kept apart, by the name of the step and of the parameter, as in the
state dict of the module: `inception3a.branch1.conv.weight`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from prunescope.errors import InputError

INPUT = "images"
# The operations, and the parameters and buffers of each in the order of their shapes' meaning.
PARAMETERS: Mapping[str, tuple[str, ...]] = {
    "conv": ("weight", "bias"),
    "linear": ("weight", "bias"),
    "batch_norm": ("weight", "bias", "running_mean", "running_var", "num_batches_tracked"),
    "select": ("channels",),
    "scale": (),
    "relu": (),
    "max_pool": (),
    "concat": (),
    "global_mean": (),
}
BUFFERS = ("running_mean", "running_var", "num_batches_tracked", "channels")


@dataclass(frozen=True)
class Node:
    """A step: it makes one value, which has its name.

    Attributes
    ----------
    name
        Unique in the graph; of a layer, the name of its module.
    op
        A key of `PARAMETERS`. `select` picks channels, `scale` multiplies and shifts each channel,
        `global_mean` averages over all positions, `concat` joins channels; the others are as
        everywhere.
    inputs
        Names of the values that it reads; `INPUT` is the batch of images.
    settings
        `stride`, `padding`, `dilation` and `kernel` (pairs, in pixels), `ceil_mode`, `eps`;
        of `scale` the `factor` and `shift` of each channel.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def tensor(self, parameter: str) -> str:
        """Name of one of its parameters or buffers."""
        return f"{self.name}.{parameter}"

    @property
    def padded(self) -> bool:
        """Whether it reads zeros beyond the border of its input."""
        return any(self.settings.get("padding", (0, 0)))


@dataclass(frozen=True)
class Graph:
    """Steps in an order in which they can run. The last one makes the output."""

    nodes: tuple[Node, ...]
    channels: int = 3

    @property
    def output(self) -> str:
        return self.nodes[-1].name

    def tensor_names(self, tensors: Mapping[str, np.ndarray]) -> list[str]:
        """Names of those of `tensors` that the graph uses, in its order."""
        return [
            node.tensor(parameter)
            for node in self.nodes
            for parameter in PARAMETERS[node.op]
            if node.tensor(parameter) in tensors
        ]

    def readers(self) -> dict[str, list[Node]]:
        """The steps that read each value."""
        found: dict[str, list[Node]] = {INPUT: []}
        for node in self.nodes:
            found[node.name] = []
            for name in node.inputs:
                found[name].append(node)
        return found


def to_json(graph: Graph) -> dict[str, Any]:
    """The graph as plain values."""
    nodes = [
        {"name": node.name, "op": node.op, "inputs": list(node.inputs), **dict(node.settings)}
        for node in graph.nodes
    ]
    return {"channels": graph.channels, "nodes": nodes}


def from_json(values: Mapping[str, Any]) -> Graph:
    """The graph of `to_json`.

    Raises
    ------
    InputError
        An operation is not known, or a step reads what no step before it makes.
    """
    known, nodes = {INPUT}, []
    for fields in values["nodes"]:
        settings = {key: _frozen(value) for key, value in fields.items()}
        node = Node(
            settings.pop("name"), settings.pop("op"), settings.pop("inputs"), settings
        )  # fmt: skip
        if node.op not in PARAMETERS:
            raise InputError(
                f"compact network: step {node.name!r} has the unknown operation {node.op!r}; "
                f"known: {', '.join(PARAMETERS)}."
            )
        if missing := [name for name in node.inputs if name not in known]:
            raise InputError(
                f"compact network: step {node.name!r} reads {', '.join(missing)}, "
                "which no step before it makes."
            )
        known.add(node.name)
        nodes.append(node)
    return Graph(tuple(nodes), values["channels"])


def _frozen(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value


def check_shapes(graph: Graph, shapes: Mapping[str, Sequence[int]]) -> None:
    """Check that tensors of these shapes fit the graph and each other.

    Raises
    ------
    InputError
        A tensor is missing, or one has another number of channels than the steps around it.
    """
    channels = {INPUT: graph.channels}
    for node in graph.nodes:
        needed = [node.tensor(name) for name in PARAMETERS[node.op] if name != "bias"]
        if missing := [name for name in needed if name not in shapes]:
            raise InputError(f"compact network: the tensor {missing[0]} is missing.")
        read = sum(channels[name] for name in node.inputs)
        channels[node.name] = _channels_out(node, read, shapes)


def _channels_out(node: Node, read: int, shapes: Mapping[str, Sequence[int]]) -> int:
    if node.op in ("conv", "linear"):
        out, expected = shapes[node.tensor("weight")][:2]
    elif node.op == "batch_norm":
        out = expected = shapes[node.tensor("weight")][0]
    elif node.op == "select":
        return shapes[node.tensor("channels")][0]
    else:
        return read
    if expected != read:
        raise InputError(
            f"compact network: {node.name} takes {expected} channels, but is given {read}."
        )
    return out
