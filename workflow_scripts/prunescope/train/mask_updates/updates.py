"""The interface of masks that change during a training, and the table of their changes."""

from collections.abc import Mapping
from typing import Protocol

import numpy as np
import polars as pl

from prunescope.foundation.tables import Column, Table
from prunescope.networks.coordinates import NETWORK_FOLDER
from prunescope.networks.description import Network

MASK_UPDATES = Table(
    f"{NETWORK_FOLDER}/mask_updates.parquet",
    "A change of the masks during a training.",
    {
        "step": Column(pl.Int64, "optimizer steps done before the change"),
        "scheduled": Column(pl.Float64, "pieces that are pruned by the schedule", "fraction"),
        "masked": Column(pl.Int64, "parameters that are masked after the change"),
        "with_masks": Column(pl.Int64, "parameters of tensors that have a mask"),
        "sparsity": Column(pl.Float64, "zeros among the masked parameters that count", "fraction"),
    },
)


class MaskUpdates(Protocol):
    """When and how the masks of a training change.

    It must depend on nothing but its arguments, so that a training that was interrupted ends as
    any other, and must be picklable, so that several processes can train together.
    """

    def scheduled(self, step: int) -> float | None:
        """The fraction of the pieces that are pruned from step `step` on; None: masks stay."""
        ...

    def masks(self, step: int, network: Network) -> Mapping[str, np.ndarray]:
        """The masks after `step` steps, where `scheduled` is not None.

        `network` is the network after these steps, with the masks until now. The result has
        boolean arrays by parameter name, True where the parameter is kept.
        """
        ...
