"""The size and the date of an image file: what tells that it changed since it was listed."""

import os
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import NamedTuple

import polars as pl

from prunescope.data.file_names import diagnosis, shown
from prunescope.foundation.errors import InputError

# A file system of a network answers many at a time.
THREADS = 16
# Files that a thread looks at in one go.
CHUNK = 256


class Stamp(NamedTuple):
    """The size of a file in bytes, and when it was last modified, in ns since 1970."""

    bytes: int
    modified: int


def stamped(index: pl.DataFrame, folder: Path) -> pl.DataFrame:
    """The index of a split (`image_tables.INDEX`) with the stamps of its files.

    Raises
    ------
    InputError
        A file is gone.
    """
    files = index["file"].to_list()
    chunks = [files[start : start + CHUNK] for start in range(0, len(files), CHUNK)]
    with ThreadPoolExecutor(THREADS) as pool:
        found = [*pool.map(partial(of_files, folder), chunks)]
    stamps = [stamp for chunk in found for stamp in chunk]
    return index.with_columns(
        pl.Series("bytes", [stamp.bytes for stamp in stamps], pl.Int64),
        pl.Series("modified", [stamp.modified for stamp in stamps], pl.Int64),
    )


def of_files(folder: Path, files: Iterable[str]) -> list[Stamp]:
    """The stamps of files of a folder, in their order.

    Raises
    ------
    InputError
        A file is gone.
    """
    return [_stamp(folder / name) for name in files]


def of_index(index: pl.DataFrame) -> Sequence[Stamp]:
    """The stamps in an index that `stamped` made."""
    return [Stamp(*row) for row in index.select("bytes", "modified").iter_rows()]


def check(path: Path, listed: Stamp) -> None:
    """Check a file after it was read: what changed before or while it was read is noticed.

    Raises
    ------
    InputError
        The file has not the size and the date that it had when it was listed.
    """
    found = _stamp(path)
    if found != listed:
        sizes = f"{listed.bytes} bytes, now {found.bytes}"
        what = "another date" if found.bytes == listed.bytes else sizes
        raise InputError(
            f"{shown(path)}: changed since it was listed ({what}). Run again: the folder is listed "
            "anew, and what was made of the old images is made again."
        )


def _stamp(path: Path) -> Stamp:
    try:
        status = os.stat(path)  # noqa: PTH116 (half the time of `Path.stat`)
    except OSError as error:
        reason, advice = diagnosis(path, error)
        raise InputError(f"{shown(path)}: {reason}. {advice}, or run again.") from error
    return Stamp(status.st_size, status.st_mtime_ns)
