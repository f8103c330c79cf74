"""Read and write network files. They hold the tensors, masks and description of a network.

A network file is a safetensors file. Parameters and buffers have the names of the module's state
dict. The mask of a parameter is stored as booleans under `mask:<name>` (True = kept). The metadata
holds the description (architecture, classes, preprocessing, layers) and the provenance.

This module must not import torch, so that steps that only count or select weights start fast.
"""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
from safetensors import safe_open
from safetensors.numpy import save as to_bytes

from prunescope.foundation import provenance, whole_files
from prunescope.foundation.errors import InputError, how_to_rebuild
from prunescope.networks.description import Description, Layer, Network

MASK_PREFIX = "mask:"


def save(network: Network, path: str | Path) -> None:
    """Write a network file atomically."""
    # Not `ascontiguousarray`: it turns scalars into 1-D arrays.
    content = {name: np.asarray(tensor, order="C") for name, tensor in network.tensors.items()}
    content |= {
        MASK_PREFIX + name: np.asarray(mask, order="C") for name, mask in network.masks.items()
    }
    # A single metadata entry, because safetensors writes several in any order.
    header = {"network": asdict(network.description), "provenance": provenance.current()}
    metadata = {provenance.KEY: json.dumps(header, sort_keys=True)}
    with whole_files.atomic(path) as temporary:
        # Not `save_file`: it would create a file that only its owner may read.
        temporary.write_bytes(to_bytes(content, metadata))


def load(path: str | Path) -> Network:
    """Read a network file.

    Raises
    ------
    InputError
        The file is damaged or was not written by prunescope.
    """
    with whole_files.reading(path, "safetensors file"):
        with safe_open(path, framework="numpy") as file:
            header = _header(file)
            content = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        if "network" not in header:
            raise InputError(
                f"{path}: a safetensors file without a prunescope description. Network files are "
                f"made by this workflow; see docs/artifacts.md. {how_to_rebuild(path)}"
            )
        description = _description(header["network"])
    masks = {
        name.removeprefix(MASK_PREFIX): tensor
        for name, tensor in content.items()
        if name.startswith(MASK_PREFIX)
    }
    tensors = {name: tensor for name, tensor in content.items() if not name.startswith(MASK_PREFIX)}
    return Network(description, tensors, masks)


def read_provenance(path: str | Path) -> dict:
    """The provenance in a network file; empty if it has none.

    Raises
    ------
    InputError
        The file is damaged.
    """
    with (
        whole_files.reading(path, "safetensors file"),
        safe_open(path, framework="numpy") as file,
    ):
        return dict(_header(file).get("provenance", {}))


def _header(file: safe_open) -> dict:
    return json.loads((file.metadata() or {}).get(provenance.KEY, "{}"))


def _description(fields: dict) -> Description:
    layers = tuple(Layer.from_json(layer) for layer in fields["layers"])
    return Description(
        **{**fields, "layers": layers, "mean": tuple(fields["mean"]), "std": tuple(fields["std"])}
    )
