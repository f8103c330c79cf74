"""Operations that sum all channels with weights: convolutions and fully connected layers."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from prunescope.compact.graph.nodes import Node, Shapes, Tensors, Value, along, product
from prunescope.compact.graph.operations.operation import (
    Call,
    CannotCompactError,
    Handle,
    Operation,
    Part,
    Remade,
    Step,
    onnx_step,
    pair,
    require_axes,
    require_channels,
)

if TYPE_CHECKING:
    import onnx
    from torch import nn


class Conv(Operation):
    """A two-dimensional convolution.

    Settings: `stride`, `padding` (with zeros) and `dilation`, pairs in pixels; `groups`, parts of
    the filters that read parts of the channels.
    """

    name = "conv"
    aten = ("conv2d",)
    parameters = ("weight", "bias")
    optional = ("bias",)
    settings = ("stride", "padding", "dilation", "groups")
    layer_type = "conv2d"

    def fault(self, node: Node, given: Sequence[tuple[int, ...]], shapes: Shapes) -> str:
        filters, channels = shapes[node.tensor("weight")][:2]
        if filters != node.shape[1]:
            return f"{node.name} has {filters} filters for {node.shape[1]} channels"
        return require_channels(node, channels * node.settings["groups"], given[0][1])

    def axes(self, node: Node, given: Sequence[Value]) -> tuple[int, ...]:
        require_axes(node, given[0], (1,))
        return (1,)

    def price(self, step: Step) -> float:
        weight = step.tensor("weight")
        return weight.size / len(weight)

    def constants(self, step: Step) -> np.ndarray:
        foldable, weight = _foldable(step), _by_group(step)
        numbers = np.where(foldable, _given(step), 0).reshape(len(weight), -1)
        made = np.einsum("gfcp,gc->gf", weight, numbers).reshape(-1) + _bias(step)
        live = ~foldable.reshape(len(weight), 1, -1)
        depends = (weight.any(axis=3) & live).any(axis=2).reshape(-1)
        return np.where(depends, np.nan, made).reshape(step.made.small)

    def settle(self, step: Step, made: np.ndarray) -> np.ndarray:
        by_group = made.reshape(step.settings["groups"], -1)
        groups = along(by_group, 0)
        evened = _evened(by_group, groups, step.round_to)
        # Groups that are full, as those of one filter are, give a multiple only if more stay.
        for group in np.flatnonzero(~groups) if groups.any() else ():
            if np.count_nonzero(evened) % step.round_to == 0:
                break
            groups[group] = True
            evened = _evened(by_group, groups, step.round_to)
        return evened.reshape(made.shape)

    def reads(self, step: Step, made: np.ndarray) -> list[np.ndarray]:
        weight = _by_group(step)
        kept = made.reshape(len(weight), -1)
        used = (weight.any(axis=3) & kept[:, :, None]).any(axis=1)
        used &= ~_foldable(step).reshape(used.shape)
        if len(weight) > 1:
            # A group that makes something reads as much as the others.
            used[kept.any(axis=1) & ~used.any(axis=1), 0] = True
        used = _evened(used, along(kept, 0), step.round_to)
        return [used.reshape([-1 if axis == 1 else 1 for axis in range(len(step.given[0].shape))])]

    def remake(self, step: Step, part: Part) -> Remade:
        kept, read = part.kept[1], part.read[0][1]
        weight = _by_group(step)
        groups, filters, channels, _ = weight.shape
        given = _given(step)
        folded = _foldable(step) & (given != 0)
        # Of constants that are read all the same, none is added to the bias.
        folded[read] = False
        numbers = np.where(folded, given, 0).reshape(groups, channels)
        added = np.einsum("gfcp,gc->gf", weight, numbers).reshape(-1)
        left = np.unique(kept // filters)
        size = len(kept) // len(left)
        outs = (kept % filters).reshape(len(left), size)
        ins = (read % channels).reshape(len(left), -1)
        tensor = step.tensor("weight")
        pieces = tensor.reshape(groups, filters, channels, *tensor.shape[2:])
        made = np.concatenate(
            [pieces[group][np.ix_(rows, columns)]
             for group, rows, columns in zip(left, outs, ins, strict=True)]
        )  # fmt: skip
        tensors = {"weight": np.ascontiguousarray(made)}
        makes = np.zeros(groups * filters, bool)
        makes[kept] = True
        reaches = (weight.any(axis=3) & makes.reshape(groups, filters, 1)).any(axis=1)
        used = folded & reaches.reshape(-1)
        if step.has("bias") or used.any():
            tensors["bias"] = (_bias(step) + added)[kept].astype(tensor.dtype)
        return Remade(tensors, {**step.settings, "groups": len(left)}, folded=int(used.sum()))

    def merge_constants(self, step: Step) -> dict[str, np.ndarray]:
        """With padding, let the largest constant stand for all that the convolution reads.

        The response to a constant channel is the constant times the response to a channel of ones.
        """
        if not is_padded(step) or step.settings["groups"] > 1:
            return {}
        constants = _given(step)
        weight = step.tensor("weight")
        read = np.isfinite(constants) & (constants != 0)
        read &= weight.any(axis=(0, 2, 3))
        if read.sum() < 2:
            return {}
        stand_in = int(np.nanargmax(np.where(read, np.abs(constants), np.nan)))
        share = np.where(read, constants, 0) / constants[stand_in]
        summed = np.tensordot(weight.astype(np.float64), share, axes=(1, 0))
        changed = np.where(read.reshape(1, -1, 1, 1), 0, weight)
        changed[:, stand_in] = summed
        return {"weight": changed.astype(weight.dtype)}

    def to_torch(self, node: Node, shapes: Shapes, *, may_overwrite: bool) -> "nn.Module":
        from torch import nn

        filters, channels, height, width = shapes[node.tensor("weight")]
        settings = dict(node.settings)
        channels *= settings["groups"]
        bias = node.tensor("bias") in shapes
        return nn.Conv2d(channels, filters, (height, width), bias=bias, **settings)

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        window: dict[str, Any] = {
            "strides": list(node.settings["stride"]),
            "pads": [*node.settings["padding"]] * 2,
            "dilations": list(node.settings["dilation"]),
            "group": node.settings["groups"],
        }
        return [onnx_step("Conv", node, self.present(node, tensors), **window)]

    def lower(self, call: Call) -> Handle:
        given = call.given
        weight = given["weight"]
        if not isinstance(weight, np.ndarray) or isinstance(given["bias"], Handle):
            raise CannotCompactError("conv2d with weights that depend on the image")
        padding = given["padding"]
        if isinstance(padding, str):
            both = [
                step * (size - 1) if padding == "same" else 0
                for step, size in zip(pair(given["dilation"]), weight.shape[2:], strict=True)
            ]
            if any(width % 2 for width in both):
                raise CannotCompactError("conv2d with other padding on either side")
            padding = tuple(width // 2 for width in both)
        settings = {
            "stride": pair(given["stride"]),
            "padding": pair(padding),
            "dilation": pair(given["dilation"]),
            "groups": given["groups"],
        }
        tensors = {"weight": weight} | ({} if given["bias"] is None else {"bias": given["bias"]})
        return call.add("conv", [given["input"]], call.shape, settings, tensors, name=call.owner)


class Linear(Operation):
    """A fully connected layer, which reads the last axis of its input."""

    name = "linear"
    aten = ("linear", "addmm")
    parameters = ("weight", "bias")
    optional = ("bias",)
    layer_type = "linear"

    def fault(self, node: Node, given: Sequence[tuple[int, ...]], shapes: Shapes) -> str:
        outputs, channels = shapes[node.tensor("weight")]
        if outputs != node.shape[-1]:
            return f"{node.name} has {outputs} outputs for {node.shape[-1]} channels"
        return require_channels(node, channels, given[0][-1])

    def axes(self, node: Node, given: Sequence[Value]) -> tuple[int, ...]:
        last = len(node.shape) - 1
        return (*(axis for axis in given[0].axes if axis != last), last)

    def price(self, step: Step) -> float:
        return float(step.tensor("weight").shape[1])

    def constants(self, step: Step) -> np.ndarray:
        weight = step.tensor("weight").astype(np.float64)
        given = np.broadcast_to(step.constants[0], (*step.constants[0].shape[:-1], weight.shape[1]))
        known = np.isfinite(given)
        made = np.where(known, given, 0) @ weight.T + _bias(step)
        return np.where(~known @ (weight != 0).T, np.nan, made)

    def settle(self, step: Step, made: np.ndarray) -> np.ndarray:
        last = along(made, made.ndim - 1)
        rounded = _evened(last[None], np.array([last.any()]), step.round_to)[0]
        return product([*(along(made, axis) for axis in range(made.ndim - 1)), rounded])

    def reads(self, step: Step, made: np.ndarray) -> list[np.ndarray]:
        weight = step.tensor("weight") != 0
        used = weight[along(made, made.ndim - 1)].any(axis=0)
        # A constant of one entry along other axes of channels only must be read with the others.
        used &= ~self._folds(step)
        used = _evened(used[None], np.array([used.any()]), step.round_to)[0]
        others = [along(made, axis) for axis in range(made.ndim - 1)]
        return [product([*others, used])]

    def _folds(self, step: Step) -> np.ndarray:
        """The inputs that are the same number everywhere: booleans of shape `(inputs,)`."""
        given = step.constants[0]
        first = given.reshape(-1, given.shape[-1])
        same = np.isfinite(first).all(axis=0) & (first == first[:1]).all(axis=0)
        return np.broadcast_to(same, step.tensor("weight").shape[1])

    def remake(self, step: Step, part: Part) -> Remade:
        kept, read = part.kept[-1], part.read[0][-1]
        weight = step.tensor("weight")
        given = step.constants[0].reshape(-1, step.constants[0].shape[-1])[0]
        given = np.broadcast_to(given, weight.shape[1])
        folded = self._folds(step) & (given != 0)
        folded[read] = False
        added = weight.astype(np.float64) @ np.where(folded, given, 0)
        used = folded & weight[kept].any(axis=0)
        made = {"weight": np.ascontiguousarray(weight[np.ix_(kept, read)])}
        if step.has("bias") or used.any():
            made["bias"] = (_bias(step) + added)[kept].astype(weight.dtype)
        return Remade(made, step.settings, folded=int(used.sum()))

    def to_torch(self, node: Node, shapes: Shapes, *, may_overwrite: bool) -> "nn.Module":
        from torch import nn

        units, channels = shapes[node.tensor("weight")]
        return nn.Linear(channels, units, bias=node.tensor("bias") in shapes)

    def onnx_tensors(self, node: Node, tensors: Tensors) -> dict[str, np.ndarray]:
        flat = len(node.shape) == 2
        weight = tensors[node.tensor("weight")]
        return {} if flat else {"weight.T": np.ascontiguousarray(weight.T)}

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        present = self.present(node, tensors)
        if len(node.shape) == 2:
            return [onnx_step("Gemm", node, present, transB=1)]
        if "bias" not in present:
            return [onnx_step("MatMul", node, ["weight.T"])]
        summed = f"{node.name}.product"
        return [
            onnx_step("MatMul", node, ["weight.T"], name=summed),
            onnx_step("Add", node, ["bias"], inputs=[summed]),
        ]

    def lower(self, call: Call) -> Handle:
        given = call.given
        names = ("mat1", "mat2", "self") if call.op == "addmm" else ("input", "weight", "bias")
        read, weight, bias = (given[name] for name in names)
        if not isinstance(weight, np.ndarray) or isinstance(bias, Handle):
            raise CannotCompactError(f"{call.op} with weights that depend on the image")
        if call.op == "addmm":
            if given["beta"] != 1 or given["alpha"] != 1:
                raise CannotCompactError("addmm with factors")
            weight = weight.T
        tensors = {"weight": weight} | ({} if bias is None else {"bias": bias})
        shape = (*read.shape[:-1], len(weight))
        return call.add("linear", [read], shape, tensors=tensors, name=call.owner)


def is_padded(step: Step) -> bool:
    """Whether a convolution reads zeros beyond the border of its input."""
    return any(step.settings["padding"])


def _given(step: Step) -> np.ndarray:
    """The constants of the channels that a convolution reads: float64 of shape `(channels,)`."""
    return np.broadcast_to(step.constants[0].reshape(-1), step.given[0].shape[1])


def _foldable(step: Step) -> np.ndarray:
    """The channels that a convolution can replace by numbers in its bias."""
    given = _given(step)
    # With padding, a constant ends at the border of the image, unless it is zero.
    return given == 0 if is_padded(step) else np.isfinite(given)


def _by_group(step: Step) -> np.ndarray:
    """A weight as float64 of shape `(groups, filters, channels, positions)`, of each group."""
    weight = step.tensor("weight")
    groups = step.settings["groups"]
    return weight.reshape(groups, len(weight) // groups, weight.shape[1], -1).astype(np.float64)


def _evened(used: np.ndarray, groups: np.ndarray, round_to: int) -> np.ndarray:
    """As many in each of these groups as in the fullest: booleans of shape `(groups, channels)`.

    Their sum over all groups is a multiple of `round_to`, if there are enough.
    """
    number = int(used[groups].sum(axis=1).max(initial=0))
    total = used.shape[1]
    left = int(groups.sum())
    while number and number < total and (number * left) % round_to:
        number += 1
    made = used & groups[:, None]
    for group in np.flatnonzero(groups):
        missing = number - int(made[group].sum())
        made[group, np.flatnonzero(~made[group])[:missing]] = True
    return made


def _bias(step: Step) -> np.ndarray:
    """The bias of a layer, zeros if it has none: float64 of shape `(filters,)`."""
    filters = len(step.tensor("weight"))
    return step.tensor("bias").astype(np.float64) if step.has("bias") else np.zeros(filters)


OPERATIONS = (Conv(), Linear())
