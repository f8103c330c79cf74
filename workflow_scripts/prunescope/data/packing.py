"""Decode image files once and pack them into one array. An interrupted job continues.

Memory does not grow with the number of images. Three files lie beside the output until the array
is complete:

- the unfinished array, which grows;
- a JSON file with the progress and a fingerprint of the files, settings and code. When a job
  continues, all bytes after the recorded progress are cut off;
- the lease of the job that writes.
"""

import hashlib
import io
import json
import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, astuple, dataclass, field
from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np
import PIL

from prunescope.data import decoding
from prunescope.foundation import whole_files
from prunescope.foundation.errors import InputError
from prunescope.foundation.lease import Lease

log = logging.getLogger("prunescope")

# Files between two records of the progress: about a second of work.
CHUNK = 64
SKIPPED = "skipped"


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
    read
        Number of files read.
    written
        Number of images written.
    report
        `[file, kind, action, message]` for each peculiarity so far.
    """

    fingerprint: str
    read: int = 0
    written: int = 0
    report: list[list[str]] = field(default_factory=list)

    @property
    def skipped(self) -> set[str]:
        """The files that are left out."""
        return {file for file, _, action, _ in self.report if action == SKIPPED}


def pack(
    files: Sequence[str],
    settings: PackingSettings,
    images: str | Path,
    unfinished: str | Path,
    *,
    code: str,
    threads: int,
) -> list[list[str]]:
    """Write the images of `files`, in this order, as one uint8 array `(images, 3, side, side)`.

    Several threads decode, and one thread writes. If a killed job is repeated, it continues where
    it stopped, and the result has the same bytes. If the files, settings or code have changed, it
    starts from the beginning.

    Parameters
    ----------
    files
        Paths relative to the dataset's folder.
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
        A file is missing, a file is damaged under `on_error: fail`, or no file can be read.
    SupersededError
        Another job packs the same images.
    """
    unfinished = Path(unfinished)
    lease = Lease(unfinished.with_name(f"{unfinished.name}.lease"))
    lease.claim()
    record = unfinished.with_name(f"{unfinished.name}.json")
    progress = _resume(unfinished, record, _fingerprint(files, settings, code), settings)
    with unfinished.open("r+b") as file:
        _continue(file, record, progress, files, settings, threads, lease)
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
    files: Sequence[str],
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
            # The images must be on the disk before the record that counts them.
            file.flush()
            os.fsync(file.fileno())
            lease.check("packs these images")
            with whole_files.atomic(record) as temporary:
                temporary.write_text(json.dumps(asdict(progress)))
            if (start // CHUNK) % 50 == 0:
                log.info("%d of %d files read", progress.read, len(files))


def _prepared(
    pool: ThreadPoolExecutor, files: Sequence[str], settings: PackingSettings
) -> Iterator[tuple[np.ndarray | None, list[list[str]]]]:
    prepare = partial(decoding.prepare, resize=settings.resize, size=settings.image_size)
    paths = [Path(settings.folder) / name for name in files]
    for name, path, (pixels, notes) in zip(files, paths, pool.map(prepare, paths), strict=True):
        if pixels is None and settings.on_error == "fail":
            raise InputError(decoding.refusal(path, notes[0].kind, notes[0].message))
        yield pixels, [[name, *astuple(note)] for note in notes]


def _resume(
    unfinished: Path, record: Path, fingerprint: str, settings: PackingSettings
) -> Progress:
    """The progress of a killed job with the same fingerprint; otherwise start a new file."""
    try:
        progress = Progress(**json.loads(record.read_text()))
        whole = unfinished.stat().st_size >= _offset(progress.written, settings.image_size)
    except (FileNotFoundError, ValueError, TypeError):
        progress, whole = Progress(""), False
    if whole and progress.fingerprint == fingerprint:
        log.info("going on after %d files", progress.read)
        return progress
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    record.unlink(missing_ok=True)
    # Do not reuse the old file: a superseded job may still be writing to it.
    unfinished.unlink(missing_ok=True)
    unfinished.write_bytes(_header(0, settings.image_size))
    return Progress(fingerprint)


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
