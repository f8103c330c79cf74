"""Layers that graphs need and PyTorch lacks."""

import torch
from torch import nn


class SelectLayer(nn.Module):
    """Picks channels, in the order in which they are named.

    Parameters
    ----------
    number
        Number of channels. The buffer `channels`, int64 of shape `(number,)`, says which; it is
        zero until it is loaded.
    """

    channels: torch.Tensor

    def __init__(self, number: int) -> None:
        super().__init__()
        self.register_buffer("channels", torch.zeros(number, dtype=torch.int64))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        # Rows of channels-last images: several times as fast as along the second axis.
        batch, channels, height, width = images.shape
        rows = images.permute(0, 2, 3, 1).reshape(-1, channels).index_select(1, self.channels)
        return rows.reshape(batch, height, width, -1).permute(0, 3, 1, 2)


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
