"""Tell which tensors in a state dict are no weights: stored otherwise, inexact, not finite."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

import torch

from prunescope.networks.imported.tensor_files import NAMED, State

# Types that become the architecture's float32 if no value changes. Integers and 8-bit floats are
# codes, which mean nothing without their scale.
FLOATS = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
# Some software casts the counters of batches with all other tensors.
INTEGERS = (torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, *FLOATS)
# The batch norm's variance has this name in every module of torch.
VARIANCE = "running_var"

Fault = tuple[str, str]


@dataclass(frozen=True)
class Faults:
    """The tensors that are no weights.

    Attributes
    ----------
    text
        The first few of them in words; empty if there are none.
    advice
        What to do about the first.
    """

    text: str
    advice: str = ""


def stored_otherwise(state: State) -> Faults:
    """The tensors that do not hold their values, one for each place.

    They are sparse, quantised, nested, or without values (on the device `meta`).
    """
    return _faults({name: _stored_otherwise(tensor) for name, tensor in state.items()})


def unusable(state: State, fresh: State) -> Faults:
    """The tensors that cannot become the tensors of the same names of a fresh network.

    They have another kind of type, values that are not finite or that change when they are
    converted, or are negative variances.
    """
    return _faults(
        {name: _unusable(name, tensor, fresh[name].dtype) for name, tensor in state.items()}
    )


def converted(state: State, fresh: State) -> tuple[str, ...]:
    """Which types become the type of a fresh network's tensor, in words."""
    kinds = Counter(
        f"{_name(tensor.dtype)} to {_name(fresh[name].dtype)}"
        for name, tensor in state.items()
        if tensor.dtype != fresh[name].dtype
    )
    return tuple(f"{number} tensors converted from {kind}" for kind, number in kinds.items())


def _faults(looks: Mapping[str, Fault | None]) -> Faults:
    faults = {name: fault for name, fault in looks.items() if fault is not None}
    if not faults:
        return Faults("")
    said = [f"{name!r} {found}" for name, (found, _) in list(faults.items())[:NAMED]]
    more = f" ({len(faults)} tensors cannot be used)" if len(faults) > 1 else ""
    return Faults("; ".join(said) + more, next(iter(faults.values()))[1])


def _stored_otherwise(tensor: torch.Tensor) -> Fault | None:
    if tensor.is_meta:
        return (
            "has no values: it was saved on the device `meta`",
            "Save the network after its weights were loaded",
        )
    if tensor.is_quantized:
        return (
            f"is quantised ({_name(tensor.dtype)}), but float32 is expected",
            "Save the network as it was before it was quantised",
        )
    if tensor.is_nested:
        return "is nested: it has no single shape", "Save the network's own weights"
    if tensor.layout != torch.strided:
        layout = str(tensor.layout).removeprefix("torch.")
        return f"is sparse ({layout})", "Save it dense, `tensor.to_dense()`"
    return None


def _unusable(name: str, tensor: torch.Tensor, wanted: torch.dtype) -> Fault | None:
    allowed = FLOATS if wanted.is_floating_point else INTEGERS
    if tensor.dtype not in allowed:
        return (
            f"is {_name(tensor.dtype)}; allowed are {', '.join(map(_name, allowed))}",
            "Save the network's own weights, not codes of them",
        )
    if fault := _spoiled(tensor):
        return fault
    if name.split(".")[-1] == VARIANCE and (tensor < 0).any():
        return (
            f"is a variance, but holds {_which(tensor, tensor < 0)}; 0 or more is allowed",
            "Save the network again, undamaged",
        )
    back = tensor.to(wanted).to(tensor.dtype)
    if not torch.equal(back, tensor):
        return (
            f"is {_name(tensor.dtype)} and holds {_which(tensor, back != tensor)}, which "
            f"{_name(wanted)} cannot hold exactly",
            f"Round it yourself, `tensor.to({wanted})`, and save it again",
        )
    return None


def _spoiled(tensor: torch.Tensor) -> Fault | None:
    broken = ~torch.isfinite(tensor)
    if not broken.any():
        return None
    return (
        f"holds {_which(tensor, broken)}; only finite numbers are allowed",
        "Save the network from a time at which its training had not diverged",
    )


def _which(tensor: torch.Tensor, where: torch.Tensor) -> str:
    """The first of the values in words, with its place, and how many there are."""
    place = tuple(torch.nonzero(where)[0].tolist())
    return f"{tensor[place].item()} at {list(place)} ({int(where.sum())} of {where.numel()} values)"


def _name(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")
