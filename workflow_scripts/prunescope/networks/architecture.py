"""What must be known of an architecture before its first network is built.

Each file in `networks/architectures/` is an architecture of its name. Its facts can be read without
torch, because the config is checked against them at every start.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from prunescope.foundation import plugins
from prunescope.networks.description import Description

if TYPE_CHECKING:
    from torch import nn

ARCHITECTURES = "networks.architectures"


class Architecture(Protocol):
    """What a file in `networks/architectures/` holds.

    Attributes
    ----------
    LAYERS
        Module names of the convolutions and fully connected layers, in forward order, those of
        auxiliary heads last.
    AUXILIARY
        What the names of the tensors of auxiliary heads begin with.
    CLASSIFIER
        Name of the weight that has a row for each class.
    PARAMETERS
        How many parameters a network for ImageNet has, without and with auxiliary heads.
    UNITS
        How many units of such a network are measured.
    EPOCH_MINUTES
        Minutes of one epoch of ImageNet on one RTX 2080 Ti.
    WEIGHTS
        Published weights by name: their address, and whether they come with `transform_input`.
    INPUT_MEAN, INPUT_STD
        What `transform_input` takes images to be normalised with.
    """

    LAYERS: tuple[str, ...]
    AUXILIARY: tuple[str, ...]
    CLASSIFIER: str
    PARAMETERS: Mapping[bool, int]
    UNITS: int
    EPOCH_MINUTES: int
    WEIGHTS: Mapping[str, tuple[str, bool]]
    INPUT_MEAN: tuple[float, float, float]
    INPUT_STD: tuple[float, float, float]

    def build(self, description: Description) -> "nn.Module":
        """A freshly initialised module, on the device and with the generator that torch has set."""
        ...


def load(name: str) -> Architecture:
    """The architecture of that name.

    Raises
    ------
    InputError
        There is none.
    """
    found: Architecture = plugins.load(ARCHITECTURES, name)
    return found
