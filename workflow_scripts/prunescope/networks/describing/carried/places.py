"""Which numbers of parameters belong to which channels, though no layer owns the parameters.

Each number has a place among all of them. The places are moved as the numbers are, and where they
meet channels, each place gets the channel's label. Names of parameters play no part.
"""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from prunescope.networks.describing.channels import Channels
from prunescope.networks.describing.export import Exported
from prunescope.networks.describing.operations import (
    OPERATIONS,
    Known,
    Step,
    concatenate,
    fresh,
    labels_of,
    move,
    moved,
    tensors_in,
)
from prunescope.networks.describing.uses import CONVOLUTIONS, LINEAR

NOWHERE = -1
_MOVES = {name for name, operation in OPERATIONS.items() if operation in (move, concatenate)}
_COPIES = {
    "contiguous", "clone", "alias", "detach", "to", "_to_copy", "lift_fresh_copy", "dropout",
}  # fmt: skip
# A channel is zero where it is multiplied by zero; where zero is added, it stays what it is.
_NUMBER_BY_NUMBER = {"add", "sub", "rsub", "subtract", "mul", "multiply"}
# Their scale and bias have one number for each channel, along the second axis.
_SECOND_AXIS = {"batch_norm", "instance_norm", "group_norm", "prelu", *CONVOLUTIONS}
_LAST_AXES = {"layer_norm", "rms_norm", *LINEAR}


@dataclass(frozen=True)
class Numbers:
    """A parameter whose numbers belong to channels.

    Attributes
    ----------
    parameter
        Its name.
    node
        The name of its node.
    operation
        The steps where it meets the channels, separated by commas.
    axis
        The axis along which the channels lie.
    roots
        The root of the channel of each index along the axis.
    """

    parameter: str
    node: str
    operation: str
    axis: int
    roots: tuple[int, ...]


class Places:
    """The places of the numbers of parameters, and the channels that they met.

    Parameters
    ----------
    exported
        The graph.
    owned
        Names of the parameters that are weights or biases of layers. They are not followed.
    """

    def __init__(self, exported: Exported, owned: Collection[str]) -> None:
        self._first: dict[str, int] = {}
        self._state = exported.state
        self._count = 0
        for node, (name, tensor) in exported.state.items():
            if node in exported.parameters and name not in owned and tensor.ndim:
                self._first[node] = self._count
                self._count += tensor.numel()
        # Places, the labels that they met, and the step.
        self._met: list[tuple[torch.Tensor, torch.Tensor, str]] = []
        self._lost: list[torch.Tensor] = []

    def of(self, node: str) -> torch.Tensor | None:
        """The places of the numbers of a parameter; None of what cannot be masked by itself."""
        if node not in self._first:
            return None
        tensor = self._state[node][1]
        first = self._first[node]
        return torch.arange(first, first + tensor.numel()).reshape(tensor.shape)

    def follow(self, step: Step, made: Any) -> Any:
        """What a step makes of values that do not depend on the images, with its places."""
        if not self._given(step) or OPERATIONS.get(step.name) is fresh:
            return made
        if step.name == "getitem":
            return step.given[0][step.given[1]]  # type: ignore[index]
        places = None
        if step.name in _COPIES:
            places = _places_of(next(tensors_in(step.given.values())))
        elif step.name in _MOVES:
            places = moved(step, _places_of)
        if places is None:
            self._lose(step)
            return made
        if isinstance(places, list | tuple):
            return tuple(Known(one.tensor, part) for one, part in zip(made, places, strict=True))
        return Known(made.tensor, places)

    def meet(self, step: Step, made: Any) -> None:
        """Note which channels the numbers of parameters meet in a step that makes channels."""
        if not self._given(step) or OPERATIONS.get(step.name) is fresh:
            return
        pairs = list(self._pairs(step, made))
        if not pairs:
            self._lose(step)
        for places, labels in pairs:
            shape = torch.broadcast_shapes(places.shape, labels.shape)
            places, labels = _once(places.expand(shape), labels.expand(shape))
            self._met.append((places, labels, step.name))

    def numbers(self, channels: Channels) -> Iterator[Numbers]:
        """The parameters whose numbers belong to channels, each index of one axis to one channel.

        A parameter is left out if a number of it belongs to several channels that do not go
        together, or takes part in a step that cannot be told.
        """
        lowest = np.full(self._count, np.iinfo(np.int64).max)
        highest = np.full(self._count, NOWHERE)
        operations: list[tuple[np.ndarray, str]] = []
        for places, labels, operation in self._met:
            roots = channels.roots(labels).numpy()
            where = places.numpy()
            np.minimum.at(lowest, where[where >= 0], roots[where >= 0])
            np.maximum.at(highest, where[where >= 0], roots[where >= 0])
            operations.append((where[where >= 0], operation))
        for places in self._lost:
            lowest[places[places >= 0].numpy()] = NOWHERE
        for node, first in self._first.items():
            name, tensor = self._state[node]
            own = slice(first, first + tensor.numel())
            used = sorted(
                {
                    step
                    for where, step in operations
                    if ((where >= first) & (where < own.stop)).any()
                }
            )
            axis = _axis(lowest[own].reshape(tensor.shape), highest[own].reshape(tensor.shape))
            if axis is not None:
                roots = np.moveaxis(highest[own].reshape(tensor.shape), axis, 0)
                along = roots.reshape(len(roots), -1).max(axis=1)
                yield Numbers(name, node, ", ".join(used), axis, tuple(along.tolist()))

    def _given(self, step: Step) -> list[torch.Tensor]:
        """The places of all tensors that a step reads and that have some."""
        return [
            value.places
            for value in tensors_in(step.given.values())
            if isinstance(value, Known) and value.places is not None
        ]

    def _lose(self, step: Step) -> None:
        self._lost += [torch.unique(places) for places in self._given(step)]

    def _pairs(self, step: Step, made: Any) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Places beside labels of a shape to which both can be broadcast."""
        if step.name in _MOVES:
            places = moved(step, _places_of)
            if places is None:
                return
            several = isinstance(places, list | tuple)
            yield from zip(places, made, strict=True) if several else [(places, made)]
        elif step.name in _NUMBER_BY_NUMBER | _LAST_AXES:
            yield from ((places, made) for places in self._given(step))
        elif step.name in _SECOND_AXIS:
            axes = (1,) * (made.ndim - 2)
            yield from ((places.reshape(-1, *axes), made) for places in self._given(step))
        elif step.name == "scaled_dot_product_attention":
            mask = step.given["attn_mask"]
            if self._given(step) == [getattr(mask, "places", None)]:
                # All numbers of a head go together.
                yield mask.places, made[..., :1, :1]


def _places_of(value: torch.Tensor | Known) -> torch.Tensor:
    if isinstance(value, Known) and value.places is not None:
        return value.places
    return torch.tensor(NOWHERE).expand(labels_of(value).shape)


def _once(*tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Tensors of one shape, flat, without what is only repeated in all of them."""
    for axis in range(tensors[0].ndim):
        if all(tensor.stride(axis) == 0 for tensor in tensors):
            tensors = tuple(tensor.narrow(axis, 0, 1) for tensor in tensors)
    return tuple(tensor.reshape(-1) for tensor in tensors)


def _axis(lowest: np.ndarray, highest: np.ndarray) -> int | None:
    """The longest axis along which each index has one root; None if there is none.

    Numbers that met nothing have a `lowest` above their `highest`.
    """
    if (lowest < highest).any() or (lowest < 0).any():
        return None
    fitting = [
        axis
        for axis in range(lowest.ndim)
        if (_along(lowest, axis).min(axis=1) == _along(highest, axis).max(axis=1)).all()
    ]
    return max(fitting, key=lambda axis: lowest.shape[axis], default=None)


def _along(values: np.ndarray, axis: int) -> np.ndarray:
    return np.moveaxis(values, axis, 0).reshape(values.shape[axis], -1)
