"""Operations that move numbers, and leave them as they are."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from prunescope.compact.graph.nodes import Node, Shapes, Tensors, Value, closed
from prunescope.compact.graph.operations.operation import (
    TRACED,
    Call,
    CannotCompactError,
    ChannelByChannel,
    Handle,
    Made,
    Operation,
    Part,
    Picked,
    Remade,
    Step,
    onnx_step,
)

if TYPE_CHECKING:
    import onnx
    import torch


class Reshape(Operation):
    """The same numbers in another shape.

    Setting: `to`, the shape; -1 for the axis along which several images lie.
    """

    name = "reshape"
    aten = (
        "view", "_unsafe_view", "reshape", "flatten", "unflatten", "squeeze", "unsqueeze",
        "reshape_as", "view_as",
    )  # fmt: skip
    settings = ("to",)
    shares_memory = True

    def fault(self, node: Node, given: Sequence[tuple[int, ...]], shapes: Shapes) -> str:
        fits = math.prod(given[0]) == math.prod(node.shape)
        return "" if fits else f"{node.name} gives {given[0]} the shape {node.shape}"

    def axes(self, node: Node, given: Sequence[Value]) -> tuple[int, ...]:
        labels = _labels(given[0]).reshape(node.shape)
        return tuple(
            axis
            for axis, length in enumerate(node.shape)
            if length > 1 and (labels != labels.take([0], axis=axis)).any()
        )

    def _sources(self, step: Step) -> np.ndarray:
        """The channel of the input, counted through, that each channel of the output is."""
        labels = _labels(step.given[0]).reshape(step.made.shape)
        first = tuple(
            slice(None) if axis in step.made.axes else slice(1) for axis in range(labels.ndim)
        )
        return labels[first]

    def constants(self, step: Step) -> np.ndarray:
        return np.asarray(step.constants[0].reshape(-1)[self._sources(step)])

    def settle(self, step: Step, made: np.ndarray) -> np.ndarray:
        sources, before = self._sources(step), np.zeros_like(made)
        while (made != before).any():
            before = made
            made = closed(self._back(step, sources, made).reshape(-1)[sources])
        return made

    def _back(self, step: Step, sources: np.ndarray, made: np.ndarray) -> np.ndarray:
        read = np.zeros(step.given[0].small, bool)
        read.reshape(-1)[sources[made]] = True
        return closed(read)

    def reads(self, step: Step, made: np.ndarray) -> list[np.ndarray]:
        return [self._back(step, self._sources(step), made)]

    def remake(self, step: Step, part: Part) -> Remade:
        to = [len(found) for found in part.kept]
        to[step.made.batch] = -1
        return Remade(settings={"to": tuple(to)})

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "Callable[..., torch.Tensor]":
        to = node.settings["to"]
        return lambda values: values.reshape(to)

    def onnx_tensors(self, node: Node, tensors: Tensors) -> dict[str, np.ndarray]:
        return {"to": np.array(node.settings["to"], np.int64)}

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        return [onnx_step("Reshape", node, ["to"])]

    def lower(self, call: Call) -> Handle:
        read: Handle = call.given["self"]
        dim: Any = call.given.get("dim")
        if call.op == "unsqueeze":
            axis = dim % (len(read.shape) + 1)
            return reshaped(call, read, call.shape, read.batch + (axis <= read.batch))
        if call.op == "squeeze" and dim is not None:
            dims = [dim] if isinstance(dim, int) else dim
            gone = [axis % len(read.shape) for axis in dims]
            gone = [axis for axis in gone if read.shape[axis] == 1]
            if read.batch in gone:
                raise CannotCompactError("squeeze of the images' axis")
            return reshaped(
                call, read, call.shape, read.batch - sum(axis < read.batch for axis in gone)
            )
        return reshaped(call, read, call.shape)


def reshaped(call: Call, read: Handle, shape: Sequence[int], batch: int | None = None) -> Handle:
    """Append a reshape.

    `batch` is the axis of the images, if it can be told. Otherwise it is found by following which
    image each number belongs to. Where images come to lie within an axis, as in `(tokens * images,
    channels)`, that axis is left in two.
    """
    shape = tuple(shape)
    if batch is None:
        shape, batch = _images_axis(call, read, shape)
    if shape == read.shape and batch == read.batch:
        return read
    to = list(shape)
    to[batch] = -1
    return call.add(Reshape.name, [read], shape, {"to": tuple(to)}, batch=batch)


def _images_axis(call: Call, read: Handle, shape: tuple[int, ...]) -> tuple[tuple[int, ...], int]:
    length = read.shape[read.batch]
    image = np.arange(length) * TRACED // length
    spread = [-1 if axis == read.batch else 1 for axis in range(len(read.shape))]
    images = np.broadcast_to(image.reshape(spread), read.shape).reshape(shape)
    axes = [k for k in range(len(shape)) if bool((images != images.take([0], axis=k)).any())]
    if len(axes) != 1:
        raise CannotCompactError(f"{call.op} that mixes the images")
    (axis,) = axes
    line = np.moveaxis(images, axis, -1).reshape(-1, shape[axis])[0]
    outer = int(np.count_nonzero(np.diff(line)) + 1) // TRACED
    if outer == 1:
        return shape, axis
    return (*shape[:axis], outer, shape[axis] // outer, *shape[axis + 1 :]), axis + 1


def _labels(value: Value) -> np.ndarray:
    """The channel, counted through, that each number of a value belongs to."""
    number = math.prod(value.small)
    return np.broadcast_to(np.arange(number).reshape(value.small), value.shape)


class Permute(Operation):
    """The axes in another order. Setting: `order`, the axis of the input for each of the output."""

    name = "permute"
    aten = ("permute", "transpose", "t", "numpy_T", "mT", "swapaxes")
    settings = ("order",)
    shares_memory = True

    def axes(self, node: Node, given: Sequence[Value]) -> tuple[int, ...]:
        order = node.settings["order"]
        return tuple(sorted(order.index(axis) for axis in given[0].axes))

    def constants(self, step: Step) -> np.ndarray:
        return step.constants[0].transpose(step.settings["order"])

    def reads(self, step: Step, made: np.ndarray) -> list[np.ndarray]:
        return [made.transpose(np.argsort(step.settings["order"])).copy()]

    def remake(self, step: Step, part: Part) -> Remade:
        return Remade(settings=step.settings)

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "Callable[..., torch.Tensor]":
        order = node.settings["order"]
        return lambda values: values.permute(order)

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        return [onnx_step("Transpose", node, perm=list(node.settings["order"]))]

    def lower(self, call: Call) -> Handle:
        given = call.given
        read = given["self"]
        axes = list(range(len(read.shape)))
        if call.op == "permute":
            order = [axis % len(axes) for axis in given["dims"]]
        else:
            first = given.get("dim0", given.get("axis0", -2))
            second = given.get("dim1", given.get("axis1", -1))
            one, other = first % len(axes), second % len(axes)
            axes[one], axes[other] = axes[other], axes[one]
            order = axes
        return permuted(call, read, order)


def permuted(call: Call, read: Handle, order: Sequence[int]) -> Handle:
    """Append a step that brings the axes into another order."""
    if list(order) == list(range(len(order))):
        return read
    shape = [read.shape[axis] for axis in order]
    settings = {"order": tuple(order)}
    return call.add(Permute.name, [read], shape, settings, batch=list(order).index(read.batch))


class Slice(Operation):
    """Every `step`-th entry from `start` to before `stop`, along the axis `over`.

    Along an axis of channels nothing is copied: readers pick from the input.
    """

    name = "slice"
    aten = ("slice", "select", "narrow", "chunk", "split", "split_with_sizes", "unbind",
            "unsafe_chunk", "unsafe_split", "tensor_split")  # fmt: skip
    settings = ("over", "start", "stop", "step")
    shares_memory = True

    def _part(self, step: Step) -> slice:
        return slice(*(step.settings[key] for key in ("start", "stop", "step")))

    def _index(self, step: Step, numbers: np.ndarray) -> tuple[slice, ...]:
        over = step.settings["over"]
        return tuple(
            self._part(step) if axis == over and length > 1 else slice(None)
            for axis, length in enumerate(numbers.shape)
        )

    def constants(self, step: Step) -> np.ndarray:
        return step.constants[0][self._index(step, step.constants[0])]

    def reads(self, step: Step, made: np.ndarray) -> list[np.ndarray]:
        read = np.zeros(step.given[0].small, bool)
        read[self._index(step, read)] = made
        return [read]

    def remake(self, step: Step, part: Part) -> Remade | Picked:
        over = step.settings["over"]
        if over in step.given[0].axes:
            first, _, stride = self._part(step).indices(step.given[0].shape[over])
            return Picked(0, {over: first + stride * np.arange(step.made.shape[over])})
        return Remade(settings=step.settings)

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "Callable[..., torch.Tensor]":
        over, start, stop, step = (node.settings[key] for key in self.settings)
        index = (*(slice(None) for _ in range(over)), slice(start, stop, step))
        return lambda values: values[index]

    def onnx_tensors(self, node: Node, tensors: Tensors) -> dict[str, np.ndarray]:
        return {key: np.array([node.settings[key]], np.int64) for key in self.settings}

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        return [onnx_step("Slice", node, ["start", "stop", "over", "step"])]

    def lower(self, call: Call) -> Made:
        given = call.given
        read = given["self"]
        axis = (given.get("dim") or 0) % len(read.shape)
        length = read.shape[axis]
        if axis == read.batch:
            if call.op == "slice" and tuple(call.shape) == read.shape:
                return read
            raise CannotCompactError(f"{call.op} along the images")
        if call.op == "slice":
            start, stop, stride = slice(given["start"], given["end"], given["step"]).indices(length)
            return sliced(call, read, axis, start, stop, stride)
        if call.op == "narrow":
            start = given["start"] % length
            return sliced(call, read, axis, start, start + given["length"])
        if call.op == "select":
            start = given["index"] % length
            return self._one(call, read, axis, start)
        if call.op == "unbind":
            return tuple(self._one(call, read, axis, start) for start in range(length))
        ends = np.cumsum([shape[axis] for shape in call.shapes]).tolist()
        return tuple(
            sliced(call, read, axis, start, stop)
            for start, stop in zip([0, *ends], ends, strict=False)
        )

    def _one(self, call: Call, read: Handle, axis: int, start: int) -> Handle:
        part = sliced(call, read, axis, start, start + 1)
        shape = [length for other, length in enumerate(part.shape) if other != axis]
        return reshaped(call, part, shape, read.batch - (axis < read.batch))


def sliced(call: Call, read: Handle, axis: int, start: int, stop: int, stride: int = 1) -> Handle:
    """Append a slice."""
    shape = list(read.shape)
    shape[axis] = len(range(start, stop, stride))
    if shape[axis] == read.shape[axis]:
        return read
    settings = {"over": axis, "start": start, "stop": stop, "step": stride}
    return call.add(Slice.name, [read], shape, settings)


class Repeat(ChannelByChannel):
    """Entries that are alone on their axis, repeated. Setting: `times`, for each axis."""

    name = "repeat"
    aten = ("expand", "expand_as")
    settings = ("times",)
    shares_memory = True

    def axes(self, node: Node, given: Sequence[Value]) -> tuple[int, ...]:
        return tuple(axis for axis in given[0].axes if node.settings["times"][axis] == 1)

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "Callable[..., torch.Tensor]":
        # -1 leaves an axis as it is.
        times = [-1 if number == 1 else number for number in node.settings["times"]]
        return lambda values: values.expand(times)

    def onnx_tensors(self, node: Node, tensors: Tensors) -> dict[str, np.ndarray]:
        return {"times": np.array(node.settings["times"], np.int64)}

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        return [onnx_step("Tile", node, ["times"])]

    def lower(self, call: Call) -> Handle:
        read = call.given["self"]
        if len(read.shape) != len(call.shape):
            raise CannotCompactError("expand to more axes")
        if tuple(call.shape) == read.shape:
            return read
        times = tuple(
            1 if length == before else length
            for length, before in zip(call.shape, read.shape, strict=True)
        )
        if times[read.batch] != 1:
            raise CannotCompactError("expand along the images")
        return call.add(self.name, [read], call.shape, {"times": times})


class Roll(ChannelByChannel):
    """Entries moved along axes, those at the end to the front. Settings: `by` and `over`."""

    name = "roll"
    aten = ("roll",)
    settings = ("by", "over")

    def axes(self, node: Node, given: Sequence[Value]) -> tuple[int, ...]:
        if {*given[0].axes, given[0].batch} & set(node.settings["over"]):
            raise CannotCompactError("roll of channels")
        return given[0].axes

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "Callable[..., torch.Tensor]":
        by, over = (node.settings[key] for key in self.settings)
        return lambda values: values.roll(by, over)

    def _by_axis(self, node: Node) -> list[tuple[int, int]]:
        pairs = zip(node.settings["over"], node.settings["by"], strict=True)
        return [(axis, by % node.shape[axis]) for axis, by in pairs]

    def onnx_tensors(self, node: Node, tensors: Tensors) -> dict[str, np.ndarray]:
        made = {}
        for axis, by in self._by_axis(node):
            length = node.shape[axis]
            made[f"order{axis}"] = (np.arange(length) - by) % length
        return made

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        steps: list[Any] = []
        (last,) = node.inputs
        for axis, _ in self._by_axis(node):
            name = f"{node.name}.along{axis}"
            steps.append(
                onnx_step("Gather", node, [f"order{axis}"], inputs=[last], name=name, axis=axis)
            )
            last = name
        steps[-1].output[0] = node.name
        return steps

    def lower(self, call: Call) -> Handle:
        given = call.given
        read, by, over = given["self"], given["shifts"], given["dims"]
        by, over = ([part] if isinstance(part, int) else part for part in (by, over))
        if not over:
            raise CannotCompactError("roll of all numbers")
        settings = {"by": tuple(by), "over": tuple(axis % len(read.shape) for axis in over)}
        return call.add(self.name, [read], call.shape, settings)


OPERATIONS = (Reshape(), Permute(), Slice(), Repeat(), Roll())
