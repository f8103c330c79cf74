"""Operations that compute each channel from the channel of their input at the same place."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from prunescope.compact.graph.nodes import Node, Shapes, Tensors
from prunescope.compact.graph.operations.operation import Operation, Part, Remade, onnx_step, pair

if TYPE_CHECKING:
    import onnx
    import torch
    from torch import fx, nn


class Channelwise(Operation):
    """An operation of one input that treats each channel by itself.

    A subclass adds `constants`, `to_torch`, `to_onnx` and `from_torch`. The first axis of its
    tensors, if it has any, is that of the channels; scalars are for all channels.
    """

    def channels_out(self, node: Node, channels: Sequence[int], shapes: Shapes) -> int:
        return channels[0]

    def reads(
        self, node: Node, made: np.ndarray, given: Sequence[np.ndarray], tensors: Tensors
    ) -> list[np.ndarray]:
        return [made.copy()]

    def remake(self, node: Node, part: Part, tensors: Tensors) -> Remade:
        made = {}
        for name in self.tensors:
            tensor = tensors[node.tensor(name)]
            made[name] = tensor[part.kept] if tensor.ndim else tensor
        return Remade(made, node.settings)


class ReLU(Channelwise):
    """Zero instead of what is below zero."""

    name = "relu"
    belongs_to_layer = True

    def constants(self, node: Node, given: Sequence[np.ndarray], tensors: Tensors) -> np.ndarray:
        return np.maximum(given[0], 0)

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "Callable[..., torch.Tensor]":
        import torch.nn.functional as F  # noqa: N812

        return lambda images: F.relu(images, inplace=may_overwrite)

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        return [onnx_step("Relu", node)]

    def from_torch(self, step: "fx.Node", module: "nn.Module | None") -> dict[str, Any] | None:
        import torch
        import torch.nn.functional as F  # noqa: N812
        from torch import nn

        called = step.op == "call_function" and step.target in (torch.relu, F.relu)
        return {} if called or isinstance(module, nn.ReLU) else None


class MaxPool(Channelwise):
    """The largest value in a window.

    Settings: `kernel`, `stride`, `padding` and `dilation`, pairs in pixels, and `ceil_mode`,
    whether windows that reach beyond the border count.
    """

    name = "max_pool"
    settings = ("kernel", "stride", "padding", "dilation", "ceil_mode")

    def constants(self, node: Node, given: Sequence[np.ndarray], tensors: Tensors) -> np.ndarray:
        # The padding is below every number, so a constant stays as it is.
        return given[0]

    def to_torch(self, node: Node, shapes: Shapes, *, may_overwrite: bool) -> "nn.Module":
        from torch import nn

        settings = dict(node.settings)
        return nn.MaxPool2d(settings.pop("kernel"), **settings)

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        window: dict[str, Any] = {
            "kernel_shape": list(node.settings["kernel"]),
            "strides": list(node.settings["stride"]),
            "pads": [*node.settings["padding"]] * 2,
            "dilations": list(node.settings["dilation"]),
        }
        return [onnx_step("MaxPool", node, ceil_mode=int(node.settings["ceil_mode"]), **window)]

    def from_torch(self, step: "fx.Node", module: "nn.Module | None") -> dict[str, Any] | None:
        from torch import nn

        if not isinstance(module, nn.MaxPool2d):
            return None
        return {
            "kernel": pair(module.kernel_size),
            "stride": pair(module.stride),
            "padding": pair(module.padding),
            "dilation": pair(module.dilation),
            "ceil_mode": module.ceil_mode,
        }


class GlobalMean(Channelwise):
    """The mean over all positions: `(batch, channels, height, width)` to `(batch, channels)`."""

    name = "global_mean"
    leaves_one_position = True

    def constants(self, node: Node, given: Sequence[np.ndarray], tensors: Tensors) -> np.ndarray:
        return given[0]

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "Callable[..., torch.Tensor]":
        return lambda images: images.mean(dim=(2, 3))

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        return [onnx_step("ReduceMean", node, axes=[2, 3], keepdims=0)]

    def from_torch(self, step: "fx.Node", module: "nn.Module | None") -> dict[str, Any] | None:
        from torch import nn

        if isinstance(module, nn.AdaptiveAvgPool2d):
            if pair(module.output_size) != (1, 1):
                raise NotImplementedError(f"compact networks cannot hold {module}")
            return {}
        axes = step.kwargs.get("dim", step.args[1] if len(step.args) > 1 else None)
        called = step.op == "call_method" and step.target == "mean" and axes == (2, 3)
        return {} if called else None


OPERATIONS = (ReLU(), MaxPool(), GlobalMean())
