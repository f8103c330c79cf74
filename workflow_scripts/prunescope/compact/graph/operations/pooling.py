"""Operations that make one number of several: pools, means over axes, changes of a map's size."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from prunescope.compact.graph.nodes import Node, Shapes, Tensors, Value, along, product
from prunescope.compact.graph.operations.operation import (
    Call,
    CannotCompactError,
    ChannelByChannel,
    Handle,
    Operation,
    Part,
    Picked,
    Remade,
    Step,
    onnx_step,
    pair,
    require_axes,
)

if TYPE_CHECKING:
    import onnx
    import torch


class Positionwise(ChannelByChannel):
    """An operation on maps that treats each channel by itself, and mixes its positions."""

    def axes(self, node: Node, given: Sequence[Value]) -> tuple[int, ...]:
        require_axes(node, given[0], (0, 1))
        return given[0].axes


class MaxPool(Positionwise):
    """The largest value in a window.

    Settings: `kernel`, `stride`, `padding` and `dilation`, pairs in pixels, and `ceil_mode`,
    whether windows that reach beyond the border count.
    """

    # The padding is below every number, so a constant stays as it is.
    name = "max_pool"
    aten = ("max_pool2d",)
    settings = ("kernel", "stride", "padding", "dilation", "ceil_mode")

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "Callable[..., torch.Tensor]":
        import torch.nn.functional as F  # noqa: N812

        kernel, stride, padding, dilation, ceil_mode = (node.settings[k] for k in self.settings)
        return lambda maps: F.max_pool2d(maps, kernel, stride, padding, dilation, ceil_mode)

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        window: dict[str, Any] = {
            "kernel_shape": list(node.settings["kernel"]),
            "strides": list(node.settings["stride"]),
            "pads": [*node.settings["padding"]] * 2,
            "dilations": list(node.settings["dilation"]),
        }
        return [onnx_step("MaxPool", node, ceil_mode=int(node.settings["ceil_mode"]), **window)]

    def lower(self, call: Call) -> Handle:
        given = call.given
        settings = {
            "kernel": pair(given["kernel_size"]),
            "stride": pair(given["stride"] or given["kernel_size"]),
            "padding": pair(given["padding"]),
            "dilation": pair(given["dilation"]),
            "ceil_mode": bool(given["ceil_mode"]),
        }
        return call.add(self.name, [given["self"]], call.shape, settings)


class AveragePool(Positionwise):
    """The mean of a window.

    Settings: `kernel`, `stride` and `padding`, pairs in pixels, `ceil_mode`, whether windows that
    reach beyond the border count, and `count_padding`, whether the zeros of the padding do.
    """

    name = "average_pool"
    aten = ("avg_pool2d", "adaptive_avg_pool2d")
    settings = ("kernel", "stride", "padding", "ceil_mode", "count_padding")

    def constants(self, step: Step) -> np.ndarray:
        given = step.constants[0]
        if step.settings["count_padding"] and any(step.settings["padding"]):
            return np.where(given == 0, 0, np.nan)
        return given

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "Callable[..., torch.Tensor]":
        import torch.nn.functional as F  # noqa: N812

        kernel, stride, padding, ceil_mode, counts = (node.settings[k] for k in self.settings)
        return lambda maps: F.avg_pool2d(maps, kernel, stride, padding, ceil_mode, counts)

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        settings = node.settings
        window: dict[str, Any] = {
            "kernel_shape": list(settings["kernel"]),
            "strides": list(settings["stride"]),
            "pads": [*settings["padding"]] * 2,
            "ceil_mode": int(settings["ceil_mode"]),
            "count_include_pad": int(settings["count_padding"]),
        }
        return [onnx_step("AveragePool", node, **window)]

    def lower(self, call: Call) -> Handle:
        given = call.given
        if call.op == "adaptive_avg_pool2d":
            return self._adaptive(call, given["self"])
        if given["divisor_override"]:
            raise CannotCompactError("avg_pool2d with a divisor of its own")
        kernel, stride, padding = (
            pair(given[key] or given["kernel_size"]) if key == "stride" else pair(given[key])
            for key in ("kernel_size", "stride", "padding")
        )
        ceil_mode = bool(given["ceil_mode"])
        if ceil_mode and any(
            (size + 2 * width - length) % step
            for size, length, step, width in zip(
                given["self"].shape[-2:], kernel, stride, padding, strict=True
            )
        ):
            # Runtimes count such windows in different ways.
            raise CannotCompactError("avg_pool2d with windows that reach beyond the border")
        settings = dict(
            zip(
                self.settings,
                (kernel, stride, padding, False, bool(given["count_include_pad"])),
                strict=True,
            )
        )
        return call.add(self.name, [given["self"]], call.shape, settings)

    def _adaptive(self, call: Call, given: Handle) -> Handle:
        sizes, made = given.shape[-2:], call.shape[-2:]
        if tuple(made) == (1, 1):
            axes = (len(given.shape) - 2, len(given.shape) - 1)
            return call.add(
                "reduce", [given], call.shape, {"kind": "mean", "over": axes, "keep": True}
            )
        if any(size % length for size, length in zip(sizes, made, strict=True)):
            raise CannotCompactError("adaptive_avg_pool2d with windows of several sizes")
        window = tuple(size // length for size, length in zip(sizes, made, strict=True))
        values = (window, window, (0, 0), False, False)
        settings = dict(zip(self.settings, values, strict=True))
        return call.add(self.name, [given], call.shape, settings)


class Pad(Operation):
    """Numbers at the ends of axes. Settings: `before` and `after` for each axis, and `number`.

    Along an axis of channels, they are channels that are constant, as in the shortcuts of residual
    networks without parameters.
    """

    name = "pad"
    aten = ("pad", "constant_pad_nd")
    settings = ("before", "after", "number")

    def axes(self, node: Node, given: Sequence[Value]) -> tuple[int, ...]:
        batch = given[0].batch
        if node.settings["before"][batch] or node.settings["after"][batch]:
            raise CannotCompactError("pad along the images")
        return given[0].axes

    def _middle(self, step: Step) -> tuple[slice, ...]:
        """Where the channels of the input lie among those of the output."""
        return tuple(
            slice(before, before + length) if length > 1 or axis in step.given[0].axes else slice(1)
            for axis, (before, length) in enumerate(
                zip(step.settings["before"], step.given[0].small, strict=True)
            )
        )

    def constants(self, step: Step) -> np.ndarray:
        settings, channels = step.settings, step.given[0].axes
        given, number = step.constants[0], settings["number"]
        widths = zip(settings["before"], settings["after"], strict=True)
        if any(any(width) for axis, width in enumerate(widths) if axis not in channels):
            # The number stands at other positions.
            given = np.where(given == number, given, np.nan)
        made = np.full(step.made.small, float(number))
        made[self._middle(step)] = given
        return made

    def settle(self, step: Step, made: np.ndarray) -> np.ndarray:
        read = made[self._middle(step)]
        if read.any():
            return made
        # Something must be there to which numbers are added.
        made = made.copy()
        sides = [along(made, axis) for axis in range(made.ndim)]
        for axis, inner in enumerate(self._middle(step)):
            if not sides[axis][inner].any():
                sides[axis][inner.start] = True
        return product(sides)

    def reads(self, step: Step, made: np.ndarray) -> list[np.ndarray]:
        return [made[self._middle(step)].copy()]

    def remake(self, step: Step, part: Part) -> Remade | Picked:
        settings, lengths = step.settings, step.given[0].shape
        before, after = list(settings["before"]), list(settings["after"])
        sources = {}
        for axis in step.given[0].axes:
            first, kept = before[axis], part.kept[axis]
            if not first and not after[axis]:
                continue
            before[axis] = int((kept < first).sum())
            after[axis] = int((kept >= first + lengths[axis]).sum())
            there = np.arange(step.made.shape[axis]) - first
            sources[axis] = np.where((there >= 0) & (there < lengths[axis]), there, -1)
        if not any(before) and not any(after):
            return Picked(0, sources)
        left = {"before": tuple(before), "after": tuple(after)}
        return Remade(settings={**settings, **left})

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "Callable[..., torch.Tensor]":
        import torch.nn.functional as F  # noqa: N812

        before, after, number = (node.settings[key] for key in self.settings)
        widths = [width for pair in zip(before[::-1], after[::-1], strict=True) for width in pair]
        return lambda values: F.pad(values, widths, value=number)

    def onnx_tensors(self, node: Node, tensors: Tensors) -> dict[str, np.ndarray]:
        before, after, number = (node.settings[key] for key in self.settings)
        return {
            "widths": np.array([*before, *after], np.int64),
            "number": np.array(number, np.float32),
        }

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        return [onnx_step("Pad", node, ["widths", "number"], mode="constant")]

    def lower(self, call: Call) -> Handle:
        given = call.given
        if given.get("mode", "constant") != "constant":
            raise CannotCompactError(f"pad that is {given['mode']}")
        number = given.get("value") or 0
        read, widths = given["self"], list(given["pad"])
        axes = len(read.shape)
        widths = [0] * (2 * axes - len(widths)) + [
            width for pair in reversed(list(zip(widths[::2], widths[1::2], strict=True)))
            for width in pair
        ]  # fmt: skip
        before, after = tuple(widths[::2]), tuple(widths[1::2])
        if min(widths) < 0:
            raise CannotCompactError("pad with negative widths")
        if not any(widths):
            return read
        settings = {"before": before, "after": after, "number": float(number)}
        return call.add(self.name, [read], call.shape, settings)


class Resize(Positionwise):
    """A map with another number of positions.

    Settings: `size` and that of the input, `before`, pairs in pixels; `kind`, `nearest` or
    `bilinear`; `corners`, whether the corners of both maps meet.
    """

    name = "resize"
    aten = ("upsample_nearest2d", "upsample_bilinear2d")
    settings = ("size", "before", "kind", "corners")

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "Callable[..., torch.Tensor]":
        import torch.nn.functional as F  # noqa: N812

        size, _, kind, corners = (node.settings[key] for key in self.settings)
        align = corners if kind == "bilinear" else None
        return lambda maps: F.interpolate(maps, size=size, mode=kind, align_corners=align)

    def onnx_tensors(self, node: Node, tensors: Tensors) -> dict[str, np.ndarray]:
        # ONNX wants either sizes, also those of the images, or scales.
        sizes, before = node.settings["size"], node.settings["before"]
        scales = [1.0, 1.0, *(size / old for size, old in zip(sizes, before, strict=True))]
        return {"scales": np.array(scales, np.float32)}

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        kind, corners = node.settings["kind"], node.settings["corners"]
        how = "align_corners" if corners else "half_pixel"
        if kind == "nearest":
            how = "asymmetric"
        inputs = [*node.inputs, "", node.tensor("scales")]
        more = {"nearest_mode": "floor"} if kind == "nearest" else {}
        return [
            onnx_step(
                "Resize", node, inputs=inputs, mode="nearest" if kind == "nearest" else "linear",
                coordinate_transformation_mode=how, **more,
            )
        ]  # fmt: skip

    def lower(self, call: Call) -> Handle:
        read = call.given.get("self", call.given.get("input"))
        kind = "nearest" if "nearest" in call.op else "bilinear"
        settings = {
            "size": tuple(call.shape[-2:]),
            "before": tuple(read.shape[-2:]),
            "kind": kind,
            "corners": bool(call.given.get("align_corners")),
        }
        return call.add(self.name, [read], call.shape, settings)


class Reduce(Operation):
    """One number of all along some axes.

    Settings: `kind`, `mean`, `sum`, `max` or `norm` (the square root of the sum of squares);
    `over`, the axes; `keep`, whether they stay, with length 1.
    """

    name = "reduce"
    aten = ("mean", "sum", "amax", "linalg_vector_norm")
    settings = ("kind", "over", "keep")

    def _before(self, step: Step, numbers: np.ndarray) -> np.ndarray:
        """An array of channels of the output with the axes of the input."""
        if step.settings["keep"]:
            return numbers
        shape = iter(numbers.shape)
        over = step.settings["over"]
        axes = range(len(step.given[0].shape))
        return numbers.reshape([1 if axis in over else next(shape) for axis in axes])

    def axes(self, node: Node, given: Sequence[Value]) -> tuple[int, ...]:
        over, value = node.settings["over"], given[0]
        if value.batch in over:
            raise CannotCompactError(f"{node.settings['kind']} over the images")
        left = [axis for axis in range(len(value.shape)) if axis not in over]
        if node.settings["keep"]:
            return tuple(axis for axis in value.axes if axis in left)
        return tuple(left.index(axis) for axis in value.axes if axis in left)

    def constants(self, step: Step) -> np.ndarray:
        value, over, kind = step.given[0], step.settings["over"], step.settings["kind"]
        given = step.constants[0]
        number = math.prod(value.shape[axis] for axis in over if given.shape[axis] == 1)
        if kind == "mean":
            made = given.mean(axis=over, keepdims=True)
        elif kind == "max":
            made = given.max(axis=over, keepdims=True)
        elif kind == "sum":
            made = given.sum(axis=over, keepdims=True) * number
        else:
            made = np.sqrt((given**2).sum(axis=over, keepdims=True) * number)
        return np.asarray(made.reshape(step.made.small))

    def reads(self, step: Step, made: np.ndarray) -> list[np.ndarray]:
        before, small = self._before(step, made), step.given[0].small
        return [np.broadcast_to(before, np.broadcast_shapes(before.shape, small)).copy()]

    def remake(self, step: Step, part: Part) -> Remade:
        return Remade(settings=step.settings)

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "Callable[..., torch.Tensor]":
        import torch

        kind, over, keep = (node.settings[key] for key in self.settings)
        if kind == "norm":
            return lambda values: torch.linalg.vector_norm(values, 2, over, keep)
        function: Any = {"mean": torch.mean, "sum": torch.sum, "max": torch.amax}[kind]
        return lambda values: function(values, over, keep)

    def onnx_tensors(self, node: Node, tensors: Tensors) -> dict[str, np.ndarray]:
        over = np.array(node.settings["over"], np.int64)
        return {"axes": over} if node.settings["kind"] == "sum" else {}

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        kind, over, keep = (node.settings[key] for key in self.settings)
        if kind == "sum":
            return [onnx_step("ReduceSum", node, ["axes"], keepdims=int(keep))]
        op = {"mean": "ReduceMean", "max": "ReduceMax", "norm": "ReduceL2"}[kind]
        return [onnx_step(op, node, axes=list(over), keepdims=int(keep))]

    def lower(self, call: Call) -> Handle:
        given = call.given
        read = given["self"]
        if call.op == "linalg_vector_norm" and given["ord"] != 2:
            raise CannotCompactError("a norm that is not that of squares")
        kind = {"linalg_vector_norm": "norm", "amax": "max"}.get(call.op, call.op)
        dims = given.get("dim")
        ndim = len(read.shape)
        if dims is None or dims == []:
            raise CannotCompactError(f"{call.op} over all axes")
        over = tuple(sorted(axis % ndim for axis in ([dims] if isinstance(dims, int) else dims)))
        keep = bool(given.get("keepdim"))
        before = sum(axis < read.batch for axis in over)
        batch = read.batch if keep else read.batch - before
        settings = {"kind": kind, "over": over, "keep": keep}
        return call.add(self.name, [read], call.shape, settings, batch=batch)


class Softmax(ChannelByChannel):
    """Positive numbers whose sum along an axis is 1. Setting: `over`, the axis."""

    name = "softmax"
    aten = ("softmax", "_softmax")
    settings = ("over",)

    def constants(self, step: Step) -> np.ndarray:
        value, over, given = step.given[0], step.settings["over"], step.constants[0]
        if over in value.axes:
            return np.full(step.made.small, np.nan)
        return np.where(np.isfinite(given), 1 / value.shape[over], np.nan)

    def settle(self, step: Step, made: np.ndarray) -> np.ndarray:
        over = step.settings["over"]
        sides = [along(made, axis) for axis in range(made.ndim)]
        sides[over] = np.ones_like(sides[over])
        return product(sides)

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "Callable[..., torch.Tensor]":
        over = node.settings["over"]
        return lambda values: values.softmax(over)

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        return [onnx_step("Softmax", node, axis=node.settings["over"])]

    def lower(self, call: Call) -> Handle:
        read = call.given["self"]
        over = call.given["dim"] % len(read.shape)
        return call.add(self.name, [read], call.shape, {"over": over})


OPERATIONS = (MaxPool(), AveragePool(), Pad(), Resize(), Reduce(), Softmax())
