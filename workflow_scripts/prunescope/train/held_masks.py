"""Hold a module's pruned parameters at zero while it is trained."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import nn


class RegrowthError(RuntimeError):
    """Pruned weights came back although masks are enforced."""


class MaskedParameters:
    """The parameters of a module that masks act on, and the means to hold them at zero.

    Make it after the module has moved to its device: the masks follow the parameters there.
    """

    def __init__(self, module: nn.Module, masks: Mapping[str, np.ndarray]) -> None:
        parameters = dict(module.named_parameters())
        self._parameters = [parameters[name] for name in masks]
        # The layout of the weights, or the product of the two would be slow.
        self._masks = [
            torch.empty_like(parameters[name], requires_grad=False).copy_(
                torch.from_numpy(mask).reshape(parameters[name].shape)
            )
            for name, mask in masks.items()
        ]

    @torch.no_grad()
    def apply(self) -> None:
        """Set what is masked to zero."""
        for value, mask in zip(self._parameters, self._masks, strict=True):
            value.mul_(mask)

    @torch.no_grad()
    def regrown(self) -> int:
        """How many masked entries are not zero."""
        pairs = zip(self._parameters, self._masks, strict=True)
        return sum(int(((mask == 0) & (value != 0)).sum()) for value, mask in pairs)

    @torch.no_grad()
    def sparsity(self) -> float:
        """Fraction of zeros among the masked parameters, 0.0 without any."""
        size = sum(value.numel() for value in self._parameters)
        zeros = sum(int((value == 0).sum()) for value in self._parameters)
        return zeros / size if size else 0.0
