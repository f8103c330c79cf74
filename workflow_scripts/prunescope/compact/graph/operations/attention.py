"""Products of matrices that are both made of the images, as in attention."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from prunescope.compact.graph.nodes import Node, Shapes, Tensors, Value, along, product
from prunescope.compact.graph.operations.arranging import permuted
from prunescope.compact.graph.operations.operation import (
    Call,
    CannotCompactError,
    Handle,
    Operation,
    Part,
    Remade,
    Step,
    onnx_step,
    taken,
)

if TYPE_CHECKING:
    import onnx
    import torch
    from torch import nn


class MatMul(Operation):
    """Products of matrices, which lie in the last two axes."""

    name = "matmul"
    aten = ("matmul", "bmm", "einsum")
    inputs = (2, 2)

    def fault(self, node: Node, given: Sequence[tuple[int, ...]], shapes: Shapes) -> str:
        fits = len(given[0]) == len(given[1]) and given[0][-1] == given[1][-2]
        return "" if fits else f"{node.name} multiplies {given[0]} by {given[1]}"

    def axes(self, node: Node, given: Sequence[Value]) -> tuple[int, ...]:
        first, second = given
        if len(first.shape) != len(second.shape):
            raise CannotCompactError("products of matrices with different numbers of axes")
        row = len(node.shape) - 2
        leading = {axis for value in given for axis in value.axes if axis < row}
        rows = {row} & set(first.axes)
        columns = {row + 1} & set(second.axes)
        return tuple(sorted(leading | rows | columns))

    def _terms(self, step: Step) -> tuple[np.ndarray, np.ndarray]:
        """Constants that meet, with the axes `(..., rows, summed, columns)`."""
        first, second = step.constants
        return first[..., None], second[..., None, :, :]

    def constants(self, step: Step) -> np.ndarray:
        first, second = self._terms(step)
        made = np.where((first == 0) | (second == 0), 0, first * second)
        times = step.given[0].shape[-1] if made.shape[-2] == 1 else 1
        return np.asarray(made.sum(axis=-2) * times).reshape(step.made.small)

    def reads(self, step: Step, made: np.ndarray) -> list[np.ndarray]:
        first, second = self._terms(step)
        live = ~((first == 0) | (second == 0)) & made[..., :, None, :]
        *leading, rows, columns = (along(made, axis) for axis in range(made.ndim))
        summed = along(live, live.ndim - 2)
        if not summed.any():
            # Nothing is left of the sum but zeros: one of them stays.
            summed[0] = True
        reads = []
        for value, sides in zip(
            step.given, ([*leading, rows, summed], [*leading, summed, columns]), strict=True
        ):
            shown = [
                side if length > 1 else np.ones(1, bool)
                for side, length in zip(sides, value.shape, strict=True)
            ]
            reads.append(product(shown))
        return reads

    def remake(self, step: Step, part: Part) -> Remade:
        return Remade(settings=step.settings)

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "Callable[..., torch.Tensor]":
        return lambda first, second: first @ second

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        return [onnx_step("MatMul", node)]

    def lower(self, call: Call) -> Handle:
        given = call.given
        if call.op == "einsum":
            return self._of_einsum(call)
        operands = [given["self"], given.get("other", given.get("mat2"))]
        if not all(isinstance(operand, Handle) for operand in operands):
            raise CannotCompactError("products of matrices with a tensor of the network")
        return call.add(self.name, operands, call.shape)

    def _of_einsum(self, call: Call) -> Handle:
        """A product of matrices, written with a letter for each axis: `bhid,bhjd->bhij`."""
        read, _, made = call.given["equation"].replace(" ", "").partition("->")
        names, values = read.split(","), call.given["tensors"]
        if len(values) != 2 or not all(isinstance(value, Handle) for value in values):
            raise CannotCompactError("einsum of other than two values")
        first, second = names
        common = [letter for letter in made if letter in first and letter in second]
        summed = [letter for letter in first if letter in second and letter not in made]
        rows = [letter for letter in first if letter in made and letter not in second]
        columns = [letter for letter in second if letter in made and letter not in first]
        whole = len(first) + len(second) == 2 * (len(common) + 1) + 2
        if (len(summed), len(rows), len(columns)) != (1, 1, 1) or not whole:
            raise CannotCompactError("einsum that is no product of matrices")
        orders = ((first, common + rows + summed), (second, common + summed + columns))
        operands = [
            permuted(call, value, [name.index(letter) for letter in order])
            for value, (name, order) in zip(values, orders, strict=True)
        ]
        shape = [*operands[0].shape[:-1], operands[1].shape[-1]]
        product = call.add(self.name, operands, shape)
        order = common + rows + columns
        return permuted(call, product, [order.index(letter) for letter in made])


class Attention(Operation):
    """Scaled dot-product attention of `query`, `key` and `value`, `(..., tokens, channels)`.

    Setting: `scale`, by which products are multiplied. The tensor `mask` is added to them.

    A channel of the keys that is a constant adds the same to all products of a query, which the
    softmax takes away again; it goes together with that of the queries. Where the values are
    constant, so is what is made of them, since weights sum to 1.
    """

    name = "attention"
    aten = ("scaled_dot_product_attention",)
    buffers = ("mask",)
    optional = ("mask",)
    settings = ("scale",)
    inputs = (3, 3)

    def fault(self, node: Node, given: Sequence[tuple[int, ...]], shapes: Shapes) -> str:
        query, key, value = given
        fits = query[-1] == key[-1] and key[-2] == value[-2]
        return "" if fits else f"{node.name} attends with {query}, {key} and {value}"

    def axes(self, node: Node, given: Sequence[Value]) -> tuple[int, ...]:
        tokens = len(node.shape) - 2
        if any(tokens in value.axes for value in given):
            raise CannotCompactError("attention across channels")
        leading = {axis for value in given for axis in value.axes if axis < tokens}
        return tuple(sorted(leading | ({tokens + 1} & set(given[2].axes))))

    def constants(self, step: Step) -> np.ndarray:
        return np.broadcast_to(step.constants[2], step.made.small)

    def reads(self, step: Step, made: np.ndarray) -> list[np.ndarray]:
        query, key, value = step.constants
        varies = (made & ~np.isfinite(value)).any(axis=-1, keepdims=True)
        live = ~np.isfinite(key) & (query != 0) & varies
        *leading, _, channels = (along(made, axis) for axis in range(made.ndim))
        products = along(live, live.ndim - 1)
        if not products.any():
            products[0] = True
        one = np.ones(1, bool)
        heads = [
            [side if length > 1 else one for side, length in zip(leading, of.shape, strict=False)]
            for of in step.given
        ]
        return [
            product([*heads[0], one, products]),
            product([*heads[1], one, products]),
            product([*heads[2], one, channels]),
        ]

    def remake(self, step: Step, part: Part) -> Remade:
        held = {}
        if step.has("mask"):
            tokens = [np.arange(length) for length in step.tensor("mask").shape[-2:]]
            held["mask"] = taken(step.tensor("mask"), (*part.kept[:-2], *tokens))
        return Remade(held, step.settings)

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "nn.Module | Callable[..., torch.Tensor]":
        import torch.nn.functional as F  # noqa: N812

        from prunescope.compact.graph.torch_layers import AttentionLayer

        scale = node.settings["scale"]
        if node.tensor("mask") in shapes:
            return AttentionLayer(scale, shapes[node.tensor("mask")])
        return lambda query, key, value: F.scaled_dot_product_attention(
            query, key, value, scale=scale
        )

    def onnx_tensors(self, node: Node, tensors: Tensors) -> dict[str, np.ndarray]:
        return {"scale": np.array(node.settings["scale"], np.float32)}

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        query, key, value = node.inputs
        names = [f"{node.name}.{part}" for part in ("keys", "products", "scaled", "weights")]
        axes = [*range(len(node.shape) - 2), len(node.shape) - 1, len(node.shape) - 2]
        steps = [
            onnx_step("Transpose", node, inputs=[key], name=names[0], perm=axes),
            onnx_step("MatMul", node, inputs=[query, names[0]], name=names[1]),
            onnx_step("Mul", node, ["scale"], inputs=[names[1]], name=names[2]),
        ]
        last = names[2]
        if node.tensor("mask") in tensors:
            last = f"{node.name}.masked"
            steps.append(onnx_step("Add", node, ["mask"], inputs=[names[2]], name=last))
        return [
            *steps,
            onnx_step("Softmax", node, inputs=[last], name=names[3], axis=-1),
            onnx_step("MatMul", node, inputs=[names[3], value]),
        ]

    def lower(self, call: Call) -> Handle:
        given = call.given
        parts = [given[name] for name in ("query", "key", "value")]
        mask = given["attn_mask"]
        if given["is_causal"] or given.get("enable_gqa") or given["dropout_p"]:
            raise CannotCompactError("causal attention, or attention with groups or dropout")
        if isinstance(mask, Handle) or not all(isinstance(part, Handle) for part in parts):
            raise CannotCompactError("attention with a mask that depends on the image")
        if mask is not None and mask.dtype == bool:
            mask = np.where(mask, 0, -np.inf).astype(np.float32)
        scale = given["scale"]
        scale = 1 / math.sqrt(parts[0].shape[-1]) if scale is None else float(scale)
        behind = 0 if mask is None else parts[0].batch - (len(call.shape) - mask.ndim)
        if mask is not None and behind >= 0:
            mask = call.shared(mask, behind)
        tensors = {} if mask is None else {"mask": mask}
        return call.add(self.name, parts, call.shape, {"scale": scale}, tensors)


OPERATIONS = (MatMul(), Attention())
