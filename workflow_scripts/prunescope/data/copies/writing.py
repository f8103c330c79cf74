"""Copy image files in a smaller size into one file. An interrupted job continues.

Memory for pixels does not grow with the number of images. Three files lie beside the output until
it is complete:

- the unfinished copies, which grow;
- a text file: a fingerprint of the files, settings and code, then a row for each image. A row is
  written when its copy is on the disk. When a job continues, all that has no row is cut off;
- the lease of the job that writes.
"""

import hashlib
import io
import json
import logging
import os
import zlib
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import PIL
import polars as pl
from PIL import Image

from prunescope.data import decoding
from prunescope.data.copies.copy_table import COPIES
from prunescope.data.watching import stamps
from prunescope.data.watching.stamps import Stamp
from prunescope.foundation.errors import InputError
from prunescope.foundation.lease import Lease

log = logging.getLogger("prunescope")

# Files between two records of the progress: about a second of work.
CHUNK = 256
# JPEG files have at most so many pixels on a side (`JPEG_MAX_DIMENSION` of libjpeg).
LONGEST_SIDE = 65_500


@dataclass(frozen=True)
class CopySettings:
    """How image files are copied.

    Attributes
    ----------
    folder
        The dataset's folder.
    on_error
        `fail`: a damaged file stops the job. `skip`: it gets no copy.
    shorter_side
        Shorter side of the copies in pixels. Smaller images keep their size.
    quality
        Quality of the JPEG files, 1 to 100.
    """

    folder: str
    on_error: str
    shorter_side: int
    quality: int


class Row(NamedTuple):
    """What is known of an image that was read: the stamp of its file, and its copy.

    `size`, `width` and `height` are 0 and `damage` says why if the file is damaged.
    """

    listed_bytes: int
    listed_modified: int
    size: int
    crc32: int
    width: int
    height: int
    damage: str | None

    @property
    def stamp(self) -> Stamp:
        """The stamp of the file that was read."""
        return Stamp(self.listed_bytes, self.listed_modified)


def write(
    files: Sequence[str],
    listed: Sequence[Stamp],
    settings: CopySettings,
    copies: str | Path,
    unfinished: str | Path,
    *,
    code: str,
    threads: int,
) -> pl.DataFrame:
    """Write the copies of `files`, in this order, one after the other, into one file.

    Several threads decode and encode, and one thread writes. If a killed job is repeated, it
    continues where it stopped, and the result has the same bytes. If files, settings or code have
    changed, it starts from the beginning.

    Parameters
    ----------
    files
        Paths relative to the dataset's folder.
    listed
        The stamps that the files had when they were listed.
    settings
        How the files are copied.
    copies
        Path of the file to write.
    unfinished
        Path of the unfinished copies. `<unfinished>.rows` holds the rows, `<unfinished>.lease`
        names the job. All three are removed at the end.
    code
        Digest of the code, which becomes part of the fingerprint.
    threads
        Number of files that are copied at the same time.

    Returns
    -------
    polars.DataFrame
        A table `copy_table.COPIES`.

    Raises
    ------
    InputError
        A file is missing or has changed since it was listed, a file is damaged under
        `on_error: fail`, or no file can be read.
    SupersededError
        Another job copies the same images.
    """
    unfinished = Path(unfinished)
    lease = Lease(unfinished.with_name(f"{unfinished.name}.lease"))
    lease.claim()
    record = unfinished.with_name(f"{unfinished.name}.rows")
    head = _fingerprint(files, settings, code)
    done = _resume(unfinished, record, head, listed)
    with unfinished.open("r+b") as data, record.open("r+b") as rows:
        _cut(data, sum(row.size for row in done))
        _cut(rows, len(head) + sum(len(_line(row)) for row in done))
        with ThreadPoolExecutor(threads) as pool:
            for start in range(len(done), len(files), CHUNK):
                chunk = slice(start, start + CHUNK)
                made = _copied(pool, files[chunk], listed[chunk], settings)
                # The copies must be on the disk before the rows that count them.
                _append(data, (content for content, _ in made))
                lease.check("copies these images")
                _append(rows, (_line(row) for _, row in made))
                done += [row for _, row in made]
                if (start // CHUNK) % 50 == 0:
                    log.info("%d of %d files copied", len(done), len(files))
    if not any(row.size for row in done):
        raise InputError(f"{settings.folder}: none of the {len(files)} images can be read.")
    lease.check("copies these images")
    unfinished.replace(copies)
    record.unlink(missing_ok=True)
    lease.release()
    damaged = sum(row.damage is not None for row in done)
    log.info("%d images copied, %d damaged", len(done) - damaged, damaged)
    return _table(files, done)


def _copied(
    pool: ThreadPoolExecutor,
    files: Sequence[str],
    listed: Sequence[Stamp],
    settings: CopySettings,
) -> list[tuple[bytes, Row]]:
    paths = [Path(settings.folder) / name for name in files]
    made = list(pool.map(partial(_copy, settings=settings), paths, listed))
    for path, (_, row) in zip(paths, made, strict=True):
        if row.damage is not None:
            log.warning("%s: %s: left out", path, row.damage)
    return made


def _copy(path: Path, listed: Stamp, settings: CopySettings) -> tuple[bytes, Row]:
    """The copy of a file that is still the one that was listed, whole or damaged."""
    try:
        image = decoding.decode(path)[0]
    except decoding.UnreadableError as error:
        stamps.check(path, listed)
        if settings.on_error == "fail":
            raise InputError(decoding.refusal(path, error.kind, str(error))) from error
        return b"", Row(*listed, 0, 0, 0, 0, f"{error} ({error.kind})")
    stamps.check(path, listed)
    content = io.BytesIO()
    smaller = shrink(image, settings.shorter_side)
    smaller.save(content, "JPEG", quality=settings.quality)
    jpeg = content.getvalue()
    return jpeg, Row(*listed, len(jpeg), zlib.crc32(jpeg), *image.size, None)


def shrink(image: Image.Image, shorter_side: int) -> Image.Image:
    """Make an image smaller, with antialiasing (bicubic); a smaller one keeps its size.

    Sides that would become longer than JPEG files allow are made `LONGEST_SIDE`.
    """
    factor = min(1, shorter_side / min(image.size))
    width, height = (min(max(1, round(side * factor)), LONGEST_SIDE) for side in image.size)
    if (width, height) == image.size:
        return image
    return image.resize((width, height), Image.Resampling.BICUBIC)


def _resume(unfinished: Path, record: Path, head: bytes, listed: Sequence[Stamp]) -> list[Row]:
    """The rows of a killed job with the same fingerprint; otherwise start new files."""
    done = _recorded(record, head)
    there = unfinished.stat().st_size if unfinished.exists() else -1
    same = all(row.stamp == stamp for row, stamp in zip(done, listed, strict=False))
    if done and same and there >= sum(row.size for row in done):
        log.info("going on after %d files", len(done))
        return done
    unfinished.parent.mkdir(parents=True, exist_ok=True)
    # Do not reuse the old files: a superseded job may still be writing to them.
    record.unlink(missing_ok=True)
    unfinished.unlink(missing_ok=True)
    unfinished.touch()
    record.write_bytes(head)
    return []


def _recorded(record: Path, head: bytes) -> list[Row]:
    """The whole rows of a record with this fingerprint."""
    content = record.read_bytes() if record.exists() else b""
    if not content.startswith(head):
        return []
    done: list[Row] = []
    for line in content[len(head) :].splitlines(keepends=True):
        try:
            row = Row(*json.loads(line))
        except (ValueError, TypeError):
            break
        if _line(row) != line:
            break
        done.append(row)
    return done


def _line(row: Row) -> bytes:
    return f"{json.dumps(row)}\n".encode()


def _cut(file: BinaryIO, end: int) -> None:
    file.truncate(end)
    file.seek(end)


def _append(file: BinaryIO, parts: Iterable[bytes]) -> None:
    file.writelines(parts)
    file.flush()
    os.fsync(file.fileno())


def _fingerprint(files: Sequence[str], settings: CopySettings, code: str) -> bytes:
    """The first line of the record."""
    content = json.dumps([list(files), asdict(settings), code, PIL.__version__])
    return f"{hashlib.sha256(content.encode()).hexdigest()}\n".encode()


def _table(files: Sequence[str], done: Sequence[Row]) -> pl.DataFrame:
    sizes = np.array([row.size for row in done], dtype=np.int64)
    table = {
        "image": np.arange(len(done)),
        "file": files,
        "start": np.cumsum(sizes) - sizes,
        "bytes": sizes,
        "crc32": [row.crc32 for row in done],
        "width": [row.width for row in done],
        "height": [row.height for row in done],
        "damage": pl.Series([row.damage for row in done], dtype=pl.String),
    }
    return COPIES.conform(pl.DataFrame(table))
