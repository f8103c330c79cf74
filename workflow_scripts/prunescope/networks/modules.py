"""Create torch modules, and convert between modules and `Network`s."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from prunescope.foundation.errors import InputError
from prunescope.networks import architecture
from prunescope.networks.description import Description, Network


def create(description: Description, seed: int) -> nn.Module:
    """Build a freshly initialised module in channels-last layout, on the CPU.

    Seeds torch's generators with `seed`.

    Raises
    ------
    InputError
        The architecture is not known, or cannot be built.
    """
    torch.manual_seed(seed)
    module = architecture.build(description)
    return module.to(memory_format=torch.channels_last)


def to_module(network: Network) -> nn.Module:
    """The module of a network, in evaluation mode and channels-last layout, on the CPU.

    torch's generator of random numbers stays as it is.

    Raises
    ------
    InputError
        The architecture of the network is not known or cannot be built, or the tensors do not fit
        it.
    """
    description = network.description
    with torch.random.fork_rng(devices=[]):
        module = _filled(lambda: _skeleton(description), network)
        if module is None:
            module = _filled(lambda: architecture.build(description), network)
    assert module is not None
    return module.to(memory_format=torch.channels_last).eval()


@contextmanager
def without_values() -> Iterator[None]:
    """Build modules whose parameters have no values: they lie on the device `meta`.

    What a module computes from other tensors while it is built has values: `torch.device("meta")`
    would leave them out too, and many networks cannot be built then.
    """
    with _WithoutValues():
        yield


class _WithoutValues(TorchFunctionMode):
    """Layers make parameters with `torch.empty`, and then initialise them, which takes time."""

    def __torch_function__(
        self, func: Callable, _types: Any, args: tuple = (), kwargs: Mapping | None = None
    ) -> Any:
        if func is torch.empty:
            kwargs = {**(kwargs or {}), "device": "meta"}
        return func(*args, **(kwargs or {}))


def _skeleton(description: Description) -> nn.Module | None:
    """The module with parameters that have no values; None if it cannot be built without them."""
    try:
        with without_values():
            return architecture.build(description)
    except InputError:
        # Its constructor computes with its parameters; or it fails in any case, and will say so.
        return None


def _filled(build: Callable[[], nn.Module | None], network: Network) -> nn.Module | None:
    """A module with the tensors of a network; None if something in it has no values still."""
    module = build()
    if module is None:
        return None
    expected = {name: tuple(tensor.shape) for name, tensor in module.state_dict().items()}
    _check_shapes(expected, network)
    state = {name: torch.from_numpy(np.array(tensor)) for name, tensor in network.tensors.items()}
    module.load_state_dict(state, assign=True)
    return None if any(tensor.is_meta for tensor in _tensors_in(module)) else module


def _tensors_in(module: nn.Module) -> Iterator[torch.Tensor]:
    """All tensors of a module, also buffers that are not saved and plain attributes."""
    yield from module.parameters()
    yield from module.buffers()
    for child in module.modules():
        yield from (value for value in vars(child).values() if isinstance(value, torch.Tensor))


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
