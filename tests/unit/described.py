"""Freshly initialised networks whose layers are described, as jobs find them in a file."""

from dataclasses import replace

from torch import nn

from prunescope.networks import modules
from prunescope.networks.describing.describe import describe
from prunescope.networks.description import Description


def create_described(blank: Description, seed: int) -> tuple[nn.Module, Description]:
    """A module, and `blank` with its layers."""
    module = modules.create(blank, seed)
    return module, replace(blank, layers=describe(module, blank.image_size).layers)
