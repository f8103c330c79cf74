"""The interface of masks that change during a training, and the table of their changes."""

from collections.abc import Mapping
from typing import ClassVar, Protocol

import numpy as np
import polars as pl

from prunescope.foundation.tables import Column, Table
from prunescope.networks.coordinates import NETWORK_FOLDER
from prunescope.networks.description import Network

MASK_UPDATES = Table(
    f"{NETWORK_FOLDER}/mask_updates.parquet",
    "A change of the masks during a training.",
    {
        "step": Column(pl.Int64, "steps done, with the one whose place the change took"),
        "scheduled": Column(
            pl.Float64,
            "what the schedule asks for: with gradual pruning the pieces that are pruned, with "
            "regrowth the live weights of each layer that are dropped",
            "fraction",
        ),
        "dropped": Column(pl.Int64, "parameters that the change masked"),
        "grown": Column(pl.Int64, "parameters that it unmasked"),
        "masked": Column(pl.Int64, "parameters that are masked after it"),
        "with_masks": Column(pl.Int64, "parameters of tensors that have a mask"),
        "sparsity": Column(
            pl.Float64, "masked ones among the parameters with masks that count", "fraction"
        ),
    },
)


class MaskUpdates(Protocol):
    """When and how the masks of a training change.

    It must depend on nothing but its arguments, so that a training that was interrupted ends as
    any other, and must be picklable, so that several processes can train together.

    Attributes
    ----------
    BY_GRADIENTS
        Whether a change takes the place of a step of the optimizer, and is told its gradients.
        Otherwise it follows the step.
    """

    BY_GRADIENTS: ClassVar[bool]

    @property
    def end(self) -> int:
        """The step from which on masks stay as they are."""
        ...

    def scheduled(self, step: int) -> float | None:
        """What the schedule asks for at step `step`, counted from 1; None: masks stay."""
        ...

    def masks(
        self, step: int, network: Network, gradients: Mapping[str, np.ndarray]
    ) -> Mapping[str, np.ndarray]:
        """The masks from step `step` on, where `scheduled` is not None.

        Parameters
        ----------
        step
            The step.
        network
            The network at this step, with the masks until now.
        gradients
            With `BY_GRADIENTS`, those of the step, by the names of parameters that have masks.
            Parameters without a part in the loss are not among them.

        Returns
        -------
        dict
            Boolean arrays by parameter name, True where the parameter is kept. Parameters that it
            unmasks are zero, and the optimizer forgets what it knows of them.
        """
        ...
