"""Fetch the files of Fashion-MNIST from the first of several places that has them.

Source of the dataset: Xiao, Rasul, Vollgraf, "Fashion-MNIST", arXiv 1708.07747 (MIT licence).
"""

import gzip
import hashlib
import http.client
import logging
import shutil
import subprocess
import tempfile
import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from prunescope.data.sources.fashion_mnist import FILES
from prunescope.foundation import downloads, whole_files
from prunescope.foundation.errors import InputError, NetworkError

log = logging.getLogger("prunescope")

DEBIAN_PACKAGE = "dataset-fashion-mnist"
DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
MIRRORS = (
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
    "https://storage.googleapis.com/tensorflow/tf-keras-datasets",
)
CONNECT_SECONDS = 5
APT_SECONDS = 120


class UnavailableError(Exception):
    """A provider does not have the files; the message is the reason."""


class UnreachableError(UnavailableError):
    """A provider could not be asked, because the network failed."""


@dataclass(frozen=True)
class Provider:
    """A place that may have the files.

    `fetch(folder)` copies them into `folder`, gzipped or plain. It raises `UnavailableError` if
    it cannot.
    """

    name: str
    fetch: Callable[[Path], None]


def default_providers(folder: str | None) -> list[Provider]:
    """The providers of Fashion-MNIST in the order in which they are tried.

    If the config names a `folder`, it is the only provider. So an error in its files is reported
    instead of replaced by a download.
    """
    if folder is not None:
        return [Provider(f"folder {folder}", copy_from(Path(folder)))]
    return [
        Provider(f"Debian package {DEBIAN_PACKAGE}, installed", copy_from(DEBIAN_FOLDER)),
        *(Provider(f"mirror {mirror}", download_from(mirror)) for mirror in MIRRORS),
        Provider(f"apt-get download {DEBIAN_PACKAGE}", download_debian_package),
    ]


def fetch_fashion_mnist(outputs: dict[str, str | Path], sources: Sequence[Provider]) -> str:
    """Write the four decompressed IDX files from the first provider that has all of them intact.

    Parameters
    ----------
    outputs
        Path to write each file of `FILES` to, by the file's name.
    sources
        The providers, tried in order. Each attempt is logged.

    Returns
    -------
    str
        Name of the provider that had the files.

    Raises
    ------
    InputError
        No provider had the files. The message lists all of them with the reasons.
    NetworkError
        The same, where at least one of them could not be reached.
    """
    reasons = []
    kind = InputError
    for source in sources:
        log.info("trying %s", source.name)
        try:
            contents = _fetch_verified(source)
        except UnavailableError as reason:
            log.info("not available: %s", reason)
            reasons.append(f"  - {source.name}: {reason}")
            kind = NetworkError if isinstance(reason, UnreachableError) else kind
            continue
        for name, path in outputs.items():
            with whole_files.atomic(path) as temporary:
                temporary.write_bytes(contents[name])
        log.info("fetched from %s", source.name)
        return source.name
    raise kind(
        "Fashion-MNIST could not be fetched. Tried:\n"
        + "\n".join(reasons)
        + "\nPut the files "
        + ", ".join(f"{name}.gz" for name in FILES)
        + " into a folder and name it in the config: datasets.<name>.folder."
    )


def _fetch_verified(source: Provider) -> dict[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="fashion-mnist-") as temporary:
        folder = Path(temporary)
        source.fetch(folder)
        return {name: _verified(folder, name) for name in FILES}


def _verified(folder: Path, name: str) -> bytes:
    content = _decompressed(folder, name)
    found = hashlib.sha256(content).hexdigest()
    if found != FILES[name]:
        raise UnavailableError(
            f"{name}: wrong checksum: SHA-256 of the decompressed file is {found}, "
            f"expected {FILES[name]}"
        )
    return content


def _decompressed(folder: Path, name: str) -> bytes:
    packed = folder / f"{name}.gz"
    if not packed.exists():
        return (folder / name).read_bytes()
    try:
        return gzip.decompress(packed.read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise UnavailableError(f"{name}.gz is truncated or damaged ({error})") from error


def copy_from(origin: Path) -> Callable[[Path], None]:
    """A `Provider.fetch` that copies the files, gzipped or plain, from the folder `origin`."""

    def fetch(folder: Path) -> None:
        if not origin.is_dir():
            raise UnavailableError(f"no folder {origin}")
        for name in FILES:
            candidates = [origin / f"{name}.gz", origin / name]
            present = [path for path in candidates if path.is_file()]
            if not present:
                raise UnavailableError(f"{origin} holds neither {name}.gz nor {name}")
            try:
                shutil.copy(present[0], folder)
            except PermissionError as error:
                raise UnavailableError(f"{present[0]} may not be read") from error

    return fetch


def download_from(mirror: str) -> Callable[[Path], None]:
    """A `Provider.fetch` that downloads the gzipped files from `mirror` over HTTPS."""

    def fetch(folder: Path) -> None:
        for name in FILES:
            url = f"{mirror}/{name}.gz"
            try:
                with downloads.encrypted_opener().open(url, timeout=CONNECT_SECONDS) as response:
                    (folder / f"{name}.gz").write_bytes(response.read())
            except (OSError, http.client.HTTPException, downloads.Refused) as error:
                answered = isinstance(error, downloads.Refused) or getattr(error, "code", 500) < 500
                kind = UnavailableError if answered else UnreachableError
                raise kind(f"{url}: {getattr(error, 'reason', error)}") from error

    return fetch


def download_debian_package(folder: Path) -> None:
    """Download Debian's package and copy the files out of it, without root or an installation.

    If the machine has no package lists, they are downloaded into a temporary folder.
    """
    if not (shutil.which("apt-get") and shutil.which("dpkg-deb")):
        raise UnavailableError("no apt-get and dpkg-deb on this machine")
    with tempfile.TemporaryDirectory(prefix="apt-") as temporary:
        work = Path(temporary)
        try:
            _run(["apt-get", "download", DEBIAN_PACKAGE], work)
        except UnavailableError:
            options = _private_lists(work)
            _run(["apt-get", *options, "update"], work)
            _run(["apt-get", *options, "download", DEBIAN_PACKAGE], work)
        (package,) = work.glob("*.deb")
        _run(["dpkg-deb", "--extract", str(package), str(work / "unpacked")], work)
        copy_from(work / "unpacked" / DEBIAN_FOLDER.relative_to("/"))(folder)


def _private_lists(work: Path) -> list[str]:
    for name in ("lists/partial", "cache/archives/partial"):
        (work / name).mkdir(parents=True)
    return [
        "-o", f"Dir::State::Lists={work / 'lists'}",
        "-o", f"Dir::Cache={work / 'cache'}",
        "-o", f"Acquire::http::Timeout={CONNECT_SECONDS}",
        "-o", "Acquire::Retries=0",
    ]  # fmt: skip


def _run(command: Iterable[str], folder: Path) -> None:
    arguments = list(command)
    try:
        done = subprocess.run(
            arguments, cwd=folder, capture_output=True, text=True, timeout=APT_SECONDS, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise UnreachableError(
            f"{' '.join(arguments[:1])} did not answer in {APT_SECONDS} s"
        ) from error
    if done.returncode:
        lines = (done.stderr or done.stdout).strip().splitlines()
        raise UnreachableError(f"{arguments[0]}: {lines[-1] if lines else 'failed'}")
