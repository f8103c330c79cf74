"""Find the layers of a PyTorch module, in forward order."""

import copy
from collections.abc import Iterable

import numpy as np
import torch
from torch import nn

from prunescope.networks import reach
from prunescope.networks.description import Layer

Size = tuple[int, int]
# Each time that a layer runs: height and width of its input and of its output.
Runs = list[tuple[Size, Size]]


def find_layers(module: nn.Module, image_size: int) -> tuple[Layer, ...]:
    """List the convolutions and fully connected layers of `module`, in forward order.

    Layers of auxiliary heads do not run in evaluation mode. They come last, with an output size
    of (0, 0).

    Parameters
    ----------
    module
        A module on the CPU.
    image_size
        Side of the images in pixels.
    """
    was_training = module.training
    evaluated = _watch(module.eval(), torch.zeros(1, 3, image_size, image_size))
    module.train(was_training)
    idle = [name for name in _layers_of(module) if name not in evaluated]
    trained = _runs_in_training(module, image_size) if idle else {}
    modules, names = _layers_of(module), set(dict(module.named_modules()))
    return tuple(
        _layer(name, modules[name], evaluated.get(name, []), trained.get(name, []), names)
        for name in [*evaluated, *idle]
    )


def _layers_of(module: nn.Module) -> dict[str, nn.Conv2d | nn.Linear]:
    return {
        name: child
        for name, child in module.named_modules()
        if isinstance(child, nn.Conv2d | nn.Linear)
    }


def _runs_in_training(module: nn.Module, image_size: int) -> dict[str, Runs]:
    """As `_watch`, in training mode; the module and torch's generator stay as they are."""
    trained = copy.deepcopy(module).train()
    with torch.random.fork_rng(devices=[]):
        # Batch norms need two values of each channel.
        return _watch(trained, torch.zeros(2, 3, image_size, image_size))


def _watch(module: nn.Module, images: torch.Tensor) -> dict[str, Runs]:
    """Run a module, and note the runs of its layers: by name, in the order of their first runs."""
    runs: dict[str, Runs] = {}

    def note(name: str, child: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def hook(_module: nn.Module, args: tuple, kwargs: dict, output: torch.Tensor) -> None:
            (given,) = (*args, *kwargs.values())
            runs.setdefault(name, []).append((_size(given), _size(output)))

        return child.register_forward_hook(hook, with_kwargs=True)

    handles = [note(name, child) for name, child in _layers_of(module).items()]
    with torch.inference_mode():
        module(images)
    for handle in handles:
        handle.remove()
    return runs


def _size(maps: torch.Tensor) -> Size:
    height, width = maps.shape[2:] if maps.ndim == 4 else (1, 1)
    return height, width


def _layer(
    name: str,
    module: nn.Conv2d | nn.Linear,
    evaluated: Runs,
    trained: Runs,
    names: set[str],
) -> Layer:
    # torchvision's BasicConv2d names its convolution `conv` and its batch norm `bn`.
    batch_norm = f"{name.removesuffix('conv')}bn" if name.endswith("conv") else ""
    return Layer(
        name=name,
        kind="conv2d" if isinstance(module, nn.Conv2d) else "linear",
        shape=tuple(module.weight.shape),
        output_size=evaluated[-1][1] if evaluated else (0, 0),
        batch_norm=batch_norm if batch_norm and batch_norm in names else None,
        auxiliary=not evaluated,
        unreached=_unreached(module, evaluated or trained),
    )


def _unreached(module: nn.Conv2d | nn.Linear, runs: Iterable[tuple[Size, Size]]) -> tuple:
    """The positions of the kernel that no run reaches."""
    reached = np.zeros(module.weight.shape[2:], dtype=bool)
    for given, made in runs:
        reached |= _reached(module, given, made) if isinstance(module, nn.Conv2d) else True
    return tuple(map(tuple, np.argwhere(~reached).tolist()))


def _reached(module: nn.Conv2d, given: Size, made: Size) -> np.ndarray:
    """Which positions of the kernel read the input, given the sizes of input and output."""
    if module.padding_mode != "zeros":
        # The padding repeats the image.
        return np.ones(module.kernel_size, dtype=bool)
    rows, columns = (
        _reads(module, axis, size, outputs)
        for axis, (size, outputs) in enumerate(zip(given, made, strict=True))
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
