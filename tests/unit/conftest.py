"""Networks and files that several unit tests share, and the settings of the property tests."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings
from published_files import unpack
from registries import register_architecture
from torch import nn
from torchvision.models.googlenet import googlenet

from prunescope.networks import modules
from prunescope.networks.describing.describe import describe
from prunescope.networks.description import Description, Layer, Network

# Small networks are faster on one thread than several are at waiting for each other, all the more
# where test files run side by side.
torch.set_num_threads(1)

settings.register_profile("unit", max_examples=40, deadline=None, derandomize=True)
settings.load_profile("unit")

PREPROCESSING = {"mean": (0.2, 0.3, 0.4), "std": (0.5, 0.25, 0.4)}


class ConvNorm(nn.Module):
    """Convolution, batch norm, ReLU; named as in torchvision's GoogLeNet."""

    def __init__(self, channels: int, filters: int, size: int, stride: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, filters, size, stride, padding=size // 2, bias=False)
        self.bn = nn.BatchNorm2d(filters, eps=0.001)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.bn(self.conv(images)))


class Mixed(nn.Module):
    """Two branches whose channels are concatenated, as in an Inception block."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.branch1 = ConvNorm(channels, 4, 1)
        self.branch2 = nn.Sequential(ConvNorm(channels, 3, 1), ConvNorm(3, 5, 3))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.cat([self.branch1(images), self.branch2(images)], dim=1)


class Toy(nn.Module):
    """A stem that halves the image, one Inception-like block, a classifier."""

    def __init__(self, description: Description) -> None:
        super().__init__()
        self.stem = ConvNorm(3, 6, 3, stride=2)
        self.mixed = Mixed(6)
        self.fc = nn.Linear(9, description.classes)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.fc(self.mixed(self.stem(images)).mean(dim=(2, 3)))


@pytest.fixture
def make_toy(monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[nn.Module, Network]]:
    """A toy module in evaluation mode, nothing about it trivial, and the same as a `Network`."""
    register_architecture(monkeypatch, "toy", Toy)

    def make(classes: int = 7, seed: int = 0) -> tuple[nn.Module, Network]:
        torch.manual_seed(seed)
        blank = Description("toy", classes, 8, **PREPROCESSING)
        module = Toy(blank)
        for name, tensor in module.state_dict().items():
            if name.endswith(("running_var", "bn.weight")):
                tensor.uniform_(0.1, 1)
            elif name.endswith(("conv.weight", "running_mean", "bn.bias", "fc.weight")):
                tensor.normal_(std=0.5)
        description = replace(blank, layers=describe(module, image_size=8).layers)
        return module.eval(), modules.to_network(module, description)

    return make


@pytest.fixture(scope="session")
def network_of() -> Callable[..., Network]:
    """Build a network from weights by layer name; further tensors by their full name."""

    def build(weights: dict[str, np.ndarray], **tensors: np.ndarray) -> Network:
        layers = tuple(
            Layer(
                name=name,
                kind="conv2d" if weight.ndim == 4 else "linear",
                shape=weight.shape,
                output_size=(1, 1),
                batch_norm=f"{name}_bn" if f"{name}_bn.weight" in tensors else None,
            )
            for name, weight in weights.items()
        )
        named = {f"{name}.weight": np.float32(weight) for name, weight in weights.items()}
        return Network(
            Description("none", 2, 8, **PREPROCESSING, layers=layers), named | tensors, {}
        )

    return build


@pytest.fixture(scope="session")
def googlenet_module() -> nn.Module:
    """The network of the paper: ImageNet's 1,000 classes, with auxiliary heads."""
    torch.manual_seed(0)
    return googlenet(weights=None, aux_logits=True, init_weights=False, num_classes=1000).eval()


@pytest.fixture(scope="session")
def googlenet_network(googlenet_module: nn.Module) -> Network:
    layers = describe(googlenet_module, image_size=224).layers
    description = Description(
        "torchvision:googlenet",
        1000,
        224,
        **PREPROCESSING,
        layers=layers,
        auxiliary_heads=True,
        options={"init_weights": False},
    )
    return modules.to_network(googlenet_module, description)


@pytest.fixture(scope="session")
def paper_exclude() -> tuple[str, ...]:
    """The layers that arXiv 2409.19727 leaves alone."""
    return ("conv1.conv", "conv2.conv", "conv3.conv", "aux1.conv.conv", "aux2.conv.conv")


@pytest.fixture(scope="session")
def published_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder that holds the published scores as their repository does, where they are at hand."""
    return unpack(tmp_path_factory)
