"""Which channels of a graph are constant, and which are needed."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from prunescope.compact.graph.graph import Graph, find_values
from prunescope.compact.graph.nodes import (
    INPUT,
    Node,
    Tensors,
    Value,
    along,
    closed,
    fitted,
    product,
)
from prunescope.compact.graph.operations.operation import Step
from prunescope.compact.graph.operations.table import operation_of


@dataclass(frozen=True)
class Facts:
    """What is known of the values of a graph, by their names.

    Attributes
    ----------
    values
        Where their channels lie.
    constants
        The number that each channel is whatever the image and the position, NaN where there is
        none: float64 of the shape `Value.small`.
    prices
        What it costs to make a number of it: multiply-accumulates of the last layer.
    """

    values: Mapping[str, Value]
    constants: Mapping[str, np.ndarray]
    prices: Mapping[str, float]

    def step(self, node: Node, tensors: Tensors, round_to: int = 1) -> Step:
        """A step, and what is known of it."""
        return Step(
            node,
            tuple(self.values[name] for name in node.inputs),
            self.values[node.name],
            tensors,
            tuple(self.constants[name] for name in node.inputs),
            tuple(self.prices[name] for name in node.inputs),
            round_to,
        )


@dataclass
class Needs:
    """Which channels are needed.

    Attributes
    ----------
    values
        Whether a channel is made: booleans of the shape `Value.small`, by name of the value.
    reads
        Which channels a reader reads, by its name and the place among its inputs: as
        `Operation.reads` returns them.
    last
        Readers that need no channel, and keep one so that they have an input.
    """

    values: dict[str, np.ndarray]
    reads: dict[tuple[str, int], np.ndarray] = field(default_factory=dict)
    last: set[str] = field(default_factory=set)


def find_constants(graph: Graph, tensors: Tensors) -> Facts:
    """Find the channels that are the same number whatever the image and the position.

    Parameters
    ----------
    graph, tensors
        The network.

    Raises
    ------
    CannotCompactError
        An operation treats the channels of its inputs in a way that is not known.
    ValueError
        An operation of the graph is not known.
    """
    values = find_values(graph)
    facts = Facts(values, {INPUT: np.full(values[INPUT].small, np.nan)}, {INPUT: 0.0})
    for node in graph.nodes:
        operation, step = operation_of(node), facts.step(node, tensors)
        made = np.asarray(operation.constants(step), dtype=np.float64)
        assert made.shape == step.made.small, (node, made.shape, step.made)
        facts.constants[node.name] = made  # type: ignore[index]
        facts.prices[node.name] = operation.price(step)  # type: ignore[index]
    return facts


def merge_constants(graph: Graph, tensors: Tensors, facts: Facts) -> dict[str, np.ndarray]:
    """Change weights so that fewer constant channels are read, and the outputs stay the same.

    Parameters
    ----------
    graph, tensors
        The network.
    facts
        What `find_constants` found.

    Returns
    -------
    dict
        All of `tensors`, the changed ones replaced.
    """
    merged = dict(tensors)
    for node in graph.nodes:
        changed = operation_of(node).merge_constants(facts.step(node, tensors))
        merged |= {node.tensor(name): tensor for name, tensor in changed.items()}
    return merged


def find_needs(graph: Graph, tensors: Tensors, facts: Facts, round_to: int = 1) -> Needs:
    """Find the channels that the output depends on and that no reader can replace by a number.

    Parameters
    ----------
    graph, tensors
        The network.
    facts
        What `find_constants` found.
    round_to
        Layers keep a multiple of this number of outputs and inputs, if they have enough.
    """
    needs = Needs({name: np.zeros(value.small, bool) for name, value in facts.values.items()})
    needs.values[graph.output][:] = True
    for node in reversed(graph.nodes):
        if not needs.values[node.name].any():
            continue
        operation, step = operation_of(node), facts.step(node, tensors, round_to)
        made = closed(operation.settle(step, closed(needs.values[node.name])))
        needs.values[node.name] = made
        read = operation.reads(step, made)
        if not any(part.any() for part in read):
            read[0] = _least(read[0], made, needs.values[node.inputs[0]], step.given[0])
            needs.last.add(node.name)
        for place, (name, part) in enumerate(zip(node.inputs, read, strict=True)):
            needs.reads[node.name, place] = part
            needs.values[name] |= fitted(part, facts.values[name].small)
    return needs


def _least(read: np.ndarray, made: np.ndarray, wanted: np.ndarray, value: Value) -> np.ndarray:
    """One channel, so that a step has something to read; along other axes, what it makes.

    A channel that another reader needs costs nothing; without one, the first is taken.
    """
    sides = []
    for axis, length in enumerate(read.shape):
        side = along(wanted, axis) if axis in value.axes else np.ones(length, bool)
        if axis in value.axes:
            first = np.zeros(length, bool)
            first[int(np.argmax(np.broadcast_to(side, length)))] = True
            same = made.ndim == read.ndim and made.shape[axis] == length and axis < read.ndim - 1
            side = along(made, axis) if same and len(value.axes) > 1 else first
        sides.append(side)
    return product(sides)
