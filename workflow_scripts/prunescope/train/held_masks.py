"""Hold a module's pruned parameters at zero while it is trained."""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import nn


class RegrowthError(RuntimeError):
    """Pruned weights are not zero, although the masks are enforced: a bug in the training code."""


# The part of a parameter that a module has, by its name: an index; None where it has all of it.
Left = Callable[[str], tuple[torch.Tensor, ...] | None]


def whole(_name: str) -> None:
    """Every parameter is whole."""


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
    left
        The part of a parameter that a compact module has. The rest is pruned, and counts as zeros.
    """

    def __init__(
        self,
        module: nn.Module,
        masks: Mapping[str, np.ndarray],
        counted: Mapping[str, np.ndarray] | None = None,
        left: Left = whole,
    ) -> None:
        # A parameter of two layers has two names.
        parameters = dict(module.named_parameters(remove_duplicate=False))
        everywhere, counted = np.ones(1, dtype=bool), counted or {}
        counts = {
            name: np.broadcast_to(counted.get(name, everywhere), mask.shape)
            for name, mask in masks.items()
        }
        self._size = sum(int(np.count_nonzero(count)) for count in counts.values())
        self._parameters = [parameters[name] for name in masks]
        # In the memory layout of the parameters: products of different layouts are slow.
        self._masks = [
            torch.empty_like(parameters[name], requires_grad=False).copy_(
                _part(mask, left(name)).reshape(parameters[name].shape)
            )
            for name, mask in masks.items()
        ]
        self._counted = [
            _part(counts[name], left(name)).to(value.device).reshape(value.shape)
            for name, value in zip(masks, self._parameters, strict=True)
        ]
        self._gone = self._size - sum(int(part.sum()) for part in self._counted)

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
        pairs = zip(self._masks, self._counted, strict=True)
        masked = sum(int(((mask == 0) & counted).sum()) for mask, counted in pairs)
        return (masked + self._gone) / self._size if self._size else 0.0

    @torch.no_grad()
    def sparsity(self) -> float:
        """Fraction of zeros in what counts of the parameters that have masks; 0.0 if none does."""
        pairs = zip(self._parameters, self._counted, strict=True)
        zeros = sum(int(((value == 0) & counted).sum()) for value, counted in pairs)
        return (zeros + self._gone) / self._size if self._size else 0.0


def _part(array: np.ndarray, index: tuple[torch.Tensor, ...] | None) -> torch.Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    return tensor if index is None else tensor[index]
