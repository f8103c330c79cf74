"""The graph of an architecture, read from its PyTorch module."""

from collections.abc import Mapping
from dataclasses import replace
from itertools import count
from typing import Any

import torch
from torch import fx, nn

from prunescope.compact.graph.graph import Graph
from prunescope.compact.graph.nodes import INPUT, Node
from prunescope.compact.graph.operations.affine import Scale
from prunescope.compact.graph.operations.table import OPERATIONS, operation_of
from prunescope.networks import architecture
from prunescope.networks.description import IMAGENET_MEAN, IMAGENET_STD, Description


class CannotCompactError(NotImplementedError):
    """A network does something that no operation of compact networks does.

    Attributes
    ----------
    operation
        What it does, in a few words.
    """

    def __init__(self, operation: str, where: str = "") -> None:
        self.operation = operation
        place = f" ({where})" if where else ""
        super().__init__(f"compact networks have no counterpart of {operation}{place}")


def trace(description: Description) -> Graph:
    """List what a network of this description computes in evaluation mode.

    Auxiliary heads and dropout do nothing there and are left out.

    Raises
    ------
    CannotCompactError
        The architecture does something that no operation does.
    """
    plain = replace(description, transform_input=False, auxiliary_heads=False)
    with torch.device("meta"):
        module = architecture.build(plain).eval()
    traced = _steps_of(module)
    nodes: dict[str, Node] = {}
    # What the values of the trace are called in the graph.
    names: dict[fx.Node, str] = {}
    start = INPUT
    if description.transform_input:
        start = "transform_input"
        # From the mean and the deviation of each channel to 0.5 and 0.5.
        transform = {
            "factor": tuple(std / 0.5 for std in IMAGENET_STD),
            "shift": tuple((mean - 0.5) / 0.5 for mean in IMAGENET_MEAN),
        }
        nodes[start] = Node(start, Scale.name, (INPUT,), transform)
    for step in traced.graph.nodes:
        if step.op == "placeholder":
            names[step] = start
        elif step.op != "output":
            names[step] = _add(nodes, step, traced, names)
    return Graph(tuple(nodes.values()))


def _steps_of(module: nn.Module) -> fx.GraphModule:
    try:
        return fx.symbolic_trace(module)
    except Exception as error:  # whatever its code does with values that are not there
        first = str(error).strip().partition("\n")[0]
        raise CannotCompactError(f"steps that depend on values: {first}") from error


def _add(
    nodes: dict[str, Node], step: fx.Node, traced: fx.GraphModule, names: Mapping[fx.Node, str]
) -> str:
    """Append the node of a step of the trace; return the name of what it makes."""
    inputs = tuple(names[other] for other in step.all_input_nodes)
    module = traced.get_submodule(str(step.target)) if step.op == "call_module" else None
    if _changes_nothing(step, module, nodes.get(inputs[0]) if inputs else None):
        return inputs[0]
    op, settings = _recognise(step, module)
    name = str(step.target) if module is not None else f"{_scope(step)}{op}"
    # A module that runs twice would share its parameters, which no graph can.
    if name in nodes and module is not None:
        raise CannotCompactError("a layer that runs several times", name)
    numbered = (f"{name}{number}" for number in count(2))
    name = name if name not in nodes else next(other for other in numbered if other not in nodes)
    nodes[name] = Node(name, op, inputs, settings)
    return name


def _scope(step: fx.Node) -> str:
    """The prefix of names of the module that a step belongs to."""
    stack = step.meta.get("nn_module_stack") or {}
    scope = next(reversed(stack), "")
    return f"{scope}." if scope else ""


def _changes_nothing(step: fx.Node, module: nn.Module | None, before: Node | None) -> bool:
    """Whether a step hands on its input; `before` is the node that made it."""
    if isinstance(module, nn.Dropout):
        return True
    flattens = step.target in (torch.flatten, "flatten") and step.args[1:] == (1,)
    return flattens and before is not None and operation_of(before).leaves_one_position


def _recognise(step: fx.Node, module: nn.Module | None) -> tuple[str, dict[str, Any]]:
    """The operation of a step and its settings."""
    try:
        for name, operation in OPERATIONS.items():
            settings = operation.from_torch(step, module)
            if settings is not None:
                return name, settings
    except NotImplementedError as error:
        raise CannotCompactError(_words(step, module), str(step.target)) from error
    raise CannotCompactError(_words(step, module), _scope(step).removesuffix(".") or str(step))


def _words(step: fx.Node, module: nn.Module | None) -> str:
    """What a step does: its function or the class of its module, and what is special about it."""
    if isinstance(module, nn.Conv2d) and module.groups > 1:
        return "Conv2d with groups"
    if module is not None:
        return type(module).__name__
    return str(getattr(step.target, "__name__", step.target))
