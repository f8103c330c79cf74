"""The part of a network that a layer belongs to, by which charts group layers."""

from collections import Counter
from collections.abc import Iterator

from torch import nn

from prunescope.networks.describing.runs import layers_of

# Modules that only hold others, in an order. Their subclasses are parts of their own.
_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


def block_of(module: nn.Module, layer: str) -> str:
    """The name of the block of a layer.

    On the way from the network to the layer, it is the first module that neither merely holds
    others (`Sequential`, `ModuleList`, `ModuleDict`) nor holds blocks itself. A module holds
    blocks if one such container in it, or it itself, has at least two members of the same class
    which have at least two layers each. So it is `inception3a` for `inception3a.branch2.0.conv`,
    `layer1.0` for `layer1.0.conv1`, and `encoder.layers.encoder_layer_0` for
    `encoder.layers.encoder_layer_0.mlp.0`.

    Parameters
    ----------
    module
        The network.
    layer
        Name of the layer.
    """
    current, path = module, ""
    for part in layer.split("."):
        current = current.get_submodule(part)
        path = f"{path}.{part}" if path else part
        if type(current) not in _CONTAINERS and not _holds_blocks(current):
            break
    return path


def _holds_blocks(module: nn.Module) -> bool:
    return any(_repeats(container) for container in _containers(module))


def _containers(module: nn.Module) -> Iterator[nn.Module]:
    """The containers in a module, those in other parts left out."""
    if isinstance(module, _CONTAINERS):
        yield module
    for child in module.children():
        if type(child) in _CONTAINERS:
            yield from _containers(child)


def _repeats(container: nn.Module) -> bool:
    kinds = Counter(
        type(child)
        for child in container.children()
        if type(child) not in _CONTAINERS and len(layers_of(child)) > 1
    )
    return any(number > 1 for number in kinds.values())
