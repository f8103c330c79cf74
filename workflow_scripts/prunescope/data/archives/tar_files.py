"""Read files out of a gzipped tar archive, without writing anything to the disk.

Only regular files whose whole name is expected are read. So links, devices and paths that lead out
of a folder are never followed.
"""

import re
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from prunescope.data.file_names import shown
from prunescope.foundation.errors import InputError

# Errors of Python's modules for damaged archives.
DAMAGE = (tarfile.TarError, EOFError, OSError, zlib.error)


def members(path: Path, expected: re.Pattern[str]) -> Iterator[tuple[re.Match[str], bytes]]:
    """Yield the files whose whole name fits, in the order of the archive.

    Parameters
    ----------
    path
        A tar archive that was compressed with gzip.
    expected
        What the whole name of a file must fit.

    Yields
    ------
    match, content
        How the name fits, and the content.

    Raises
    ------
    InputError
        The archive is damaged, or a member that is expected is no regular file or comes twice.
    """
    seen: set[str] = set()
    with _reading(path), tarfile.open(path, "r:gz") as archive:
        for member in archive:
            match = expected.fullmatch(member.name)
            if match is None:
                continue
            file = archive.extractfile(member) if member.isreg() else None
            if file is None or member.name in seen:
                fault = "comes twice" if member.name in seen else "is no regular file"
                raise _damaged(path, f"{shown(member.name)} {fault}")
            seen.add(member.name)
            yield match, file.read()


def names(path: Path, expected: re.Pattern[str]) -> list[re.Match[str]]:
    """How the names of the files fit that `members` yields, in the same order.

    Raises
    ------
    InputError
        The archive is damaged.
    """
    with _reading(path), tarfile.open(path, "r:gz") as archive:
        found = [expected.fullmatch(member.name) for member in archive]
    return [match for match in found if match is not None]


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    try:
        yield
    except DAMAGE as error:
        raise _damaged(path, " ".join(str(error).split()) or type(error).__name__) from error


def _damaged(path: Path, reason: str) -> InputError:
    return InputError(
        f"{shown(path)}: not a whole archive, or another one ({reason}). Delete it: it is fetched "
        "again."
    )
