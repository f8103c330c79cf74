"""What the operations of a graph do to the labels of its values (`channels.py`).

Names of operations are those of ATen, PyTorch's library of operations. What is not in the table
cannot be followed.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx

from prunescope.networks.describing.channels import NOTHING, Channels, pack, small, varies
from prunescope.networks.describing.export import operation_of, shape_of


@dataclass(frozen=True)
class Known:
    """A value that does not depend on the images.

    Attributes
    ----------
    tensor
        The value.
    places
        If it is a parameter, or one whose numbers were moved only: the place of each number among
        those of all parameters (`carried/places.py`). None otherwise.
    """

    tensor: torch.Tensor
    places: torch.Tensor | None = None


@dataclass(frozen=True)
class Step:
    """A step of a graph whose inputs have labels.

    Attributes
    ----------
    node
        The step.
    given
        Its arguments by name. Tensors are labels, or `Known`.
    channels
        What goes together so far.
    """

    node: fx.Node
    given: Mapping[str, Any]
    channels: Channels

    @property
    def name(self) -> str:
        """The operation, such as `add`, whether it writes to its input or not."""
        return operation_of(self.node).removesuffix("_")

    def labels(self, argument: str) -> torch.Tensor:
        """The labels of an argument."""
        return labels_of(self.given[argument])

    @property
    def tensors(self) -> list[torch.Tensor]:
        """The labels of all tensors that the step reads."""
        return [labels_of(value) for value in tensors_in(self.given.values())]


Labels = torch.Tensor | tuple["Labels", ...]
Operation = Callable[[Step], Labels]


def labels_of(value: torch.Tensor | Known) -> torch.Tensor:
    if isinstance(value, Known):
        return torch.tensor(NOTHING).expand(value.tensor.shape)
    return value


def tensors_in(values: Any) -> Iterator[torch.Tensor | Known]:
    """All tensors among values and in their lists."""
    for value in values:
        if isinstance(value, torch.Tensor | Known):
            yield value
        elif isinstance(value, list | tuple):
            yield from tensors_in(value)


def step_of(node: fx.Node, values: Callable[[Any], Any], channels: Channels) -> Step:
    """A step with its arguments by name; `values` gives what a node stands for."""
    arguments = getattr(node.target, "_schema", None)
    if arguments is None:
        return Step(node, dict(enumerate(values(node.args))), channels)  # type: ignore[arg-type]
    given = {
        argument.name: argument.default_value if argument.has_default_value() else None
        for argument in arguments.arguments
    }
    names = [argument.name for argument in arguments.arguments]
    given |= dict(zip(names, node.args, strict=False)) | node.kwargs
    return Step(node, {name: values(value) for name, value in given.items()}, channels)


# --- operations ----------------------------------------------------------------------------------


def cannot_follow(step: Step) -> Labels:
    """What the step reads must stay; nothing is known of what it makes."""
    return lost(step.node, step.channels, step.tensors, step.name)


def lost(
    node: fx.Node, channels: Channels, tensors: Sequence[torch.Tensor], operation: str
) -> Labels:
    """Labels of what cannot be followed; `operation` stands in the way of all that is read."""
    for labels in tensors:
        channels.hinder(small(labels), operation)
    label = torch.tensor(channels.unknown(operation))

    def made(value: Any) -> Any:
        if isinstance(value, list | tuple):
            return tuple(made(part) for part in value)
        return label.expand(value.shape) if isinstance(value, torch.Tensor) else label

    return made(node.meta.get("val"))


def hand_on(step: Step) -> Labels:
    """Each number of the output is made of the number at its place in the first input alone."""
    others = list(tensors_in(step.given.values()))[1:]
    if any(isinstance(value, torch.Tensor) for value in others):
        return cannot_follow(step)
    return step.tensors[0]


def number_by_number(step: Step) -> Labels:
    """Each number of the output is made of those at its place in the inputs."""
    shape = shape_of(step.node)
    made, *others = step.tensors
    for other in others:
        made = _meet(step, made, other)
    return made.expand(shape)


def _meet(step: Step, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """The labels where two values meet, whose shapes may differ as in NumPy."""
    channels = step.channels
    ndim = max(one.ndim, other.ndim)
    one, other = (labels[(None,) * (ndim - labels.ndim)] for labels in (one, other))
    shape = torch.broadcast_shapes(one.shape, other.shape)
    for single, kept in ((one, other), (other, one)):
        repeated = [axis for axis in range(ndim) if single.shape[axis] < kept.shape[axis]]
        if (single != NOTHING).any() and any(
            varies(channels.roots(kept), axis) for axis in repeated
        ):
            # A single channel that meets each of many, such as a gate, must stay: they may go.
            channels.hinder(small(single), step.name)
            others = [axis for axis in range(ndim) if axis not in repeated]
            if (single < NOTHING).any() or any(varies(single, axis) for axis in others):
                channels.hinder(small(kept), step.name)
            return kept.expand(shape)
    first, second = small(one), small(other)
    common = torch.broadcast_shapes(first.shape, second.shape)
    met = channels.meet(*(labels.expand(common) for labels in (first, second)))
    return met.expand(shape)


def move(step: Step) -> Labels:
    """The numbers are moved only. So are their labels."""
    made = moved(step, labels_of)
    if made is None:
        # Which numbers are taken depends on the images.
        return cannot_follow(step)
    return tuple(map(pack, made)) if isinstance(made, list | tuple) else pack(made)


def moved(step: Step, of: Callable[[torch.Tensor | Known], torch.Tensor]) -> Any:
    """What `of` gives for the tensors of a step, moved as the step moves them; None if unknown."""
    first = next(iter(step.given))
    reads = {
        name: value
        for name, value in step.given.items()
        if name != first and list(tensors_in([value]))
    }
    if any(isinstance(value, torch.Tensor) for value in tensors_in(reads.values())):
        return None
    given = {
        name: _real(value) if name in reads else _replaced(value, of)
        for name, value in step.given.items()
        if name not in ("memory_format", "dtype", "layout", "device", "pin_memory")
    }
    return _run(step, given)


def _run(step: Step, given: Mapping[str, Any]) -> Any:
    if step.name in ("view", "_unsafe_view", "reshape"):
        # Labels that are stored once cannot be viewed in every shape.
        return given["self"].reshape(shape_of(step.node))
    target: Any = step.node.target
    return target(**given)


def _replaced(value: Any, of: Callable[[torch.Tensor | Known], torch.Tensor]) -> Any:
    if isinstance(value, list | tuple) and list(tensors_in(value)):
        return [_replaced(part, of) for part in value]
    return of(value) if isinstance(value, torch.Tensor | Known) else value


def _real(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_real(part) for part in value]
    return value.tensor if isinstance(value, Known) else value


def concatenate(step: Step) -> Labels:
    """Along the channels they stay apart; along another axis they must have the same channels."""
    tensors = [labels for labels in step.tensors if labels.numel()]
    axis = int(step.given["dim"]) % tensors[0].ndim
    same = [
        labels.narrow(axis, 0, 1)
        for labels in tensors
        if not varies(step.channels.roots(labels), axis)
        and any(varies(labels, other) for other in range(labels.ndim) if other != axis)
    ]
    for other in same[1:]:
        _meet(step, same[0], other)
    return pack(torch.cat(tensors, dim=axis))


def pad(step: Step) -> Labels:
    """Numbers are added at the ends of axes."""
    labels, widths = step.tensors[0], step.given["pad"]
    axes = [labels.ndim - 1 - number for number in range(len(widths) // 2)]
    if not any(varies(labels, axis) for axis in axes):
        return _along(labels, axes, shape_of(step.node))
    if step.given.get("mode", "constant") != "constant":
        return cannot_follow(step)
    return pack(torch.constant_pad_nd(labels, widths, NOTHING))


def over_positions(step: Step) -> Labels:
    """Maps become larger or smaller; each channel is made of itself alone."""
    labels = step.tensors[0]
    axes = [labels.ndim - 1 - number for number in range(1 if "1d" in step.name else 2)]
    if any(varies(step.channels.roots(labels), axis) for axis in axes):
        return cannot_follow(step)
    value = step.node.meta["val"]
    if isinstance(value, list | tuple):
        return tuple(_along(labels, axes, part.shape) for part in value)
    return _along(labels, axes, shape_of(step.node))


def _along(labels: torch.Tensor, axes: Sequence[int], shape: Sequence[int]) -> torch.Tensor:
    for axis in axes:
        labels = labels.narrow(axis, 0, 1)
    return labels.expand(tuple(shape))


def reduce(step: Step) -> Labels:
    """One number is made of all along some axes."""
    labels = step.tensors[0]
    axes = _axes(step, labels.ndim)
    if any(varies(step.channels.roots(labels), axis) for axis in axes):
        if (labels < NOTHING).any():
            return cannot_follow(step)
        if step.name != "sum":
            # What remains belongs to no channel, and all that were read must stay.
            step.channels.hinder(small(labels), step.name)
            labels = torch.tensor(NOTHING).expand(labels.shape)
        else:
            labels = _glue(step, labels, axes)
    value = step.node.meta["val"]
    for axis in sorted(axes, reverse=True):
        labels = labels.narrow(axis, 0, 1)
        labels = labels if step.given.get("keepdim") else labels.squeeze(axis)
    return tuple(labels for _ in value) if isinstance(value, list | tuple) else labels


def extreme(step: Step) -> Labels:
    """The larger or smaller number: of two values, or of all along an axis."""
    return number_by_number(step) if len(step.tensors) == 2 else reduce(step)


def _axes(step: Step, ndim: int) -> list[int]:
    given = step.given.get("dim")
    if given is None or given == []:
        return list(range(ndim))
    axes = given if isinstance(given, list | tuple) else [given]
    return sorted(int(axis) % ndim for axis in axes)


def _glue(step: Step, labels: torch.Tensor, axes: Sequence[int]) -> torch.Tensor:
    """Let all channels along some axes go together; their labels, stored once along these axes."""
    few = small(labels)
    one = few.amax(dim=tuple(axes), keepdim=True)
    step.channels.unite(one.expand(few.shape), few, glue=step.name)
    return one.expand(labels.shape)


def share_out(step: Step) -> Labels:
    """Softmax: numbers along an axis share one; their channels go together."""
    labels = step.tensors[0]
    axes = _axes(step, labels.ndim)
    if any(varies(step.channels.roots(labels), axis) for axis in axes):
        if (labels < NOTHING).any():
            return cannot_follow(step)
        return _glue(step, labels, axes)
    return labels


def normalise_last(step: Step) -> Labels:
    """Numbers along the last axes are divided by their spread; how many there are matters."""
    labels = step.tensors[0]
    last = range(labels.ndim - len(step.given["normalized_shape"]), labels.ndim)
    return _normalise(step, labels, any(varies(labels, axis) for axis in last))


def normalise_groups(step: Step) -> Labels:
    """As `normalise_last`, over groups of channels."""
    labels = step.tensors[0]
    groups = int(step.given["num_groups"])
    grouped = step.channels.roots(labels).reshape(labels.shape[0], groups, -1)
    return _normalise(step, labels, varies(grouped, 2))


def _normalise(step: Step, labels: torch.Tensor, mixes: bool) -> Labels:
    if mixes:
        step.channels.hinder(small(labels), step.name)
    return labels


def attend(step: Step) -> Labels:
    """Attention, head by head: all channels of a head go together."""
    query, key, value = (step.labels(name) for name in ("query", "key", "value"))
    if (mask := step.given.get("attn_mask")) is not None and not isinstance(mask, Known):
        step.channels.hinder(small(mask), step.name)
    return _contract(step, [query, key, value], shape_of(step.node))


def multiply(step: Step) -> Labels:
    """A product of matrices, both made of the images: all channels of a pair go together."""
    first, second = (value for value in tensors_in(step.given.values()))
    if isinstance(first, Known) or isinstance(second, Known):
        return cannot_follow(step)
    if min(first.ndim, second.ndim) < 2:
        return cannot_follow(step)
    return _contract(step, [first, second], shape_of(step.node))


def _contract(step: Step, inputs: Sequence[torch.Tensor], shape: Sequence[int]) -> Labels:
    """All channels of each pair of matrices, in the last two axes, go together."""
    if any((labels < NOTHING).any() for labels in inputs):
        return cannot_follow(step)
    leading = tuple(shape[:-2])
    pairs = [_glue(step, labels, (-2, -1))[..., :1, :1] for labels in inputs]
    met = pairs[0].expand(*leading, 1, 1)
    for other in pairs[1:]:
        met = _meet(step, met, other.expand(*leading, 1, 1))
    return met.expand(tuple(shape))


def sum_products(step: Step) -> Labels:
    """`einsum`: a product over the axes that all inputs and the output share is one of matrices."""
    inputs = list(tensors_in([step.given["tensors"]]))
    equation = str(step.given["equation"]).replace(" ", "")
    read, arrow, made = equation.partition("->")
    names = read.split(",")
    plain = arrow and "." not in equation and all(len(set(part)) == len(part) for part in names)
    if not plain or len(names) < 2 or any(isinstance(value, Known) for value in inputs):
        return cannot_follow(step)
    common = [axis for axis in made if all(axis in part for part in names)]
    lengths = dict(zip("".join(names), _lengths(inputs), strict=True))
    matrices = [
        labels_of(labels)
        .permute([part.index(axis) for axis in [*common, *(k for k in part if k not in common)]])
        .reshape(*(lengths[axis] for axis in common), 1, -1)
        for labels, part in zip(inputs, names, strict=True)
    ]
    free = [axis for axis in made if axis not in common]
    size = math.prod(lengths[axis] for axis in free)
    if any((labels < NOTHING).any() for labels in matrices):
        return cannot_follow(step)
    product = _contract(step, matrices, [*(lengths[axis] for axis in common), 1, size])
    assert isinstance(product, torch.Tensor)
    order = [*common, *free]
    moved = product.reshape([lengths[axis] for axis in order])
    return pack(moved.permute([order.index(axis) for axis in made]))


def _lengths(inputs: Sequence[torch.Tensor | Known]) -> list[int]:
    return [length for value in inputs for length in labels_of(value).shape]


def take(step: Step) -> Labels:
    """One of several values."""
    values, number = step.given[0], step.given[1]  # type: ignore[index]
    made: Labels = values[number]
    return made


def repeat(step: Step) -> Labels:
    """An input is repeated until it has the shape of another."""
    return step.tensors[0].expand(shape_of(step.node))


def reshape(step: Step) -> Labels:
    """The numbers of an input in the shape of another."""
    return pack(step.tensors[0].reshape(shape_of(step.node)))


def fresh(step: Step) -> Labels:
    """Numbers that do not depend on the values of the input."""
    return torch.tensor(NOTHING).expand(shape_of(step.node))


_TABLE: dict[Operation, str] = {
    hand_on: (
        "relu relu6 hardtanh hardswish hardsigmoid sigmoid silu gelu tanh leaky_relu elu selu celu "
        "mish exp expm1 log log1p sqrt rsqrt neg abs clamp clamp_min clamp_max softplus erf "
        "reciprocal square sin cos floor ceil round sign logical_not bitwise_not isnan prelu "
        "dropout feature_dropout alpha_dropout native_dropout threshold softsign tanhshrink "
        "log_sigmoid batch_norm instance_norm contiguous clone alias detach to _to_copy type_as "
        "lift_fresh_copy nan_to_num _assert_tensor_metadata"
    ),
    number_by_number: (
        "add sub rsub mul div true_divide floor_divide multiply subtract pow maximum minimum "
        "where addcmul addcdiv lerp eq ne gt ge lt le logical_and logical_or logical_xor atan2 "
        "fmod remainder masked_fill"
    ),
    move: (
        "view reshape _unsafe_view flatten unflatten permute transpose t movedim moveaxis squeeze "
        "unsqueeze expand select slice narrow split split_with_sizes chunk unsafe_chunk "
        "unsafe_split unbind tensor_split stack roll flip index index_select repeat "
        "repeat_interleave pixel_shuffle pixel_unshuffle channel_shuffle native_channel_shuffle "
        "unfold swapaxes numpy_T mT"
    ),
    concatenate: "cat concat concatenate",
    pad: "pad constant_pad_nd reflection_pad2d replication_pad2d",
    over_positions: (
        "max_pool2d avg_pool2d adaptive_avg_pool2d adaptive_max_pool2d max_pool2d_with_indices "
        "avg_pool1d max_pool1d adaptive_avg_pool1d upsample_nearest2d upsample_bilinear2d "
        "upsample_bicubic2d _upsample_nearest_exact2d _upsample_bilinear2d_aa"
    ),
    reduce: "mean sum amax amin var std norm linalg_vector_norm logsumexp prod var_mean",
    extreme: "max min",
    share_out: "softmax log_softmax _softmax _log_softmax",
    normalise_last: "layer_norm rms_norm",
    normalise_groups: "group_norm",
    attend: "scaled_dot_product_attention",
    multiply: "matmul bmm mm",
    sum_products: "einsum",
    take: "getitem",
    repeat: "expand_as",
    reshape: "reshape_as view_as",
    fresh: (
        "zeros_like ones_like full_like rand_like randn_like empty_like new_zeros new_ones "
        "new_full new_empty bernoulli"
    ),
}
OPERATIONS: Mapping[str, Operation] = {
    name: operation for operation, names in _TABLE.items() for name in names.split()
}
