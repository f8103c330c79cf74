"""Operations that compute each number from two: of two values, or of one and a tensor."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from prunescope.compact.graph.nodes import (
    Node,
    Shapes,
    Tensors,
    Value,
    along,
    chosen,
    closed,
    fitted,
)
from prunescope.compact.graph.operations.operation import (
    Call,
    CannotCompactError,
    Extended,
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
    from torch import nn

# Filling an input up with constants costs a pass over the memory of its value. So many
# multiply-accumulates for each number of that value must be saved. Measured: docs/compact.md.
WORTH = 32


class _Mode(NamedTuple):
    """How a step reads one of its two inputs.

    Attributes
    ----------
    read
        The channels that it reads, as `Operation.reads` returns them.
    filled
        The axis along which constants fill the input up; None if they need not.
    gone
        Whether the input is replaced by its constants.
    """

    read: np.ndarray
    filled: int | None = None
    gone: bool = False


class Combine(Operation):
    """Two values, or one and the tensor `other`, number by number, as NumPy broadcasts them.

    Settings: `other_first`, whether `other` is the first operand. In place of a value whose needed
    channels are all constant, their numbers become `other`. Where only some of them are, they fill
    up what is left of the value, if that saves enough.
    """

    settings = ("other_first",)
    buffers = ("other",)
    optional = ("other",)
    inputs = (1, 2)

    def __init__(
        self,
        name: str,
        function: Callable[[np.ndarray, np.ndarray], np.ndarray],
        torch: str,
        onnx: str,
        aten: Sequence[str],
    ) -> None:
        self.name = name  # type: ignore[misc]
        self.aten = tuple(aten)  # type: ignore[misc]
        self._function, self._torch, self._onnx = function, torch, onnx

    def fault(self, node: Node, given: Sequence[tuple[int, ...]], shapes: Shapes) -> str:
        other = [shapes[node.tensor("other")]] if node.tensor("other") in shapes else []
        if len(given) + len(other) != 2:
            return f"{node.name} has {len(given) + len(other)} operands, needs two"
        try:
            made = np.broadcast_shapes(*given, *other)
        except ValueError:
            made = ()
        return "" if made == node.shape else f"{node.name} combines {[*given, *other]}"

    def axes(self, node: Node, given: Sequence[Value]) -> tuple[int, ...]:
        if len({len(value.shape) for value in given}) > 1:
            raise CannotCompactError(f"{node.op} of values with different numbers of axes")
        if any(len(value.shape) != len(node.shape) for value in given):
            raise CannotCompactError(f"{node.op} with a tensor of more axes")
        return tuple(sorted({axis for value in given for axis in value.axes}))

    def _operands(self, step: Step) -> list[np.ndarray]:
        """The constants of both operands: float64, of shapes that meet that of the channels."""
        made = list(step.constants)
        if step.has("other"):
            numbers = step.tensor("other").astype(np.float64)
            numbers = numbers.reshape((1,) * (len(step.made.shape) - numbers.ndim) + numbers.shape)
            made.insert(0 if step.settings["other_first"] else 1, numbers)
        return made

    def constants(self, step: Step) -> np.ndarray:
        with np.errstate(all="ignore"):
            first, second = self._operands(step)
            made = np.asarray(self._function(first, second))
            if self.name == "mul":
                made = np.where((first == 0) | (second == 0), 0, made)
            elif self.name == "div":
                made = np.where((first == 0) & ~(second == 0), 0, made)
        # A tensor may have other numbers at other positions.
        axes = tuple(axis for axis, length in enumerate(step.made.small) if length == 1)
        least, most = made.min(axis=axes, keepdims=True), made.max(axis=axes, keepdims=True)
        return np.broadcast_to(np.where(least == most, least, np.nan), step.made.small)

    def _modes(self, step: Step, made: np.ndarray) -> list[_Mode]:
        """How each input is read if `made` is to be made."""
        modes = [self._mode(step, place, made) for place in range(len(step.given))]
        shape = step.made.shape
        for place, mode in enumerate(modes):
            if not mode.gone:
                continue
            others = [k for k, other in enumerate(modes) if k != place and not other.gone]
            # What stays must have all positions, and a tensor takes one place only.
            if step.has("other") or not any(step.given[k].shape == shape for k in others):
                modes[place] = self._full(step, place, made)
        return modes

    def _full(self, step: Step, place: int, made: np.ndarray) -> _Mode:
        value = step.given[place]
        shape = [1 if value.shape[axis] == 1 else length for axis, length in enumerate(made.shape)]
        return _Mode(closed(fitted(made, shape)))

    def _mode(self, step: Step, place: int, made: np.ndarray) -> _Mode:
        value, full = step.given[place], self._full(step, place, made)
        if full.read.shape != value.small:
            return full
        live = full.read & ~np.isfinite(step.constants[place])
        if not live.any():
            return _Mode(live, gone=True)
        number, needed = np.count_nonzero(live), np.count_nonzero(full.read)
        # Axes of which one entry is needed are none of what is left.
        axes = [axis for axis in value.axes if np.count_nonzero(along(full.read, axis)) > 1]
        saved = (needed - number) * step.prices[place]
        if needed == number or len(axes) != 1 or saved < WORTH * needed:
            return full
        return _Mode(live, filled=axes[0])

    def reads(self, step: Step, made: np.ndarray) -> list[np.ndarray]:
        return [mode.read for mode in self._modes(step, made)]

    def remake(self, step: Step, part: Part) -> Remade | Picked:
        modes = self._modes(step, chosen(part.kept, step.made))
        extended = {
            place: self._extended(step, part, place, mode.filled)
            for place, mode in enumerate(modes)
            if mode.filled is not None
        }
        if step.has("other"):
            return Remade(
                {"other": taken(step.tensor("other"), part.kept)},
                step.settings,
                extended=extended,
            )  # fmt: skip
        gone = [place for place, mode in enumerate(modes) if mode.gone]
        if not gone:
            return Remade(settings=step.settings, extended=extended)
        (place,) = gone
        numbers = taken(step.constants[place], part.kept)
        if not extended and self._changes_nothing(place, numbers):
            return Picked(1 - place, {})
        other = {"other": numbers.astype(np.float32)}
        return Remade(other, {"other_first": place == 0}, folded=numbers.size, extended=extended)

    def _changes_nothing(self, place: int, numbers: np.ndarray) -> bool:
        neutral = {"add": 0, "sub": 0 if place == 1 else None, "mul": 1}.get(self.name)
        return neutral is not None and bool((numbers == neutral).all())

    def _extended(self, step: Step, part: Part, place: int, axis: int) -> Extended:
        kept, read = part.kept[axis], part.read[place][axis]
        found = np.searchsorted(read, kept).clip(max=len(read) - 1)
        channels = np.where(read[found] == kept, found, -1)
        numbers = taken(step.constants[place], part.kept).reshape(-1)
        return Extended(axis, channels, np.where(channels < 0, numbers, 0))

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "nn.Module | Callable[..., Any]":
        import torch

        function = getattr(torch, self._torch)
        if node.tensor("other") not in shapes:
            return lambda first, second: function(first, second)
        from prunescope.compact.graph.torch_layers import CombineLayer

        return CombineLayer(function, shapes[node.tensor("other")], node.settings["other_first"])

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        operands = list(node.inputs)
        if node.tensor("other") in tensors:
            operands.insert(0 if node.settings["other_first"] else 1, node.tensor("other"))
        return [onnx_step(self._onnx, node, inputs=operands)]

    def lower(self, call: Call) -> Handle:
        given = dict(call.given)
        if given.get("alpha", 1) != 1 or given.get("rounding_mode"):
            raise CannotCompactError(f"{call.op} with a factor or rounding")
        operands = [given["self"], given["other"]]
        if call.op == "rsub":
            operands.reverse()
        return combine(call, self.name, operands, call.shape)


def combine(call: Call, op: str, operands: Sequence[Any], shape: Sequence[int]) -> Handle:
    """Append a step that combines two operands: values, tensors or numbers."""
    inputs = [operand for operand in operands if isinstance(operand, Handle)]
    settings = {"other_first": not isinstance(operands[0], Handle)}
    if any(operand is None or isinstance(operand, str | bool) for operand in operands):
        raise CannotCompactError(call.op)
    aligned = [call.aligned(handle, shape) for handle in inputs]
    # The value with all positions comes from one of them.
    lead = max(aligned, key=lambda handle: int(np.prod(handle.shape)))
    tensors = {}
    for operand in operands:
        if isinstance(operand, Handle):
            continue
        other = np.asarray(operand, None if isinstance(operand, np.ndarray) else np.float32)
        behind = lead.batch - (len(shape) - other.ndim)
        tensors["other"] = call.shared(other, behind) if behind >= 0 else other
    made = np.broadcast_shapes(*(handle.shape for handle in aligned), shape)
    return call.add(op, aligned, made, settings, tensors, batch=lead.batch)


OPERATIONS = (
    Combine("add", np.add, "add", "Add", ("add",)),
    Combine("sub", np.subtract, "sub", "Sub", ("sub", "rsub", "subtract")),
    Combine("mul", np.multiply, "mul", "Mul", ("mul", "multiply")),
    Combine("div", np.divide, "div", "Div", ("div", "true_divide")),
    Combine("maximum", np.maximum, "maximum", "Max", ("maximum",)),
    Combine("minimum", np.minimum, "minimum", "Min", ("minimum",)),
)
