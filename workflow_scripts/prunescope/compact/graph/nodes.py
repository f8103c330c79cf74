"""The steps of a graph, and the values between them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import reduce
from typing import Any

import numpy as np

# Parameters and buffers, or their shapes, by name.
Tensors = Mapping[str, np.ndarray]
Shapes = Mapping[str, tuple[int, ...]]

# The name of the value that is given to a graph: the batch of images.
INPUT = "images"


@dataclass(frozen=True)
class Node:
    """A step: it makes one value, which has its name.

    Attributes
    ----------
    name
        Unique in the graph. The step of a layer has the name of the layer's module.
    op
        A key of `operations.table.OPERATIONS`.
    inputs
        Names of the values that it reads. `INPUT` is the batch of images.
    settings
        What its operation must know beside its tensors, such as the stride. The operation's class
        names and explains them.
    shape
        The shape of the value that it makes of one image.
    batch
        The axis of that shape along which several images lie, each with as many entries as the
        shape says there: one for maps and tokens, more for the windows of an image.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)
    shape: tuple[int, ...] = ()
    batch: int = 0

    def tensor(self, parameter: str) -> str:
        """Name of one of its parameters or buffers."""
        return f"{self.name}.{parameter}"


@dataclass(frozen=True)
class Value:
    """What a step makes, and where its channels lie.

    Numbers about channels are arrays with as many axes as the value. They have its length along
    the axes of channels, and length 1 along all others: for maps `(1, channels, 1, 1)`, for the
    heads of attention `(1, heads, 1, channels)`.

    Attributes
    ----------
    shape, batch
        As those of the step.
    axes
        The axes along which channels lie, ascending.
    """

    shape: tuple[int, ...]
    axes: tuple[int, ...]
    batch: int = 0

    @property
    def small(self) -> tuple[int, ...]:
        """The shape of an array with one number for each channel."""
        return tuple(length if axis in self.axes else 1 for axis, length in enumerate(self.shape))


# Which entries of a value are meant, along each of its axes: int64, ascending.
Entries = tuple[np.ndarray, ...]


def along(chosen: np.ndarray, axis: int) -> np.ndarray:
    """The entries along one axis of which a channel is chosen; `chosen` is boolean."""
    return np.asarray(chosen.any(axis=tuple(k for k in range(chosen.ndim) if k != axis)))


def product(sides: Sequence[np.ndarray]) -> np.ndarray:
    """All channels whose entry is chosen along each axis, from booleans for each axis."""
    ndim = len(sides)
    shaped = (
        side.reshape([-1 if k == axis else 1 for k in range(ndim)])
        for axis, side in enumerate(sides)
    )
    return np.asarray(reduce(np.logical_and, shaped))


def closed(chosen: np.ndarray) -> np.ndarray:
    """The chosen channels, and those that cannot be left out of an array that holds them.

    An array loses whole rows or columns, not single numbers: of heads and their channels, a channel
    goes in all heads, or a head with all of its channels.
    """
    return product([along(chosen, axis) for axis in range(chosen.ndim)])


def entries(chosen: np.ndarray, shape: Sequence[int]) -> Entries:
    """The entries along each axis of a value of this shape, of which a channel is chosen."""
    return tuple(
        np.flatnonzero(np.broadcast_to(along(chosen, axis), length))
        for axis, length in enumerate(shape)
    )


def chosen(kept: Entries, value: Value) -> np.ndarray:
    """The channels of a value that these entries hold: booleans, as arrays of channels are."""
    sides = []
    for axis, (length, found) in enumerate(zip(value.small, kept, strict=True)):
        side = np.zeros(length, bool)
        side[found if axis in value.axes else slice(0, len(found))] = True
        sides.append(side)
    return product(sides)


def fitted(numbers: np.ndarray, shape: Sequence[int]) -> np.ndarray:
    """Booleans brought to a shape whose axes have the same length or 1: any along the latter."""
    axes = tuple(axis for axis, length in enumerate(shape) if length == 1)
    return np.broadcast_to(numbers.any(axis=axes, keepdims=True), shape).copy()
