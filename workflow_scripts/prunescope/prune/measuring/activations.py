"""Norms of what reaches each weight: of the inputs of layers, over images and positions."""

import copy
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from typing import Any

import numpy as np
import torch
from torch import nn

from prunescope.data.packed_images import PackedImages
from prunescope.networks.description import Description, Layer
from prunescope.networks.preprocessing import to_input
from prunescope.prune.pieces import Quantities


def measure(
    module: nn.Module,
    description: Description,
    batches: Iterable[PackedImages],
    layers: Sequence[Layer],
) -> dict[str, Quantities]:
    """Measure the Euclidean norm of the inputs that each weight is multiplied with.

    Of a linear layer this is the norm of an input feature over images and tokens. Of a convolution
    it is the norm of a row of the unfolded input: of an input channel at a position of the kernel,
    over images and all places where the kernel stands; zeros of the padding are among them. Norms
    of layers that run several times are over all runs. Sums of squares are float64.

    Parameters
    ----------
    module
        The network in evaluation mode, on any device.
    description
        Its preprocessing.
    batches
        The images.
    layers
        The layers.

    Returns
    -------
    dict
        By the name of the weight, for layers that run as modules: `input_norm`, float64, of the
        shape of the weight.
    """
    modules = dict(module.named_modules())
    device = next(module.parameters()).device
    sums: dict[str, torch.Tensor] = {}
    with ExitStack() as hooks:
        for layer in layers:
            part = modules.get(layer.name)
            if isinstance(part, nn.Conv2d | nn.Linear):
                hook = part.register_forward_pre_hook(_adder(sums, layer.weight, part))
                hooks.callback(hook.remove)
        for batch in batches:
            with torch.no_grad():
                module(to_input(batch.images, description, device))
    return {
        name: {"input_norm": np.asarray(total.sqrt().cpu().numpy())} for name, total in sums.items()
    }


def _adder(
    sums: dict[str, torch.Tensor], name: str, part: nn.Conv2d | nn.Linear
) -> Callable[[nn.Module, tuple[Any, ...]], None]:
    """A hook that adds the squares of a layer's inputs."""
    # Without the hook: the squares run through it.
    alone = copy.deepcopy(part).double().requires_grad_(True)

    def add(_part: nn.Module, inputs: tuple[Any, ...]) -> None:
        squares = inputs[0].detach().double().square()
        axes = (0,) if isinstance(part, nn.Conv2d) else tuple(range(squares.ndim - 1))
        with torch.enable_grad():
            # The sum of outputs, derived by a weight, is the sum of what this weight multiplies.
            outputs = alone(squares.sum(dim=axes, keepdim=True)).sum()
            (total,) = torch.autograd.grad(outputs, [alone.weight])
        sums[name] = sums[name] + total if name in sums else total

    return add
