"""The image classifiers of torchvision, by the names of torchvision's functions.

`model.options` are keyword arguments of that function. GoogLeNet and Inception v3 initialise their
weights in torchvision's own way (normal with a small standard deviation, which needs a far smaller
learning rate at the start of training) unless the options say `init_weights: false`; then torch's
defaults for each type of layer hold.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from prunescope.networks import architecture
from prunescope.networks.libraries import known_networks

if TYPE_CHECKING:
    from torch import nn

WRITTEN = "torchvision:NAME"
RESERVED = {
    "num_classes": "the classes of the dataset",
    "weights": "model.checkpoint",
    "progress": "model.checkpoint",
    "aux_logits": "model.auxiliary_heads",
}
ALL_NAMES = "https://docs.pytorch.org/vision/stable/models.html lists all classifiers."


def problem(name: str) -> str:
    """What is wrong with a name; empty if torchvision knows it."""
    if name in known_networks.torchvision_networks():
        return ""
    return architecture.unknown_to("torchvision", name, known_networks.names(), ALL_NAMES)


def near(name: str) -> list[str]:
    """The names that are like a name."""
    return architecture.nearest(name, known_networks.torchvision_networks(), "torchvision")


def auxiliary(name: str) -> tuple[str, ...]:
    """The prefixes of all tensors of auxiliary heads: GoogLeNet and Inception v3 have some."""
    return known_networks.torchvision_networks()[name].auxiliary


def files(_name: str) -> tuple[str, ...]:
    """None: the lock file pins the version of the library."""
    return ()


def build(
    name: str, options: Mapping[str, Any], classes: int, auxiliary_heads: bool
) -> "nn.Module":
    """A freshly initialised module.

    Raises
    ------
    InputError
        torchvision has no such classifier, its constructor refuses the options, or it has no
        auxiliary heads and they are asked for.
    """
    # Imported here because it imports torch.
    from torchvision import models

    if told := problem(name):
        raise architecture.refusal(told)
    if auxiliary_heads and not auxiliary(name):
        raise architecture.no_heads(f"torchvision:{name}")
    heads = {"aux_logits": auxiliary_heads} if auxiliary(name) else {}
    constructor = models.get_model_builder(name)
    try:
        made: nn.Module = constructor(weights=None, num_classes=classes, **heads, **options)
    except Exception as error:
        raise architecture.failed(f"torchvision:{name}", options, error) from error
    return made
