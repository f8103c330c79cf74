"""Compact networks as PyTorch modules, rebuilt from their description."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812
from torch import fx, nn

from prunescope.compact.graph.graph import INPUT, Graph, Node, check_shapes


class Select(nn.Module):
    """Picks channels, in the order in which they are named."""

    channels: torch.Tensor

    def __init__(self, number: int) -> None:
        super().__init__()
        self.register_buffer("channels", torch.zeros(number, dtype=torch.int64))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        # Row by row of channels-last images: several times as fast as along the second axis.
        batch, channels, height, width = images.shape
        rows = images.permute(0, 2, 3, 1).reshape(-1, channels).index_select(1, self.channels)
        return rows.reshape(batch, height, width, -1).permute(0, 3, 1, 2)


class Scale(nn.Module):
    """Multiplies each channel by a factor of its own, and shifts it."""

    factor: torch.Tensor
    shift: torch.Tensor

    def __init__(self, factor: tuple[float, ...], shift: tuple[float, ...]) -> None:
        super().__init__()
        for name, values in (("factor", factor), ("shift", shift)):
            exact = torch.tensor(values, dtype=torch.float64).reshape(1, -1, 1, 1)
            self.register_buffer(name, exact, persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images * self.factor.to(images.dtype) + self.shift.to(images.dtype)


def build(graph: Graph, tensors: Mapping[str, np.ndarray]) -> fx.GraphModule:
    """Make a module of a graph, in evaluation mode and channels-last layout.

    The names of its state dict are those of `tensors`.

    Raises
    ------
    InputError
        The tensors do not fit the graph.
    """
    shapes = {name: tensor.shape for name, tensor in tensors.items()}
    check_shapes(graph, shapes)
    readers = graph.readers()
    modules: dict[str, nn.Module] = {}
    steps = fx.Graph()
    values = {INPUT: steps.placeholder(INPUT)}
    for node in graph.nodes:
        inputs = tuple(values[name] for name in node.inputs)
        if node.op in MODULES:
            # Without memory of its own: it gets that of the tensors.
            with torch.device("meta"):
                modules[node.name] = MODULES[node.op](node, shapes)
            values[node.name] = steps.call_module(node.name, inputs)
        elif node.op == "scale":
            modules[node.name] = Scale(node.settings["factor"], node.settings["shift"])
            values[node.name] = steps.call_module(node.name, inputs)
        elif node.op == "concat":
            values[node.name] = steps.call_function(torch.cat, (inputs, 1))
        elif node.op == "global_mean":
            values[node.name] = steps.call_method("mean", inputs, {"dim": (2, 3)})
        else:
            # What nobody else reads may be overwritten; images belong to the caller.
            alone = node.inputs[0] != INPUT and len(readers[node.inputs[0]]) == 1
            values[node.name] = steps.call_function(F.relu, inputs, {"inplace": alone})
    steps.output(values[graph.output])
    module = fx.GraphModule(modules, steps, "CompactNetwork")
    state = {name: torch.from_numpy(np.array(tensor)) for name, tensor in tensors.items()}
    module.load_state_dict(state, assign=True)
    return module.to(memory_format=torch.channels_last).eval()


Shapes = Mapping[str, tuple[int, ...]]


def _conv(node: Node, shapes: Shapes) -> nn.Module:
    filters, channels, height, width = shapes[node.tensor("weight")]
    bias = node.tensor("bias") in shapes
    return nn.Conv2d(channels, filters, (height, width), bias=bias, **node.settings)


def _linear(node: Node, shapes: Shapes) -> nn.Module:
    units, channels = shapes[node.tensor("weight")]
    return nn.Linear(channels, units, bias=node.tensor("bias") in shapes)


def _max_pool(node: Node, shapes: Shapes) -> nn.Module:
    settings = dict(node.settings)
    return nn.MaxPool2d(settings.pop("kernel"), **settings)


MODULES: Mapping[str, Callable[[Node, Shapes], nn.Module]] = {
    "conv": _conv,
    "linear": _linear,
    "batch_norm": lambda node, shapes: nn.BatchNorm2d(
        shapes[node.tensor("weight")][0], eps=node.settings["eps"]
    ),
    "max_pool": _max_pool,
    "select": lambda node, shapes: Select(shapes[node.tensor("channels")][0]),
}
