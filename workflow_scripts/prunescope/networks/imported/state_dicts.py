"""Make a network from weights as they are found, that is a state dict saved by other software."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from prunescope.foundation.errors import InputError
from prunescope.networks import architecture, modules
from prunescope.networks.description import Description, Network
from prunescope.networks.imported import pruned_parts, tensor_names, tensor_values
from prunescope.networks.imported.tensor_files import NAME_ANOTHER, Found, State, read_state

log = logging.getLogger("prunescope")

# Old versions of torch did not save this buffer. Evaluation does not use it.
COUNTER = ".num_batches_tracked"
OR_ANOTHER = f"n{NAME_ANOTHER[1:]}"


@dataclass(frozen=True)
class Adopted:
    """A network made from a file.

    Attributes
    ----------
    network
        The network, without masks: what the file says is pruned is zero in it.
    masks
        The masks in the file by parameter name, True where a weight is kept; empty where the file
        has none.
    done
        What was done to the tensors of the file, in words.
    """

    network: Network
    masks: Mapping[str, np.ndarray]
    done: tuple[str, ...]


def adopt(
    path: str | Path, blank: Description, seed: int, key: str = "model.checkpoint"
) -> Adopted:
    """Make a network from the tensors in a file.

    A state dict is taken out of a training state, prefixes that all names have are taken off, and
    weights that `torch.nn.utils.prune` has stored in parts are put together. Auxiliary heads in the
    file are dropped if `blank` has no auxiliary heads. If `blank` has auxiliary heads and the file
    does not, they are freshly initialised. Other floating-point types become float32 if no value
    changes by that. What was done is logged.

    Parameters
    ----------
    path
        A state dict with the tensor names of the architecture, as safetensors or as a file of
        `torch.save`.
    blank
        Description of the network with its layers.
    seed
        Seed for freshly initialised auxiliary heads.
    key
        The key of the config that names the file, for messages.

    Raises
    ------
    InputError
        The file cannot be read, its tensors do not fit the architecture or are no weights, or it
        has another number of classes.
    """
    try:
        return _adopt(path, blank, seed)
    except InputError as error:
        raise InputError(str(error).replace("model.checkpoint", key)) from error


def _adopt(path: str | Path, blank: Description, seed: int) -> Adopted:
    module = modules.create(blank, seed)
    fresh = module.state_dict()
    found = tensor_names.without_prefixes(read_state(path), fresh)
    found, masks = pruned_parts.joined(path, found, fresh)
    tensor_names.check_names(path, found.tensors, fresh, blank.architecture)
    source, name = architecture.load(blank.architecture)
    found = _completed(found, fresh, source.auxiliary(name) or ())
    _check(path, found.tensors, fresh, blank)
    done = (*found.done, *tensor_values.converted(found.tensors, fresh))
    module.load_state_dict(found.tensors)
    for what in done:
        log.info("%s: %s", path, what)
    return Adopted(
        modules.to_network(module, blank),
        {name: mask.numpy() for name, mask in masks.items() if name in found.tensors},
        done,
    )


def _completed(found: Found, fresh: State, heads: tuple[str, ...]) -> Found:
    """Drop unused auxiliary heads, and take tensors that a file may lack from `fresh`."""
    state = found.tensors
    dropped = [name for name in state if name.startswith(heads) and name not in fresh]
    has_heads = any(name.startswith(heads) for name in state)
    counters = [name for name in fresh if name not in state and name.endswith(COUNTER)]
    of_heads = [name for name in fresh if name.startswith(heads) and name not in counters]
    made = [] if has_heads else of_heads
    said = {
        f"{len(dropped)} tensors of auxiliary heads dropped": dropped,
        f"{len(counters)} counters of batches were missing: 0": counters,
        f"{len(made)} tensors of auxiliary heads were missing: freshly initialised": made,
    }
    tensors = {name: tensor for name, tensor in state.items() if name not in dropped}
    tensors |= {name: fresh[name] for name in (*counters, *made)}
    return Found(tensors, (*found.done, *(text for text, names in said.items() if names)))


def _check(path: str | Path, state: State, fresh: State, blank: Description) -> None:
    """Check names, shapes and values, and say in one error what does not fit."""
    # The shapes of nested tensors cannot even be looked at.
    stored = tensor_values.stored_otherwise(state)
    if stored.text:
        raise InputError(f"{path}: {stored.text}. {stored.advice}, or {OR_ANOTHER}")
    names = tensor_names.misfits(state, fresh)
    fitting = {
        name: tensor for name, tensor in state.items() if name in fresh and name not in names.shaped
    }
    values = tensor_values.unusable(fitting, fresh)
    if not names.text and not values.text:
        return
    parts = []
    if classes := _classes_of(names, state, fresh, blank.classes):
        parts.append(
            f"made for {classes} classes, but the train images of the dataset have "
            f"{blank.classes}: choose a dataset with {classes} classes, or other weights"
        )
    if names.text:
        parts.append(f"its tensors are not those of a {blank.architecture}: {names.text}")
    if values.text:
        parts.append(values.text)
    only_values = values.text and not names.text
    advice = f"{values.advice}, or {OR_ANOTHER}" if only_values else NAME_ANOTHER
    raise InputError(f"{path}: {'. '.join(parts)}. {advice}")


def _classes_of(
    names: tensor_names.Misfits, state: State, fresh: State, classes: int
) -> int | None:
    """The number of classes of a file whose classifier alone has another shape; else None."""
    found = set()
    for name in names.shaped:
        there, wanted = tuple(state[name].shape), tuple(fresh[name].shape)
        if not there or not wanted or wanted[0] != classes or there[1:] != wanted[1:]:
            return None
        found.add(there[0])
    return found.pop() if len(found) == 1 else None
