"""Layers of GoogLeNet against torchvision's."""

from torch import nn

from prunescope.networks.architectures import googlenet
from prunescope.networks.description import Network


def test_layer_names_are_those_of_torchvision(googlenet_module: nn.Module) -> None:
    names = [
        name
        for name, child in googlenet_module.named_modules()
        if isinstance(child, nn.Conv2d | nn.Linear)
    ]
    assert len(names) == 64
    assert sorted(googlenet.LAYERS) == sorted(names)


def test_layer_names_are_in_forward_order(googlenet_network: Network) -> None:
    main = [name for name in googlenet.LAYERS if not name.startswith("aux")]
    assert main == [layer.name for layer in googlenet_network.description.measured_layers]
