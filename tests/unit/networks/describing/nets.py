"""Networks whose computation a test writes down."""

from collections.abc import Callable

import torch
from torch import nn


class Net(nn.Module):
    """A network of given parts, and a function of them and the images that it computes."""

    def __init__(self, forward: Callable[[nn.Module, torch.Tensor], object], **parts: nn.Module):
        super().__init__()
        for name, part in parts.items():
            self.add_module(name, part)
        self.computes = forward

    def forward(self, images: torch.Tensor) -> object:
        return self.computes(self, images)
