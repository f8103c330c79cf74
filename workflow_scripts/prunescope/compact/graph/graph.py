"""What a network computes: a list of steps, independent of any framework.

A graph can be changed with NumPy alone, written as JSON, and rebuilt as a PyTorch module or an
ONNX model. Its tensors are kept apart from it. Each has the name of its step and of the parameter,
as in the state dict of the module: `inception3a.branch1.conv.weight`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from prunescope.compact.graph.nodes import INPUT, Node, Shapes, Value
from prunescope.compact.graph.operations.table import OPERATIONS, operation_of
from prunescope.foundation.errors import InputError


@dataclass(frozen=True)
class Graph:
    """Steps in an order in which they can run. The last one makes the output.

    Attributes
    ----------
    nodes
        The steps.
    shape
        The shape of one image: `(1, channels, side, side)`.
    """

    nodes: tuple[Node, ...]
    shape: tuple[int, ...] = (1, 3, 32, 32)

    @property
    def output(self) -> str:
        """Name of the value that the network makes."""
        return self.nodes[-1].name

    def tensor_names(self, tensors: Iterable[str]) -> list[str]:
        """The names in `tensors` that the graph uses, in the order of its steps."""
        given = set(tensors)
        return [
            node.tensor(name)
            for node in self.nodes
            for name in operation_of(node).present(node, given)
        ]

    def parameter_names(self, tensors: Iterable[str]) -> list[str]:
        """The same as `tensor_names`, without buffers."""
        given = set(tensors)
        return [
            node.tensor(name)
            for node in self.nodes
            for name in operation_of(node).parameters
            if node.tensor(name) in given
        ]

    def layers(self) -> list[Node]:
        """The convolutions and fully connected layers."""
        return [node for node in self.nodes if operation_of(node).layer_type]

    def readers(self) -> dict[str, list[Node]]:
        """The steps that read each value, by its name."""
        found: dict[str, list[Node]] = {INPUT: []}
        for node in self.nodes:
            found[node.name] = []
            for name in node.inputs:
                found[name].append(node)
        return found


def to_json(graph: Graph) -> dict[str, Any]:
    """The graph as plain values.

    Raises
    ------
    ValueError
        An operation is not known, so the graph could not be read again.
    """
    nodes = [
        {
            "name": node.name,
            "op": operation_of(node).name,
            "inputs": list(node.inputs),
            "shape": list(node.shape),
            "batch": node.batch,
            **dict(node.settings),
        }
        for node in graph.nodes
    ]
    return {"shape": list(graph.shape), "nodes": nodes}


def from_json(values: Mapping[str, Any]) -> Graph:
    """The graph of `to_json`.

    Raises
    ------
    InputError
        An operation is not known. Or a step reads a value that no earlier step makes, or more
        values than its operation takes. Or its settings are not those of its operation.
    """
    known, nodes = {INPUT}, []
    for fields in values["nodes"]:
        settings = {key: _frozen(value) for key, value in fields.items()}
        own = {key: settings.pop(key, None) for key in ("name", "op", "inputs", "shape", "batch")}
        node = Node(**own, settings=settings)
        if fault := _fault(node, known):
            raise InputError(f"compact network: step {node.name!r} {fault}.")
        known.add(node.name)
        nodes.append(node)
    return Graph(tuple(nodes), tuple(values["shape"]))


def _frozen(value: Any) -> Any:
    return tuple(map(_frozen, value)) if isinstance(value, list) else value


def _fault(node: Node, known: set[str]) -> str:
    """What is wrong with a step of a file; an empty text if nothing is."""
    operation = OPERATIONS.get(node.op)
    if operation is None:
        return f"has the unknown operation {node.op!r}; known: {', '.join(OPERATIONS)}"
    if not node.shape or node.batch not in range(len(node.shape)):
        return f"makes a value of the shape {node.shape} with the images along {node.batch}"
    if missing := [name for name in node.inputs if name not in known]:
        return f"reads {', '.join(missing)}, which no step before it makes"
    least, most = operation.inputs
    if not least <= len(node.inputs) <= most:
        allowed = str(least) if least == most else f"{least} to {most}"
        return f"reads {len(node.inputs)} values; {node.op} reads {allowed}"
    if set(node.settings) != set(operation.settings):
        return (
            f"has the settings {', '.join(node.settings) or 'none'}; "
            f"{node.op} has {', '.join(operation.settings) or 'none'}"
        )
    return ""


def check_shapes(graph: Graph, shapes: Shapes) -> None:
    """Check that tensors of these shapes fit the graph and each other.

    Parameters
    ----------
    graph
        What the network computes.
    shapes
        Shapes by the names of the tensors. Those that the graph does not use are ignored.

    Raises
    ------
    InputError
        A tensor is missing, or one has another number of channels than the steps around it.
    ValueError
        An operation is not known.
    """
    made = {INPUT: graph.shape}
    for node in graph.nodes:
        operation = operation_of(node)
        needed = [node.tensor(name) for name in operation.tensors if name not in operation.optional]
        if missing := [name for name in needed if name not in shapes]:
            raise InputError(f"compact network: the tensor {missing[0]} is missing.")
        if fault := operation.fault(node, [made[name] for name in node.inputs], shapes):
            raise InputError(f"compact network: {fault}.")
        made[node.name] = node.shape


def find_values(graph: Graph) -> dict[str, Value]:
    """Where the channels of each value lie, by its name.

    Raises
    ------
    CannotCompactError
        An operation treats the channels of its inputs in a way that is not known.
    ValueError
        An operation is not known.
    """
    found = {INPUT: Value(graph.shape, (1,))}
    for node in graph.nodes:
        given = [found[name] for name in node.inputs]
        found[node.name] = Value(node.shape, operation_of(node).axes(node, given), node.batch)
    return found
