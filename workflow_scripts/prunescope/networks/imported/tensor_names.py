"""Give the tensors in a state dict the names of an architecture, or say which do not fit."""

import re
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from prunescope.foundation.errors import InputError, nearest
from prunescope.networks.imported.tensor_files import NAMED, Found, State, first_of

# What tools put before the names of all tensors.
PREFIXES = {
    "module.": "torch.nn.DataParallel or DistributedDataParallel",
    "_orig_mod.": "torch.compile",
    "model.": "a module around the network",
}
# The tools that also put a part into the midst of some names.
WRAPPERS = {prefix.rstrip("."): tool for prefix, tool in PREFIXES.items() if prefix != "model."}
# What stores a weight as several tensors in a way that only the tool itself can undo.
PARAMETRIZED = re.compile(r"(.+)\.parametrizations\..+")
REMOVE = 'torch.nn.utils.parametrize.remove_parametrizations(layer, "weight")'


def without_prefixes(found: Found, fresh: State) -> Found:
    """Take off the prefixes that all names have in common and those of the architecture have not.

    Parameters
    ----------
    found
        The tensors of a file.
    fresh
        The tensors of a fresh network.
    """
    names = {name: name for name in found.tensors}
    taken = []
    while prefix := _common_prefix(names.values(), fresh):
        names = {name: short.removeprefix(prefix) for name, short in names.items()}
        taken.append(prefix)
    if not taken:
        return found
    tools = ", ".join(f"`{prefix}` ({PREFIXES[prefix]})" for prefix in taken)
    tensors = {short: found.tensors[name] for name, short in names.items()}
    return Found(tensors, (*found.done, f"taken off all names: {tools}"))


def _common_prefix(names: Collection[str], fresh: State) -> str | None:
    for prefix in PREFIXES:
        if all(name.startswith(prefix) for name in names) and not all(
            name.startswith(prefix) for name in fresh
        ):
            return prefix
    return None


def check_names(path: str | Path, state: State, fresh: State, architecture: str) -> None:
    """Check that no tool has changed the names in a way that only it can undo.

    Raises
    ------
    InputError
        Weights are stored in parts, or some names have parts of a wrapper.
    """
    _check_whole_weights(path, state, fresh)
    _check_wrappers(path, state, fresh, architecture)


@dataclass(frozen=True)
class Misfits:
    """The tensors that are not those of a fresh network, as a message lists them.

    Attributes
    ----------
    missing, more, shaped
        Names that are missing, that are too many, and of another shape.
    text
        All of them in words; empty if there are none.
    """

    missing: tuple[str, ...]
    more: tuple[str, ...]
    shaped: tuple[str, ...]
    text: str


def misfits(state: State, fresh: State) -> Misfits:
    """Compare names and shapes with those of a fresh network.

    The first of each kind are listed, names that do not fit with the nearest that may be meant.
    """
    missing = tuple(name for name in fresh if name not in state)
    more = tuple(name for name in state if name not in fresh)
    shaped = tuple(
        name
        for name, tensor in fresh.items()
        if name in state and state[name].shape != tensor.shape
    )
    listed = {
        "missing": _listed(missing, str, "in the file", more),
        "too many": _listed(more, repr, "expected", missing),
        "of another shape": first_of(
            [f"{name}: {tuple(state[name].shape)} instead of {tuple(fresh[name].shape)}"
             for name in shaped]
        ),
    }  # fmt: skip
    numbers = (len(missing), len(more), len(shaped))
    text = "; ".join(
        f"{number} {kind} ({said})"
        for number, (kind, said) in zip(numbers, listed.items(), strict=True)
        if number
    )
    return Misfits(missing, more, shaped, text)


def _listed(
    names: Collection[str], quote: Callable[[str], str], where: str, others: Collection[str]
) -> str:
    """The first few names, each with the nearest of those that fit nothing either."""
    said = []
    for name in list(names)[:NAMED]:
        near = nearest(name, others, number=1)
        said.append(f"{quote(name)}, nearest {where}: {near[0]!r}" if near else quote(name))
    return first_of([*said, *list(names)[NAMED:]])


def _check_whole_weights(path: str | Path, state: State, fresh: State) -> None:
    others = [name for name in state if name not in fresh]
    found = [repr(match[1]) for match in map(PARAMETRIZED.fullmatch, others) if match]
    if found:
        raise InputError(
            f"{path}: torch.nn.utils.parametrize has stored {len(set(found))} weights in parts "
            f"({first_of(list(dict.fromkeys(found)))}). Call `{REMOVE}` for each of them where the "
            "network was made, save `model.state_dict()`, and name the new file in "
            "model.checkpoint."
        )


def _check_wrappers(path: str | Path, state: State, fresh: State, architecture: str) -> None:
    wrapped = _wrapped(state, fresh)
    known = _parts(fresh)
    added = list(dict.fromkeys(p for name in wrapped for p in name.split(".") if p not in known))
    # A few names with parts of no known wrapper may be alike by chance.
    if not added or (2 * len(wrapped) < len(fresh) and not WRAPPERS.keys() >= set(added)):
        return
    makers = [f"{part!r} ({WRAPPERS.get(part, 'a wrapper')} adds it)" for part in added]
    example, plain = next(iter(wrapped.items()))
    cut = "".join(f".replace({f'{part}.'!r}, '')" for part in added)
    raise InputError(
        f"{path}: the names of its tensors have parts that those of a {architecture} have not: "
        f"{', '.join(makers)}, such as {example!r} instead of {plain!r}. Save them under the plain "
        f'names, `torch.save({{name{cut}: tensor for name, tensor in torch.load("old.pth").items()'
        '}, "new.pth")`, and name the new file in model.checkpoint.'
    )


def _wrapped(state: State, fresh: State) -> dict[str, str]:
    """The names with parts that no fresh tensor has, and these names without those parts."""
    known = _parts(fresh)
    plain = {name: ".".join(p for p in name.split(".") if p in known) for name in state}
    return {name: short for name, short in plain.items() if short in fresh and short not in state}


def _parts(names: Iterable[str]) -> set[str]:
    return {part for name in names for part in name.split(".")}
