"""A small network with everything that layers can be, and images for it."""

from dataclasses import replace

import numpy as np
import torch
from torch import nn

from prunescope.data.packed_images import PackedImages
from prunescope.networks import modules
from prunescope.networks.describing.describe import describe
from prunescope.networks.description import Description, Network

CLASSES = 5
DESCRIPTION = Description("small", CLASSES, 8, (0.2, 0.3, 0.4), (0.5, 0.25, 0.4))


class Small(nn.Module):
    """Convolutions with stride, groups, padding and dilation; batch norm; a linear layer on rows.

    `extra` is a layer before the classifier.
    """

    def __init__(self, extra: nn.Module | None = None, normed: bool = True) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 6, 3, stride=2, padding=1)
        self.norm = nn.BatchNorm2d(6) if normed else nn.Identity()
        self.grouped = nn.Conv2d(6, 8, 3, padding=2, dilation=2, groups=2, bias=False)
        self.rows = nn.Linear(8, 6)
        self.extra = extra or nn.Identity()
        self.fc = nn.Linear(6, CLASSES)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        maps = torch.relu(self.norm(self.first(images)))
        tokens = torch.relu(self.grouped(maps)).flatten(2).transpose(1, 2)
        return self.fc(self.extra(torch.relu(self.rows(tokens)).mean(dim=1)))


def make(module: nn.Module) -> Network:
    """The module in evaluation mode as a network, after nothing about it is trivial."""
    torch.manual_seed(0)
    for name, tensor in module.state_dict().items():
        if name.endswith(("running_var", "norm.weight")):
            tensor.uniform_(0.2, 1)
        elif tensor.is_floating_point():
            tensor.normal_(std=0.4)
    layers = describe(module.eval(), image_size=8).layers
    return modules.to_network(module, replace(DESCRIPTION, layers=layers))


def batches(number: int = 3, size: int = 4) -> list[PackedImages]:
    rng = np.random.default_rng(0)
    return [
        PackedImages(
            rng.integers(0, 256, size=(size, 3, 8, 8), dtype=np.uint8),
            rng.integers(0, CLASSES, size=size),
        )
        for _ in range(number)
    ]
