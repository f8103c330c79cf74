"""How the layers of a module run: how often, in which order, and on what."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

Size = tuple[int, ...]
LayerModule = nn.Conv2d | nn.Linear


@dataclass(frozen=True)
class Run:
    """One run of a layer: the shapes of its input and of its output."""

    given: Size
    made: Size


# What is noted of the input and the output of a layer.
Look = Callable[[torch.Tensor, torch.Tensor], Any]
# The runs of layers by name, in the order of their first runs.
Runs = dict[str, list[Run]]


def layers_of(module: nn.Module) -> dict[str, LayerModule]:
    """The convolutions and fully connected layers of a module, by name."""
    return {
        name: child
        for name, child in module.named_modules()
        if isinstance(child, nn.Conv2d | nn.Linear)
    }


@contextmanager
def in_mode(module: nn.Module, *, training: bool) -> Iterator[None]:
    """Put a module into training or evaluation mode, and each of its parts back afterwards."""
    modes = [(child, child.training) for child in module.modules()]
    module.train(training)
    try:
        yield
    finally:
        for child, mode in modes:
            child.training = mode


def runs_in_evaluation(module: nn.Module, images: torch.Tensor) -> Runs:
    """Run a module in evaluation mode."""
    with in_mode(module, training=False):
        return _watch(module, images, lambda given, made: Run(_shape(given), _shape(made)))


def runs_in_training(module: nn.Module, image_size: int, channels: int) -> Runs:
    """As `runs_in_evaluation`, in training mode; the module and torch's generator stay as they are.

    Batch norms need two values of each channel, so there are two images.
    """
    trained = copy.deepcopy(module).train()
    images = torch.zeros(2, channels, image_size, image_size)
    with torch.random.fork_rng(devices=[]):
        return _watch(trained, images, lambda given, made: Run(_shape(given), _shape(made)))


def rows_of_images(module: nn.Module, image_size: int, channels: int) -> dict[str, str]:
    """Why outputs of layers cannot be told apart by image; layers that can are left out.

    The first of two images is all NaN. The first half of the rows of a layer's output must show
    it, and the second half must not.
    """
    images = torch.zeros(2, channels, image_size, image_size)
    images[0] = torch.nan
    with in_mode(module, training=False):
        found = _watch(module, images, lambda _, made: _mixture(made))
    return {name: next(filter(None, reasons)) for name, reasons in found.items() if any(reasons)}


def _mixture(made: torch.Tensor) -> str:
    if len(made) % 2 or not made.isnan().any():
        return "its output does not depend on the image"
    if made.ndim < 2:
        return "its output mixes the images"
    first, second = made.isnan().flatten(1).any(dim=1).chunk(2)
    if second.any() or not first.any():
        return "its output mixes the images"
    return ""


def _watch(module: nn.Module, images: torch.Tensor, look: Look) -> dict[str, list]:
    """Run a module; note what `look` says of the input and output of each run of a layer."""
    runs: dict[str, list] = {}

    def note(name: str, child: nn.Module) -> torch.utils.hooks.RemovableHandle:
        def hook(_module: nn.Module, args: tuple, kwargs: dict, output: torch.Tensor) -> None:
            (given,) = (*args, *kwargs.values())
            runs.setdefault(name, []).append(look(given, output))

        return child.register_forward_hook(hook, with_kwargs=True)

    handles = [note(name, child) for name, child in layers_of(module).items()]
    try:
        with torch.inference_mode():
            module(images)
    finally:
        for handle in handles:
            handle.remove()
    return runs


def _shape(tensor: torch.Tensor) -> Size:
    return tuple(tensor.shape)
