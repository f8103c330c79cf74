"""Which channels of a graph are constant, and which are needed."""

from dataclasses import dataclass, field

import numpy as np

from prunescope.compact.graph.graph import Graph
from prunescope.compact.graph.nodes import INPUT, Tensors
from prunescope.compact.graph.operations.table import operation_of


@dataclass
class Needs:
    """Which channels are needed.

    Attributes
    ----------
    values
        Whether any reader needs a channel: booleans of shape `(channels,)` by name of the value.
    reads
        The same for a single reader, by its name and the place among its inputs.
    last
        Readers that need no channel, and keep one so that they have an input.
    """

    values: dict[str, np.ndarray]
    reads: dict[tuple[str, int], np.ndarray] = field(default_factory=dict)
    last: set[str] = field(default_factory=set)


def find_constants(graph: Graph, tensors: Tensors) -> dict[str, np.ndarray]:
    """Find the channels that are the same number whatever the image and the position.

    Parameters
    ----------
    graph, tensors
        The network.

    Returns
    -------
    dict
        The number of each channel, NaN where there is none: float64 of shape `(channels,)` by name
        of the value.

    Raises
    ------
    ValueError
        An operation of the graph is not known.
    """
    found = {INPUT: np.full(graph.channels, np.nan)}
    for node in graph.nodes:
        given = [found[name] for name in node.inputs]
        found[node.name] = operation_of(node).constants(node, given, tensors)
    return found


def merge_constants(graph: Graph, tensors: Tensors, constants: Tensors) -> dict[str, np.ndarray]:
    """Change weights so that fewer constant channels are read, and the outputs stay the same.

    Parameters
    ----------
    graph, tensors
        The network.
    constants
        What `find_constants` found.

    Returns
    -------
    dict
        All of `tensors`, the changed ones replaced.

    Raises
    ------
    ValueError
        An operation of the graph is not known.
    """
    merged = dict(tensors)
    for node in graph.nodes:
        given = [constants[name] for name in node.inputs]
        changed = operation_of(node).merge_constants(node, given, tensors)
        merged |= {node.tensor(name): tensor for name, tensor in changed.items()}
    return merged


def find_needs(graph: Graph, tensors: Tensors, constants: Tensors) -> Needs:
    """Find the channels that the output depends on and that no reader can replace by a number.

    Parameters
    ----------
    graph, tensors
        The network.
    constants
        What `find_constants` found.

    Raises
    ------
    ValueError
        An operation of the graph is not known.
    """
    needs = Needs({name: np.zeros(len(values), bool) for name, values in constants.items()})
    needs.values[graph.output][:] = True
    for node in reversed(graph.nodes):
        operation, made = operation_of(node), needs.values[node.name]
        if not made.any():
            continue
        given = [constants[name] for name in node.inputs]
        read = operation.reads(node, made, given, tensors)
        if not any(part.any() for part in read):
            # A channel that another reader needs costs nothing; without one, take the first.
            read[0][int(np.argmax(needs.values[node.inputs[0]]))] = True
            needs.last.add(node.name)
        for place, (name, part) in enumerate(zip(node.inputs, read, strict=True)):
            needs.reads[node.name, place] = part
            needs.values[name] |= part
    return needs
