"""Write files atomically, so that each file is either complete or absent."""

import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prunescope.foundation.errors import InputError, SupersededError, how_to_rebuild

# After this time without a write, a temporary file counts as abandoned.
ABANDONED_SECONDS = 24 * 3600
# The beginning of the line of a manifest that says how its files were made.
COMMENT = "# "
# Errors of reading that do not mean that the file is damaged.
NO_DAMAGE = (FileNotFoundError, PermissionError, MemoryError)


@contextmanager
def reading(path: str | Path, kind: str) -> Iterator[None]:
    """Turn any error that a library raises for a damaged file into an `InputError`.

    All types of errors are caught: which check of a library fails depends on the place of the
    damage.

    Parameters
    ----------
    path
        The file that is read.
    kind
        The expected kind of file, such as `.npy array`.

    Raises
    ------
    InputError
        The block failed. The message names the file and says how to rebuild it.
    """
    try:
        yield
    except NO_DAMAGE:
        raise
    except BaseException as error:
        # Panics of Rust code (polars, safetensors) must be caught, but are not an `Exception`.
        # Ctrl-C is not an `Exception` either, and must not be caught.
        panic = type(error).__name__ == "PanicException"
        named = isinstance(error, InputError) and str(error).startswith(f"{path}: ")
        if named or not (panic or isinstance(error, Exception)):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        advice = how_to_rebuild(path)
        raise InputError(f"{path}: not a whole {kind} ({reason}). {advice}") from error


def flush(path: Path) -> None:
    """Flush a file from the page cache to the disk."""
    with path.open("rb") as written:
        os.fsync(written.fileno())


@contextmanager
def atomic(path: str | Path) -> Iterator[Path]:
    """Yield a unique temporary path beside `path`; rename it to `path` if the block succeeds.

    The temporary file is flushed to disk before it is renamed. So a reader sees the old file,
    the complete new file, or no file. If the block fails, the temporary file is removed.

    Raises
    ------
    OSError
        Writing failed. The error always has a number and names `path`, even where the writing
        library leaves them out.
    SupersededError
        The temporary file was deleted while the block ran.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # `tempfile` would create a file that only its owner may read.
    temporary = _temporary(target)
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        flush(temporary)
        temporary.replace(target)
    except OSError as error:
        _check_still_there(temporary, target, error)
        # NumPy gives no number if it finds too little disk space before it writes.
        number = error.errno or errno.ENOSPC
        raise OSError(number, os.strerror(number), str(target)) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def atomic_folder(path: str | Path) -> Iterator[Path]:
    """Yield a new folder beside `path`; rename it to `path` if the block succeeds.

    A folder at `path` is replaced. The files are flushed to disk before the renaming. If the
    block fails, the new folder is removed.

    Raises
    ------
    OSError
        Writing failed. The error has a number and names `path`, as with `atomic`.
    SupersededError
        The new folder was deleted while the block ran.
    """
    target = Path(path)
    temporary = _temporary(target)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for file in files_of(temporary):
            flush(file)
        temporary.stat()  # raises if the new folder is gone: keep the old one then
        if target.is_dir():
            shutil.rmtree(target)
        temporary.replace(target)
    except OSError as error:
        _check_still_there(temporary, target, error)
        number = error.errno or errno.ENOSPC
        raise OSError(number, os.strerror(number), str(target)) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def files_of(path: str | Path) -> list[Path]:
    """The file at `path`, or all files below the folder `path`, sorted; empty if it is absent."""
    found = Path(path)
    if found.is_dir():
        return sorted(file for file in found.rglob("*") if file.is_file())
    return [found] if found.exists() else []


def remove_leftovers(path: str | Path) -> None:
    """Delete the temporary files and folders that killed jobs left beside `path`.

    Another job may still be writing: its Snakemake was killed, or its node was taken for dead.
    Files that such a job may own are kept.
    """
    target = Path(path)
    name = re.compile(
        rf"\.{re.escape(target.name)}\.([0-9a-f]{{8}})-(\d+)-[0-9a-f]{{16}}{re.escape(target.suffix)}"
    )
    for other in target.parent.glob(".*"):
        match = name.fullmatch(other.name)
        if not match or not _is_abandoned(other, match[1], int(match[2])):
            continue
        if other.is_dir():
            shutil.rmtree(other, ignore_errors=True)
        else:
            other.unlink(missing_ok=True)


def _temporary(target: Path) -> Path:
    """A unique path beside `target`; its name contains the host and the process."""
    owner = f"{_host()}-{os.getpid()}-{secrets.token_hex(8)}"
    return target.with_name(f".{target.name}.{owner}{target.suffix}")


def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _check_still_there(temporary: Path, target: Path, error: OSError) -> None:
    if isinstance(error, FileNotFoundError) and not temporary.exists():
        raise SupersededError(
            f"{target}: the temporary file was deleted before it was complete: another job makes "
            "the same result. This one stops."
        ) from error


def _is_abandoned(temporary: Path, host: str, process: int) -> bool:
    """Whether the writer has surely ended. On other hosts, only the age of the file tells."""
    try:
        age = time.time() - temporary.stat().st_mtime
    except FileNotFoundError:
        return False
    return age > ABANDONED_SECONDS or (host == _host() and not _is_running(process))


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
        status = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace")
    except ProcessLookupError:
        return False
    except OSError:  # another user's, or a system without /proc
        return True
    # A killed process stays a zombie until its parent waits for it.
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")


def copy(source: str | Path, path: str | Path) -> None:
    """Write the content of another file to `path`."""
    with atomic(path) as temporary:
        shutil.copyfile(source, temporary)


def checksum(path: str | Path) -> str:
    """SHA-256 of a file's content, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def save_checksums(
    checksums: Mapping[str, str], manifest: str | Path, description: Mapping[str, Any]
) -> None:
    """Write the SHA-256 by path to `manifest`, in the format of `sha256sum --check`.

    `description`, how the files were made, becomes a line that `sha256sum` takes for a comment.
    """
    lines = [f"{COMMENT}{json.dumps(description, sort_keys=True)}\n"]
    lines += [f"{digest}  {path}\n" for path, digest in checksums.items()]
    with atomic(manifest) as temporary:
        temporary.write_text("".join(lines), encoding="utf-8")


def load_checksums(manifest: str | Path) -> dict[str, str]:
    """Read a manifest: SHA-256 by path."""
    # A damaged manifest raises no error here. Its paths or checksums match no file.
    lines = _lines(manifest)
    pairs = (line.partition("  ") for line in lines if not line.startswith(COMMENT[0]))
    return {path: digest for digest, _, path in pairs}


def load_description(manifest: str | Path) -> dict[str, Any]:
    """Read from a manifest how its files were made; empty if it does not tell, or is damaged."""
    first = next(iter(_lines(manifest)), "")
    try:
        return dict(json.loads(first.removeprefix(COMMENT)))
    except (ValueError, TypeError):
        return {}


def _lines(manifest: str | Path) -> list[str]:
    return Path(manifest).read_text(encoding="utf-8", errors="replace").splitlines()
