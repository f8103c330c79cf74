"""Make a network from downloaded weights, that is a state dict saved by other software."""

from pathlib import Path

import torch

from prunescope.foundation.errors import InputError
from prunescope.networks import architecture, modules
from prunescope.networks.architecture import Architecture
from prunescope.networks.description import Description, Network
from prunescope.networks.imported import tensor_names, tensor_values
from prunescope.networks.imported.tensor_files import State, read_state

# Old versions of torch did not save this buffer. Evaluation does not use it.
COUNTER = ".num_batches_tracked"


def adopt(path: str | Path, blank: Description, seed: int) -> Network:
    """Make a network from the tensors in a file.

    Auxiliary heads in the file are dropped if `blank` has no auxiliary heads. If `blank` has
    auxiliary heads and the file does not, they are freshly initialised. Other floating-point types
    become float32 if no value changes by that.

    Parameters
    ----------
    path
        A state dict with the tensor names of the architecture, as safetensors or as a file of
        `torch.save`.
    blank
        Description of the network, without layers.
    seed
        Seed for freshly initialised auxiliary heads.

    Raises
    ------
    InputError
        The file cannot be read, its tensors do not fit the architecture or are no weights, or it
        has another number of classes.
    """
    module, description = modules.create(blank, seed)
    fresh = module.state_dict()
    facts = architecture.load(blank.architecture)
    found = read_state(path)
    tensor_names.check_names(path, found, fresh, blank.architecture)
    state = _completed(found, fresh, facts)
    tensor_values.check_stored(path, state)
    _check_classes(path, state, blank.classes, facts)
    tensor_names.check_shapes(path, state, fresh, blank.architecture)
    tensor_values.check_values(path, state, fresh)
    module.load_state_dict(state)
    return modules.to_network(module, description)


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
