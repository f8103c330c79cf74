"""The steps of a graph."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

# Parameters and buffers, or their shapes, by name.
Tensors = Mapping[str, np.ndarray]
Shapes = Mapping[str, tuple[int, ...]]

# The name of the value that is given to a graph: the batch of images.
INPUT = "images"


@dataclass(frozen=True)
class Node:
    """A step: it makes one value, which has its name.

    Attributes
    ----------
    name
        Unique in the graph. The step of a layer has the name of the layer's module.
    op
        A key of `operations.table.OPERATIONS`.
    inputs
        Names of the values that it reads. `INPUT` is the batch of images.
    settings
        What its operation must know beside its tensors, such as the stride. The operation's class
        names and explains them.
    """

    name: str
    op: str
    inputs: tuple[str, ...]
    settings: Mapping[str, Any] = field(default_factory=dict)

    def tensor(self, parameter: str) -> str:
        """Name of one of its parameters or buffers."""
        return f"{self.name}.{parameter}"
