"""Decode image files once and pack them into one array. An interrupted job continues.

Memory does not grow with the number of images. Three files lie beside the output until the array
is complete:

- the unfinished array, which grows;
- a JSON file with the progress, a fingerprint of the files, settings and code, and one of the
  sizes and dates of the files that were read. When a job continues, all bytes after the recorded
  progress are cut off;
- the lease of the job that writes.
"""

import hashlib
import io
import json
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, astuple, dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL

from prunescope.data import decoding, image_tables
from prunescope.data.watching import stamps
from prunescope.data.watching.stamps import Stamp
from prunescope.foundation import whole_files
from prunescope.foundation.errors import InputError
from prunescope.foundation.lease import Lease

log = logging.getLogger("prunescope")

# Files between two records of the progress: about a second of work.
CHUNK = 64


@dataclass(frozen=True)
class PackingSettings:
    """How image files are decoded for packing.

    Attributes
    ----------
    folder
        The dataset's folder.
    image_size
        Side of the packed images in pixels.
    resize
        Shorter side in pixels before the centre crop.
    on_error
        `fail`: a damaged file stops the job. `skip`: it is left out.
    """

    folder: str
    image_size: int
    resize: int
    on_error: str


@dataclass
class Progress:
    """The progress of packing.

    Attributes
    ----------
    fingerprint
        SHA-256 of the files, settings and code.
    stamps
        SHA-256 of the sizes and dates of the files read. Other files may be replaced meanwhile.
    read
        Number of files read.
    written
        Number of images written.
    report
        `[file, kind, action, message]` for each peculiarity so far.
    """

    fingerprint: str
    stamps: str = ""
    read: int = 0
    written: int = 0
    report: list[list[str]] = field(default_factory=list)

    @property
    def skipped(self) -> set[str]:
        """The files that are left out."""
        return {file for file, _, action, _ in self.report if action == image_tables.SKIPPED}


def pack(
    files: Sequence[str],
    listed: Sequence[Stamp],
    settings: PackingSettings,
    images: str | Path,
    unfinished: str | Path,
    *,
    code: str,
    threads: int,
) -> list[list[str]]:
    """Write the images of `files`, in this order, as one uint8 array `(images, 3, side, side)`.

    Several threads decode, and one thread writes. If a killed job is repeated, it continues where
    it stopped, and the result has the same bytes. If files, settings or code have changed, it
    starts from the beginning.

    Parameters
    ----------
    files
        Paths relative to the dataset's folder.
    listed
        The stamps that the files had when they were listed.
    settings
        How the files are decoded.
    images
        Path of the .npy file to write.
    unfinished
        Path of the unfinished array. `<unfinished>.json` holds the progress,
        `<unfinished>.lease` names the job. All three are removed at the end.
    code
        Digest of the code, which becomes part of the fingerprint.
    threads
        Number of files that are decoded at the same time.

    Returns
    -------
    list
        `[file, kind, action, message]` for each peculiarity, in the order of `files`. Files with
        the action `skipped` are not in the array.

    Raises
    ------
    InputError
        A file is missing or has changed since it was listed, a file is damaged under
        `on_error: fail`, or no file can be read.
    SupersededError
        Another job packs the same images.
    """
    unfinished = Path(unfinished)
    lease = Lease(unfinished.with_name(f"{unfinished.name}.lease"))
    lease.claim()
    record = unfinished.with_name(f"{unfinished.name}.json")
    fingerprint = _fingerprint(files, settings, code)
    progress = _resume(unfinished, record, fingerprint, listed, settings)
    with unfinished.open("r+b") as file:
        listed_files = [*zip(files, listed, strict=True)]
        _continue(file, record, progress, listed_files, settings, threads, lease)
        if not progress.written:
            raise InputError(f"{settings.folder}: none of the {len(files)} images can be read.")
        file.seek(0)
        file.write(_header(progress.written, settings.image_size))
        file.flush()
        os.fsync(file.fileno())
    lease.check("packs these images")
    unfinished.replace(images)
    record.unlink(missing_ok=True)
    lease.release()
    log.info("%d images packed; %s", progress.written, _counts(progress.report))
    return progress.report


def _continue(
    file: BinaryIO,
    record: Path,
    progress: Progress,
    files: Sequence[tuple[str, Stamp]],
    settings: PackingSettings,
    threads: int,
    lease: Lease,
) -> None:
    end = _offset(progress.written, settings.image_size)
    file.truncate(end)
    file.seek(end)
    with ThreadPoolExecutor(threads) as pool:
        for start in range(progress.read, len(files), CHUNK):
            chunk = files[start : start + CHUNK]
            for pixels, peculiarities in _prepared(pool, chunk, settings):
                if pixels is not None:
                    file.write(pixels.tobytes())
                    progress.written += 1
                progress.report += peculiarities
            progress.read += len(chunk)
            progress.stamps = _chain((stamp for _, stamp in chunk), progress.stamps)
            # The images must be on the disk before the record that counts them.
            file.flush()
            os.fsync(file.fileno())
            lease.check("packs these images")
            with whole_files.atomic(record) as temporary:
                temporary.write_text(json.dumps(asdict(progress)))
            if (start // CHUNK) % 50 == 0:
                log.info("%d of %d files read", progress.read, len(files))


def _prepared(
    pool: ThreadPoolExecutor, files: Sequence[tuple[str, Stamp]], settings: PackingSettings
) -> Iterator[tuple[np.ndarray | None, list[list[str]]]]:
    names, listed = zip(*files, strict=True)
    paths = [Path(settings.folder) / name for name in names]
    prepared = pool.map(partial(_prepare, settings=settings), paths, listed)
    for name, path, (pixels, notes) in zip(names, paths, prepared, strict=True):
        if pixels is None and settings.on_error == "fail":
            raise InputError(decoding.refusal(path, notes[0].kind, notes[0].message))
        yield pixels, [[name, *astuple(note)] for note in notes]


def _prepare(
    path: Path, listed: Stamp, settings: PackingSettings
) -> tuple[np.ndarray | None, tuple[decoding.Peculiarity, ...]]:
    prepared = decoding.prepare(path, settings.resize, settings.image_size)
    stamps.check(path, listed)
    return prepared


def _resume(
    unfinished: Path,
    record: Path,
    fingerprint: str,
    listed: Sequence[Stamp],
    settings: PackingSettings,
) -> Progress:
    """The progress of a killed job with the same fingerprint; otherwise start a new file."""
    try:
        progress = Progress(**json.loads(record.read_text()))
        whole = unfinished.stat().st_size >= _offset(progress.written, settings.image_size)
    except (FileNotFoundError, ValueError, TypeError):
        progress, whole = Progress(""), False
    same = progress.fingerprint == fingerprint
    if whole and same and progress.stamps == _chain(listed[: progress.read]):
        log.info("going on after %d files", progress.read)
        return progress
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    record.unlink(missing_ok=True)
    # Do not reuse the old file: a superseded job may still be writing to it.
    unfinished.unlink(missing_ok=True)
    unfinished.write_bytes(_header(0, settings.image_size))
    return Progress(fingerprint)


def _chain(listed: Iterable[Stamp], before: str = "") -> str:
    """The digest of stamps; `before` is that of the stamps before them."""
    for stamp in listed:
        content = f"{before} {stamp.bytes} {stamp.modified}"
        before = hashlib.sha256(content.encode()).hexdigest()
    return before


def _fingerprint(files: Sequence[str], settings: PackingSettings, code: str) -> str:
    content = [list(files), asdict(settings), code, PIL.__version__]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _header(images: int, size: int) -> bytes:
    """The .npy header. NumPy pads it, so that its length does not depend on `images`."""
    fields = {"descr": "|u1", "fortran_order": False, "shape": (images, 3, size, size)}
    header = io.BytesIO()
    np.lib.format.write_array_header_1_0(header, fields)
    return header.getvalue()


def _offset(images: int, size: int) -> int:
    return len(_header(0, size)) + images * 3 * size * size


def _counts(report: Sequence[Sequence[str]]) -> str:
    counts = Counter(kind for _, kind, _, _ in report)
    return ", ".join(f"{number} {kind}" for kind, number in counts.items()) or "nothing peculiar"
