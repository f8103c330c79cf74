"""Layers without their pruned rows and columns, in the place of whole ones."""

from abc import ABC, abstractmethod
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn


class CompactLayer(nn.Module, ABC):
    """What masks leave of a layer, between values that keep all their channels.

    It picks from its input what its weights read, and puts zeros where outputs are gone, so that
    the steps around it stay as they are. Its parameters are named as those of the whole layer.

    Parameters
    ----------
    whole
        The layer; it is kept, and gets its parameters back with `restore`.
    rows
        Which outputs are left: booleans of shape `(out,)`, at least one.
    columns
        Which inputs are left: booleans of shape `(in,)`, at least one.
    silent
        Which inputs are zero for every image: booleans of shape `(in,)`. Their weights stay
        parameters, because weight decay changes them, but nothing is multiplied by them.

    Attributes
    ----------
    multiplied
        The number of weights that something is multiplied by.
    """

    axis: int
    weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(
        self, whole: nn.Module, rows: torch.Tensor, columns: torch.Tensor, silent: torch.Tensor
    ) -> None:
        super().__init__()
        self.training = whole.training
        self._whole = [whole]  # in a list, so that it is no part of this module
        self._rows, self._columns = rows.nonzero()[:, 0], columns.nonzero()[:, 0]
        for name in ("weight", "bias"):
            value: torch.Tensor | None = getattr(whole, name)
            part = None if value is None else value.detach()[self.block(name)]
            if part is not None and part.ndim == 4:
                part = part.contiguous(memory_format=torch.channels_last)
            self.register_parameter(name, None if part is None else nn.Parameter(part))
        used = columns & ~silent
        if not used.any():
            used[self._columns[0]] = True
        device = self.weight.device
        self._reads = _indices(used, device)
        self._multiplies = _indices(used[columns], device)
        self._makes = _indices(rows, device)
        self._outputs = rows.numel()
        self.multiplied = int(used.sum()) * self.weight[:, 0].numel()

    def block(self, name: str) -> tuple[torch.Tensor, ...]:
        """The part of a parameter of the whole layer that is left, as an index."""
        return (self._rows[:, None], self._columns) if name == "weight" else (self._rows,)

    @torch.no_grad()
    def restore(self) -> nn.Module:
        """The whole layer, with the parameters as they are now and zeros where masks say so."""
        (whole,) = self._whole
        for name, value in whole.named_parameters(recurse=False):
            value.zero_()
            value[self.block(name)] = self.get_parameter(name)
        return whole

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        weight: torch.Tensor = self.weight
        if self._reads is not None:
            values = _pick(values, self.axis, self._reads)
        if self._multiplies is not None:
            weight = weight.index_select(1, self._multiplies)
        made = self.compute(values, weight)
        return made if self._makes is None else _put(made, self.axis, self._makes, self._outputs)

    @abstractmethod
    def compute(self, values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        """The outputs that are left, of the inputs that are read."""


class CompactConvolution(CompactLayer):
    """What is left of a convolution without groups."""

    axis = 1

    def compute(self, values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        whole: Any = self._whole[0]
        weight = weight.contiguous(memory_format=torch.channels_last)
        return F.conv2d(values, weight, self.bias, whole.stride, whole.padding, whole.dilation)


class CompactLinear(CompactLayer):
    """What is left of a fully connected layer."""

    axis = -1

    def compute(self, values: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return F.linear(values, weight, self.bias)


def kind_of(layer: nn.Module) -> type[CompactLayer] | None:
    """The class that replaces a layer; None if there is none.

    Subclasses may compute something else, so they stay whole.
    """
    if type(layer) is nn.Linear:
        return CompactLinear
    if type(layer) is nn.Conv2d and layer.groups == 1 and layer.padding_mode == "zeros":
        return CompactConvolution
    return None


def _indices(chosen: torch.Tensor, device: torch.device) -> torch.Tensor | None:
    """The places of what is chosen; None if that is everything."""
    return None if chosen.all() else chosen.nonzero()[:, 0].to(device)


def _pick(values: torch.Tensor, axis: int, places: torch.Tensor) -> torch.Tensor:
    if axis == -1:
        return values.index_select(-1, places)
    # Rows of channels-last maps: several times as fast as along the second axis.
    images, channels, height, width = values.shape
    rows = values.permute(0, 2, 3, 1).reshape(-1, channels).index_select(1, places)
    return rows.reshape(images, height, width, -1).permute(0, 3, 1, 2)


def _put(values: torch.Tensor, axis: int, places: torch.Tensor, number: int) -> torch.Tensor:
    moved = values if axis == -1 else values.permute(0, 2, 3, 1)
    rows = moved.reshape(-1, moved.shape[-1])
    made = rows.new_zeros(len(rows), number).index_copy(1, places, rows)
    made = made.reshape(*moved.shape[:-1], number)
    return made if axis == -1 else made.permute(0, 3, 1, 2)
