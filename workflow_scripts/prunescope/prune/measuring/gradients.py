"""Gradients of the loss by the parameters of a network."""

from collections.abc import Iterable, Sequence

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from prunescope.data.packed_images import PackedImages
from prunescope.networks.description import Description
from prunescope.networks.preprocessing import logits_of, to_input
from prunescope.prune.pieces import Quantities


def measure(
    module: nn.Module,
    description: Description,
    batches: Iterable[PackedImages],
    names: Sequence[str],
) -> dict[str, Quantities]:
    """Measure gradients of the mean cross-entropy of each batch.

    The network is in evaluation mode: batch norms use their running statistics, nothing is
    dropped, auxiliary heads do not run. Sums over the batches are float64.

    Parameters
    ----------
    module
        The network in evaluation mode, on any device.
    description
        Its preprocessing.
    batches
        Batches of one size.
    names
        The parameters.

    Returns
    -------
    dict
        By the name of the parameter, for those that take part: `gradient`, the mean over the
        batches; `squared_gradient` and `absolute_gradient`, the means of its squares and of its
        absolute values. float64, of the parameter's shape.
    """
    known = dict(module.named_parameters(remove_duplicate=False))
    parameters = {name: known[name] for name in names if name in known}
    device = next(module.parameters()).device
    sums: dict[str, torch.Tensor] = {}
    number = 0
    for batch in batches:
        module.zero_grad()
        logits = logits_of(module(to_input(batch.images, description, device)))
        cross_entropy(logits, torch.from_numpy(batch.labels).to(device)).backward()
        for name, parameter in parameters.items():
            if parameter.grad is not None:
                gradient = parameter.grad.double()
                both = torch.stack([gradient, gradient.square(), gradient.abs()])
                sums[name] = sums[name] + both if name in sums else both
        number += 1
    module.zero_grad()
    kinds = ("gradient", "squared_gradient", "absolute_gradient")
    return {
        name: dict(zip(kinds, np.asarray((total / number).cpu().numpy()), strict=True))
        for name, total in sums.items()
    }
