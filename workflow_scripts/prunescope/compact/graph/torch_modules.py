"""Compact networks as PyTorch modules, rebuilt from their description."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import fx, nn

from prunescope.compact.graph.graph import Graph, check_shapes
from prunescope.compact.graph.nodes import INPUT
from prunescope.compact.graph.operations.table import operation_of


def build(graph: Graph, tensors: Mapping[str, np.ndarray]) -> fx.GraphModule:
    """Make a module of a graph, in evaluation mode and channels-last layout.

    Parameters
    ----------
    graph, tensors
        The network. The names of `tensors` are those of the module's state dict.

    Returns
    -------
    torch.fx.GraphModule
        From images, floats of shape `(batch, channels, side, side)`, to logits of shape
        `(batch, classes)`.

    Raises
    ------
    InputError
        The tensors do not fit the graph.
    """
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    check_shapes(graph, shapes)
    readers = graph.readers()
    made_by = {node.name: node for node in graph.nodes}
    modules: dict[str, nn.Module] = {}
    steps = fx.Graph()
    recorder = fx.proxy.GraphAppendingTracer(steps)
    values = {INPUT: steps.placeholder(INPUT)}
    for node in graph.nodes:
        inputs = tuple(values[name] for name in node.inputs)
        # A value with one reader may be overwritten in place; the images, and parts of others, not.
        before = made_by.get(node.inputs[0])
        alone = (
            before is not None
            and len(readers[before.name]) == 1
            and not operation_of(before).shares_memory
        )
        # Built on the meta device; the module then takes the memory of the tensors.
        with torch.device("meta"):
            made = operation_of(node).to_torch(node, shapes, may_overwrite=alone)
        if isinstance(made, nn.Module):
            modules[node.name] = made
            values[node.name] = steps.call_module(node.name, inputs)
        else:
            # Called with proxies instead of tensors, the function records its steps.
            recorded: Any = made(*(fx.Proxy(value, recorder) for value in inputs))
            values[node.name] = recorded.node
    steps.output(values[graph.output])
    module = fx.GraphModule(modules, steps, "CompactNetwork")
    state = {name: torch.from_numpy(np.array(tensor)) for name, tensor in tensors.items()}
    module.load_state_dict(state, assign=True)
    for tensor in module.parameters():
        if tensor.ndim == 4:
            tensor.data = tensor.data.to(memory_format=torch.channels_last)
    return module.eval()
