"""From a graph that PyTorch exported to plain values."""

from collections.abc import Iterator
from typing import Any

import torch
from torch import fx

from prunescope.networks.describing.export import Exported
from prunescope.networks.exported.steps import Dtype, Recorded, Ref, Step


def record(exported: Exported) -> Recorded:
    """Write down an exported graph.

    Parameters
    ----------
    exported
        The graph of a network in evaluation mode.

    Returns
    -------
    Recorded
        If a step cannot be written down, only `stays_masked`.
    """
    images = [
        node for node in exported.nodes
        if node.op == "placeholder" and node.name not in exported.state
    ]  # fmt: skip
    steps = []
    for node in exported.nodes:
        if node.op in ("placeholder", "output"):
            continue
        op = _operation(node)
        if node.op != "call_function" or not op:
            target = getattr(node.target, "__name__", node.target)
            return Recorded(stays_masked=f"the step {target}")
        value = node.meta.get("val")
        several = isinstance(value, list | tuple)
        values = list(value) if isinstance(value, list | tuple) else [value]
        shapes = tuple(
            tuple(part.shape) if isinstance(part, torch.Tensor) else () for part in values
        )
        steps.append(Step(node.name, op, _arguments(node), shapes, several))
    if len(images) != 1 or exported.logits is None:
        return Recorded(stays_masked="an output that does not depend on the images")
    (given,) = images
    read = {ref.name for step in steps for ref in _refs(list(step.given.values()))}
    used = {name: held for name, held in exported.state.items() if name in read}
    return Recorded(
        images=given.name,
        shape=tuple(given.meta["val"].shape),
        steps=tuple(steps),
        state={name: target for name, (target, _) in used.items()},
        constants={
            target: tensor.numpy()
            for target, tensor in used.values()
            if target in exported.constants
        },
        output=exported.logits.name,
    )


def _refs(values: list) -> Iterator[Ref]:
    for value in values:
        if isinstance(value, Ref):
            yield value
        elif isinstance(value, list):
            yield from _refs(value)


def _operation(node: fx.Node) -> str:
    if getattr(node.target, "__name__", "") == "getitem":
        return "getitem"
    return str(node.target) if isinstance(node.target, torch._ops.OpOverload) else ""


def _arguments(node: fx.Node) -> dict[str, Any]:
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        values, index = node.args
        return {"values": _plain(values), "index": index}
    arguments = schema.arguments
    given = {
        argument.name: argument.default_value if argument.has_default_value() else None
        for argument in arguments
    }
    given |= dict(zip([argument.name for argument in arguments], node.args, strict=False))
    return {name: _plain(value) for name, value in (given | node.kwargs).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, fx.Node):
        return Ref(value.name)
    if isinstance(value, torch.dtype):
        return Dtype(str(value).removeprefix("torch."))
    if isinstance(value, list | tuple | fx.immutable_collections.immutable_list):
        return [_plain(part) for part in value]
    # Where and how a tensor lies in memory is not told.
    return value if isinstance(value, bool | int | float | str | None) else None
