"""Files that are either whole or absent, and that say where they come from."""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from prunescope import provenance
from prunescope.errors import InputError, how_to_rebuild


def flush(path: Path) -> None:
    """Bring to the disk what the system still keeps of a file."""
    with path.open("rb") as written:
        os.fsync(written.fileno())


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a unique temporary path beside `path`; move it there once the block succeeded.

    The temporary file is flushed to disk before the move, so that a reader sees the old
    file, the whole new one, or none. It is removed when the block fails.

    Raises
    ------
    OSError
        With the number of the reason and `path`, whatever the library that writes tells of them.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Not `tempfile`: it makes files that only their owner may read.
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}{target.suffix}")
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        flush(temporary)
        temporary.replace(target)
    except OSError as error:
        # NumPy gives no number when it finds too little room before it writes.
        number = error.errno or errno.ENOSPC
        raise OSError(number, os.strerror(number), str(target)) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a new folder beside `path`; move it there once the block succeeded.

    A folder at `path` is replaced. The files are flushed to disk before the move. The new folder
    is removed when the block fails.

    Raises
    ------
    OSError
        With the number of the reason and `path`, as `atomic` does.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}{target.suffix}")
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for file in files_of(temporary):
            flush(file)
        if target.is_dir():
            shutil.rmtree(target)
        temporary.replace(target)
    except OSError as error:
        number = error.errno or errno.ENOSPC
        raise OSError(number, os.strerror(number), str(target)) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def files_of(path: str | Path) -> list[Path]:
    """The file at `path`, or all files below the folder at `path`, sorted; nothing if absent."""
    found = Path(path)
    if found.is_dir():
        return sorted(file for file in found.rglob("*") if file.is_file())
    return [found] if found.exists() else []


def remove_leftovers(path: str | Path) -> None:
    """Delete temporary files and folders for `path` of writers that were killed."""
    target = Path(path)
    name = re.compile(rf"\.{re.escape(target.name)}\.[0-9a-f]{{16}}{re.escape(target.suffix)}")
    for other in target.parent.glob(".*"):
        if name.fullmatch(other.name) and other.is_dir():
            shutil.rmtree(other)
        elif name.fullmatch(other.name):
            other.unlink(missing_ok=True)


def copy(source: str | Path, path: str | Path) -> None:
    """Write the content of another file to `path`."""
    with atomic(path) as temporary:
        shutil.copyfile(source, temporary)


def save_array(array: np.ndarray, path: str | Path) -> None:
    """Write `array` as .npy. The format has no room for provenance: see `save_provenance`."""
    with atomic(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def load_array(path: str | Path, *, memory_map: bool = False) -> np.ndarray:
    """Read a .npy file.

    Raises
    ------
    InputError
        The file is not a readable .npy array (empty, truncated, or something else).
    """
    try:
        return np.load(path, mmap_mode="r" if memory_map else None, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise InputError(
            f"{path}: not a whole .npy array ({error}). {how_to_rebuild(path)}"
        ) from error


def save_provenance(path: str | Path) -> None:
    """Write the running job's provenance as JSON, for an array that cannot carry it."""
    with atomic(path) as temporary:
        temporary.write_text(json.dumps(provenance.current(), indent=2, sort_keys=True) + "\n")


def checksum(path: str | Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save_checksums(paths: Iterable[str | Path], manifest: str | Path) -> None:
    """Write the checksums of `paths` to `manifest`, as `sha256sum --check` reads them."""
    lines = [f"{checksum(path)}  {path}\n" for path in paths]
    with atomic(manifest) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")


def load_checksums(manifest: str | Path) -> dict[str, str]:
    """The checksums in a manifest, by path."""
    lines = Path(manifest).read_text(encoding="utf-8").splitlines()
    return {path: digest for digest, _, path in (line.partition("  ") for line in lines)}
