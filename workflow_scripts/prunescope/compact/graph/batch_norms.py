"""Batch norms folded into the convolutions before them, as an inference network needs them."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from prunescope.compact.graph.graph import Graph, Node

Tensors = Mapping[str, np.ndarray]


def fold_batch_norms(graph: Graph, tensors: Tensors) -> tuple[Graph, dict[str, np.ndarray]]:
    """Scale filters as their batch norm would scale what they emit; shift becomes the bias.

    A batch norm that follows anything but a convolution, or one that others read too, stays. What
    is zero in the weights stays exactly zero.

    Returns
    -------
    tuple
        The graph without those batch norms, and its tensors, of the same types.
    """
    readers = graph.readers()
    made = {name: np.asarray(tensors[name]) for name in graph.tensor_names(tensors)}
    convolutions = {node.name: node for node in graph.nodes if node.op == "conv"}
    # What readers of a folded batch norm read instead.
    names: dict[str, str] = {}
    nodes = []
    for node in graph.nodes:
        before = convolutions.get(node.inputs[0])
        if node.op == "batch_norm" and before is not None and len(readers[before.name]) == 1:
            _fold(before, node, made)
            names[node.name] = before.name
        else:
            inputs = tuple(names.get(name, name) for name in node.inputs)
            nodes.append(replace(node, inputs=inputs))
    folded = Graph(tuple(nodes), graph.channels)
    return folded, {name: made[name] for name in folded.tensor_names(made)}


def _fold(conv: Node, norm: Node, tensors: dict[str, np.ndarray]) -> None:
    scale, shift = scale_and_shift(norm, tensors)
    weight = tensors[conv.tensor("weight")]
    bias = tensors.get(conv.tensor("bias"), np.zeros(len(weight)))
    tensors[conv.tensor("weight")] = (weight * scale.reshape(-1, 1, 1, 1)).astype(weight.dtype)
    tensors[conv.tensor("bias")] = (bias * scale + shift).astype(weight.dtype)


def scale_and_shift(norm: Node, tensors: Tensors) -> tuple[np.ndarray, np.ndarray]:
    """What a batch norm multiplies each channel by, and what it then adds; in float64."""
    weight, bias, mean, variance = (
        tensors[norm.tensor(name)].astype(np.float64)
        for name in ("weight", "bias", "running_mean", "running_var")
    )
    scale = weight / np.sqrt(variance + norm.settings["eps"])
    return scale, bias - mean * scale
