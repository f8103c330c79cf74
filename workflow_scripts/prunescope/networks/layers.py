"""Find the layers of a PyTorch module, in forward order."""

from collections.abc import Callable

import torch
from torch import nn

from prunescope.networks.description import Layer


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
    modules = {
        name: child
        for name, child in module.named_modules()
        if isinstance(child, nn.Conv2d | nn.Linear)
    }
    sizes: dict[str, tuple[int, int]] = {}

    def note_size(name: str) -> Callable:
        def hook(_module: nn.Module, _inputs: object, output: torch.Tensor) -> None:
            height, width = output.shape[2:] if output.ndim == 4 else (1, 1)
            sizes[name] = (height, width)

        return hook

    handles = [child.register_forward_hook(note_size(name)) for name, child in modules.items()]
    was_training = module.training
    module.eval()
    with torch.inference_mode():
        module(torch.zeros(1, 3, image_size, image_size))
    module.train(was_training)
    for handle in handles:
        handle.remove()
    idle = [name for name in modules if name not in sizes]
    names = set(dict(module.named_modules()))
    return tuple(
        _layer(name, modules[name], sizes.get(name, (0, 0)), names) for name in [*sizes, *idle]
    )


def _layer(
    name: str, module: nn.Conv2d | nn.Linear, size: tuple[int, int], names: set[str]
) -> Layer:
    # torchvision's BasicConv2d names its convolution `conv` and its batch norm `bn`.
    batch_norm = f"{name.removesuffix('conv')}bn" if name.endswith("conv") else ""
    return Layer(
        name=name,
        kind="conv2d" if isinstance(module, nn.Conv2d) else "linear",
        shape=tuple(module.weight.shape),
        output_size=size,
        batch_norm=batch_norm if batch_norm and batch_norm in names else None,
        auxiliary=size == (0, 0),
    )
