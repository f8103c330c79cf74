"""Graphs that are read from PyTorch modules."""

import numpy as np
import pytest
import torch
from conftest import PREPROCESSING
from registries import register_architecture
from torch import nn

from prunescope.compact import equivalence
from prunescope.compact.graph import torch_modules, tracing
from prunescope.networks.description import Description, Network


def test_a_traced_graph_is_the_network(
    masked: Network, images: torch.Tensor, expected: np.ndarray
) -> None:
    graph = tracing.trace(masked.description)
    used = {name: masked.tensors[name] for name in graph.tensor_names(masked.tensors)}
    with torch.inference_mode():
        found = torch_modules.build(graph, used)(images).numpy()
    assert equivalence.difference(expected, found) <= 1e-6
    assert graph.nodes[0].op == "scale"
    assert {name for name in masked.tensors if name not in used} == {
        name for name in masked.tensors if name.startswith("aux")
    }


class Grouped(nn.Module):
    def __init__(self, description: Description) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, groups=3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.conv(images)


class Twice(Grouped):
    def __init__(self, description: Description) -> None:
        super().__init__(description)
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.conv(self.conv(images))


class Residual(Twice):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.conv(images) + images


class Flattened(Twice):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.flatten(self.conv(images), 1)


@pytest.mark.parametrize("kind", [Grouped, Twice, Residual, Flattened])
def test_what_graphs_cannot_hold_is_refused(
    kind: type[nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    register_architecture(monkeypatch, "odd", kind)
    with pytest.raises(NotImplementedError, match="compact networks"):
        tracing.trace(Description("odd", 3, 8, **PREPROCESSING))
