"""Where a graph uses weights: steps that mix channels, and the layers that they belong to."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import fx

from prunescope.networks.describing.export import Exported, Owners, operation_of, shape_of

CONVOLUTIONS = ("conv2d", "conv1d", "conv3d", "convolution", "conv_transpose2d")
LINEAR = ("linear",)
# These mix channels where one of their inputs does not depend on the images.
PRODUCTS = ("matmul", "bmm", "mm", "einsum", "addmm", "baddbmm")


@dataclass(frozen=True)
class Use:
    """A step that multiplies what it is given by a weight.

    Attributes
    ----------
    node
        The step.
    layer
        The layer whose weight it is; None if the weight belongs to no layer.
    parameter
        The name of the parameter that the weight is, or is made of.
    called
        Whether the layer's module itself was called, so that a hook on it sees the values.
    whole
        Whether the weight is a whole parameter, or one that the layer's module itself made of it.
    """

    node: fx.Node
    layer: str | None
    parameter: str
    called: bool
    whole: bool

    @property
    def name(self) -> str:
        """The layer, or the parameter if there is none."""
        return self.layer or self.parameter


def find_uses(exported: Exported, owners: Owners) -> dict[fx.Node, Use]:
    """All steps of a graph that use a weight which does not depend on the images, in order."""
    found = {}
    for node in exported.nodes:
        if node.op == "call_function" and (use := _use(node, exported, owners)):
            found[node] = use
    return found


def macs(uses: Iterable[Use]) -> dict[str, int]:
    """Multiplications and additions of convolutions and linear layers, by `Use.name`."""
    found: dict[str, int] = {}
    for use in uses:
        if operation_of(use.node) in ("conv1d", "conv2d", "conv3d", *LINEAR):
            each = math.prod(shape_of(_weight(use.node))[1:])
            found[use.name] = found.get(use.name, 0) + math.prod(shape_of(use.node)) * each
    return found


def _weight(node: fx.Node) -> fx.Node:
    weight = node.args[1] if len(node.args) > 1 else node.kwargs["weight"]
    assert isinstance(weight, fx.Node)
    return weight


def _use(node: fx.Node, exported: Exported, owners: Owners) -> Use | None:
    operation = operation_of(node)
    if operation in (*CONVOLUTIONS, *LINEAR):
        weights = [_weight(node)]
    elif operation in PRODUCTS:
        weights = list(node.all_input_nodes)
    else:
        return None
    for weight in weights:
        sources = list(_sources(weight))
        if any(source.name not in exported.state for source in sources):
            continue
        tensors = [exported.state[source.name] for source in sources]
        parameters = [name for name, tensor in tensors if _is_weight(tensor)]
        if parameters:
            return _of(node, weight, parameters, owners)
    return None


def _of(node: fx.Node, weight: fx.Node, parameters: list[str], owners: Owners) -> Use:
    calling = owners.by_module(node)
    holders = {owners.by_tensor(name) for name in parameters}
    holder = next(iter(holders)) if len(holders) == 1 else None
    return Use(
        node=node,
        layer=calling or holder,
        parameter=parameters[0],
        called=calling is not None,
        whole=calling is not None or weight.op == "placeholder",
    )


def _is_weight(tensor: torch.Tensor) -> bool:
    return tensor.ndim > 1 and tensor.is_floating_point()


def _sources(node: fx.Node) -> Iterator[fx.Node]:
    """The parameters, constants and images that a value is made of."""
    seen, waiting = set(), [node]
    while waiting:
        current = waiting.pop()
        if current in seen:
            continue
        seen.add(current)
        if current.op == "placeholder":
            yield current
        waiting += current.all_input_nodes
