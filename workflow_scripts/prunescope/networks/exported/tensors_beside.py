"""Tensors in a file of their own beside the JSON file that they belong to. No torch.

The JSON file holds their checksum, so that neither is taken for that of another pair.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load as from_bytes
from safetensors.numpy import save as to_bytes

from prunescope.foundation import provenance, whole_files
from prunescope.foundation.errors import InputError, how_to_rebuild


def save(tensors: Mapping[str, np.ndarray], path: str | Path) -> dict[str, str]:
    """Write tensors, whole or not at all.

    Returns
    -------
    dict
        What the JSON file must hold: the name of this file and its SHA-256.
    """
    content = {name: np.asarray(array, order="C") for name, array in tensors.items()}
    header = {provenance.KEY: json.dumps({"provenance": provenance.current()}, sort_keys=True)}
    packed = to_bytes(content, header)
    with whole_files.atomic(path) as temporary:
        temporary.write_bytes(packed)
    return {"file": Path(path).name, "sha256": hashlib.sha256(packed).hexdigest()}


def load(held: Mapping[str, str], description: str | Path) -> dict[str, np.ndarray]:
    """The tensors beside a JSON file, by name.

    Parameters
    ----------
    held
        What `save` returned.
    description
        Path of the JSON file that holds it.

    Raises
    ------
    InputError
        The file is not there, damaged, or that of another JSON file.
    """
    path = Path(description).with_name(held["file"])
    if not path.is_file() or whole_files.checksum(path) != held["sha256"]:
        raise InputError(
            f"{path}: not the tensors that {description} describes: the file is damaged, or "
            f"belongs to another one. {how_to_rebuild(path)}"
        )
    return read(path)


def read(path: str | Path) -> dict[str, np.ndarray]:
    """The tensors of a file by name, whatever it belongs to.

    Raises
    ------
    InputError
        The file is damaged.
    """
    with whole_files.reading(path, "safetensors file"):
        return from_bytes(Path(path).read_bytes())
