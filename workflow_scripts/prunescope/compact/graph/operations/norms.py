"""Operations that scale and shift channels: batch norm, layer norm, group norm, a fixed scale."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from prunescope.compact.graph.nodes import Node, Shapes, Tensors, Value, along, product
from prunescope.compact.graph.operations.elementwise import Elementwise
from prunescope.compact.graph.operations.operation import (
    Call,
    CannotCompactError,
    ChannelByChannel,
    Handle,
    Operation,
    Part,
    Remade,
    Step,
    onnx_step,
    require_axes,
    require_channels,
    unknown,
)

if TYPE_CHECKING:
    import onnx
    import torch
    from torch import nn


class BatchNorm(ChannelByChannel):
    """Batch norm in evaluation mode. Setting: `eps`, which is added to the variance."""

    name = "batch_norm"
    aten = ("batch_norm",)
    parameters = ("weight", "bias")
    buffers = ("running_mean", "running_var", "num_batches_tracked")
    optional = ("num_batches_tracked",)
    settings = ("eps",)
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

    def fault(self, node: Node, given: Sequence[tuple[int, ...]], shapes: Shapes) -> str:
        return require_channels(node, shapes[node.tensor("weight")][0], given[0][1])

    def axes(self, node: Node, given: Sequence[Value]) -> tuple[int, ...]:
        require_axes(node, given[0], (1,))
        return (1,)

    def constants(self, step: Step) -> np.ndarray:
        scale, shift = (
            numbers.reshape(step.made.small)
            for numbers in self.scale_and_shift(step.node, step.held)
        )
        # If the scale is zero, the output is constant, whatever the input.
        return np.where(scale == 0, shift, step.constants[0] * scale + shift)

    def remake(self, step: Step, part: Part) -> Remade:
        made = {}
        for name in self.present(step.node, step.held):
            tensor = step.tensor(name)
            made[name] = tensor[part.kept[1]] if tensor.ndim else tensor
        return Remade(made, step.settings)

    def to_torch(self, node: Node, shapes: Shapes, *, may_overwrite: bool) -> "nn.Module":
        from torch import nn

        kind = nn.BatchNorm2d if len(node.shape) == 4 else nn.BatchNorm1d
        norm = kind(shapes[node.tensor("weight")][0], eps=node.settings["eps"])
        if node.tensor("num_batches_tracked") not in shapes:
            norm.num_batches_tracked = None
        return norm

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        read = ("weight", "bias", "running_mean", "running_var")
        return [onnx_step("BatchNormalization", node, read, epsilon=node.settings["eps"])]

    def lower(self, call: Call) -> Handle:
        given = call.given
        names = ("weight", "bias", "running_mean", "running_var")
        if given["training"] or any(given[name] is None for name in names):
            raise CannotCompactError("a batch norm without statistics or scale")
        tensors = {name: given[name] for name in names} | call.beside("num_batches_tracked")
        settings = {"eps": given["eps"]}
        return call.add(self.name, [given["input"]], call.shape, settings, tensors, name=call.owner)


class LayerNorm(Operation):
    """Layer norm over the last axis. Settings: `eps`; `channels`, over how many it averages.

    It may have lost channels that are the same number everywhere. They still count: `sum` is the
    sum of these numbers, `squares` that of the squares of their distances from their mean.
    """

    name = "layer_norm"
    aten = ("layer_norm",)
    parameters = ("weight", "bias")
    buffers = ("sum", "squares")
    optional = ("weight", "bias", "sum", "squares")
    settings = ("eps", "channels")

    def fault(self, node: Node, given: Sequence[tuple[int, ...]], shapes: Shapes) -> str:
        weight = node.tensor("weight")
        return require_channels(node, shapes[weight][0], given[0][-1]) if weight in shapes else ""

    def constants(self, step: Step) -> np.ndarray:
        made = unknown(step.made)
        if step.has("weight"):
            shift = step.tensor("bias").astype(np.float64) if step.has("bias") else 0.0
            fixed = np.where(step.tensor("weight") == 0, shift, np.nan)
            if made.shape[-1] == len(fixed):
                made = np.broadcast_to(fixed, made.shape).copy()
        return made

    def settle(self, step: Step, made: np.ndarray) -> np.ndarray:
        # What is read of the last axis must be made of it too: the input is normalised in place.
        (read,) = self.reads(step, made)
        return product([along(made | read, axis) for axis in range(made.ndim)])

    def reads(self, step: Step, made: np.ndarray) -> list[np.ndarray]:
        given = step.constants[0]
        same = np.isfinite(given).reshape(-1, given.shape[-1]).all(axis=0)
        others = [along(made, axis) for axis in range(made.ndim - 1)]
        if made.ndim > 1 and any(side.size > 1 for side in others):
            # Other axes of channels: the constants may differ along them.
            same[:] = False
        needed = along(made, made.ndim - 1)
        # A channel that is not read, but made, would have to be normalised all the same.
        used = ~same | needed
        if not (~same).any():
            used[0] = True
        return [product([*others, used])]

    def remake(self, step: Step, part: Part) -> Remade:
        kept = part.kept[-1]
        made = {name: step.tensor(name)[kept] for name in ("weight", "bias") if step.has(name)}
        given = step.constants[0].reshape(-1, step.constants[0].shape[-1])[0]
        given = np.broadcast_to(given, step.given[0].shape[-1])
        lost = np.delete(given, part.read[0][-1])
        if lost.size or step.has("sum"):
            summed, squares = lost.sum(), ((lost - lost.mean()) ** 2).sum() if lost.size else 0.0
            if step.has("sum"):
                before = step.settings["channels"] - len(given)
                held = {name: float(step.tensor(name)) for name in self.buffers}
                if lost.size:
                    apart = held["sum"] / before - lost.mean()
                    squares += apart**2 * before * lost.size / (before + lost.size)
                summed, squares = summed + held["sum"], squares + held["squares"]
            made["sum"] = np.array(summed, np.float32)
            made["squares"] = np.array(squares, np.float32)
        return Remade(made, step.settings, folded=int(np.count_nonzero(lost)))

    def to_torch(self, node: Node, shapes: Shapes, *, may_overwrite: bool) -> "nn.Module":
        from torch import nn

        from prunescope.compact.graph.torch_layers import LayerNormOfPart

        has = {name: node.tensor(name) in shapes for name in self.tensors}
        length, eps = node.shape[-1], node.settings["eps"]
        if has["sum"]:
            return LayerNormOfPart(
                length, node.settings["channels"], eps, has["weight"], has["bias"]
            )
        return nn.LayerNorm(length, eps=eps, elementwise_affine=has["weight"], bias=has["bias"])

    def onnx_tensors(self, node: Node, tensors: Tensors) -> dict[str, np.ndarray]:
        length, channels = node.shape[-1], node.settings["channels"]
        if node.tensor("sum") not in tensors:
            plain = {"weight": np.ones(length, np.float32)}
            return {} if node.tensor("weight") in tensors else plain
        lost = channels - length
        summed, squares = (float(tensors[node.tensor(name)]) for name in ("sum", "squares"))
        numbers = {
            "channels": channels, "summed": summed, "squared": squares, "average": summed / lost,
            "length": length, "lost": lost, "eps": node.settings["eps"],
        }  # fmt: skip
        return {name: np.array(number, np.float32) for name, number in numbers.items()}

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        present = [name for name in ("weight", "bias") if node.tensor(name) in tensors]
        if node.tensor("sum") not in tensors:
            return [
                onnx_step(
                    "LayerNormalization", node, present or ["weight"], axis=-1,
                    epsilon=node.settings["eps"],
                )
            ]  # fmt: skip
        (read,) = node.inputs
        steps: list[onnx.NodeProto] = []

        def then(op: str, inputs: Sequence[str], held: Sequence[str] = (), **more: Any) -> str:
            name = f"{node.name}.{len(steps) + 1}"
            steps.append(onnx_step(op, node, held, inputs=inputs, name=name, **more))
            return name

        mean = then("ReduceMean", [read], axes=[-1], keepdims=1)
        total = then("Mul", [mean], ["length"])
        total = then("Add", [total], ["summed"])
        mean = then("Div", [total], ["channels"])
        apart = then("Sub", [read, mean])
        square = then("Mul", [apart, apart])
        square = then("ReduceMean", [square], axes=[-1], keepdims=1)
        square = then("Mul", [square], ["length"])
        # The part of the lost channels: the sum of (c - mean)^2.
        lost = then("Sub", [mean], ["average"])
        lost = then("Mul", [lost, lost])
        lost = then("Mul", [lost], ["lost"])
        lost = then("Add", [lost], ["squared"])
        square = then("Add", [square, lost])
        square = then("Div", [square], ["channels"])
        square = then("Add", [square], ["eps"])
        root = then("Sqrt", [square])
        made = then("Div", [apart, root])
        for name, op in (("weight", "Mul"), ("bias", "Add")):
            if name in present:
                made = then(op, [made], [name])
        steps[-1].output[0] = node.name
        return steps

    def lower(self, call: Call) -> Handle:
        given = call.given
        if len(given["normalized_shape"]) != 1:
            raise CannotCompactError("a layer norm over several axes")
        tensors = {name: given[name] for name in ("weight", "bias") if given[name] is not None}
        settings = {"eps": given["eps"], "channels": given["normalized_shape"][0]}
        return call.add(self.name, [given["input"]], call.shape, settings, tensors, name=call.owner)


class GroupNorm(Operation):
    """Group norm: all channels of a group are normalised together, so all stay.

    Settings: `groups` and `eps`.
    """

    name = "group_norm"
    aten = ("group_norm",)
    parameters = ("weight", "bias")
    settings = ("groups", "eps")

    def fault(self, node: Node, given: Sequence[tuple[int, ...]], shapes: Shapes) -> str:
        return require_channels(node, shapes[node.tensor("weight")][0], given[0][1])

    def axes(self, node: Node, given: Sequence[Value]) -> tuple[int, ...]:
        require_axes(node, given[0], (1,))
        return (1,)

    def constants(self, step: Step) -> np.ndarray:
        weight, bias = (
            step.tensor(name).astype(np.float64).reshape(step.made.small)
            for name in self.parameters
        )
        return np.where(weight == 0, bias, np.nan)

    def settle(self, step: Step, made: np.ndarray) -> np.ndarray:
        return np.ones_like(made)

    def reads(self, step: Step, made: np.ndarray) -> list[np.ndarray]:
        return [np.ones_like(made)]

    def remake(self, step: Step, part: Part) -> Remade:
        return Remade({name: step.tensor(name) for name in self.parameters}, step.settings)

    def to_torch(self, node: Node, shapes: Shapes, *, may_overwrite: bool) -> "nn.Module":
        from torch import nn

        settings = node.settings
        return nn.GroupNorm(settings["groups"], node.shape[1], eps=settings["eps"])

    def onnx_tensors(self, node: Node, tensors: Tensors) -> dict[str, np.ndarray]:
        groups = node.settings["groups"]
        rest = [1] * (len(node.shape) - 2)
        return {
            "ones": np.ones(groups, np.float32),
            "zeros": np.zeros(groups, np.float32),
            "apart": np.array([0, groups, -1], np.int64),
            "together": np.array([-1, *node.shape[1:]], np.int64),
            "scale": tensors[node.tensor("weight")].reshape(1, -1, *rest),
            "shift": tensors[node.tensor("bias")].reshape(1, -1, *rest),
        }

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        apart, normal, together, scaled = (
            f"{node.name}.{name}" for name in ("split", "normal", "joined", "scaled")
        )
        epsilon = node.settings["eps"]
        return [
            onnx_step("Reshape", node, ["apart"], name=apart),
            onnx_step(
                "InstanceNormalization", node, ["ones", "zeros"], inputs=[apart], name=normal,
                epsilon=epsilon,
            ),
            onnx_step("Reshape", node, ["together"], inputs=[normal], name=together),
            onnx_step("Mul", node, ["scale"], inputs=[together], name=scaled),
            onnx_step("Add", node, ["shift"], inputs=[scaled]),
        ]  # fmt: skip

    def lower(self, call: Call) -> Handle:
        given = call.given
        tensors = {name: given[name] for name in self.parameters}
        if any(tensor is None for tensor in tensors.values()):
            raise CannotCompactError("a group norm without scale")
        settings = {"groups": given["num_groups"], "eps": given["eps"]}
        return call.add(self.name, [given["input"]], call.shape, settings, tensors, name=call.owner)


class Scale(Elementwise):
    """A factor and a shift that are no parameters, such as a network's own normalisation.

    Settings: `factor` and `shift`, one number for each channel of axis 1.
    """

    name = "scale"
    settings = ("factor", "shift")
    belongs_to_layer = False

    def fault(self, node: Node, given: Sequence[tuple[int, ...]], shapes: Shapes) -> str:
        return require_channels(node, len(node.settings["factor"]), given[0][1])

    def function(self, numbers: np.ndarray, settings: Any) -> np.ndarray:
        factor, shift = (np.reshape(settings[key], (1, -1, 1, 1)) for key in self.settings)
        return numbers * factor + shift

    def remake(self, step: Step, part: Part) -> Remade:
        settings = {
            key: tuple(np.array(values)[part.kept[1]].tolist())
            for key, values in step.settings.items()
        }
        return Remade(settings=settings)

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "nn.Module | Callable[..., torch.Tensor]":
        from prunescope.compact.graph.torch_layers import ScaleLayer

        return ScaleLayer(node.settings["factor"], node.settings["shift"])

    def onnx_tensors(self, node: Node, tensors: Tensors) -> dict[str, np.ndarray]:
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


OPERATIONS = (BatchNorm(), LayerNorm(), GroupNorm(), Scale())
