"""The graph of a module, as `torch.export` sees it."""

import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.utils._pytree as pytree
from torch import fx, nn
from torch.export.graph_signature import InputKind

from prunescope.networks.preprocessing import logits_of


@dataclass(frozen=True)
class Exported:
    """What a module computes from a batch of images, step by step.

    Attributes
    ----------
    nodes
        The steps in the order in which they run. Each makes one value, or several.
    state
        The parameters, buffers and constants: by the name of their node, the name in the module
        and the tensor.
    parameters
        The names of the nodes among them that stand for parameters, which can be masked.
    constants
        Names in the module of those tensors that its state dict does not hold.
    logits
        The step that makes the logits; None if they do not depend on the images.
    """

    nodes: tuple[fx.Node, ...]
    state: Mapping[str, tuple[str, torch.Tensor]]
    parameters: frozenset[str]
    constants: frozenset[str] = frozenset()
    logits: fx.Node | None = None


def export(module: nn.Module, images: torch.Tensor) -> Exported:
    """Read the graph of a module in the mode in which it is.

    Nothing is computed, and the module stays as it is.

    Raises
    ------
    Exception
        PyTorch cannot export the module; the errors are of many types.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.export.export(module, (images,), strict=False)
    tensors: dict[str, Any] = {**program.constants, **program.state_dict}
    state = {
        str(spec.arg.name): (str(spec.target), tensors[str(spec.target)].detach())
        for spec in program.graph_signature.input_specs
        if spec.kind in (InputKind.PARAMETER, InputKind.BUFFER, InputKind.CONSTANT_TENSOR)
    }
    nodes = tuple(program.graph.nodes)
    held = {target for target, _ in state.values()}
    parameters = frozenset(
        str(spec.arg.name)
        for spec in program.graph_signature.input_specs
        if spec.kind is InputKind.PARAMETER
    )
    constants = frozenset(held - set(module.state_dict()))
    return Exported(nodes, state, parameters, constants, _logits(program, nodes))


def _logits(program: torch.export.ExportedProgram, nodes: tuple[fx.Node, ...]) -> fx.Node | None:
    """The step that makes the logits."""
    made = [node for node in nodes[-1].args[0] if isinstance(node, fx.Node)]  # type: ignore[union-attr]
    values = [node.meta["val"] for node in made]
    spec = program.call_spec.out_spec
    if spec is None or spec.num_leaves != len(values):
        return None
    logits = logits_of(pytree.tree_unflatten(values, spec))
    found = next(node for node, value in zip(made, values, strict=True) if value is logits)
    return found if found.op == "call_function" else None


def operation_of(node: fx.Node) -> str:
    """The name of a step's operation, such as `conv2d` or `add_`."""
    schema = getattr(node.target, "_schema", None)
    if schema is not None:
        return str(schema.name).rpartition("::")[2]
    return str(getattr(node.target, "__name__", node.target))


def shape_of(node: fx.Node) -> tuple[int, ...]:
    """The shape of the value that a step makes."""
    return tuple(node.meta["val"].shape)


class Owners:
    """Which layer a step belongs to.

    Parameters
    ----------
    module
        The module that was exported.
    layers
        Names of its layers. A layer that stands at several places has one name.
    """

    def __init__(self, module: nn.Module, layers: Mapping[str, nn.Module]) -> None:
        names = {id(layer): name for name, layer in layers.items()}
        everywhere = module.named_modules(remove_duplicate=False)
        self._names = {path: names.get(id(child)) for path, child in everywhere}

    def by_module(self, node: fx.Node) -> str | None:
        """The layer in whose `forward` a step runs."""
        stack = list((node.meta.get("nn_module_stack") or {}).values())
        path = str(stack[-1][0]).partition("@")[0] if stack else ""
        return self._names.get(path)

    def by_tensor(self, name: str) -> str | None:
        """The layer that holds a parameter, itself or in a part of it."""
        return next((self._names[path] for path in _above(name) if self._names.get(path)), None)


def _above(name: str) -> Iterator[str]:
    while "." in name:
        name = name.rpartition(".")[0]
        yield name
