"""Choose layers of a network as the config does: by name, by pattern, or by role."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fnmatch import fnmatchcase

from prunescope.foundation.errors import NEAREST, InputError, meant, nearest
from prunescope.networks.description import Layer, last_layers

WILDCARDS = "*?["


def _first(layers: Sequence[Layer]) -> Sequence[Layer]:
    return [layer for layer in layers if not layer.auxiliary][:1]


def _depthwise(layers: Sequence[Layer]) -> Sequence[Layer]:
    return [layer for layer in layers if layer.groups > 1 and layer.shape[1] == 1]


# What a word means if no layer is called so.
ROLES: Mapping[str, Callable[[Sequence[Layer]], Sequence[Layer]]] = {
    "first": _first,
    "classifier": last_layers,
    "depthwise": _depthwise,
}


def find(entries: Iterable[str], layers: Sequence[Layer], key: str) -> tuple[str, ...]:
    """The names of the layers that a list in the config means, in the order of the layers.

    Parameters
    ----------
    entries
        Names of layers; patterns with `*`, `?` and `[]`, in which `*` also stands for dots; and
        `ROLES`. A layer of that name goes before a role.
    layers
        All layers of the network, in forward order, auxiliary heads last.
    key
        The key of the config, for messages.

    Raises
    ------
    InputError
        An entry fits no layer.
    """
    listed = list(entries)
    if told := [text for entry in listed if (text := problem(entry, layers))]:
        raise InputError(f"{key}: {'; '.join(told)}")
    found = {name for entry in listed for name in _fitting(entry, layers)}
    return tuple(layer.name for layer in layers if layer.name in found)


def problem(entry: str, layers: Sequence[Layer]) -> str:
    """What is wrong with an entry that fits no layer, and the nearest names; else empty."""
    if _fitting(entry, layers):
        return ""
    if entry in ROLES:
        return f"{entry!r} fits no layer: the network has none. Remove it"
    names = [layer.name for layer in layers]
    inside = [f"{entry}.*"] if any(name.startswith(f"{entry}.") for name in names) else []
    plain = entry.translate({ord(character): None for character in WILDCARDS})
    near = [*inside, *nearest(plain, [*names, *ROLES])]
    return (
        f"{entry!r} fits no layer of the network. {meant(near)}Layers: "
        f"{', '.join(names[:NEAREST])}, ... {names[-1]} ({len(names)}). Roles: {', '.join(ROLES)}"
    )


def _fitting(entry: str, layers: Sequence[Layer]) -> list[str]:
    names = [layer.name for layer in layers]
    if entry in names:
        return [entry]
    if entry in ROLES:
        return [layer.name for layer in ROLES[entry](layers)]
    if any(character in entry for character in WILDCARDS):
        return [name for name in names if fnmatchcase(name, entry)]
    return []
