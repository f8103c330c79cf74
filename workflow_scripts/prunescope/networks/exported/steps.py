"""The exported graph of an architecture as plain values, and its two files. No torch."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from prunescope.foundation import provenance, whole_files
from prunescope.networks.exported import tensors_beside


@dataclass(frozen=True)
class Ref:
    """The value of an earlier step, or a tensor of the network, by its name in the graph."""

    name: str


@dataclass(frozen=True)
class Dtype:
    """A data type of PyTorch, such as `float32`."""

    name: str


@dataclass(frozen=True)
class Step:
    """A step of an exported graph.

    Attributes
    ----------
    name
        Unique in the graph.
    op
        PyTorch's operation, such as `aten.conv2d.default`.
    given
        Its arguments by name, as JSON can hold them, with `Ref` and `Dtype` among them.
    shapes
        The shapes of the values that it makes; of one that makes several, one each.
    several
        Whether it makes a list of values.
    """

    name: str
    op: str
    given: Mapping[str, Any]
    shapes: tuple[tuple[int, ...], ...]
    several: bool = False


@dataclass(frozen=True)
class Recorded:
    """What a network computes of a few images, in evaluation mode.

    Attributes
    ----------
    images
        The name of the value that is given to it.
    shape
        The shape of the images: `(images, channels, side, side)`.
    steps
        The steps in the order in which they run.
    state
        The name in the state dict, or in `constants`, of each tensor by its name in the graph.
    constants
        Tensors that no state dict holds, such as tables of indices, by name.
    output
        The name of the value that holds the logits.
    stays_masked
        What stands in the way of making a network compact, which was found when the graph was
        built anew; empty if nothing does. Then there need not be any steps.
    """

    images: str = ""
    shape: tuple[int, ...] = ()
    steps: tuple[Step, ...] = ()
    state: Mapping[str, str] = field(default_factory=dict)
    constants: Mapping[str, np.ndarray] = field(default_factory=dict)
    output: str = ""
    stays_masked: str = ""


def save(recorded: Recorded, path: str | Path, constants: str | Path) -> None:
    """Write a graph, whole or not at all.

    Parameters
    ----------
    recorded
        The graph.
    path, constants
        Paths of the two files, JSON and safetensors. The first holds the checksum of the other.
    """
    held = tensors_beside.save(recorded.constants, constants)
    steps = [
        {"name": step.name, "op": step.op, "given": _plain(step.given),
         "shapes": step.shapes, "several": step.several}
        for step in recorded.steps
    ]  # fmt: skip
    values = {
        "graph": {
            "images": recorded.images,
            "shape": recorded.shape,
            "steps": steps,
            "state": dict(recorded.state),
            "output": recorded.output,
            "stays_masked": recorded.stays_masked,
        },
        "constants": held,
        "provenance": provenance.current(),
    }
    with whole_files.atomic(path) as temporary:
        temporary.write_text(json.dumps(values, sort_keys=True) + "\n", encoding="utf-8")


def load(path: str | Path) -> Recorded:
    """Read a graph.

    Parameters
    ----------
    path
        Path of the JSON file. It names the file of the constants, which must lie beside it.

    Raises
    ------
    InputError
        A file is damaged, or the two are not of the same graph.
    """
    with whole_files.reading(path, "graph of an architecture"):
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        graph = values["graph"]
        held = {key: values["constants"][key] for key in ("file", "sha256")}
        steps = tuple(
            Step(
                step["name"],
                step["op"],
                _rich(step["given"]),
                tuple(map(tuple, step["shapes"])),
                step["several"],
            )
            for step in graph["steps"]
        )
        shape = tuple(graph["shape"])
    constants = tensors_beside.load(held, path)
    return Recorded(**{**graph, "steps": steps, "shape": shape, "constants": constants})


def _plain(value: Any) -> Any:
    if isinstance(value, Ref):
        return {"value": value.name}
    if isinstance(value, Dtype):
        return {"dtype": value.name}
    if isinstance(value, Mapping):
        return {key: _plain(part) for key, part in value.items()}
    return list(map(_plain, value)) if isinstance(value, list | tuple) else value


def _rich(value: Any) -> Any:
    if isinstance(value, list):
        return [_rich(part) for part in value]
    if isinstance(value, dict):
        if set(value) == {"value"}:
            return Ref(value["value"])
        if set(value) == {"dtype"}:
            return Dtype(value["dtype"])
        return {key: _rich(part) for key, part in value.items()}
    return value
