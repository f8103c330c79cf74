"""Compact networks on disk: a JSON description and the tensors beside it, without torch."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from prunescope.compact.graph.graph import Graph, check_shapes, from_json, to_json
from prunescope.foundation import provenance, whole_files
from prunescope.foundation.errors import InputError, how_to_rebuild
from prunescope.networks.description import Description
from prunescope.networks.exported import tensors_beside


@dataclass(frozen=True)
class CompactNetwork:
    """A network as a graph and its tensors.

    Attributes
    ----------
    description
        How to feed it: preprocessing, image size, classes. `architecture` is that of the network
        from which it was made.
    graph
        What it computes. It has no steps if the network was kept masked.
    tensors
        Parameters and buffers by name, of the types that they have in the network file.
    kept_masked
        The operation that stands in the way of making the network compact: the tensors are then
        those of the masked network. Empty if it was made compact.
    """

    description: Description
    graph: Graph
    tensors: Mapping[str, np.ndarray]
    kept_masked: str = ""


def save(network: CompactNetwork, description: str | Path, tensors: str | Path) -> None:
    """Write a compact network, whole or not at all.

    Parameters
    ----------
    network
        The network.
    description, tensors
        Paths of the two files, JSON and safetensors. The description holds the checksum of the
        tensors that it belongs to.

    Raises
    ------
    ValueError
        An operation of the graph is not known.
    """
    held = tensors_beside.save(network.tensors, tensors)
    values = {
        "network": asdict(replace(network.description, layers=(), auxiliary_heads=False)),
        "graph": to_json(network.graph),
        "kept_masked": network.kept_masked,
        "tensors": held,
        "provenance": provenance.current(),
    }
    with whole_files.atomic(description) as temporary:
        temporary.write_text(json.dumps(values, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def load(description: str | Path) -> CompactNetwork:
    """Read a compact network.

    Parameters
    ----------
    description
        Path of the JSON file. It names the file of the tensors, which must lie beside it.

    Raises
    ------
    InputError
        A file is damaged, or the two are not of the same network.
    """
    values = read_description(description)
    with whole_files.reading(description, "description of a compact network"):
        held = {key: values["tensors"][key] for key in ("file", "sha256")}
        fields = values["network"] | {key: tuple(values["network"][key]) for key in ("mean", "std")}
        described = Description(**fields | {"layers": ()})
        graph = from_json(values["graph"])
    tensors = tensors_beside.load(held, description)
    with whole_files.reading(description, "description of a compact network"):
        check_shapes(graph, {name: tensor.shape for name, tensor in tensors.items()})
    return CompactNetwork(described, graph, tensors, values["kept_masked"])


def read_description(path: str | Path) -> dict[str, Any]:
    """The content of a description, as plain values.

    Raises
    ------
    InputError
        The file is damaged, or is no description of a compact network.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        complete = {"network", "graph", "kept_masked", "tensors", "provenance"} <= set(values)
    except (ValueError, TypeError):
        complete = False
    if not complete:
        raise InputError(
            f"{path}: not a whole description of a compact network. {how_to_rebuild(path)}"
        )
    return values
