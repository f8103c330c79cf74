"""Rebuild a graph from the channels that are needed."""

from dataclasses import dataclass, replace

import numpy as np

from prunescope.compact.channels import Needs
from prunescope.compact.graph.graph import Graph
from prunescope.compact.graph.nodes import INPUT, Node, Tensors
from prunescope.compact.graph.operations.arranging import Select
from prunescope.compact.graph.operations.operation import Part, Picked
from prunescope.compact.graph.operations.table import operation_of


@dataclass(frozen=True)
class View:
    """Where the channels of a value of the old graph are in the new one.

    Attributes
    ----------
    value
        A value of the new graph.
    positions
        The position there of each old channel, -1 if it is gone: int64 of shape `(channels,)`.
    """

    value: str
    positions: np.ndarray


class Surgery:
    """Builds the new graph, step by step in forward order.

    Attributes
    ----------
    nodes, tensors
        The new graph, as far as it is built.
    gathered
        By the name of a step: how many channels are picked for it from a larger value.
    folded
        By the name of a step: how many constant channels of its input became numbers.
    """

    def __init__(self, graph: Graph, tensors: Tensors, constants: Tensors, needs: Needs) -> None:
        self.graph, self.given, self.constants, self.needs = graph, tensors, constants, needs
        self.readers = graph.readers()
        self.nodes: list[Node] = []
        self.tensors: dict[str, np.ndarray] = {}
        self.gathered: dict[str, int] = {}
        self.folded: dict[str, int] = {}
        self._views = {INPUT: View(INPUT, np.arange(graph.channels))}
        # How many channels the values of the new graph have.
        self._sizes = {INPUT: graph.channels}
        self._selections: dict[tuple[str, bytes], str] = {}
        # Numbers that the readers of each step must still add to its output.
        self._shifts: dict[str, np.ndarray] = {}

    def run(self) -> None:
        """Build the whole graph.

        Raises
        ------
        ValueError
            An operation of the graph is not known.
        """
        for node in self.graph.nodes:
            operation, kept = operation_of(node), np.flatnonzero(self.needs.values[node.name])
            if not kept.size:
                continue
            part = self._part(node, kept)
            made = operation.remake(node, part, self.given)
            if isinstance(made, Picked):
                view = self._views[node.inputs[made.place]]
                self._show(node, kept, View(view.value, view.positions[made.channels]))
                continue
            inputs = [
                self._pick(self._views[name], read, node)
                for name, read in zip(node.inputs, part.read, strict=True)
                if read.size
            ]
            self.nodes.append(replace(node, inputs=tuple(inputs), settings=made.settings))
            self.tensors |= {node.tensor(name): tensor for name, tensor in made.tensors.items()}
            self.folded[node.name] = made.folded
            if made.shift is not None:
                self._shifts[node.name] = made.shift
            self._sizes[node.name] = kept.size
            self._show(node, kept, View(node.name, np.arange(kept.size)))

    def _part(self, node: Node, kept: np.ndarray) -> Part:
        readers = self.readers[node.name]
        places = range(len(node.inputs))
        return Part(
            kept,
            read=tuple(np.flatnonzero(self.needs.reads[node.name, place]) for place in places),
            constants=tuple(self.constants[name] for name in node.inputs),
            shift=self._shifts.get(node.inputs[0]),
            # The last step has no readers.
            may_shift=bool(readers) and all(operation_of(step).absorbs_shift for step in readers),
        )

    def _show(self, node: Node, kept: np.ndarray, view: View) -> None:
        """Note where the channels `kept` of a step are: at the positions of `view`."""
        positions = np.full(len(self.constants[node.name]), -1)
        positions[kept] = view.positions
        self._views[node.name] = View(view.value, positions)

    def _pick(self, view: View, wanted: np.ndarray, reader: Node) -> str:
        """The value that holds just the channels `wanted`: one copy for all its readers."""
        value, positions = view.value, view.positions[wanted]
        if np.array_equal(positions, np.arange(self._sizes[value])):
            return value
        key = (value, positions.astype(np.int64).tobytes())
        if key not in self._selections:
            number = sum(1 for other, _ in self._selections if other == value) + 1
            node = Node(f"{value}.select{number}", Select.name, (value,))
            self._selections[key] = node.name
            self._sizes[node.name] = positions.size
            self.nodes.append(node)
            self.tensors[node.tensor("channels")] = positions.astype(np.int64)
        self.gathered[reader.name] = positions.size
        return self._selections[key]
