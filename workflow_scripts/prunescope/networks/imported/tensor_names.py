"""Check that the names and shapes in a state dict are those of an architecture."""

import re
from collections.abc import Iterable
from pathlib import Path

from prunescope.foundation.errors import InputError
from prunescope.networks.imported.tensor_files import NAME_ANOTHER, State, first_of

# What stores a weight as several tensors: how their names end, and what makes one weight of them.
STORED_IN_PARTS = {
    "torch.nn.utils.prune": (
        re.compile(r"(.+)_mask"),
        'torch.nn.utils.prune.remove(layer, "weight")',
    ),
    "torch.nn.utils.parametrize": (
        re.compile(r"(.+)\.parametrizations\..+"),
        'torch.nn.utils.parametrize.remove_parametrizations(layer, "weight")',
    ),
}
# What puts a part into the names of tensors.
WRAPPERS = {
    "module": "torch.nn.DataParallel or DistributedDataParallel",
    "_orig_mod": "torch.compile",
}


def check_names(path: str | Path, state: State, fresh: State, architecture: str) -> None:
    """Check that no tool has changed the names, which are otherwise those of a fresh network.

    Raises
    ------
    InputError
        Weights are stored in parts, or the names have parts of a wrapper.
    """
    _check_whole_weights(path, state, fresh)
    _check_wrappers(path, state, fresh, architecture)


def check_shapes(path: str | Path, state: State, fresh: State, architecture: str) -> None:
    """Check that the names and shapes are those of a fresh network.

    Raises
    ------
    InputError
        Tensors are missing, too many, or of another shape. The message names the first of each.
    """
    missing = [name for name in fresh if name not in state]
    more = [repr(name) for name in state if name not in fresh]
    other = [
        f"{name}: {tuple(state[name].shape)} instead of {tuple(tensor.shape)}"
        for name, tensor in fresh.items()
        if name in state and state[name].shape != tensor.shape
    ]
    found = {"missing": missing, "too many": more, "of another shape": other}
    if any(found.values()):
        said = "; ".join(
            f"{len(names)} {kind} ({first_of(names)})" for kind, names in found.items() if names
        )
        raise InputError(
            f"{path}: its tensors are not those of a {architecture}: {said}. {NAME_ANOTHER}"
        )


def _check_whole_weights(path: str | Path, state: State, fresh: State) -> None:
    others = [name for name in state if name not in fresh]
    for tool, (pattern, remove) in STORED_IN_PARTS.items():
        found = [repr(match[1]) for match in map(pattern.fullmatch, others) if match]
        if found:
            raise InputError(
                f"{path}: {tool} has stored {len(found)} weights in parts ({first_of(found)}). "
                f"Call `{remove}` for each of them where the network was made, save "
                "`model.state_dict()`, and name the new file in model.checkpoint."
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
