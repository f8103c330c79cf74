"""Operations that multiply each channel by a number of its own, and then add one."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from prunescope.compact.graph.nodes import Node, Shapes, Tensors
from prunescope.compact.graph.operations.channelwise import Channelwise
from prunescope.compact.graph.operations.operation import Part, Remade, onnx_step, require_channels

if TYPE_CHECKING:
    import onnx
    from torch import fx, nn


class BatchNorm(Channelwise):
    """Batch norm in evaluation mode. Setting: `eps`, which is added to the variance."""

    name = "batch_norm"
    parameters = ("weight", "bias")
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    settings = ("eps",)
    absorbs_shift = True
    belongs_to_layer = True

    def scale_and_shift(self, node: Node, tensors: Tensors) -> tuple[np.ndarray, np.ndarray]:
        """What a step multiplies each channel by, and what it then adds.

        Returns
        -------
        tuple of numpy.ndarray
            float64 of shape `(channels,)` each.
        """
        weight, bias, mean, variance = (
            tensors[node.tensor(name)].astype(np.float64)
            for name in ("weight", "bias", "running_mean", "running_var")
        )
        scale = weight / np.sqrt(variance + node.settings["eps"])
        return scale, bias - mean * scale

    def channels_out(self, node: Node, channels: Sequence[int], shapes: Shapes) -> int:
        require_channels(node, shapes[node.tensor("weight")][0], channels[0])
        return channels[0]

    def constants(self, node: Node, given: Sequence[np.ndarray], tensors: Tensors) -> np.ndarray:
        scale, shift = self.scale_and_shift(node, tensors)
        # If the scale is zero, the output is constant, whatever the input.
        return np.where(scale == 0, shift, given[0] * scale + shift)

    def remake(self, node: Node, part: Part, tensors: Tensors) -> Remade:
        made = super().remake(node, part, tensors)
        if part.shift is None:
            return made
        # Adding to the input is the same as subtracting from the running mean.
        mean = made.tensors["running_mean"]
        moved = (mean.astype(np.float64) - part.shift[part.kept]).astype(mean.dtype)
        return replace(made, tensors={**made.tensors, "running_mean": moved})

    def to_torch(self, node: Node, shapes: Shapes, *, may_overwrite: bool) -> "nn.Module":
        from torch import nn

        return nn.BatchNorm2d(shapes[node.tensor("weight")][0], eps=node.settings["eps"])

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        read = ("weight", "bias", "running_mean", "running_var")
        return [onnx_step("BatchNormalization", node, read, epsilon=node.settings["eps"])]

    def from_torch(self, step: "fx.Node", module: "nn.Module | None") -> dict[str, Any] | None:
        from torch import nn

        if not isinstance(module, nn.BatchNorm2d):
            return None
        if not (module.affine and module.track_running_stats):
            raise NotImplementedError(f"compact networks cannot hold {module}")
        return {"eps": module.eps}


class Scale(Channelwise):
    """A factor and a shift that are no parameters, such as a network's own normalisation.

    Settings: `factor` and `shift`, one number for each channel.
    """

    name = "scale"
    settings = ("factor", "shift")

    def channels_out(self, node: Node, channels: Sequence[int], shapes: Shapes) -> int:
        for key in self.settings:
            require_channels(node, len(node.settings[key]), channels[0])
        return channels[0]

    def constants(self, node: Node, given: Sequence[np.ndarray], tensors: Tensors) -> np.ndarray:
        return given[0] * node.settings["factor"] + node.settings["shift"]

    def remake(self, node: Node, part: Part, tensors: Tensors) -> Remade:
        settings = {
            key: tuple(np.array(values)[part.kept].tolist())
            for key, values in node.settings.items()
        }
        return Remade(settings=settings)

    def to_torch(self, node: Node, shapes: Shapes, *, may_overwrite: bool) -> "nn.Module":
        from prunescope.compact.graph.torch_layers import ScaleLayer

        return ScaleLayer(node.settings["factor"], node.settings["shift"])

    def onnx_tensors(self, node: Node) -> dict[str, np.ndarray]:
        return {
            key: np.array(node.settings[key], dtype=np.float32).reshape(1, -1, 1, 1)
            for key in self.settings
        }

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        scaled = f"{node.name}.scaled"
        return [
            onnx_step("Mul", node, ["factor"], name=scaled),
            onnx_step("Add", node, ["shift"], inputs=[scaled]),
        ]


OPERATIONS = (BatchNorm(), Scale())
