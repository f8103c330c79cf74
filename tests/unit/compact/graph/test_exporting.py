"""A graph is offered only if the network that is built from it answers as the network itself."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from prunescope.compact.graph import exporting, lowering
from prunescope.compact.graph.operations import table
from prunescope.compact.graph.operations.elementwise import Elementwise
from prunescope.compact.graph.operations.operation import CannotCompactError


class Plain(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, 3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.features(images).mean(dim=(2, 3)))

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return self.conv(images)


class Counting(Plain):
    """It treats batches by their length, which a graph of two images does not show."""

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return self.conv(images) * len(images)


class Branching(Plain):
    def features(self, images: torch.Tensor) -> torch.Tensor:
        return self.conv(images if images.sum() > 0 else -images)


class Mixing(Plain):
    """Images are compared with each other."""

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return self.conv(images - images.mean(dim=0, keepdim=True))


class Summing(Plain):
    def features(self, images: torch.Tensor) -> torch.Tensor:
        return torch.cumsum(self.conv(images), dim=1)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        (Plain, ""),
        (Counting, "steps whose meaning depends on how many images there are"),
        (Branching, "a graph that PyTorch cannot export"),
        (Mixing, "mean over the images"),
        (Summing, "cumsum"),
    ],
)
def test_what_stands_in_the_way_is_told(kind: type[Plain], reason: str) -> None:
    torch.manual_seed(0)
    module = kind().eval()
    before = {name: tensor.clone() for name, tensor in module.state_dict().items()}
    recorded = exporting.export_graph(module, 8)
    assert recorded.stays_masked.startswith(reason)
    assert bool(recorded.stays_masked) == bool(reason)
    assert all(torch.equal(tensor, before[name]) for name, tensor in module.state_dict().items())
    if reason:
        with pytest.raises(CannotCompactError, match=reason):
            lowering.lower(recorded, {})


class Activated(Plain):
    def features(self, images: torch.Tensor) -> torch.Tensor:
        return torch.sigmoid(self.conv(images))


@pytest.mark.parametrize("numbers", [lambda _, x, __: x + 1, lambda _, x, __: x[:, :1]])
def test_an_operation_that_is_wrong_about_its_constants_is_found_out(
    numbers: Callable[..., np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    assert exporting.export_graph(Activated().eval(), 8).stays_masked == ""
    sigmoid = type(table.OPERATIONS["sigmoid"])
    assert issubclass(sigmoid, Elementwise)
    monkeypatch.setattr(sigmoid, "function", numbers)
    assert exporting.export_graph(Activated().eval(), 8).stays_masked == exporting.UNSOUND
