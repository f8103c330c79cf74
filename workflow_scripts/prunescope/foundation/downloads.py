"""Download files and verify their checksums.

An interrupted download continues where it stopped, in the next attempt or in the next run. If
there is no network, the error message says where to put the file by hand.
"""

import hashlib
import http.client
import logging
import os
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

from prunescope.foundation.errors import InputError, NetworkError

log = logging.getLogger("prunescope")

PAUSES = (1.0, 2.0, 4.0)
TIMEOUT_SECONDS = 30.0
CHUNK_BYTES = 1 << 18
REPORT_BYTES = 1 << 25
HEX_DIGITS = 64
# Client errors (4xx) that may go away when the request is repeated. All others are final.
TRANSIENT_STATUS = (408, 425, 429)
NOTHING_LEFT_STATUS = 416
PARTIAL_STATUS = 206


class _Interrupted(Exception):  # noqa: N818 (not an error yet: the next attempt continues)
    """The connection ended before the file was complete; the message is the reason."""


class Refused(Exception):  # noqa: N818
    """The server refuses to send the file; the message is the reason."""


class _StayEncrypted(urllib.request.HTTPRedirectHandler):
    """Follows redirects, except from an https address to another protocol."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if req.full_url.startswith("https:") and not newurl.startswith("https:"):
            raise Refused(f"it leads on to {newurl}, which is not encrypted")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def encrypted_opener() -> urllib.request.OpenerDirector:
    """An opener like `urlopen` that raises `Refused` if a redirect leaves https."""
    return urllib.request.build_opener(_StayEncrypted)


def fetch(
    url: str,
    target: str | Path,
    *,
    sha256: str | None = None,
    sha256_prefix: str | None = None,
    advice: str = "",
    pauses: Sequence[float] = PAUSES,
    timeout: float = TIMEOUT_SECONDS,
) -> None:
    """Download `url` to `target`. The target appears only when it is complete and verified.

    The part received so far is kept in `<target>.part`; this call or a later one continues it.
    If a continued file has a wrong checksum, it is downloaded once more from its start, because
    the server may have changed the file in between. An existing target with the right checksum
    is left as it is.

    Parameters
    ----------
    url
        An `http` or `https` address.
    target
        Path of the file; its folder is created.
    sha256, sha256_prefix
        Exactly one of them: the SHA-256 of the file, or its first digits, in hexadecimal.
    advice
        A sentence at the end of every error message, for example which config key names the file.
    pauses
        Seconds to wait after each consecutive attempt that received nothing new.
    timeout
        Seconds to wait for an answer of the server.

    Raises
    ------
    InputError
        The server refuses to send the file, or it has another checksum. The message names the
        file, the address, the path where to put the file by hand, and its checksum.
    NetworkError
        The same, where the server cannot be reached or the connection breaks.
    """
    digits = _digits(sha256, sha256_prefix)
    place = how_to_place(url, target, sha256=sha256, sha256_prefix=sha256_prefix, advice=advice)
    if Path(target).exists() and _sha256_of(Path(target)).startswith(digits):
        log.info("%s: exists already, checksum is right", target)
        return
    _fetch_to(url, target, digits, place, pauses, timeout)
    log.info("%s: complete, checksum is right", target)


def fetch_unverified(
    url: str,
    target: str | Path,
    *,
    advice: str = "",
    pauses: Sequence[float] = PAUSES,
    timeout: float = TIMEOUT_SECONDS,
) -> str:
    """Download a file of which no checksum is known, and return its SHA-256.

    Only within this call is a part continued: nothing could tell that an older part is of the same
    file. Parameters and errors are those of `fetch`.
    """
    Path(f"{target}.part").unlink(missing_ok=True)
    place = f"To put it there by hand, save {url} as {target}. {advice}".rstrip()
    return _fetch_to(url, target, "", place, pauses, timeout)


def _fetch_to(
    url: str, target: str | Path, digits: str, place: str, pauses: Sequence[float], timeout: float
) -> str:
    """Download and verify a file, put it at its place, and return its SHA-256."""
    part = Path(f"{target}.part")
    part.parent.mkdir(parents=True, exist_ok=True)
    try:
        found = _fetch_verified(url, part, digits, pauses, timeout)
    except (_Interrupted, Refused) as reason:
        kept = f" The part received so far is kept in {part}." if part.exists() else ""
        kind = NetworkError if isinstance(reason, _Interrupted) else InputError
        raise kind(
            f"{part.stem} could not be downloaded from {url}: {reason}.{kept} {place}"
        ) from reason
    if not found.startswith(digits):
        part.unlink()
        raise InputError(
            f"{part.stem} as downloaded from {url} has a wrong checksum: its SHA-256 is {found}, "
            f"{_expectation(digits)}. It was deleted. {place}"
        )
    with part.open("rb") as written:
        os.fsync(written.fileno())
    part.replace(target)
    return found


def verify(
    path: str | Path, *, sha256: str | None = None, sha256_prefix: str | None = None
) -> None:
    """Check the SHA-256 of a file that was downloaded or put there by hand.

    Parameters are those of `fetch`.

    Raises
    ------
    InputError
        The checksum differs.
    """
    digits = _digits(sha256, sha256_prefix)
    found = _sha256_of(Path(path))
    if not found.startswith(digits):
        raise InputError(
            f"{path}: wrong checksum: its SHA-256 is {found}, {_expectation(digits)}. "
            "Delete the file and run snakemake again to download it, or put the right file there."
        )


def how_to_place(
    url: str,
    target: str | Path,
    *,
    sha256: str | None = None,
    sha256_prefix: str | None = None,
    advice: str = "",
) -> str:
    """How to put the file of `fetch` there by hand, on a machine without network."""
    expectation = _expectation(_digits(sha256, sha256_prefix))
    text = f"To put it there by hand, save {url} as {target}: {expectation}."
    return f"{text} {advice}".rstrip()


def _digits(sha256: str | None, sha256_prefix: str | None) -> str:
    if (sha256 is None) == (sha256_prefix is None):
        raise ValueError("exactly one of sha256 and sha256_prefix must be given")
    if sha256 is not None and len(sha256) != HEX_DIGITS:
        raise ValueError(f"a SHA-256 has {HEX_DIGITS} hexadecimal digits, not {len(sha256)}")
    return (sha256 or sha256_prefix or "").lower()


def _expectation(digits: str) -> str:
    must = "must be" if len(digits) == HEX_DIGITS else "must begin with"
    return f"the SHA-256 {must} {digits}"


def _sha256_of(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _fetch_verified(
    url: str, part: Path, digits: str, pauses: Sequence[float], timeout: float
) -> str:
    """Complete `part` and return its SHA-256; start again once if the continued file is wrong."""
    continued = _complete(url, part, pauses, timeout)
    found = _sha256_of(part)
    if found.startswith(digits) or not continued:
        return found
    log.warning("%s: its pieces do not fit together; starting again", part)
    part.unlink()
    _complete(url, part, pauses, timeout)
    return _sha256_of(part)


def _complete(url: str, part: Path, pauses: Sequence[float], timeout: float) -> bool:
    """Repeat attempts until `part` is complete; return whether any attempt continued it."""
    furthest = _size(part)
    continued = False
    failures = 0
    while True:
        continued = continued or _size(part) > 0
        try:
            _attempt(url, part, timeout)
        except _Interrupted as reason:
            # Count only failures without progress, so that a bad connection still gets the file.
            failures = 1 if _size(part) > furthest else failures + 1
            furthest = max(furthest, _size(part))
            if failures > len(pauses):
                raise
            pause = pauses[failures - 1]
            log.warning("%s: %s; trying again in %g s", url, reason, pause)
            time.sleep(pause)
        else:
            return continued


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _attempt(url: str, part: Path, timeout: float) -> None:
    """Request the missing rest of `part` and append it."""
    start = _size(part)
    log.info("downloading %s%s", url, f" from byte {start} on" if start else "")
    response = _open(url, start, timeout)
    if response is None:
        return
    with response:
        # A server without support for ranges sends the file from its start.
        begin = start if response.status == PARTIAL_STATUS else 0
        length = response.headers.get("Content-Length")
        with part.open("ab" if begin else "wb") as file:
            _copy(response, file)
    if length is not None and _size(part) < begin + int(length):
        raise _Interrupted(
            f"the connection ended after {_size(part)} of {begin + int(length)} bytes"
        )


def _open(url: str, start: int, timeout: float) -> http.client.HTTPResponse | None:
    """Send the request; None if the server has nothing after byte `start`."""
    headers = {"User-Agent": "prunescope", **({"Range": f"bytes={start}-"} if start else {})}
    request = urllib.request.Request(url, headers=headers)
    try:
        return encrypted_opener().open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == NOTHING_LEFT_STATUS and start:
            return None
        answer = f"the server answers {error.code} {error.reason}"
        if error.code >= 500 or error.code in TRANSIENT_STATUS:
            raise _Interrupted(answer) from error
        raise Refused(answer) from error
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(_reason(error)) from error


def _copy(response: http.client.HTTPResponse, file: BinaryIO) -> None:
    reported = file.tell()
    while chunk := _read(response):
        file.write(chunk)
        if file.tell() - reported >= REPORT_BYTES:
            reported = file.tell()
            log.info("%d MiB so far", reported >> 20)


def _read(response: http.client.HTTPResponse) -> bytes:
    """Read a chunk. Only network errors become `_Interrupted`; a full disk does not."""
    try:
        return response.read(CHUNK_BYTES)
    except (OSError, http.client.HTTPException) as error:
        raise _Interrupted(_reason(error)) from error


def _reason(error: Exception) -> str:
    return str(getattr(error, "reason", error)) or type(error).__name__
