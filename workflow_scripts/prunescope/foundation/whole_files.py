"""Files that are either whole or absent, and that say where they come from."""

import errno
import hashlib
import os
import re
import secrets
import shutil
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from prunescope.foundation.errors import InputError, SupersededError, how_to_rebuild

# A temporary file that nobody wrote to for so long belongs to nobody.
ABANDONED_SECONDS = 24 * 3600
# Errors of a read that say nothing about the file's content.
NO_DAMAGE = (FileNotFoundError, PermissionError, MemoryError)


@contextmanager
def reading(path: str | Path, kind: str) -> Iterator[None]:
    """Whatever a library says of a damaged file in this block becomes an `InputError`.

    A flipped bit meets other checks of a library at every place, and thus errors of many types.

    Parameters
    ----------
    path
        The file that is read.
    kind
        What it should be, such as `.npy array`.

    Raises
    ------
    InputError
        The block failed. The message names the file and how to make it anew.
    """
    try:
        yield
    except NO_DAMAGE:
        raise
    except BaseException as error:
        # A panic in Rust, of polars or safetensors, is no `Exception`; Ctrl-C is none either.
        panic = type(error).__name__ == "PanicException"
        named = isinstance(error, InputError) and str(error).startswith(f"{path}: ")
        if named or not (panic or isinstance(error, Exception)):
            raise
        reason = " ".join(str(error).split()) or type(error).__name__
        advice = how_to_rebuild(path)
        raise InputError(f"{path}: not a whole {kind} ({reason}). {advice}") from error


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
    SupersededError
        The temporary file was deleted meanwhile.
    """
    target = Path(path)
    target.parent.mkdir(parents=True, exist_ok=True)
    # Not `tempfile`: it makes files that only their owner may read.
    temporary = _temporary(target)
    temporary.touch(exist_ok=False)
    try:
        yield temporary
        flush(temporary)
        temporary.replace(target)
    except OSError as error:
        _check_still_there(temporary, target, error)
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
    SupersededError
        The new folder was deleted meanwhile.
    """
    target = Path(path)
    temporary = _temporary(target)
    try:
        temporary.mkdir(parents=True)
        yield temporary
        for file in files_of(temporary):
            flush(file)
        temporary.stat()  # the old folder stays unless there is a new one
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
    """The file at `path`, or all files below the folder at `path`, sorted; nothing if absent."""
    found = Path(path)
    if found.is_dir():
        return sorted(file for file in found.rglob("*") if file.is_file())
    return [found] if found.exists() else []


def remove_leftovers(path: str | Path) -> None:
    """Delete temporary files and folders for `path` of writers that were killed.

    Another job may still be writing: one that outlived its Snakemake, or on a node that was taken
    for dead. What may be its own stays.
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
    """A unique path beside `target` whose name tells the host and the process."""
    owner = f"{_host()}-{os.getpid()}-{secrets.token_hex(8)}"
    return target.with_name(f".{target.name}.{owner}{target.suffix}")


def _host() -> str:
    return hashlib.sha256(socket.gethostname().encode()).hexdigest()[:8]


def _check_still_there(temporary: Path, target: Path, error: OSError) -> None:
    if isinstance(error, FileNotFoundError) and not temporary.exists():
        raise SupersededError(
            f"{target}: what this job wrote was deleted before it was complete: another job makes "
            "the same result. This one stops."
        ) from error


def _is_abandoned(temporary: Path, host: str, process: int) -> bool:
    """Whether whoever wrote it is surely gone; of other hosts only the time tells."""
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
    # A process that was killed stays as a zombie until its parent asks for it.
    return status.rpartition(")")[2].split()[0] not in ("Z", "X")


def copy(source: str | Path, path: str | Path) -> None:
    """Write the content of another file to `path`."""
    with atomic(path) as temporary:
        shutil.copyfile(source, temporary)


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
    # A damaged manifest then names a file that is not there, or a checksum that no file has.
    lines = Path(manifest).read_text(encoding="utf-8", errors="replace").splitlines()
    return {path: digest for digest, _, path in (line.partition("  ") for line in lines)}
