"""Independent looks at what a module does, by running it."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from prunescope.networks.architecture_files import IN, OUT, Architecture, Group
from prunescope.networks.describing.runs import layers_of

# A layer, a side of it and a channel.
Channel = tuple[str, str, int]


def piece(group: Group, number: int) -> set[Channel]:
    """The channels of one piece of a group."""
    return {
        (member.layer, member.side, member.first + number * member.step + channel)
        for member in group.members
        for channel in range(member.size)
    }


def pieces(architecture: Architecture) -> Iterator[tuple[frozenset[Channel], str]]:
    """All pieces of a network, and what stands in the way of removing them."""
    for group in architecture.coupled:
        for number in range(group.pieces):
            yield frozenset(piece(group, number)), group.stuck


@torch.inference_mode()
def read_from(module: nn.Module, made: Iterable[Channel], images: torch.Tensor) -> set[Channel]:
    """The channels of layers' inputs that depend on outputs of layers, through no other layer.

    The outputs are made NaN; each layer notes where its input is NaN, and reads zeros there.
    """
    outputs: dict[str, list[int]] = {}
    for name, side, channel in made:
        if side == OUT:
            outputs.setdefault(name, []).append(channel)
    found: set[Channel] = set()
    with _hooks() as handles:
        for name, layer in layers_of(module).items():
            handles.append(layer.register_forward_pre_hook(_note(name, found)))
            if name in outputs:
                handles.append(layer.register_forward_hook(_spoil(outputs[name])))
        module.eval()(images)
    return found


@contextmanager
def _hooks() -> Iterator[list]:
    handles: list = []
    try:
        yield handles
    finally:
        for handle in handles:
            handle.remove()


def _channels_last(layer: nn.Module, values: torch.Tensor) -> torch.Tensor:
    return values.movedim(1, -1) if isinstance(layer, nn.Conv2d) else values


def _note(name: str, found: set[Channel]):  # type: ignore[no-untyped-def]
    def hook(layer: nn.Module, args: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
        spoilt = _channels_last(layer, args[0]).isnan().flatten(0, -2).any(dim=0)
        found.update((name, IN, channel) for channel in spoilt.nonzero().flatten().tolist())
        return (args[0].nan_to_num(0.0),)

    return hook


def _spoil(channels: list[int]):  # type: ignore[no-untyped-def]
    def hook(layer: nn.Module, _args: tuple, output: torch.Tensor) -> torch.Tensor:
        spoilt = output.clone()
        _channels_last(layer, spoilt)[..., channels] = torch.nan
        return spoilt

    return hook


def macs_of(module: nn.Module, images: torch.Tensor) -> int:
    """Multiplications and additions of convolutions and linear layers, as PyTorch counts them.

    Products of matrices that are both made of the images are none of them: `bmm`.
    """
    # Without gradients, attention would run as one operation that is not counted.
    with FlopCounterMode(display=False) as counter:
        module.eval()(images)
    counts = counter.get_flop_counts()["Global"]
    kinds = (torch.ops.aten.convolution, torch.ops.aten.addmm, torch.ops.aten.mm)
    return sum(counts.get(kind, 0) for kind in kinds) // 2
