"""Hold a module's pruned parameters at zero while it is trained."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn


class RegrowthError(RuntimeError):
    """Pruned weights are not zero, although the masks are enforced: a bug in the training code."""


class MaskedParameters:
    """The parameters of a module that have masks.

    Create it after the module has been moved to its device: the masks are put on the same device.

    Parameters
    ----------
    module
        The module.
    masks
        Boolean arrays by parameter name, True where the parameter is kept.
    counted
        Which weights count in the sparsity, as `reach.counted` returns it; None counts all.
    """

    def __init__(
        self,
        module: nn.Module,
        masks: Mapping[str, np.ndarray],
        counted: Mapping[str, np.ndarray] | None = None,
    ) -> None:
        # A parameter of two layers has two names.
        parameters = dict(module.named_parameters(remove_duplicate=False))
        self._parameters = [parameters[name] for name in masks]
        # In the memory layout of the parameters: products of different layouts are slow.
        self._masks = [
            torch.empty_like(parameters[name], requires_grad=False).copy_(
                torch.from_numpy(mask).reshape(parameters[name].shape)
            )
            for name, mask in masks.items()
        ]
        everywhere, counted = np.ones(1, dtype=bool), counted or {}
        self._counted = [
            torch.from_numpy(counted.get(name, everywhere)).to(value.device).expand_as(value)
            for name, value in zip(masks, self._parameters, strict=True)
        ]

    @torch.no_grad()
    def apply(self) -> None:
        """Set the pruned entries to zero."""
        for value, mask in zip(self._parameters, self._masks, strict=True):
            value.mul_(mask)

    @torch.no_grad()
    def regrown(self) -> int:
        """The number of pruned entries that are not zero."""
        pairs = zip(self._parameters, self._masks, strict=True)
        return sum(int(((mask == 0) & (value != 0)).sum()) for value, mask in pairs)

    @torch.no_grad()
    def masked_share(self) -> float:
        """Fraction of masked ones in what counts of the parameters that have masks."""
        pairs = list(zip(self._masks, self._counted, strict=True))
        size = sum(int(counted.sum()) for _, counted in pairs)
        masked = sum(int(((mask == 0) & counted).sum()) for mask, counted in pairs)
        return masked / size if size else 0.0

    @torch.no_grad()
    def sparsity(self) -> float:
        """Fraction of zeros in what counts of the parameters that have masks; 0.0 if none does."""
        pairs = zip(self._parameters, self._counted, strict=True)
        size = sum(int(counted.sum()) for counted in self._counted)
        zeros = sum(int(((value == 0) & counted).sum()) for value, counted in pairs)
        return zeros / size if size else 0.0
