"""Build the networks of the study, and turn network files into modules and back."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from prunescope.checkpoints import Description, Layer, Network
from prunescope.errors import InputError
from prunescope.light_torchvision import import_googlenet


def build_googlenet(description: Description) -> nn.Module:
    """torchvision's GoogLeNet, freshly initialised.

    Weights start as torch draws them for each kind of layer. torchvision's own start (normal
    with deviation 0.01) needs a far smaller learning rate before batch norm has adapted.

    Source: Szegedy et al., "Going Deeper with Convolutions", CVPR 2015, as in torchvision.
    """
    googlenet = import_googlenet().googlenet
    return googlenet(
        weights=None,
        num_classes=description.classes,
        aux_logits=description.auxiliary_heads,
        transform_input=description.transform_input,
        init_weights=False,
    )


ARCHITECTURES: Mapping[str, Callable[[Description], nn.Module]] = {"googlenet": build_googlenet}


def create(description: Description, seed: int) -> tuple[nn.Module, Description]:
    """Build a freshly initialised network in channels-last layout.

    Returns the module, and the description with its layers filled in.
    """
    torch.manual_seed(seed)
    module = ARCHITECTURES[description.architecture](description)
    layers = find_layers(module, description.image_size)
    described = replace(description, layers=layers)
    return module.to(memory_format=torch.channels_last), described


def find_layers(module: nn.Module, image_size: int) -> tuple[Layer, ...]:
    """List the convolutions and fully connected layers of `module`, in forward order.

    Layers of auxiliary heads do not run in evaluation mode: they come last, and their output
    size is (0, 0).
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
    # In torchvision's BasicConv2d the convolution `conv` is followed by the batch norm `bn`.
    batch_norm = f"{name.removesuffix('conv')}bn" if name.endswith("conv") else ""
    return Layer(
        name=name,
        kind="conv2d" if isinstance(module, nn.Conv2d) else "linear",
        shape=tuple(module.weight.shape),
        output_size=size,
        batch_norm=batch_norm if batch_norm and batch_norm in names else None,
        auxiliary=size == (0, 0),
    )


def to_module(network: Network) -> nn.Module:
    """Rebuild the module of a network, in evaluation mode and channels-last layout.

    Raises
    ------
    InputError
        The tensors do not fit the architecture that the file names.
    """
    description = network.description
    if description.architecture not in ARCHITECTURES:
        raise InputError(
            f"network file: unknown architecture {description.architecture!r}; "
            f"known: {', '.join(sorted(ARCHITECTURES))}."
        )
    with torch.device("meta"):
        module = ARCHITECTURES[description.architecture](description)
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    _check_shapes(expected, network)
    state = {name: torch.from_numpy(np.array(tensor)) for name, tensor in network.tensors.items()}
    module.load_state_dict(state, assign=True)
    return module.to(memory_format=torch.channels_last).eval()


def _check_shapes(expected: Mapping[str, tuple[int, ...]], network: Network) -> None:
    found = {name: tensor.shape for name, tensor in network.tensors.items()}
    if found == expected:
        return
    different = sorted(
        name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)
    )
    first = different[0]
    raise InputError(
        f"network file: its tensors are not those of a {network.description.architecture} with "
        f"{network.description.classes} classes. {len(different)} differ, the first is {first}: "
        f"shape {found.get(first, 'missing')} in the file, {expected.get(first, 'none')} expected. "
        "Delete the file to have it made again."
    )


def to_network(
    module: nn.Module, description: Description, masks: Mapping[str, np.ndarray] | None = None
) -> Network:
    """Copy a module's tensors into a `Network`."""
    tensors = {
        name: tensor.detach().cpu().contiguous().numpy().copy()
        for name, tensor in module.state_dict().items()
    }
    return Network(description, tensors, dict(masks or {}))
