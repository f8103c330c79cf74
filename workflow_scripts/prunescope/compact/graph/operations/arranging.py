"""Operations that arrange channels anew, and leave their values alone."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from prunescope.compact.graph.nodes import Node, Shapes, Tensors
from prunescope.compact.graph.operations.operation import Operation, Part, Picked, Remade, onnx_step

if TYPE_CHECKING:
    import onnx
    import torch
    from torch import fx, nn


class Concat(Operation):
    """The channels of all inputs, one after the other."""

    name = "concat"
    joins = True

    def channels_out(self, node: Node, channels: Sequence[int], shapes: Shapes) -> int:
        return sum(channels)

    def constants(self, node: Node, given: Sequence[np.ndarray], tensors: Tensors) -> np.ndarray:
        return np.concatenate(given)

    def reads(
        self, node: Node, made: np.ndarray, given: Sequence[np.ndarray], tensors: Tensors
    ) -> list[np.ndarray]:
        return np.split(made.copy(), np.cumsum([len(part) for part in given])[:-1])

    def remake(self, node: Node, part: Part, tensors: Tensors) -> Remade | Picked:
        left = [place for place, read in enumerate(part.read) if read.size]
        # A single input needs no joining.
        return Picked(left[0], part.read[left[0]]) if len(left) == 1 else Remade()

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "Callable[..., torch.Tensor]":
        import torch

        return lambda *parts: torch.cat(parts, 1)

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        return [onnx_step("Concat", node, axis=1)]

    def from_torch(self, step: "fx.Node", module: "nn.Module | None") -> dict[str, Any] | None:
        import torch

        if step.target is not torch.cat:
            return None
        axis = step.kwargs.get("dim", step.args[1] if len(step.args) > 1 else 0)
        joined = step.args[0]
        # `all_input_nodes` has each value once only.
        distinct = isinstance(joined, Sequence) and len(joined) == len(step.all_input_nodes)
        return {} if axis == 1 and distinct else None


class Select(Operation):
    """Channels picked from the input, in the order of `channels` (int64), a buffer."""

    name = "select"
    buffers = ("channels",)

    def channels_out(self, node: Node, channels: Sequence[int], shapes: Shapes) -> int:
        return shapes[node.tensor("channels")][0]

    def constants(self, node: Node, given: Sequence[np.ndarray], tensors: Tensors) -> np.ndarray:
        return given[0][tensors[node.tensor("channels")]]

    def reads(
        self, node: Node, made: np.ndarray, given: Sequence[np.ndarray], tensors: Tensors
    ) -> list[np.ndarray]:
        read = np.zeros(len(given[0]), bool)
        read[tensors[node.tensor("channels")][made]] = True
        return [read]

    def remake(self, node: Node, part: Part, tensors: Tensors) -> Picked:
        # Nothing is copied before a reader wants it.
        return Picked(0, tensors[node.tensor("channels")][part.kept])

    def to_torch(self, node: Node, shapes: Shapes, *, may_overwrite: bool) -> "nn.Module":
        from prunescope.compact.graph.torch_layers import SelectLayer

        return SelectLayer(shapes[node.tensor("channels")][0])

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        return [onnx_step("Gather", node, ["channels"], axis=1)]


OPERATIONS = (Concat(), Select())
