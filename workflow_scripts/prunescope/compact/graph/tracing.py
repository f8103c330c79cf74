"""The graph of an architecture, read from its PyTorch module."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import count
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import fx, nn

from prunescope import networks
from prunescope.checkpoints import Description
from prunescope.compact.graph.graph import INPUT, Graph, Node

# What torchvision's GoogLeNet with `transform_input` does: from ImageNet's mean and deviation of
# each channel to 0.5 and 0.5.
TRANSFORM = {
    "factor": (0.229 / 0.5, 0.224 / 0.5, 0.225 / 0.5),
    "shift": ((0.485 - 0.5) / 0.5, (0.456 - 0.5) / 0.5, (0.406 - 0.5) / 0.5),
}


def trace(description: Description) -> Graph:
    """List what a network of this description computes in evaluation mode.

    Auxiliary heads and dropout do nothing there and are left out.

    Raises
    ------
    NotImplementedError
        The architecture does something that graphs have no operation for.
    """
    plain = replace(description, transform_input=False, auxiliary_heads=False)
    with torch.device("meta"):
        module = networks.ARCHITECTURES[description.architecture](plain).eval()
    traced = fx.symbolic_trace(module)
    nodes: list[Node] = []
    # What the values of the trace are called in the graph.
    names: dict[fx.Node, str] = {}
    start = INPUT
    if description.transform_input:
        nodes.append(Node("transform_input", "scale", (INPUT,), TRANSFORM))
        start = "transform_input"
    for step in traced.graph.nodes:
        if step.op == "placeholder":
            names[step] = start
        elif step.op != "output":
            names[step] = _add(nodes, step, traced, names)
    return Graph(tuple(nodes))


def _add(
    nodes: list[Node], step: fx.Node, traced: fx.GraphModule, names: Mapping[fx.Node, str]
) -> str:
    """Append the node of a step of the trace; return the name of what it makes."""
    inputs = tuple(names[other] for other in step.all_input_nodes)
    op, settings = _operation(step, traced)
    if op is None:
        return inputs[0]
    name = str(step.target) if step.op == "call_module" else f"{_scope(step)}{op}"
    taken = {node.name for node in nodes}
    # A module that runs twice would share its parameters, which no graph can.
    if name in taken and step.op == "call_module":
        raise NotImplementedError(f"compact networks cannot hold {name}, which runs twice")
    numbered = (f"{name}{number}" for number in count(2))
    name = name if name not in taken else next(other for other in numbered if other not in taken)
    nodes.append(Node(name, op, inputs, settings))
    return name


def _scope(step: fx.Node) -> str:
    stack = step.meta.get("nn_module_stack") or {}
    scope = next(reversed(stack), "")
    return f"{scope}." if scope else ""


def _operation(step: fx.Node, traced: fx.GraphModule) -> tuple[str | None, dict[str, Any]]:
    """The operation of a step and its settings; None for what changes nothing."""
    if step.op == "call_module":
        module = traced.get_submodule(str(step.target))
        for kind, describe in MODULES.items():
            if isinstance(module, kind):
                return describe(module)
    elif step.op == "call_function" and step.target in (torch.relu, F.relu):
        return "relu", {}
    elif step.target is torch.cat and _dimension(step) == 1:
        joined = step.args[0]
        # `all_input_nodes` has each value once only.
        if isinstance(joined, Sequence) and len(joined) == len(step.all_input_nodes):
            return "concat", {}
    elif step.target in (torch.flatten, "flatten") and step.args[1:] == (1,):
        # Only after a global mean, which leaves one position, does this change nothing.
        if _is_global_mean(step.all_input_nodes[0], traced):
            return None, {}
    elif step.op == "call_method" and step.target == "mean" and _is_global_mean(step, traced):
        return "global_mean", {}
    raise NotImplementedError(f"compact networks know no counterpart of {step.format_node()}")


def _dimension(step: fx.Node) -> Any:
    return step.kwargs.get("dim", step.args[1] if len(step.args) > 1 else 0)


def _is_global_mean(step: fx.Node, traced: fx.GraphModule) -> bool:
    if step.op == "call_module":
        module = traced.get_submodule(str(step.target))
        return isinstance(module, nn.AdaptiveAvgPool2d)
    return step.target == "mean" and _dimension(step) == (2, 3)


def _conv(module: nn.Conv2d) -> tuple[str, dict[str, Any]]:
    if module.groups != 1 or module.padding_mode != "zeros" or isinstance(module.padding, str):
        raise NotImplementedError(f"compact networks cannot hold {module}")
    return "conv", {
        "stride": _pair(module.stride),
        "padding": _pair(module.padding),
        "dilation": _pair(module.dilation),
    }


def _max_pool(module: nn.MaxPool2d) -> tuple[str, dict[str, Any]]:
    return "max_pool", {
        "kernel": _pair(module.kernel_size),
        "stride": _pair(module.stride),
        "padding": _pair(module.padding),
        "dilation": _pair(module.dilation),
        "ceil_mode": module.ceil_mode,
    }


def _adaptive_pool(module: nn.AdaptiveAvgPool2d) -> tuple[str, dict[str, Any]]:
    if _pair(module.output_size) != (1, 1):
        raise NotImplementedError(f"compact networks cannot hold {module}")
    return "global_mean", {}


def _pair(value: Any) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else tuple(value)


MODULES: Mapping[type[nn.Module], Callable[[Any], tuple[str | None, dict[str, Any]]]] = {
    nn.Conv2d: _conv,
    nn.BatchNorm2d: lambda module: ("batch_norm", {"eps": module.eps}),
    nn.Linear: lambda _module: ("linear", {}),
    nn.ReLU: lambda _module: ("relu", {}),
    nn.MaxPool2d: _max_pool,
    nn.AdaptiveAvgPool2d: _adaptive_pool,
    nn.Dropout: lambda _module: (None, {}),
}
