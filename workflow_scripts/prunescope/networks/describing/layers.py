"""The layers of a PyTorch module, in forward order."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import nn

from prunescope.networks import reach
from prunescope.networks.describing.blocks import block_of
from prunescope.networks.describing.export import shape_of
from prunescope.networks.describing.runs import (
    LayerModule,
    Run,
    layers_of,
    rows_of_images,
    runs_in_evaluation,
    runs_in_training,
)
from prunescope.networks.describing.uses import Use
from prunescope.networks.description import Layer

Lengths = tuple[int, int]

UNSEEN = "its module is never called, and the graph is unknown"


def find_layers(
    module: nn.Module, image_size: int, channels: int = 3, uses: Sequence[Use] | None = ()
) -> tuple[Layer, ...]:
    """List the convolutions and fully connected layers of `module`, in forward order.

    Layers of auxiliary heads do not run in evaluation mode. They come last, with an output size
    of (0, 0). No layer has a batch norm yet.

    Parameters
    ----------
    module
        A module on the CPU. It stays as it is.
    image_size
        Side of the images in pixels.
    channels
        Channels of the images.
    uses
        Where the graph of the module, in evaluation mode, uses weights. They tell which layers
        take part although their modules are never called. None if that is unknown.
    """
    modules = layers_of(module)
    images = torch.zeros(1, channels, image_size, image_size)
    evaluated = runs_in_evaluation(module, images)
    functional = {
        use.layer: use for use in uses or () if use.layer is not None and use.layer not in evaluated
    }
    main = _in_order(list(evaluated), functional, uses or ())
    idle = [name for name in modules if name not in main]
    trained = runs_in_training(module, image_size, channels) if idle else {}
    hidden = rows_of_images(module, image_size, channels)
    if uses is None:
        # A function may compute what they do.
        hidden |= {name: UNSEEN for name in idle if name not in trained}
    made = []
    for name in [*main, *idle]:
        runs = evaluated.get(name, [])
        layer = modules[name]
        made.append(
            Layer(
                name=name,
                kind="conv2d" if isinstance(layer, nn.Conv2d) else "linear",
                shape=tuple(layer.weight.shape),
                output_size=_output_size(layer, runs, functional.get(name)),
                auxiliary=name not in main and hidden.get(name) != UNSEEN,
                unreached=_unreached(layer, runs or trained.get(name, []), name in functional),
                groups=layer.groups if isinstance(layer, nn.Conv2d) else 1,
                runs=len(runs) if runs else int(name in functional),
                unit_axis=_unit_axis(layer, runs),
                block=block_of(module, name),
                not_measured=_reason(functional.get(name)) or hidden.get(name, ""),
            )
        )
    return tuple(made)


def _in_order(
    called: Sequence[str], functional: Mapping[str, Use], uses: Sequence[Use]
) -> list[str]:
    """Layers in the order of their first runs, and those that functions compute between them."""
    order = list(called)
    place = 0
    for use in uses:
        if use.layer is not None and use.layer in functional and use.layer not in order:
            order.insert(place, use.layer)
        if use.layer in order:
            place = max(place, order.index(use.layer) + 1)
    return order


def _reason(use: Use | None) -> str:
    if use is None:
        return ""
    return "a function computes it from its weight, so its module is never called"


def _unit_axis(layer: LayerModule, runs: Sequence[Run]) -> int:
    tokens = any(len(run.made) > 2 or run.made[0] > 1 for run in runs)
    return -1 if isinstance(layer, nn.Linear) and tokens else 1


def _output_size(layer: LayerModule, runs: Sequence[Run], functional: Use | None) -> Lengths:
    """Height and width of maps; of tokens, their number and 1. Of one image, and the last run."""
    if not runs and functional is None:
        return 0, 0
    made = runs[-1].made if functional is None else shape_of(functional.node)
    if isinstance(layer, nn.Conv2d):
        return made[0] * made[2], made[3]
    if len(made) == 4 and made[0] == 1:
        return made[1], made[2]
    return math.prod(made[:-1]), 1


def _unreached(layer: LayerModule, runs: Sequence[Run], functional: bool) -> tuple:
    """The positions of the kernel that no run reaches."""
    reached = np.full(layer.weight.shape[2:], functional)
    for run in runs:
        reached |= _reached(layer, run) if isinstance(layer, nn.Conv2d) else True
    return tuple(map(tuple, np.argwhere(~reached).tolist()))


def _reached(module: nn.Conv2d, run: Run) -> np.ndarray:
    """Which positions of the kernel read the input."""
    if module.padding_mode != "zeros":
        # The padding repeats the image.
        return np.ones(module.kernel_size, dtype=bool)
    rows, columns = (
        _reads(module, axis, run.given[2 + axis], run.made[2 + axis]) for axis in range(2)
    )
    return np.outer(rows, columns)


def _reads(module: nn.Conv2d, axis: int, size: int, outputs: int) -> np.ndarray:
    kernel, stride, dilation = (
        setting[axis] for setting in (module.kernel_size, module.stride, module.dilation)
    )
    spread = dilation * (kernel - 1)
    if isinstance(module.padding, str):
        before, both = (spread // 2, spread) if module.padding == "same" else (0, 0)
    else:
        before, both = module.padding[axis], 2 * module.padding[axis]
    if outputs != (size + both - spread - 1) // stride + 1:
        # A convolution of another kind, which pads by itself: its zeros count as an image.
        return np.ones(kernel, dtype=bool)
    return reach.reads(
        kernel=kernel, stride=stride, dilation=dilation, before=before, size=size, outputs=outputs
    )
