"""Show names of files in messages, and say why a path cannot be followed.

The config is checked with this module at every start of the workflow, so it must import little.
"""

import errno
import os
from pathlib import Path


def shown(name: str | Path) -> str:
    """A name or path for a message of one line.

    A name with line breaks, tabs or invisible characters is quoted and escaped. A name that is not
    UTF-8 becomes the bytes that it is on the disk.
    """
    text = str(name)
    if not is_utf8(text):
        return repr(os.fsencode(text))
    return text if text.isprintable() else repr(text)


def spelled(name: str) -> str:
    """A name for a message that compares names: what cannot be seen is spelled out."""
    if not is_utf8(name):
        return shown(name)
    if not name.isprintable() or name != " ".join(name.split()):
        return ascii(name)
    return name if name.isascii() else f"{name} ({name!a})"


def is_utf8(name: str) -> bool:
    """Whether the name of a file is UTF-8. Python keeps other bytes as lone surrogates."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def unreachable(path: Path) -> OSError | None:
    """The error with which a path cannot be followed to a file or folder; None if it can."""
    try:
        path.stat()
    except OSError as error:
        return error
    return None


def diagnosis(path: Path, error: OSError) -> tuple[str, str]:
    """Why a path cannot be followed or read, and how to mend it."""
    reason = error.strerror or str(error)
    if isinstance(error, PermissionError):
        return reason, "Make it readable for you (`chmod`), and the folders above it"
    link = _broken_link(path)
    if link is None:
        return reason, "Put it there"
    target = shown(link.readlink())
    place = "" if link == path else f"{shown(link)} is "
    if error.errno == errno.ELOOP:
        return f"{place}a link to {target}, which leads back to the link", "Mend or remove the link"
    return f"{place}a link to {target}, which is gone", f"Put {target} back, or remove the link"


def _broken_link(path: Path) -> Path | None:
    """The first link on the way to `path` that leads nowhere."""
    for place in (*reversed(path.parents), path):
        if place.is_symlink() and unreachable(place):
            return place
    return None
