"""Read the tensors in a file that other software wrote, or say why it holds no state dict."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeGuard

import torch
from safetensors.torch import load_file

from prunescope.foundation.errors import InputError

State = Mapping[str, torch.Tensor]

# The keys under which training scripts save a state dict. Where a file has several of them, the
# first is taken: averaged weights (`ema`) only where there are no others.
WRAPPED_IN = ("state_dict", "model_state_dict", "model", "ema")
# How many entries a message names.
NAMED = 3
# How deep a training state is searched for the state dict in it.
DEPTH = 3
SAVE_TENSORS = (
    "Load it where it was made, save its tensors alone, `torch.save(model.state_dict(), "
    '"new.pth")`, and name the new file in model.checkpoint.'
)
NAME_ANOTHER = "Name another file in model.checkpoint."
# How torch names the weights of a quantised layer, which are no tensors.
QUANTISED = "_packed_params"
# How torch's messages name a class that is not loaded.
_CLASS = re.compile(r"GLOBAL ([\w.]+)")
_MODULE = re.compile(r"(torch\.nn|torch\.fx|torchvision\.models|timm\.models)\.")


@dataclass(frozen=True)
class Found:
    """Tensors out of a file.

    Attributes
    ----------
    tensors
        The tensors by name.
    done
        What was done to them since they were read, in words.
    """

    tensors: State
    done: tuple[str, ...] = ()


def read_state(path: str | Path) -> Found:
    """Read tensors by name from a safetensors file or a file of `torch.save`.

    The content tells which of the two it is, not the name of the file. A pickle is read without
    running code: only tensors and plain containers are accepted. A state dict may lie in a training
    state, under a key of `WRAPPED_IN`.

    Raises
    ------
    InputError
        The file is damaged, or holds anything but tensors by name.
    """
    try:
        content = _load(Path(path))
    except Exception as error:
        # Which error a library raises for a damaged file depends on the place of the damage.
        raise _refusal(path, *_why_unreadable(error)) from error
    place, state, beside = _unwrapped(content)
    if not _is_state(state):
        raise _refusal(path, *_why_no_state(content))
    if not place:
        return Found(state)
    left = f", not from {', '.join(beside)}" if beside else ""
    return Found(state, (f"taken from {place} of the file{left}",))


def _unwrapped(content: object) -> tuple[str, object, list[str]]:
    """The place of the state dict in a file, the state dict, and places of others beside it."""
    place, beside = "", []
    for _ in range(DEPTH):
        if not isinstance(content, Mapping) or _is_state(content):
            break
        keys = [key for key in WRAPPED_IN if isinstance(content.get(key), Mapping)]
        if not keys:
            break
        beside += [f"{place}[{key!r}]" for key in keys[1:]]
        place, content = f"{place}[{keys[0]!r}]", content[keys[0]]
    return place, content, beside


def _load(path: Path) -> object:
    with path.open("rb") as file:
        # A safetensors file begins with the length of its header, eight bytes, and then the
        # header, which is JSON. The ninth byte of torch's formats is another one.
        if file.read(9)[8:] == b"{":
            return load_file(path)
        file.seek(0)
        # Not the path: torch looks at the ending of a name.
        return torch.load(file, map_location="cpu", weights_only=True)


def _is_state(content: object) -> TypeGuard[State]:
    return (
        isinstance(content, Mapping)
        and len(content) > 0
        and all(isinstance(name, str) for name in content)
        and all(isinstance(tensor, torch.Tensor) for tensor in content.values())
    )


def _refusal(path: str | Path, reason: str, advice: str) -> InputError:
    return InputError(
        f"{path}: cannot be read as a state dict, that is tensors by name, saved with torch.save "
        f"or as safetensors: {reason}. {advice}"
    )


def _why_unreadable(error: Exception) -> tuple[str, str]:
    """The reason and the advice. torch's own message advises to load the file unsafely."""
    message = str(error)
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.strerror}", "Put the file there, readable for you."
    if "TorchScript" in message:
        return "it is a TorchScript program", SAVE_TENSORS.replace("model.", "torch.jit.load(old).")
    if found := _CLASS.search(message):
        name = found[1]
        what = "a module was saved whole" if _MODULE.match(name) else "it holds a Python object"
        return f"{what} ({name}), and only tensors are loaded", SAVE_TENSORS
    return (
        "it is damaged, incomplete, or of another kind",
        f"Fetch it again. {NAME_ANOTHER}",
    )


def _why_no_state(content: object) -> tuple[str, str]:
    if not isinstance(content, Mapping):
        return f"it holds a {type(content).__name__}", SAVE_TENSORS
    inner = sorted(_inner_states(content, DEPTH), key=lambda found: -len(found[1]))
    if inner:
        places = ", ".join(place for place, _ in inner[:NAMED])
        return (
            f"its tensors lie deeper, in {places}",
            f'Save that part alone, `torch.save(torch.load("old.pth"){inner[0][0]}, "new.pth")`, '
            "and name the new file in model.checkpoint.",
        )
    others = [
        f"{name!r}: {type(value).__name__}"
        for name, value in content.items()
        if not (isinstance(name, str) and isinstance(value, torch.Tensor))
    ]
    if not others:
        return "it is empty", SAVE_TENSORS
    if QUANTISED in "".join(map(str, content)):
        return (
            f"its layers are quantised ({QUANTISED})",
            f"Save the network as it was before it was quantised. {NAME_ANOTHER}",
        )
    return (
        f"{len(others)} of its {len(content)} entries are no tensor with a name "
        f"({first_of(others)})",
        SAVE_TENSORS,
    )


def _inner_states(content: Mapping, depth: int, place: str = "") -> Iterator[tuple[str, State]]:
    """The state dicts within a mapping, and the keys that lead there."""
    for key, value in content.items():
        here = f"{place}[{key!r}]"
        if _is_state(value):
            yield here, value
        elif isinstance(value, Mapping) and depth > 1:
            yield from _inner_states(value, depth - 1, here)


def first_of(names: Sequence[str]) -> str:
    """The first few names, for a message. Names out of a file must be quoted (`repr`)."""
    more = ["..."] if len(names) > NAMED else []
    return ", ".join([*names[:NAMED], *more])
