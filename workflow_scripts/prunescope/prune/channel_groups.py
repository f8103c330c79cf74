"""The channels that are pruned together: groups of pieces, and why some groups are left whole.

Source: Fang et al., "DepGraph: Towards Any Structural Pruning", CVPR 2023, for the idea that
coupled channels are ranked and removed as one.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from prunescope.foundation.errors import InputError
from prunescope.networks.architecture_files import OUT, Architecture, Carried, Group, Member
from prunescope.networks.description import Layer

# A norm over channels stands in the way of removing a channel unless it is zero. Here it is.
NO_HINDRANCE = ("", "layer_norm")


@dataclass(frozen=True)
class ChannelGroup:
    """Pieces whose channels the same layers make. They are ranked with one another.

    Attributes
    ----------
    runs
        The pieces, as the architecture tells them. They are counted over all runs.
    kinds
        Kinds of the layers that make the channels, such as `conv2d`; in a fixed order.
    whole
        Why no piece may be pruned; empty if all but one may.
    """

    runs: tuple[Group, ...]
    kinds: tuple[str, ...]
    whole: str = ""

    @property
    def pieces(self) -> int:
        """Number of pieces."""
        return sum(run.pieces for run in self.runs)

    @property
    def makers(self) -> list[str]:
        """The layers that make the channels, each once."""
        return list(dict.fromkeys(one.layer for one in self.runs[0].members if one.side == OUT))

    def first_pieces(self) -> Iterator[tuple[int, Group]]:
        """Each run after the number of its first piece."""
        first = 0
        for run in self.runs:
            yield first, run
            first += run.pieces


def places(one: Member | Carried, pieces: int) -> np.ndarray:
    """The channels of a member, or the indices of a carried parameter: int64 `(pieces, size)`."""
    return one.first + one.step * np.arange(pieces)[:, None] + np.arange(one.size)


def of_batch_norm(carried: Carried) -> bool:
    """Whether a parameter is the scale or shift of a batch norm."""
    return "batch_norm" in carried.operation.split(", ")


def find(
    architecture: Architecture, exclude: Collection[str], batch_norm: str
) -> tuple[ChannelGroup, ...]:
    """All groups of a network, in the order of the layers.

    Parameters
    ----------
    architecture
        What is known of the network.
    exclude
        Names of layers that are not pruned: groups whose channels they make are left whole.
    batch_norm
        `pruned` or `kept`, as `pruning.batch_norm` in the config.
    """
    layers = {layer.name: layer for layer in architecture.layers}
    alike: dict[tuple, list[Group]] = {}
    for run in architecture.coupled:
        made = tuple((one.layer, one.size) for one in run.members if one.side == OUT)
        whole = _whole(run, exclude, batch_norm)
        alike.setdefault((made, whole), []).append(run)
    found = []
    for (made, whole), runs in alike.items():
        single = sum(run.pieces for run in runs) == 1
        reason = whole or (
            "it is a single piece: all of its channels go together" if single else ""
        )
        found.append(ChannelGroup(tuple(runs), _kinds(made, layers), reason))
    return tuple(found)


def prunable(groups: Iterable[ChannelGroup], kinds: Collection[str]) -> list[ChannelGroup]:
    """The groups of which a method may prune pieces.

    Parameters
    ----------
    groups
        All groups of a network.
    kinds
        Kinds of layers that the method prunes.

    Raises
    ------
    InputError
        There is none.
    """
    known = list(groups)
    if not known:
        raise InputError(
            "pruning: no groups of channels are known (granularity `channel_group`), because "
            "PyTorch cannot export the graph of the network. Choose another granularity."
        )
    found = [group for group in known if not group.whole and set(group.kinds) <= set(kinds)]
    if not found:
        raise InputError(
            f"pruning: no group of channels made by layers of kind {' or '.join(kinds)} alone can "
            f"be pruned (granularity `channel_group`). {left_whole(known, kinds)}. Take names out "
            "of `pruning.exclude`, name more kinds in `layers`, or choose another granularity."
        )
    return found


def left_whole(groups: Iterable[ChannelGroup], kinds: Collection[str]) -> str:
    """Which groups a method leaves whole, and why, in words."""
    parts = []
    for group in groups:
        others = [kind for kind in group.kinds if kind not in kinds]
        reason = group.whole or (f"made by {' and '.join(others)} layers" if others else "")
        if reason:
            parts.append(f"{' + '.join(group.makers)} ({reason})")
    return f"Left whole: {'; '.join(parts) or 'none'}"


def _whole(run: Group, exclude: Collection[str], batch_norm: str) -> str:
    if run.stuck not in NO_HINDRANCE:
        return run.stuck
    if named := [one.layer for one in run.members if one.side == OUT and one.layer in exclude]:
        return f"pruning.exclude names {', '.join(dict.fromkeys(named))}"
    if run.stuck and batch_norm == "kept" and any(map(of_batch_norm, run.carried)):
        return "pruning.batch_norm keeps what layer_norm reads other than zero"
    return ""


def _kinds(made: Iterable[tuple[str, int]], layers: Mapping[str, Layer]) -> tuple[str, ...]:
    # A parameter that acts as a weight without a layer is that of a fully connected layer.
    return tuple(sorted({layers[name].kind if name in layers else "linear" for name, _ in made}))
