"""Operations that put channels together, pick some of them, or fill them up with constants."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from prunescope.compact.graph.nodes import Node, Shapes, Tensors, Value, closed, fitted
from prunescope.compact.graph.operations.arranging import reshaped
from prunescope.compact.graph.operations.operation import (
    Call,
    CannotCompactError,
    Handle,
    Operation,
    Part,
    Picked,
    Remade,
    Step,
    onnx_step,
    taken,
)

if TYPE_CHECKING:
    import onnx
    import torch
    from torch import nn

INPUT = "input"


class Concat(Operation):
    """Values one after the other along an axis, and tensors that are the same for all images.

    Settings: `over`, the axis; `parts`, what stands there in turn: `input` for the next input, or
    the name of a tensor.
    """

    name = "concat"
    aten = ("cat", "concat", "concatenate", "stack")
    settings = ("over", "parts")
    parameters = ("first", "second", "third")
    optional = parameters
    inputs = (1, 1000)

    def fault(self, node: Node, given: Sequence[tuple[int, ...]], shapes: Shapes) -> str:
        over = node.settings["over"]
        length = sum(shape[over] for shape in self._shapes(node, given, shapes))
        return "" if length == node.shape[over] else f"{node.name} joins {length} entries"

    def _shapes(
        self, node: Node, given: Sequence[tuple[int, ...]], shapes: Shapes
    ) -> list[tuple[int, ...]]:
        waiting = iter(given)
        return [
            next(waiting) if part == INPUT else shapes[node.tensor(part)]
            for part in node.settings["parts"]
        ]

    def axes(self, node: Node, given: Sequence[Value]) -> tuple[int, ...]:
        over = node.settings["over"]
        if any(value.batch == over for value in given):
            raise CannotCompactError("concatenation along the images")
        axes = {axis for value in given for axis in value.axes}
        # Only channels of one axis alone can be told apart behind a join along another axis.
        if over in axes and len(given) < len(node.settings["parts"]):
            raise CannotCompactError("concatenation of channels with a tensor")
        return tuple(sorted(axes))

    def constants(self, step: Step) -> np.ndarray:
        over = step.settings["over"]
        parts = self._numbers(step)
        if over in step.made.axes:
            shape = list(step.made.small)
            spread = []
            for part, value in zip(parts, step.given, strict=True):
                shape[over] = value.shape[over]
                spread.append(np.broadcast_to(part, shape))
            return np.concatenate(spread, axis=over)
        parts = [np.broadcast_to(part, step.made.small) for part in parts]
        same = np.logical_and.reduce([part == parts[0] for part in parts])
        return np.where(same, parts[0], np.nan)

    def _numbers(self, step: Step) -> list[np.ndarray]:
        waiting = iter(step.constants)
        small = step.made.small
        return [
            next(waiting) if part == INPUT else _uniform(step.tensor(part), small)
            for part in step.settings["parts"]
        ]

    def reads(self, step: Step, made: np.ndarray) -> list[np.ndarray]:
        over = step.settings["over"]
        if over not in step.made.axes:
            return [self._shown(made, value) for value in step.given]
        ends = np.cumsum([value.shape[over] for value in step.given])[:-1]
        parts = np.split(made, ends, axis=over)
        return [self._shown(part, value) for part, value in zip(parts, step.given, strict=True)]

    def _shown(self, made: np.ndarray, value: Value) -> np.ndarray:
        shape = [1 if value.shape[k] == 1 else made.shape[k] for k in range(made.ndim)]
        return closed(fitted(made, shape))

    def remake(self, step: Step, part: Part) -> Remade | Picked:
        over = step.settings["over"]
        left = [place for place, read in enumerate(part.read) if all(found.size for found in read)]
        parts = step.settings["parts"]
        if over not in step.made.axes:
            held = {name: taken(step.tensor(name), self._beside(part, over)) for name in parts
                    if name != INPUT}  # fmt: skip
            return Remade(held, step.settings)
        if len(left) == 1:
            # A single input needs no joining.
            (place,) = left
            start = sum(value.shape[over] for value in step.given[:place])
            sources = np.full(step.made.shape[over], -1)
            length = step.given[place].shape[over]
            sources[start : start + length] = np.arange(length)
            return Picked(place, {over: sources})
        return Remade(settings={**step.settings, "parts": (INPUT,) * len(left)})

    def _beside(self, part: Part, over: int) -> tuple[np.ndarray, ...]:
        whole = np.arange(len(part.kept[over]))
        return tuple(whole if axis == over else found for axis, found in enumerate(part.kept))

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "nn.Module | Callable[..., torch.Tensor]":
        import torch

        over, parts = node.settings["over"], node.settings["parts"]
        held = {name: shapes[node.tensor(name)] for name in parts if name != INPUT}
        if not held:
            return lambda *values: torch.cat(values, over)
        from prunescope.compact.graph.torch_layers import ConcatLayer

        return ConcatLayer(over, parts, held, node.batch)

    def onnx_tensors(self, node: Node, tensors: Tensors) -> dict[str, np.ndarray]:
        parts = node.settings["parts"]
        if all(part == INPUT for part in parts):
            return {}
        others = [axis for axis in range(len(node.shape)) if axis != node.batch]
        return {"zero": np.array(0, np.float32), "others": np.array(others, np.int64)}

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        over, parts = node.settings["over"], node.settings["parts"]
        steps: list[onnx.NodeProto] = []
        waiting, operands = iter(node.inputs), []
        if any(part != INPUT for part in parts):
            # Zeros, one for each image, by which a tensor gets the images' axis.
            summed, zeros = f"{node.name}.sums", f"{node.name}.zeros"
            steps += [
                onnx_step(
                    "ReduceSum", node, ["others"], inputs=[node.inputs[0]], name=summed, keepdims=1
                ),
                onnx_step("Mul", node, ["zero"], inputs=[summed], name=zeros),
            ]
        for part in parts:
            if part == INPUT:
                operands.append(next(waiting))
                continue
            name = f"{node.name}.{part}.repeated"
            steps.append(onnx_step("Add", node, [part], inputs=[zeros], name=name))
            operands.append(name)
        return [*steps, onnx_step("Concat", node, inputs=operands, axis=over)]

    def lower(self, call: Call) -> Handle:
        given = call.given
        parts = [part for part in given["tensors"] if part is not None]
        over = given["dim"] % len(call.shape)
        if call.op == "stack":
            parts = [self._apart(call, part, over) for part in parts]
        inputs = [part for part in parts if isinstance(part, Handle)]
        names: list[str] = []
        held: dict[str, np.ndarray] = {}
        for part in parts:
            if isinstance(part, Handle):
                names.append(INPUT)
                continue
            if len(held) == len(self.parameters):
                raise CannotCompactError("concatenation of many tensors")
            name = self.parameters[len(held)]
            held[name] = call.shared(part, inputs[0].batch)
            names.append(name)
        if len({handle.name for handle in inputs}) == len(parts) == 1:
            return inputs[0]
        settings = {"over": over, "parts": tuple(names)}
        return call.add(self.name, inputs, call.shape, settings, held)

    def _apart(self, call: Call, part: "Handle | np.ndarray", over: int) -> "Handle | np.ndarray":
        if not isinstance(part, Handle):
            return np.expand_dims(part, over)
        shape = [*part.shape[:over], 1, *part.shape[over:]]
        return reshaped(call, part, shape, part.batch + (over <= part.batch))


def _uniform(tensor: np.ndarray, small: Sequence[int]) -> np.ndarray:
    """The number of each channel in a tensor; NaN where it has several."""
    numbers = tensor.astype(np.float64)
    axes = tuple(axis for axis, length in enumerate(small) if length == 1)
    least, most = numbers.min(axis=axes, keepdims=True), numbers.max(axis=axes, keepdims=True)
    return np.where(least == most, least, np.nan)


class Select(Operation):
    """Entries picked along the axis `over`, in the order of `channels` (int64), a buffer."""

    name = "select"
    aten = ("index_select",)
    buffers = ("channels",)
    settings = ("over",)

    def fault(self, node: Node, given: Sequence[tuple[int, ...]], shapes: Shapes) -> str:
        over, number = node.settings["over"], shapes[node.tensor("channels")][0]
        return "" if node.shape[over] == number else f"{node.name} picks {number} entries"

    def constants(self, step: Step) -> np.ndarray:
        over = step.settings["over"]
        if over not in step.given[0].axes:
            return step.constants[0]
        return step.constants[0].take(step.tensor("channels"), axis=over)

    def reads(self, step: Step, made: np.ndarray) -> list[np.ndarray]:
        over = step.settings["over"]
        if over not in step.given[0].axes:
            return [made.copy()]
        read = np.zeros(step.given[0].small, bool)
        channels = step.tensor("channels")
        here, there = np.moveaxis(made, over, 0), np.moveaxis(read, over, 0)
        for entry, source in enumerate(channels):
            there[source] |= here[entry]
        return [read]

    def remake(self, step: Step, part: Part) -> Remade | Picked:
        over = step.settings["over"]
        if over in step.given[0].axes:
            # Nothing is copied before a reader wants it.
            return Picked(0, {over: step.tensor("channels")})
        return Remade({"channels": step.tensor("channels")}, step.settings)

    def to_torch(self, node: Node, shapes: Shapes, *, may_overwrite: bool) -> "nn.Module":
        from prunescope.compact.graph.torch_layers import SelectLayer

        return SelectLayer(shapes[node.tensor("channels")][0], node.settings["over"])

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        return [onnx_step("Gather", node, ["channels"], axis=node.settings["over"])]

    def lower(self, call: Call) -> Handle:
        given = call.given
        read, index = given["self"], given["index"]
        over = given["dim"] % len(read.shape)
        if not isinstance(index, np.ndarray) or over == read.batch:
            raise CannotCompactError("a choice of entries that depends on the images")
        tensors = {"channels": np.atleast_1d(index).astype(np.int64)}
        return call.add(self.name, [read], call.shape, {"over": over}, tensors)


class Extend(Operation):
    """Channels of the axis `over`, and between them constants.

    `channels` (int64) says which channel of the input stands where; where it is the number of
    channels, there is none, and `fill` has the number that stands there. Without `fill` it is 0.
    """

    name = "extend"
    parameters = ("fill",)
    buffers = ("channels",)
    optional = ("fill",)
    settings = ("over",)

    def fault(self, node: Node, given: Sequence[tuple[int, ...]], shapes: Shapes) -> str:
        over, number = node.settings["over"], shapes[node.tensor("channels")][0]
        return "" if node.shape[over] == number else f"{node.name} makes {number} channels"

    def axes(self, node: Node, given: Sequence[Value]) -> tuple[int, ...]:
        return tuple(sorted({*given[0].axes, node.settings["over"]}))

    def _fill(self, step: Step) -> np.ndarray:
        channels = step.tensor("channels")
        fill = step.tensor("fill").astype(np.float64).reshape(-1) if step.has("fill") else 0
        return np.where(channels == step.given[0].shape[step.settings["over"]], fill, np.nan)

    def constants(self, step: Step) -> np.ndarray:
        over, channels = step.settings["over"], step.tensor("channels")
        fill = self._fill(step)
        given = step.constants[0]
        number = step.given[0].shape[over]
        numbers = given.take(np.where(channels == number, 0, channels), axis=over)
        shape = [-1 if axis == over else 1 for axis in range(given.ndim)]
        return np.where(np.isnan(fill).reshape(shape), numbers, fill.reshape(shape))

    def reads(self, step: Step, made: np.ndarray) -> list[np.ndarray]:
        over, channels = step.settings["over"], step.tensor("channels")
        read = np.zeros(step.given[0].small, bool)
        number = read.shape[over]
        here, there = np.moveaxis(made, over, 0), np.moveaxis(read, over, 0)
        for entry in np.flatnonzero(channels < number):
            there[channels[entry]] |= here[entry]
        return [closed(read)]

    def remake(self, step: Step, part: Part) -> Remade | Picked:
        over = step.settings["over"]
        kept, read = part.kept[over], part.read[0][over]
        channels = step.tensor("channels")[kept]
        at = np.searchsorted(read, channels)
        lost = channels == step.given[0].shape[over]
        if not lost.any():
            return Picked(0, {over: step.tensor("channels")})
        held = {"channels": np.where(lost, len(read), at).astype(np.int64)}
        if step.has("fill"):
            held["fill"] = step.tensor("fill").take(kept, axis=over)
        return Remade(held, step.settings)

    def to_torch(self, node: Node, shapes: Shapes, *, may_overwrite: bool) -> "nn.Module":
        from prunescope.compact.graph.torch_layers import ExtendLayer

        number = shapes[node.tensor("channels")][0]
        return ExtendLayer(number, node.settings["over"], shapes.get(node.tensor("fill")))

    def onnx_tensors(self, node: Node, tensors: Tensors) -> dict[str, np.ndarray]:
        widths = np.zeros(2 * len(node.shape), np.int64)
        widths[len(node.shape) + node.settings["over"]] = 1
        return {"widths": widths}

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        over, padded = node.settings["over"], f"{node.name}.padded"
        steps = [onnx_step("Pad", node, ["widths"], name=padded)]
        if node.tensor("fill") not in tensors:
            return [*steps, onnx_step("Gather", node, ["channels"], inputs=[padded], axis=over)]
        placed = f"{node.name}.placed"
        return [
            *steps,
            onnx_step("Gather", node, ["channels"], inputs=[padded], name=placed, axis=over),
            onnx_step("Add", node, ["fill"], inputs=[placed]),
        ]


OPERATIONS = (Concat(), Select(), Extend())
