"""Operations that sum all channels with weights: convolutions and fully connected layers."""

from abc import abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from prunescope.compact.graph.nodes import Node, Shapes, Tensors
from prunescope.compact.graph.operations.operation import (
    Operation,
    Part,
    Remade,
    onnx_step,
    pair,
    require_channels,
)

if TYPE_CHECKING:
    import onnx
    from torch import fx, nn


class Weighted(Operation):
    """A layer with a `weight` of shape `(filters, channels, ...)` and perhaps a `bias`."""

    parameters = ("weight", "bias")
    optional = ("bias",)

    @abstractmethod
    def foldable(self, node: Node, given: np.ndarray) -> np.ndarray:
        """The channels that a step can replace by numbers in its bias.

        Parameters
        ----------
        node
            The step.
        given
            Constants of its input: float64 of shape `(channels,)`, NaN where there is none.

        Returns
        -------
        numpy.ndarray
            Booleans of shape `(channels,)`.
        """

    def channels_out(self, node: Node, channels: Sequence[int], shapes: Shapes) -> int:
        filters, expected = shapes[node.tensor("weight")][:2]
        require_channels(node, expected, channels[0])
        return filters

    def constants(self, node: Node, given: Sequence[np.ndarray], tensors: Tensors) -> np.ndarray:
        weight = by_position(tensors[node.tensor("weight")])
        foldable = self.foldable(node, given[0])
        made = weight.sum(axis=2) @ np.where(foldable, given[0], 0) + bias_of(node, tensors)
        return np.where(weight.any(axis=2) @ ~foldable, np.nan, made)

    def reads(
        self, node: Node, made: np.ndarray, given: Sequence[np.ndarray], tensors: Tensors
    ) -> list[np.ndarray]:
        weight = by_position(tensors[node.tensor("weight")])
        return [weight[made].any(axis=(0, 2)) & ~self.foldable(node, given[0])]

    def remake(self, node: Node, part: Part, tensors: Tensors) -> Remade:
        (read,), (given,) = part.read, part.constants
        weight = tensors[node.tensor("weight")]
        folded = self.foldable(node, given) & (given != 0)
        # If only constants remain, one is kept as input; do not also add it to the bias.
        folded[read] = False
        added = by_position(weight).sum(axis=2) @ np.where(folded, given, 0)
        used = folded & by_position(weight)[part.kept].any(axis=(0, 2))
        made = {"weight": np.ascontiguousarray(weight[part.kept][:, read])}
        shift = None
        if node.tensor("bias") in tensors or (used.any() and not part.may_shift):
            bias = bias_of(node, tensors) + added
            made["bias"] = bias[part.kept].astype(weight.dtype)
        elif used.any():
            shift = added
        return Remade(made, node.settings, int(used.sum()), shift)


class Conv(Weighted):
    """A two-dimensional convolution whose filters read all channels.

    Settings: `stride`, `padding` (with zeros) and `dilation`, pairs in pixels.
    """

    name = "conv"
    settings = ("stride", "padding", "dilation")
    layer_type = "conv2d"

    def foldable(self, node: Node, given: np.ndarray) -> np.ndarray:
        # With padding, a constant ends at the border of the image, unless it is zero.
        return given == 0 if is_padded(node) else np.isfinite(given)

    def merge_constants(
        self, node: Node, given: Sequence[np.ndarray], tensors: Tensors
    ) -> dict[str, np.ndarray]:
        """With padding, let the largest constant stand for all that the convolution reads.

        The response to a constant channel is the constant times the response to a channel of ones.
        """
        if not is_padded(node):
            return {}
        (constants,) = given
        weight = tensors[node.tensor("weight")]
        read = np.isfinite(constants) & (constants != 0)
        read &= by_position(weight).any(axis=(0, 2))
        if read.sum() < 2:
            return {}
        chosen = int(np.nanargmax(np.abs(constants)))
        share = np.where(read, constants, 0) / constants[chosen]
        stand_in = np.tensordot(weight.astype(np.float64), share, axes=(1, 0))
        changed = np.where(read.reshape(1, -1, 1, 1), 0, weight)
        changed[:, chosen] = stand_in
        return {"weight": changed.astype(weight.dtype)}

    def to_torch(self, node: Node, shapes: Shapes, *, may_overwrite: bool) -> "nn.Module":
        from torch import nn

        filters, channels, height, width = shapes[node.tensor("weight")]
        bias = node.tensor("bias") in shapes
        return nn.Conv2d(channels, filters, (height, width), bias=bias, **node.settings)

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        window: dict[str, Any] = {
            "strides": list(node.settings["stride"]),
            "pads": [*node.settings["padding"]] * 2,
            "dilations": list(node.settings["dilation"]),
        }
        return [onnx_step("Conv", node, self.present(node, tensors), **window)]

    def from_torch(self, step: "fx.Node", module: "nn.Module | None") -> dict[str, Any] | None:
        from torch import nn

        if not isinstance(module, nn.Conv2d):
            return None
        if module.groups != 1 or module.padding_mode != "zeros" or isinstance(module.padding, str):
            raise NotImplementedError(f"compact networks cannot hold {module}")
        return {
            "stride": pair(module.stride),
            "padding": pair(module.padding),
            "dilation": pair(module.dilation),
        }


class Linear(Weighted):
    """A fully connected layer."""

    name = "linear"
    layer_type = "linear"

    def foldable(self, node: Node, given: np.ndarray) -> np.ndarray:
        return np.isfinite(given)

    def to_torch(self, node: Node, shapes: Shapes, *, may_overwrite: bool) -> "nn.Module":
        from torch import nn

        units, channels = shapes[node.tensor("weight")]
        return nn.Linear(channels, units, bias=node.tensor("bias") in shapes)

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        return [onnx_step("Gemm", node, self.present(node, tensors), transB=1)]

    def from_torch(self, step: "fx.Node", module: "nn.Module | None") -> dict[str, Any] | None:
        from torch import nn

        return {} if isinstance(module, nn.Linear) else None


def is_padded(node: Node) -> bool:
    """Whether a convolution reads zeros beyond the border of its input."""
    return any(node.settings["padding"])


def by_position(weight: np.ndarray) -> np.ndarray:
    """A weight as float64 of shape `(filters, channels, positions)`."""
    return weight.reshape(*weight.shape[:2], -1).astype(np.float64)


def bias_of(node: Node, tensors: Tensors) -> np.ndarray:
    """The bias of a layer, zeros if it has none: float64 of shape `(filters,)`."""
    filters = tensors[node.tensor("weight")].shape[0]
    bias = tensors.get(node.tensor("bias"))
    return np.zeros(filters) if bias is None else bias.astype(np.float64)


OPERATIONS = (Conv(), Linear())
