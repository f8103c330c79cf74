"""Digests of all image files of a dataset's folder: of their sizes and dates, and of their content.

No file is opened for the first one. The folder may hold a million files, on a disk of a network:
several threads look at one folder of images each.
"""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from prunescope.data.class_folders import EXTENSIONS, TRAIN, VALIDATION
from prunescope.data.watching.stamps import THREADS
from prunescope.foundation.whole_files import checksum

# What stands for a file in a digest.
Describe = Callable[[os.DirEntry], str]


@dataclass(frozen=True)
class Place:
    """A folder to look through, and the folders above it, by device and inode."""

    path: Path
    above: tuple[tuple[int, int], ...] = ()


def of_stamps(folder: Path) -> str:
    """The digest of the names, the sizes and the dates of all image files of a dataset."""
    return _digest(folder, _stamp)


def of_content(folder: Path) -> str:
    """The digest of the names and the content of all image files of a dataset."""
    return _digest(folder, lambda entry: checksum(entry.path))


def _stamp(entry: os.DirEntry) -> str:
    status = entry.stat()
    return f"{status.st_size} {status.st_mtime_ns}"


def _digest(folder: Path, describe: Describe) -> str:
    """The digest of what `describe` says of the image files below `train/` and `val/`.

    Links are followed. What cannot be read becomes part of the digest as its error: `index_images`
    names it.
    """
    whole = hashlib.sha256()
    places = [Place(folder / TRAIN), Place(folder / VALIDATION)]
    with ThreadPoolExecutor(THREADS) as pool:
        while places:
            found = [*pool.map(partial(_look, describe=describe), places)]
            for place, (digest, _) in zip(places, found, strict=True):
                name = os.fsencode(place.path.relative_to(folder))
                whole.update(b"%b\0%b\0" % (name, digest))
            places = [below for _, folders in found for below in folders]
    return whole.hexdigest()


def _look(place: Place, describe: Describe) -> tuple[bytes, list[Place]]:
    """The digest of the images of one folder, and the folders in it."""
    try:
        status = place.path.stat()
        with os.scandir(place.path) as entries:
            visible = sorted(_visible(entries), key=lambda entry: entry.name)
    except OSError as error:
        return _described([(b"", _reason(error))]), []
    here = (status.st_dev, status.st_ino)
    # A link may lead back to a folder above it.
    folders = [] if here in place.above else [entry for entry in visible if _is_folder(entry)]
    images = [entry for entry in visible if entry.name.lower().endswith(EXTENSIONS)]
    lines = [(os.fsencode(entry.name), _said(describe, entry)) for entry in images]
    below = [Place(place.path / entry.name, (*place.above, here)) for entry in folders]
    return _described(lines), below


def _visible(entries: Iterable[os.DirEntry]) -> Iterator[os.DirEntry]:
    return (entry for entry in entries if not entry.name.startswith("."))


def _is_folder(entry: os.DirEntry) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads back to itself
        return False


def _said(describe: Describe, entry: os.DirEntry) -> str:
    try:
        return describe(entry)
    except OSError as error:
        return _reason(error)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)


def _described(lines: Iterable[tuple[bytes, str]]) -> bytes:
    digest = hashlib.sha256()
    for name, said in lines:
        digest.update(b"%b\0%b\0" % (name, said.encode()))
    return digest.digest()
