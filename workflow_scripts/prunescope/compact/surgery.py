"""Rebuild a graph from the channels that are needed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from prunescope.compact.channels import Facts, Needs
from prunescope.compact.graph.graph import Graph
from prunescope.compact.graph.nodes import INPUT, Entries, Node, Tensors, entries
from prunescope.compact.graph.operations.arranging import Slice
from prunescope.compact.graph.operations.joining import Extend, Select
from prunescope.compact.graph.operations.operation import (
    CannotCompactError,
    Extended,
    Part,
    Picked,
    Remade,
)
from prunescope.compact.graph.operations.table import operation_of


@dataclass(frozen=True)
class View:
    """Where the entries of a value of the old graph are in the new one.

    Attributes
    ----------
    value
        A value of the new graph.
    positions
        For each axis, the position there of each old entry, -1 if it is gone: int64.
    """

    value: str
    positions: tuple[np.ndarray, ...]


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
    settings
        By the name of a step: its settings in the new graph.
    """

    def __init__(self, graph: Graph, tensors: Tensors, facts: Facts, needs: Needs) -> None:
        self.graph, self.given, self.facts, self.needs = graph, tensors, facts, needs
        self.readers = graph.readers()
        self.nodes: list[Node] = []
        self.tensors: dict[str, np.ndarray] = {}
        self.gathered: dict[str, int] = {}
        self.folded: dict[str, int] = {}
        self.settings: dict[str, Mapping[str, Any]] = {}
        self._views = {INPUT: View(INPUT, tuple(map(np.arange, graph.shape)))}
        # Shapes and images' axes of the values of the new graph.
        self._shapes = {INPUT: graph.shape}
        self._batches = {INPUT: 0}
        self._selections: dict[tuple[str, int, bytes], str] = {}

    def run(self) -> None:
        """Build the whole graph.

        Raises
        ------
        CannotCompactError
            Entries would have to be picked among the images.
        ValueError
            An operation of the graph is not known.
        """
        for node in self.graph.nodes:
            operation, needed = operation_of(node), self.needs.values[node.name]
            if not needed.any():
                continue
            part = self._part(node, entries(needed, node.shape))
            made = operation.remake(self.facts.step(node, self.given), part)
            if isinstance(made, Picked):
                self._hand_on(node, made, part)
            else:
                self._add(node, made, part)

    def _part(self, node: Node, kept: Entries) -> Part:
        reads = tuple(
            entries(self.needs.reads[node.name, place], self.facts.values[name].shape)
            for place, name in enumerate(node.inputs)
        )
        return Part(kept, reads)

    def _hand_on(self, node: Node, made: Picked, part: Part) -> None:
        view = self._views[node.inputs[made.place]]
        positions = []
        for axis, (length, kept) in enumerate(zip(node.shape, part.kept, strict=True)):
            sources = made.sources.get(axis, np.arange(length))
            there = np.full(length, -1)
            there[kept] = view.positions[axis][sources[kept]]
            positions.append(there)
        self._views[node.name] = View(view.value, tuple(positions))

    def _add(self, node: Node, made: Remade, part: Part) -> None:
        inputs = []
        for place, (name, read) in enumerate(zip(node.inputs, part.read, strict=True)):
            if not all(found.size for found in read):
                continue
            value = self._pick(self._views[name], read, node)
            if place in made.extended:
                value = self._extend(value, made.extended[place], f"{node.name}.input{place + 1}")
            inputs.append(value)
        shape = tuple(map(len, part.kept))
        op = made.op or node.op
        self.nodes.append(
            replace(node, op=op, inputs=tuple(inputs), settings=made.settings, shape=shape)
        )
        self.tensors |= {node.tensor(name): tensor for name, tensor in made.tensors.items()}
        self.folded[node.name] = made.folded
        self.settings[node.name] = made.settings
        self._shapes[node.name], self._batches[node.name] = shape, node.batch
        positions = []
        for length, kept in zip(node.shape, part.kept, strict=True):
            there = np.full(length, -1)
            there[kept] = np.arange(len(kept))
            positions.append(there)
        self._views[node.name] = View(node.name, tuple(positions))

    def _pick(self, view: View, wanted: Entries, reader: Node) -> str:
        """The value that holds just the entries `wanted`: one copy for all its readers."""
        value = view.value
        for axis, found in enumerate(wanted):
            positions = view.positions[axis][found].astype(np.int64)
            if np.array_equal(positions, np.arange(self._shapes[value][axis])):
                continue
            if axis == self._batches[value]:
                raise CannotCompactError("channels that lie along the images", reader.name)
            value = self._select(value, axis, positions)
            self.gathered[reader.name] = positions.size
        return value

    def _select(self, value: str, axis: int, positions: np.ndarray) -> str:
        key = (value, axis, positions.tobytes())
        if key not in self._selections:
            number = sum(1 for other, *_ in self._selections if other == value) + 1
            shape = list(self._shapes[value])
            shape[axis] = positions.size
            name = f"{value}.select{number}"
            first, size = int(positions[0]), positions.size
            if np.array_equal(positions, np.arange(first, first + size)):
                # Neighbours need not be copied.
                settings = {"over": axis, "start": first, "stop": first + size, "step": 1}
                self._new(name, Slice.name, value, shape, settings)
            else:
                self._new(name, Select.name, value, shape, {"over": axis})
                self.tensors[f"{name}.channels"] = positions
            self._selections[key] = name
        return self._selections[key]

    def _extend(self, value: str, extended: Extended, name: str) -> str:
        shape = list(self._shapes[value])
        number = shape[extended.axis]
        shape[extended.axis] = extended.channels.size
        made = self._new(name, Extend.name, value, shape, {"over": extended.axis})
        channels = np.where(extended.channels < 0, number, extended.channels)
        self.tensors[f"{made}.channels"] = channels.astype(np.int64)
        if extended.fill.any():
            spread = [-1 if axis == extended.axis else 1 for axis in range(len(shape))]
            fill = extended.fill.reshape(spread)
            self.tensors[f"{made}.fill"] = fill.astype(np.float32)
        return made

    def _new(
        self, name: str, op: str, value: str, shape: list[int], settings: Mapping[str, int]
    ) -> str:
        batch = self._batches[value]
        self.nodes.append(Node(name, op, (value,), settings, tuple(shape), batch))
        self._shapes[name], self._batches[name] = tuple(shape), batch
        return name
