"""Which channels go together: labels of the values in a graph, and sets of labels.

Each value of the graph has a tensor of labels of its shape. A label is

- a number from 0: a channel, one output of a layer or one channel of its input,
- `NOTHING`: no channel, such as the number in a parameter,
- a smaller number: the result of an operation that cannot be followed.

Operations that only move numbers are run on the labels themselves.
"""

from collections import defaultdict
from collections.abc import Iterable

import numpy as np
import torch

NOTHING = -1


class Channels:
    """Sets of channels that go together, and what stands in the way of removing them."""

    def __init__(self) -> None:
        self._parents = np.empty(0, dtype=np.int64)
        self._hindrances: dict[int, set[str]] = defaultdict(set)
        self._glue: dict[int, set[str]] = defaultdict(set)
        self._unknown: list[str] = []

    def new(self, number: int) -> torch.Tensor:
        """Labels of `number` channels that go with nothing yet: int64 of shape `(number,)`."""
        first = len(self._parents)
        made = np.arange(first, first + number)
        self._parents = np.concatenate([self._parents, made])
        return torch.from_numpy(made)

    def unknown(self, operation: str) -> int:
        """The label of all that an operation makes that cannot be followed."""
        if operation not in self._unknown:
            self._unknown.append(operation)
        return NOTHING - 1 - self._unknown.index(operation)

    def roots(self, labels: torch.Tensor) -> torch.Tensor:
        """The labels, with one and the same label for all channels that go together."""
        few = small(labels)
        channels = few.clamp(min=0).numpy()
        if len(self._parents):
            found = self._parents[channels]
            while (found != (above := self._parents[found])).any():
                found = above
            known = (few >= 0).numpy()
            self._parents[channels[known]] = found[known]
            few = torch.where(few < 0, few, torch.from_numpy(found))
        return few.expand(labels.shape)

    def unite(self, one: torch.Tensor, other: torch.Tensor, glue: str = "") -> None:
        """Let the channels at the same places of two tensors go together.

        `glue` is the operation, if it puts channels of one value together.
        """
        one, other = self.roots(one), self.roots(other)
        both = (one != other) & (one >= 0) & (other >= 0)
        pairs = torch.stack([one[both], other[both]], dim=1)
        for a, b in torch.unique(pairs, dim=0).tolist():
            a, b = self._find(a), self._find(b)
            if a != b:
                self._parents[b] = a
                self._hindrances[a] |= self._hindrances.pop(b, set())
                self._glue[a] |= self._glue.pop(b, set())
            if glue:
                self._glue[a].add(glue)

    def hinder(self, labels: torch.Tensor, operation: str) -> None:
        """Note that an operation stands in the way of removing channels."""
        for root in torch.unique(self.roots(labels)).tolist():
            if root >= 0:
                self._hindrances[root].add(operation)

    def meet(self, one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
        """The labels of what is computed number by number from two values of one shape."""
        self.unite(one, other)
        for known, strange in ((one, other), (other, one)):
            for label in torch.unique(strange[(strange < NOTHING) & (known >= 0)]).tolist():
                self.hinder(known[strange == label], self._unknown[NOTHING - 1 - label])
        return torch.where((one >= 0) | ((one < NOTHING) & (other < 0)), one, other)

    def hindrances(self, channels: Iterable[int]) -> set[str]:
        """The operations that stand in the way of removing any of some channels."""
        return set().union(*(self._hindrances.get(self._find(k), ()) for k in channels))

    def glue(self, channel: int) -> set[str]:
        """The operations that put channels of one value together with this one."""
        return self._glue.get(self._find(channel), set())

    def _find(self, channel: int) -> int:
        parents = self._parents
        while parents[channel] != channel:
            channel = int(parents[channel])
        return channel


def varies(labels: torch.Tensor, axis: int) -> bool:
    """Whether labels differ along an axis."""
    if labels.shape[axis] < 2 or labels.stride(axis) == 0:
        return False
    return not bool((labels == labels.narrow(axis, 0, 1)).all())


def small(labels: torch.Tensor) -> torch.Tensor:
    """The same labels, without the axes along which they are stored once: these have length 1."""
    for axis in range(labels.ndim):
        if labels.shape[axis] > 1 and labels.stride(axis) == 0:
            labels = labels.narrow(axis, 0, 1)
    return labels


def pack(labels: torch.Tensor) -> torch.Tensor:
    """The same labels, stored once along all axes along which they do not differ.

    What belongs to no channel, such as a class token among tokens or padding beside a map, takes
    the labels of its neighbours along an axis, if channels lie along another one.
    """
    shape = labels.shape
    for axis in range(labels.ndim):
        if labels.shape[axis] < 2:
            continue
        if not varies(labels, axis):
            labels = labels.narrow(axis, 0, 1)
            continue
        if (labels == NOTHING).any():
            likely = labels.amax(dim=axis, keepdim=True)
            same = bool(((labels == likely) | (labels == NOTHING)).all())
            others = [other for other in range(labels.ndim) if other != axis]
            if same and any(varies(likely, other) for other in others):
                labels = likely
    return labels.expand(shape)
