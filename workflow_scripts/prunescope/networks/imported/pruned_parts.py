"""Join what `torch.nn.utils.prune` stores of a weight: the weight before pruning, and its mask."""

from collections.abc import Mapping
from pathlib import Path

import torch

from prunescope.foundation.errors import InputError
from prunescope.networks.imported.tensor_files import Found, State, first_of

ORIGINAL, MASK = "_orig", "_mask"
ADVICE = (
    'Call `torch.nn.utils.prune.remove(layer, "weight")` for each pruned layer where the network '
    "was made, save `model.state_dict()`, and name the new file in model.checkpoint."
)


def joined(
    path: str | Path, found: Found, fresh: State
) -> tuple[Found, Mapping[str, torch.Tensor]]:
    """Multiply each pair of `NAME_orig` and `NAME_mask` into the parameter `NAME`.

    Parameters
    ----------
    path
        The file, for messages.
    found
        Its tensors, under names without prefixes.
    fresh
        The tensors of a fresh network.

    Returns
    -------
    found, masks
        The tensors with whole weights, and the masks by parameter name as booleans, True where a
        weight is kept.

    Raises
    ------
    InputError
        One of a pair is missing, the two differ in shape, or a mask holds other values than 0 and
        1.

    Source: `torch.nn.utils.prune.BasePruningMethod`, which computes `weight` in the same way before
    each forward pass.
    """
    names = [
        name
        for name in fresh
        if name not in found.tensors
        and (name + ORIGINAL in found.tensors or name + MASK in found.tensors)
    ]
    if not names:
        return found, {}
    if faults := [fault for name in names if (fault := _fault(name, found.tensors))]:
        raise InputError(
            f"{path}: torch.nn.utils.prune has stored {len(names)} weights in parts, and "
            f"{len(faults)} of them cannot be put together ({first_of(faults)}). {ADVICE}"
        )
    parts = {name + part for name in names for part in (ORIGINAL, MASK)}
    tensors = {name: tensor for name, tensor in found.tensors.items() if name not in parts}
    masks = {name: found.tensors[name + MASK] != 0 for name in names}
    for name, mask in masks.items():
        original = found.tensors[name + ORIGINAL]
        # Not a product: what the mask takes away may be infinite.
        tensors[name] = torch.where(mask, original, torch.zeros_like(original))
    said = f"{len(names)} weights put together from `*{ORIGINAL}` and `*{MASK}`"
    return Found(tensors, (*found.done, f"{said} (torch.nn.utils.prune)")), masks


def _fault(name: str, state: State) -> str | None:
    for part in (ORIGINAL, MASK):
        if name + part not in state:
            return f"{name + part} is missing"
    original, mask = state[name + ORIGINAL], state[name + MASK]
    # Nested tensors have no shape to compare.
    if original.is_nested or mask.is_nested or original.shape != mask.shape:
        return f"{name + MASK} has another shape than {name + ORIGINAL}"
    if torch.is_complex(mask) or mask.is_meta or mask.is_quantized or mask.layout != torch.strided:
        return f"{name + MASK} is no plain mask"
    if not torch.isin(mask.double(), torch.tensor([0.0, 1.0], dtype=torch.float64)).all():
        return f"{name + MASK} holds other values than 0 and 1"
    if original.is_quantized or original.is_meta or original.layout != torch.strided:
        return f"{name + ORIGINAL} is not stored plainly"
    return None
