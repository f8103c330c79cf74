"""Get an archive from its address, or from a folder of the user, and verify it."""

import hashlib
import logging
from pathlib import Path

from prunescope.data.file_names import diagnosis, shown
from prunescope.foundation import downloads, whole_files
from prunescope.foundation.errors import InputError

log = logging.getLogger("prunescope")

KEY = "datasets.<name>.folder"
CHUNK_BYTES = 1 << 20


def fetch(name: str, sha256: str, url: str, target: str | Path, folder: str | None) -> None:
    """Put the file `name` of an archive to `target`, once its checksum is right.

    Parameters
    ----------
    name
        The name of the file.
    sha256
        What its SHA-256 must be.
    url
        Where it is published.
    target
        Where it is put.
    folder
        The folder that the user has it in; it is copied from there, and nothing is downloaded.
        None downloads it.

    Raises
    ------
    InputError
        The file is not in the folder, or it is another one or damaged.
    NetworkError
        The server cannot be reached.
    """
    if folder is None:
        advice = f"Or name the folder that holds {name} in {KEY}."
        downloads.fetch(url, target, sha256=sha256, advice=advice)
    else:
        _copy(Path(folder) / name, sha256, url, target)


def _copy(path: Path, sha256: str, url: str, target: str | Path) -> None:
    mend = f"Or set {KEY} to null: then it is downloaded from {url}."
    digest = hashlib.sha256()
    try:
        file = path.open("rb")
    except OSError as error:
        reason, advice = diagnosis(path, error)
        raise InputError(f"{shown(path)}: {reason}. {advice}. {mend}") from error
    with file, whole_files.atomic(target) as temporary:
        with temporary.open("wb") as written:
            while chunk := file.read(CHUNK_BYTES):
                digest.update(chunk)
                written.write(chunk)
        _check(path, digest.hexdigest(), sha256, mend)
    log.info("%s: copied, checksum is right", shown(path))


def _check(path: Path, found: str, expected: str, mend: str) -> None:
    if found != expected:
        raise InputError(
            f"{shown(path)}: wrong checksum, so it is another file or damaged: its SHA-256 is "
            f"{found}, it must be {expected}. Put the right file there. {mend}"
        )
