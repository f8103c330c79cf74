"""Fold batch norms into the layers before them, as is usual for inference."""

from dataclasses import replace

import numpy as np

from prunescope.compact.graph.graph import Graph
from prunescope.compact.graph.nodes import Node, Tensors
from prunescope.compact.graph.operations.norms import BatchNorm
from prunescope.compact.graph.operations.table import operation_of
from prunescope.compact.graph.operations.weighted import Conv, Linear


def fold_batch_norms(graph: Graph, tensors: Tensors) -> tuple[Graph, dict[str, np.ndarray]]:
    """Scale each filter as its batch norm scales what it emits, and add the shift to its bias.

    A batch norm that follows anything but a layer stays, and so does one whose layer has other
    readers. What is zero in the weights stays exactly zero.

    Parameters
    ----------
    graph
        What the network computes.
    tensors
        Its parameters and buffers, by name.

    Returns
    -------
    tuple
        The graph without those batch norms, and its tensors, of the same types.

    Raises
    ------
    ValueError
        An operation is not known.
    """
    readers = graph.readers()
    made = {name: np.asarray(tensors[name]) for name in graph.tensor_names(tensors)}
    layers = {node.name: node for node in graph.nodes if _scales_axis_1(node)}
    # What readers of a folded batch norm read instead.
    names: dict[str, str] = {}
    nodes = []
    for node in graph.nodes:
        before, operation = layers.get(node.inputs[0]), operation_of(node)
        alone = before is not None and len(readers[before.name]) == 1
        if before is not None and alone and isinstance(operation, BatchNorm):
            _fold(before, *operation.scale_and_shift(node, made), made)
            names[node.name] = before.name
        else:
            inputs = tuple(names.get(name, name) for name in node.inputs)
            nodes.append(replace(node, inputs=inputs))
    folded = Graph(tuple(nodes), graph.shape)
    return folded, {name: made[name] for name in folded.tensor_names(made)}


def _scales_axis_1(node: Node) -> bool:
    """Whether a step is a layer whose outputs lie along the axis that a batch norm scales."""
    operation = operation_of(node)
    return isinstance(operation, Conv) or (isinstance(operation, Linear) and len(node.shape) == 2)


def _fold(conv: Node, scale: np.ndarray, shift: np.ndarray, tensors: dict[str, np.ndarray]) -> None:
    weight = tensors[conv.tensor("weight")]
    bias = tensors.get(conv.tensor("bias"), np.zeros(len(weight)))
    spread = scale.reshape(-1, *[1] * (weight.ndim - 1))
    tensors[conv.tensor("weight")] = (weight * spread).astype(weight.dtype)
    tensors[conv.tensor("bias")] = (bias * scale + shift).astype(weight.dtype)
