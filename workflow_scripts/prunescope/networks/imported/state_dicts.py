"""Make a network from downloaded weights, that is a state dict saved by other software."""

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import TypeGuard

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from prunescope.foundation.errors import InputError
from prunescope.networks import architecture, modules
from prunescope.networks.architecture import Architecture
from prunescope.networks.description import Description, Network

# Old versions of torch did not save this buffer. Evaluation does not use it.
COUNTER = ".num_batches_tracked"
# Errors of torch and safetensors for files that they cannot read.
UNREADABLE = (
    SafetensorError,
    pickle.UnpicklingError,
    RuntimeError,
    ValueError,
    EOFError,
    OSError,
)

State = Mapping[str, torch.Tensor]


def adopt(path: str | Path, blank: Description, seed: int) -> Network:
    """Make a network from the tensors in a file.

    Auxiliary heads in the file are dropped if `blank` has no auxiliary heads. If `blank` has
    auxiliary heads and the file does not, they are freshly initialised.

    Parameters
    ----------
    path
        A state dict with the tensor names of the architecture. A file ending in `.safetensors`
        is read as safetensors, any other as a file of `torch.save`.
    blank
        Description of the network, without layers.
    seed
        Seed for freshly initialised auxiliary heads.

    Raises
    ------
    InputError
        The file cannot be read, its tensors do not fit the architecture, or it has another
        number of classes.
    """
    module, description = modules.create(blank, seed)
    fresh = module.state_dict()
    facts = architecture.load(blank.architecture)
    state = _completed(read_state(path), fresh, facts)
    _check_classes(path, state, blank.classes, facts)
    _check_shapes(path, state, fresh, blank.architecture)
    module.load_state_dict(state)
    return modules.to_network(module, description)


def read_state(path: str | Path) -> State:
    """Read tensors by name from a safetensors file or a file of `torch.save`.

    A pickle is read without running code: only tensors and plain containers are accepted.

    Raises
    ------
    InputError
        The file is damaged, or holds anything but tensors by name.
    """
    try:
        content = _load(Path(path))
    except UNREADABLE as error:
        raise _not_a_state(path) from error
    if not _is_state(content):
        raise _not_a_state(path)
    return content


def _is_state(content: object) -> TypeGuard[State]:
    tensors = content.values() if isinstance(content, Mapping) else ()
    return len(tensors) > 0 and all(isinstance(tensor, torch.Tensor) for tensor in tensors)


def _load(path: Path) -> object:
    if path.suffix == ".safetensors":
        return load_file(path)
    return torch.load(path, map_location="cpu", weights_only=True)


def _not_a_state(path: str | Path) -> InputError:
    # torch's own message is hidden: it advises to load the file without the safety check.
    return InputError(
        f"{path}: cannot be read as a state dict, that is tensors by name, saved with torch.save "
        "or as safetensors. Other Python objects are not loaded. Name another file in "
        "model.checkpoint."
    )


def _completed(state: State, fresh: State, facts: Architecture) -> dict[str, torch.Tensor]:
    """Drop unused auxiliary heads, and take tensors that a file may lack from `fresh`."""
    kept = {
        name: tensor
        for name, tensor in state.items()
        if name in fresh or not name.startswith(facts.AUXILIARY)
    }
    has_heads = any(name.startswith(facts.AUXILIARY) for name in state)
    lacking = {
        name: tensor
        for name, tensor in fresh.items()
        if name not in state
        and (name.endswith(COUNTER) or (not has_heads and name.startswith(facts.AUXILIARY)))
    }
    return kept | lacking


def _check_classes(path: str | Path, state: State, classes: int, facts: Architecture) -> None:
    classifier = facts.CLASSIFIER
    rows = tuple(state[classifier].shape[:1]) if classifier in state else ()
    if rows not in ((), (classes,)):
        raise InputError(
            f"{path}: made for {rows[0]} classes ({classifier} has so many rows), but the train "
            f"images of the dataset have {classes}. Choose a dataset with {rows[0]} classes, or "
            "another model.checkpoint."
        )


def _check_shapes(path: str | Path, state: State, fresh: State, architecture: str) -> None:
    found = {name: tuple(tensor.shape) for name, tensor in state.items()}
    expected = {name: tuple(tensor.shape) for name, tensor in fresh.items()}
    different = sorted(
        name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)
    )
    if different:
        first = different[0]
        raise InputError(
            f"{path}: its tensors are not those of a {architecture}. {len(different)} differ, the "
            f"first is {first}: shape {found.get(first, 'missing')} in the file, "
            f"{expected.get(first, 'none')} expected. Name another file in model.checkpoint."
        )
