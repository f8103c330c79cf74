"""The interface of an architecture, and how to load one by its name.

Each file in `networks/architectures/` is an architecture; the name of the file is the name in the
config. Such a file must not import torch at its top: the config is checked against its constants
at every start of the workflow.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

from prunescope.foundation import plugins
from prunescope.networks.description import Description

if TYPE_CHECKING:
    from torch import nn

ARCHITECTURES = "networks.architectures"


class Architecture(Protocol):
    """The constants and the function that a file in `networks/architectures/` must define.

    Attributes
    ----------
    LAYERS
        Module names of the convolutions and fully connected layers, in forward order. Layers of
        auxiliary heads come last.
    AUXILIARY
        Prefixes of the names of all tensors of auxiliary heads.
    CLASSIFIER
        Name of the weight that has a row for each class.
    PARAMETERS
        Number of parameters of a network for ImageNet, without (False) and with (True)
        auxiliary heads.
    UNITS
        Number of measured units of a network for ImageNet.
    EPOCH_MINUTES
        Minutes of one training epoch of ImageNet on one RTX 2080 Ti.
    WEIGHTS
        Published weights by name: their address, whose file name ends in the first digits of its
        SHA-256, and whether they need `transform_input`.
    INPUT_MEAN, INPUT_STD
        Mean and standard deviation per channel with which images must be normalised for a
        network with `transform_input`.
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
        """A freshly initialised module, on torch's current device, seeded by torch's generator."""
        ...


def load(name: str) -> Architecture:
    """The architecture `name`.

    Raises
    ------
    InputError
        There is no such architecture, or its file lacks something.
    """
    found: Architecture = plugins.load(ARCHITECTURES, name, Architecture)
    return found
