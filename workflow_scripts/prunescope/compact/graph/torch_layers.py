"""Layers that graphs need and PyTorch lacks."""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn


class SelectLayer(nn.Module):
    """Picks entries along an axis, in the order in which they are named.

    Parameters
    ----------
    number
        Number of entries. The buffer `channels`, int64 of shape `(number,)`, says which; it is
        zero until it is loaded.
    over
        The axis.
    """

    channels: torch.Tensor

    def __init__(self, number: int, over: int) -> None:
        super().__init__()
        self.over = over
        self.register_buffer("channels", torch.zeros(number, dtype=torch.int64))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        return _select(values, self.channels, self.over)


def _select(values: torch.Tensor, channels: torch.Tensor, over: int) -> torch.Tensor:
    if values.ndim != 4 or over != 1:
        return values.index_select(over, channels)
    # Rows of channels-last images: several times as fast as along the second axis.
    batch, number, height, width = values.shape
    rows = values.permute(0, 2, 3, 1).reshape(-1, number).index_select(1, channels)
    return rows.reshape(batch, height, width, -1).permute(0, 3, 1, 2)


class ExtendLayer(nn.Module):
    """Puts channels where they belong, and constants between them.

    Parameters
    ----------
    number
        Number of channels that are made. The buffer `channels`, int64 of shape `(number,)`, says
        which one of the input stands there; behind the last one, none does.
    over
        Their axis.
    fill
        The shape of the parameter `fill`, which has the constants; without it they are zero.
    """

    channels: torch.Tensor

    def __init__(self, number: int, over: int, fill: Sequence[int] | None) -> None:
        super().__init__()
        self.over = over
        self.fill = None if fill is None else nn.Parameter(torch.zeros(tuple(fill)))
        self.register_buffer("channels", torch.zeros(number, dtype=torch.int64))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        widths = [0, 0] * (values.ndim - 1 - self.over) + [0, 1]
        made = _select(F.pad(values, widths), self.channels, self.over)
        return made if self.fill is None else made + self.fill


class ScaleLayer(nn.Module):
    """Multiplies each channel by a factor of its own, and shifts it.

    Parameters
    ----------
    factor, shift
        One number for each channel. They are kept in float64 and belong to no state dict.
    """

    factor: torch.Tensor
    shift: torch.Tensor

    def __init__(self, factor: tuple[float, ...], shift: tuple[float, ...]) -> None:
        super().__init__()
        for name, values in (("factor", factor), ("shift", shift)):
            # These values are not loaded later, so they must not be on the meta device.
            exact = torch.tensor(values, dtype=torch.float64, device="cpu").reshape(1, -1, 1, 1)
            self.register_buffer(name, exact, persistent=False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images * self.factor.to(images.dtype) + self.shift.to(images.dtype)


class CombineLayer(nn.Module):
    """Combines a value with a tensor, number by number.

    Parameters
    ----------
    function
        A function of two tensors.
    shape
        The shape of the buffer `other`.
    other_first
        Whether it is the first operand.
    """

    other: torch.Tensor

    def __init__(
        self,
        function: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
        shape: Sequence[int],
        other_first: bool,
    ) -> None:
        super().__init__()
        self.function, self.other_first = function, other_first
        self.register_buffer("other", torch.zeros(tuple(shape)))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        first, second = (self.other, values) if self.other_first else (values, self.other)
        return self.function(first, second)


class ConcatLayer(nn.Module):
    """Joins values and tensors that are the same for all images.

    Parameters
    ----------
    over
        The axis along which they are joined.
    parts
        What stands there in turn: `input`, or the name of a tensor.
    held
        The shapes of the tensors, by name.
    batch
        The axis along which several images lie.
    """

    def __init__(
        self,
        over: int,
        parts: Sequence[str],
        held: Mapping[str, Sequence[int]],
        batch: int,
    ) -> None:
        super().__init__()
        self.over, self.parts, self.batch = over, tuple(parts), batch
        for name, shape in held.items():
            self.register_parameter(name, nn.Parameter(torch.zeros(tuple(shape))))

    def forward(self, *values: torch.Tensor) -> torch.Tensor:
        images = values[0].shape[self.batch]
        waiting = iter(values)
        joined = []
        for part in self.parts:
            if part == "input":
                joined.append(next(waiting))
                continue
            tensor = self.get_parameter(part)
            shape = list(tensor.shape)
            shape[self.batch] = images
            joined.append(tensor.expand(shape))
        return torch.cat(joined, self.over)


class AttentionLayer(nn.Module):
    """Attention to whose products a tensor is added.

    Parameters
    ----------
    scale
        By which products are multiplied first.
    shape
        The shape of the buffer `mask`.
    """

    mask: torch.Tensor

    def __init__(self, scale: float, shape: Sequence[int]) -> None:
        super().__init__()
        self.scale = scale
        self.register_buffer("mask", torch.zeros(tuple(shape)))

    def forward(self, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor) -> torch.Tensor:
        return F.scaled_dot_product_attention(
            query, key, value, attn_mask=self.mask, scale=self.scale
        )


class LayerNormOfPart(nn.Module):
    """Layer norm over the last axis, some of whose channels are constants and not there.

    Parameters
    ----------
    length
        Number of channels that are there.
    channels
        Number of channels over which mean and variance are taken.
    eps
        It is added to the variance.
    scales, shifts
        Whether there are the parameters `weight` and `bias`.

    The buffers `sum` and `squares` are the sums of the constants, and of the squares of their
    distances from their mean.
    """

    sum: torch.Tensor
    squares: torch.Tensor

    def __init__(self, length: int, channels: int, eps: float, scales: bool, shifts: bool) -> None:
        super().__init__()
        self.channels, self.lost, self.eps = channels, channels - length, eps
        self.weight = nn.Parameter(torch.ones(length)) if scales else None
        self.bias = nn.Parameter(torch.zeros(length)) if shifts else None
        self.register_buffer("sum", torch.zeros(()))
        self.register_buffer("squares", torch.zeros(()))

    def forward(self, values: torch.Tensor) -> torch.Tensor:
        mean = (values.sum(-1, keepdim=True) + self.sum) / self.channels
        apart = values - mean
        # The part of the constants: the sum of (c - mean)^2, without differences of large sums.
        lost = self.squares + self.lost * (mean - self.sum / self.lost).square()
        variance = (apart.square().sum(-1, keepdim=True) + lost) / self.channels
        made = apart * torch.rsqrt(variance + self.eps)
        made = made if self.weight is None else made * self.weight
        return made if self.bias is None else made + self.bias
