"""Read and write .npy arrays, with their provenance in a JSON file beside them."""

import json
import math
import mmap
import os
from pathlib import Path

import numpy as np

from prunescope.foundation import provenance
from prunescope.foundation.whole_files import atomic, reading


def save_array(array: np.ndarray, path: str | Path) -> None:
    """Write `array` as .npy. The format cannot hold the provenance: see `save_provenance`."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def load_array(path: str | Path, *, memory_map: bool = False) -> np.ndarray:
    """Read a .npy file.

    Raises
    ------
    InputError
        The file is no complete .npy array (it is empty, truncated, or of another format).
    """
    with reading(path, ".npy array"):
        _check_length(path)
        return np.load(path, mmap_mode="r" if memory_map else None, allow_pickle=False)


def release_pages(array: np.ndarray) -> None:
    """Release the pages of a memory-mapped array, so that memory does not grow with each read.

    The page cache of the system may keep them. Arrays in memory stay as they are.
    """
    mapped = getattr(array, "_mmap", None)
    if mapped is not None:
        mapped.madvise(mmap.MADV_DONTNEED)


def _check_length(path: str | Path) -> None:
    """Compare the file's length with its header, before NumPy allocates a damaged shape."""
    with Path(path).open("rb") as file:
        version = np.lib.format.read_magic(file)
        first = version == (1, 0)
        read = np.lib.format.read_array_header_1_0 if first else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
        expected = file.tell() + math.prod(shape) * dtype.itemsize
        found = os.fstat(file.fileno()).st_size
    if found != expected:
        raise ValueError(f"{found} bytes, its header asks for {expected}")


def save_provenance(path: str | Path) -> None:
    """Write the provenance of the running job as JSON, for files that cannot hold it."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(provenance.current(), indent=2, sort_keys=True) + "\n")
