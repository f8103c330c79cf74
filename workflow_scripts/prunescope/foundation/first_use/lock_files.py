"""Record the SHA-256 of a file at its first use, and verify it ever after (trust on first use).

The record of a study lies beside its config, `config/<study>.lock`, and belongs to it: whoever gets
both gets the same files or an error. It is YAML. Nothing can tell whether the first file was the
right one.
"""

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import yaml

from prunescope.foundation import downloads, whole_files
from prunescope.foundation.downloads import log
from prunescope.foundation.errors import InputError

FILES, URL, SHA256 = "files", "url", "sha256"
HEADER = (
    "# Checksums of files whose authors publish none, as they were at their first use. Every run\n"
    "# compares with them. Keep this file with the config of the study. If you trust a file that\n"
    "# has changed, remove its lines.\n"
)


@dataclass(frozen=True)
class Lock:
    """The checksums that a study has recorded.

    Attributes
    ----------
    path
        The file that holds them. It needs not exist.
    """

    path: Path

    def sha256(self, file: str | Path) -> str | None:
        """The SHA-256 that is recorded for a file; None if there is none.

        Raises
        ------
        InputError
            The lock file was damaged.
        """
        if not self.path.exists():
            return None
        entry = self._parse(self.path.read_text(encoding="utf-8")).get(str(file))
        return None if entry is None else str(entry[SHA256])

    def record(self, file: str | Path, url: str, sha256: str) -> str:
        """Record the checksum of a file, and return it.

        If another job has recorded one in the meantime, that one stays and is returned.
        """
        with self._opened() as content:
            entries = dict(self._parse(content.read()))
            known = entries.get(str(file))
            if known is not None:
                return str(known[SHA256])
            entries[str(file)] = {URL: url, SHA256: sha256}
            content.seek(0)
            content.write(HEADER + yaml.safe_dump({FILES: entries}, width=1000))
            content.truncate()
            content.flush()
            os.fsync(content.fileno())
        log.info(
            "%s: no checksum of it is published. Its SHA-256 at its first use: %s, recorded in %s",
            file,
            sha256,
            self.path,
        )
        return sha256

    @contextmanager
    def _opened(self) -> Iterator[TextIO]:
        """The content, for one process at a time."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a+", encoding="utf-8") as content:
            fcntl.flock(content, fcntl.LOCK_EX)
            content.seek(0)
            # Not in append mode: it would write at the end, wherever one has moved to.
            with self.path.open("r+", encoding="utf-8") as file:
                yield file

    def _parse(self, text: str) -> Mapping[str, Any]:
        try:
            entries = (yaml.safe_load(text) or {FILES: {}})[FILES]
            whole = all(len(entry[SHA256]) == downloads.HEX_DIGITS for entry in entries.values())
        except (yaml.YAMLError, KeyError, TypeError, AttributeError):
            whole = False
        if not whole:
            raise InputError(
                f"{self.path}: not a whole record of checksums. Take it back from where you keep "
                "the config of the study, or delete it: then files are trusted as they are now."
            )
        return dict(entries)


def fetch(url: str, target: str | Path, lock: Lock, *, advice: str = "") -> None:
    """Download a file and record its checksum; if one is recorded, only that file is taken.

    An existing file is not downloaded again. Parameters are those of `downloads.fetch`.

    Raises
    ------
    InputError, NetworkError
        As in `downloads.fetch`.
    """
    known = lock.sha256(target)
    if Path(target).exists():
        verify(url, target, lock)
    elif known is None:
        lock.record(target, url, downloads.fetch_unverified(url, target, advice=advice))
    else:
        advice = f"{_where(lock, target)} {advice}".rstrip()
        downloads.fetch(url, target, sha256=known, advice=advice)


def verify(url: str, path: str | Path, lock: Lock) -> None:
    """Compare a file with what is recorded; record it if nothing is.

    Raises
    ------
    InputError
        The file is another one than at its first use.
    """
    found = whole_files.checksum(path)
    known = lock.sha256(path) or lock.record(path, url, found)
    if found != known:
        raise InputError(
            f"{path}: its SHA-256 is {found}, but at its first use it was {known}. Delete the file "
            f"and run snakemake again to download it. {_where(lock, path)}"
        )


def _where(lock: Lock, file: str | Path) -> str:
    return (
        f"The checksum of the first use stands in {lock.path}; if the authors have replaced the "
        f"file and you trust the new one, remove the lines of {file} there."
    )
