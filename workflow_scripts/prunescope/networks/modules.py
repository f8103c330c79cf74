"""Create torch modules, and convert between modules and `Network`s."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from prunescope.foundation.errors import InputError
from prunescope.networks import architecture
from prunescope.networks.describing.layers import find_layers
from prunescope.networks.description import Description, Network


def create(description: Description, seed: int) -> tuple[nn.Module, Description]:
    """Build a freshly initialised module in channels-last layout, on the CPU.

    Seeds torch's generators with `seed`.

    Returns
    -------
    module, description
        The module, and `description` with its layers filled in.

    Raises
    ------
    InputError
        The architecture is not known.
    """
    torch.manual_seed(seed)
    module = architecture.load(description.architecture).build(description)
    layers = find_layers(module, description.image_size)
    described = replace(description, layers=layers)
    return module.to(memory_format=torch.channels_last), described


def to_module(network: Network) -> nn.Module:
    """The module of a network, in evaluation mode and channels-last layout, on the CPU.

    Raises
    ------
    InputError
        The architecture of the network is not known, or the tensors do not fit it.
    """
    description = network.description
    built = architecture.load(description.architecture)
    with torch.device("meta"):
        module = built.build(description)
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
        "Delete the file and run snakemake again to rebuild it."
    )


def to_network(
    module: nn.Module, description: Description, masks: Mapping[str, np.ndarray] | None = None
) -> Network:
    """Copy the tensors of a module, on any device, into a `Network`."""
    tensors = {
        name: tensor.detach().cpu().contiguous().numpy().copy()
        for name, tensor in module.state_dict().items()
    }
    return Network(description, tensors, dict(masks or {}))
