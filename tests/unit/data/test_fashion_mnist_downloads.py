"""Sources of the dataset: folders, servers of this machine, and commands that stand in for apt."""

import gzip
import hashlib
import http.server
import io
import logging
import os
import shutil
import socket
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from email.message import Message
from pathlib import Path
from urllib.response import addinfourl

import pytest

from prunescope.data import fashion_mnist_downloads
from prunescope.data.fashion_mnist_downloads import Provider, UnavailableError
from prunescope.foundation.errors import InputError, NetworkError

NAMES = tuple(fashion_mnist_downloads.FILES)
CONTENTS = {name: name.encode() * 50 for name in NAMES}


@pytest.fixture(autouse=True)
def small_files(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dataset's files are small ones of our own, and no proxy stands in between."""
    checksums = {name: hashlib.sha256(content).hexdigest() for name, content in CONTENTS.items()}
    monkeypatch.setattr(fashion_mnist_downloads, "FILES", checksums)
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def outputs(tmp_path: Path) -> dict[str, Path]:
    return {name: tmp_path / "outputs" / f"{name}.idx" for name in NAMES}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the four files, gzipped."""
    return fill(tmp_path / "files")


def fill(folder: Path, *, packed: bool = True, mtime: int = 0) -> Path:
    folder.mkdir(parents=True)
    for name, content in CONTENTS.items():
        if packed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(content, mtime=mtime))
        else:
            (folder / name).write_bytes(content)
    return folder


def from_folder(folder: Path) -> Provider:
    return Provider(f"folder {folder}", fashion_mnist_downloads.copy_from(folder))


def assert_fetched(outputs: dict[str, Path]) -> None:
    assert {name: path.read_bytes() for name, path in outputs.items()} == CONTENTS


def failure(outputs: dict[str, Path], *tried: Provider) -> str:
    """The message of a fetch that no source can serve; nothing is written."""
    with pytest.raises(InputError) as refused:
        fashion_mnist_downloads.fetch_fashion_mnist(outputs, tried)
    assert not any(path.exists() for path in outputs.values())
    return str(refused.value)


def reason(fetch: Callable[[Path], None], folder: Path) -> str:
    with pytest.raises(UnavailableError) as refused:
        fetch(folder)
    return str(refused.value)


@pytest.mark.parametrize("packed", [True, False], ids=["gzipped", "plain"])
def test_files_of_a_folder(tmp_path: Path, outputs: dict[str, Path], packed: bool) -> None:
    source = from_folder(fill(tmp_path / "files", packed=packed))
    assert fashion_mnist_downloads.fetch_fashion_mnist(outputs, [source]) == source.name
    assert_fetched(outputs)


def test_gzipped_and_plain_files_may_be_mixed(folder: Path, outputs: dict[str, Path]) -> None:
    (folder / f"{NAMES[2]}.gz").unlink()
    (folder / NAMES[2]).write_bytes(CONTENTS[NAMES[2]])
    fashion_mnist_downloads.fetch_fashion_mnist(outputs, [from_folder(folder)])
    assert_fetched(outputs)


def test_gzip_wrappers_may_differ(tmp_path: Path, outputs: dict[str, Path]) -> None:
    folders = [fill(tmp_path / str(mtime), mtime=mtime) for mtime in (1, 2)]
    wrapped = [(folder / f"{NAMES[0]}.gz").read_bytes() for folder in folders]
    assert wrapped[0] != wrapped[1]
    for folder in folders:
        fashion_mnist_downloads.fetch_fashion_mnist(outputs, [from_folder(folder)])
        assert_fetched(outputs)


def test_a_missing_folder(tmp_path: Path, outputs: dict[str, Path]) -> None:
    message = failure(outputs, from_folder(tmp_path / "nowhere"))
    assert f"  - folder {tmp_path}/nowhere: no folder {tmp_path}/nowhere\n" in message
    assert "Put the files" in message
    assert all(f"{name}.gz" in message for name in NAMES)
    assert "datasets.<name>.folder" in message


def test_a_missing_file(folder: Path, outputs: dict[str, Path]) -> None:
    (folder / f"{NAMES[3]}.gz").unlink()
    message = failure(outputs, from_folder(folder))
    assert f"{folder} holds neither {NAMES[3]}.gz nor {NAMES[3]}" in message


def test_a_file_that_may_not_be_read(
    folder: Path, outputs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, _folder: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))  # root may read everything

    monkeypatch.setattr(fashion_mnist_downloads.shutil, "copy", refuse)
    message = failure(outputs, from_folder(folder))
    assert f"{folder}/{NAMES[0]}.gz may not be read" in message


@pytest.mark.parametrize("length", [0, 5, 40, -1], ids=["nothing", "header", "part", "no end"])
def test_a_truncated_file(folder: Path, outputs: dict[str, Path], length: int) -> None:
    path = folder / f"{NAMES[1]}.gz"
    path.write_bytes(path.read_bytes()[:length])
    message = failure(outputs, from_folder(folder))
    assert f"{NAMES[1]}" in message
    assert "truncated or damaged" in message or "wrong checksum" in message


@pytest.mark.parametrize("place", [3, 15, 30, -6], ids=["header", "data", "more data", "check sum"])
def test_a_damaged_file(folder: Path, outputs: dict[str, Path], place: int) -> None:
    path = folder / f"{NAMES[1]}.gz"
    damaged = bytearray(path.read_bytes())
    damaged[place] ^= 0xFF
    path.write_bytes(damaged)
    message = failure(outputs, from_folder(folder))
    assert f"{NAMES[1]}.gz is truncated or damaged" in message


@pytest.mark.parametrize("packed", [True, False], ids=["gzipped", "plain"])
def test_a_wrong_file(tmp_path: Path, outputs: dict[str, Path], packed: bool) -> None:
    folder = fill(tmp_path / "files", packed=packed)
    name = f"{NAMES[2]}.gz" if packed else NAMES[2]
    (folder / name).write_bytes(gzip.compress(b"something") if packed else b"something")
    message = failure(outputs, from_folder(folder))
    assert f"{NAMES[2]}: wrong checksum" in message
    assert hashlib.sha256(b"something").hexdigest() in message
    assert fashion_mnist_downloads.FILES[NAMES[2]] in message


def test_sources_are_tried_in_order_up_to_the_first_good_one(
    tmp_path: Path, folder: Path, outputs: dict[str, Path], caplog: pytest.LogCaptureFixture
) -> None:
    tried = []

    def refuse(_folder: Path) -> None:
        tried.append("closed")
        raise UnavailableError("it is closed")

    def serve(target: Path) -> None:
        tried.append("open")
        fashion_mnist_downloads.copy_from(folder)(target)

    def never(_folder: Path) -> None:
        tried.append("never")

    order = [
        Provider("closed shop", refuse),
        from_folder(tmp_path / "nowhere"),
        Provider("open shop", serve),
        Provider("another shop", never),
    ]
    with caplog.at_level(logging.INFO, logger="prunescope"):
        assert fashion_mnist_downloads.fetch_fashion_mnist(outputs, order) == "open shop"
    assert tried == ["closed", "open"]
    assert_fetched(outputs)
    assert caplog.messages == [
        "trying closed shop",
        "not available: it is closed",
        f"trying folder {tmp_path}/nowhere",
        f"not available: no folder {tmp_path}/nowhere",
        "trying open shop",
        "fetched from open shop",
    ]


def test_a_damaged_source_falls_through_to_the_next(
    tmp_path: Path, folder: Path, outputs: dict[str, Path]
) -> None:
    damaged = fill(tmp_path / "damaged")
    (damaged / f"{NAMES[3]}.gz").write_bytes(gzip.compress(b"something"))
    served = fashion_mnist_downloads.fetch_fashion_mnist(
        outputs, [from_folder(damaged), from_folder(folder)]
    )
    assert served == f"folder {folder}"
    assert_fetched(outputs)


def test_every_source_is_listed_with_its_reason(tmp_path: Path, outputs: dict[str, Path]) -> None:
    def refuse(_folder: Path) -> None:
        raise UnavailableError("it is closed")

    message = failure(outputs, Provider("first", refuse), from_folder(tmp_path / "nowhere"))
    assert message.splitlines()[:3] == [
        "Fashion-MNIST could not be fetched. Tried:",
        "  - first: it is closed",
        f"  - folder {tmp_path}/nowhere: no folder {tmp_path}/nowhere",
    ]


def test_nothing_is_left_behind(
    tmp_path: Path, folder: Path, outputs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    fashion_mnist_downloads.fetch_fashion_mnist(
        outputs, [from_folder(tmp_path / "nowhere"), from_folder(folder)]
    )
    assert list(temporary.iterdir()) == []
    assert sorted(outputs[NAMES[0]].parent.iterdir()) == sorted(outputs.values())


def test_a_folder_of_the_config_is_the_only_source(folder: Path, outputs: dict[str, Path]) -> None:
    (only,) = fashion_mnist_downloads.default_providers(str(folder))
    assert only.name == f"folder {folder}"
    assert fashion_mnist_downloads.fetch_fashion_mnist(outputs, [only]) == only.name
    assert_fetched(outputs)


def test_without_a_folder_all_sources_are_tried() -> None:
    names = [source.name for source in fashion_mnist_downloads.default_providers(None)]
    assert names[0].startswith("Debian package")
    assert names[1:-1] == [f"mirror {mirror}" for mirror in fashion_mnist_downloads.MIRRORS]
    assert names[-1].startswith("apt-get download")


# --- Servers of this machine


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Start HTTP servers; returns the address of each."""
    servers = []

    def start(answer: Callable[[http.server.BaseHTTPRequestHandler], None]) -> str:
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer(self)

            def log_message(self, *_arguments: object) -> None:
                pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/data"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def body_of(request: http.server.BaseHTTPRequestHandler) -> bytes:
    folder, _, name = request.path.rpartition("/")
    assert folder == "/data"
    return gzip.compress(CONTENTS[name.removesuffix(".gz")])


def answer_fully(request: http.server.BaseHTTPRequestHandler) -> None:
    body = body_of(request)
    request.send_response(200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body)


def answer_half(request: http.server.BaseHTTPRequestHandler) -> None:
    """Promise the whole file and hang up in the middle of it."""
    body = body_of(request)
    request.send_response(200)
    request.send_header("Content-Length", str(len(body)))
    request.end_headers()
    request.wfile.write(body[:20])


def answer_half_unannounced(request: http.server.BaseHTTPRequestHandler) -> None:
    body = body_of(request)
    request.send_response(200)
    request.end_headers()
    request.wfile.write(body[: len(body) // 2])


def answer_not_found(request: http.server.BaseHTTPRequestHandler) -> None:
    request.send_error(404)


def answer_with_a_page(request: http.server.BaseHTTPRequestHandler) -> None:
    """What a hotel's network answers to everything."""
    request.send_response(200)
    request.end_headers()
    request.wfile.write(b"<html>Please log in</html>")


def answer_nonsense(request: http.server.BaseHTTPRequestHandler) -> None:
    request.wfile.write(b"this is not HTTP\r\n\r\n")


def hang_up(request: http.server.BaseHTTPRequestHandler) -> None:
    request.connection.shutdown(socket.SHUT_RDWR)


def mirror(address: str) -> Provider:
    return Provider(f"mirror {address}", fashion_mnist_downloads.download_from(address))


def test_files_of_a_mirror(serve: Callable[..., str], outputs: dict[str, Path]) -> None:
    source = mirror(serve(answer_fully))
    assert fashion_mnist_downloads.fetch_fashion_mnist(outputs, [source]) == source.name
    assert_fetched(outputs)


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (answer_not_found, "Not Found"),
        (answer_half, "IncompleteRead"),
        (answer_half_unannounced, "truncated or damaged"),
        (answer_with_a_page, "truncated or damaged"),
        (answer_nonsense, "this is not HTTP"),
        (hang_up, "closed"),
    ],
)
def test_a_mirror_that_does_not_serve_is_passed_over(
    serve: Callable[..., str],
    folder: Path,
    outputs: dict[str, Path],
    caplog: pytest.LogCaptureFixture,
    answer: Callable,
    why: str,
) -> None:
    source = mirror(serve(answer))
    with caplog.at_level(logging.INFO, logger="prunescope"):
        served = fashion_mnist_downloads.fetch_fashion_mnist(outputs, [source, from_folder(folder)])
    assert served == f"folder {folder}"
    assert why in caplog.messages[1]
    assert NAMES[0] in caplog.messages[1]
    assert_fetched(outputs)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (answer_not_found, InputError),
        (answer_with_a_page, InputError),
        (answer_half, NetworkError),
        (hang_up, NetworkError),
    ],
)
def test_a_network_that_fails_is_told_from_a_mirror_without_the_files(
    serve: Callable[..., str],
    tmp_path: Path,
    outputs: dict[str, Path],
    answer: Callable,
    kind: type[InputError],
) -> None:
    """Another try may help with the one, not with the other; one such mirror is enough."""
    sources = [mirror(serve(answer)), from_folder(tmp_path / "nowhere")]
    with pytest.raises(InputError) as refused:
        fashion_mnist_downloads.fetch_fashion_mnist(outputs, sources)
    assert refused.type is kind


def test_the_reason_names_the_address(serve: Callable[..., str], outputs: dict[str, Path]) -> None:
    address = serve(answer_not_found)
    assert f"{address}/{NAMES[0]}.gz: Not Found" in failure(outputs, mirror(address))


def test_a_silent_mirror_is_given_up(
    folder: Path, outputs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fashion_mnist_downloads, "CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        source = mirror(f"http://127.0.0.1:{silent.getsockname()[1]}")
        started = time.monotonic()
        message = failure(outputs, source)
        assert 0.2 < time.monotonic() - started < 3
        assert "timed out" in message
        served = fashion_mnist_downloads.fetch_fashion_mnist(outputs, [source, from_folder(folder)])
    assert served == f"folder {folder}"


def test_a_mirror_that_leads_to_an_address_without_encryption(
    outputs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def lead_on(_handler: object, request: urllib.request.Request) -> addinfourl:
        headers = Message()
        headers["Location"] = "http://example.com/data.gz"
        answer = addinfourl(io.BytesIO(), headers, request.full_url, 302)
        answer.msg = "Found"
        return answer

    monkeypatch.setattr(urllib.request.HTTPSHandler, "https_open", lead_on)
    message = failure(outputs, mirror("https://example.org"))
    assert "it leads on to http://example.com/data.gz, which is not encrypted" in message


def test_nobody_listens(outputs: dict[str, Path]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    assert "refused" in failure(outputs, mirror(f"http://127.0.0.1:{port}"))


# --- Commands that stand in for apt

APT = """#!/bin/sh
echo "$@" >> {log}
case "$*" in
{cases}
esac
echo "E: unexpected arguments" >&2
exit 1
"""
# What `dpkg-deb --extract <package> <folder>` leaves there.
DPKG = """#!/bin/sh
[ "$1" = --extract ] && [ -f "$2" ] || exit 2
mkdir -p "$3/usr/share/datasets"
cp -r {files} "$3/usr/share/datasets/fashion-mnist"
"""
SERVED = "touch dataset-fashion-mnist_1.0_all.deb; exit 0"
UNKNOWN = 'echo "W: ignored" >&2; echo "E: Unable to locate package" >&2; exit 100'


@pytest.fixture
def machine(
    tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Callable[[], list[str]]]:
    """Make a machine with `apt-get` and `dpkg-deb`; returns what lists the calls of `apt-get`."""
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    log = tmp_path / "apt.log"

    def install(name: str, script: str) -> None:
        (programs / name).write_text(script)
        (programs / name).chmod(0o755)

    def make(cases: dict[str, str], dpkg: str = DPKG) -> Callable[[], list[str]]:
        lines = "\n".join(f"{pattern}) {command};;" for pattern, command in cases.items())
        install("apt-get", APT.format(log=log, cases=lines))
        install("dpkg-deb", dpkg.format(files=folder))
        return lambda: log.read_text().splitlines()

    return make


def test_the_package_is_downloaded_and_unpacked(
    machine: Callable, outputs: dict[str, Path]
) -> None:
    calls = machine({"'download dataset-fashion-mnist'": SERVED})
    source = Provider("apt", fashion_mnist_downloads.download_debian_package)
    assert fashion_mnist_downloads.fetch_fashion_mnist(outputs, [source]) == "apt"
    assert calls() == ["download dataset-fashion-mnist"]
    assert_fetched(outputs)


def test_private_lists_where_the_machine_has_none(
    machine: Callable, outputs: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fashion_mnist_downloads, "CONNECT_SECONDS", 3)
    calls = machine(
        {
            "'download dataset-fashion-mnist'": UNKNOWN,
            # The folders must be there when apt looks for them.
            "-o*update": '[ -d "lists/partial" ] && [ -d "cache/archives/partial" ] && exit 0',
            "-o*download*": SERVED,
        }
    )
    fashion_mnist_downloads.fetch_fashion_mnist(
        outputs, [Provider("apt", fashion_mnist_downloads.download_debian_package)]
    )
    assert_fetched(outputs)
    first, update, download = calls()
    assert first == "download dataset-fashion-mnist"
    options, command = update.rsplit(" ", 1)
    assert command == "update"
    assert download == f"{options} download dataset-fashion-mnist"
    flags = options.split()
    assert flags[::2] == ["-o"] * 4
    settings = dict(flag.split("=") for flag in flags[1::2])
    assert settings["Acquire::http::Timeout"] == "3"
    assert settings["Acquire::Retries"] == "0"
    lists, cache = Path(settings["Dir::State::Lists"]), Path(settings["Dir::Cache"])
    assert lists.parent == cache.parent
    assert lists.is_absolute()
    assert not lists.parent.exists(), "it must not stay behind"


@pytest.mark.parametrize("missing", ["apt-get", "dpkg-deb"])
def test_a_machine_without_apt(
    tmp_path: Path, machine: Callable, monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    machine({})
    (tmp_path / "bin" / missing).unlink()
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert shutil.which(missing) is None
    why = reason(fashion_mnist_downloads.download_debian_package, tmp_path)
    assert why == "no apt-get and dpkg-deb on this machine"


def test_the_reason_is_the_last_word_of_apt(tmp_path: Path, machine: Callable) -> None:
    calls = machine({"'download dataset-fashion-mnist'": UNKNOWN, "*update": "exit 0",
                     "-o*download*": UNKNOWN})  # fmt: skip
    why = reason(fashion_mnist_downloads.download_debian_package, tmp_path)
    assert why == "apt-get: E: Unable to locate package"
    assert len(calls()) == 3


def test_a_package_that_cannot_be_unpacked(tmp_path: Path, machine: Callable) -> None:
    machine({"download*": SERVED}, dpkg="#!/bin/sh\necho 'not a Debian archive' >&2; exit 2\n")
    why = reason(fashion_mnist_downloads.download_debian_package, tmp_path)
    assert why == "dpkg-deb: not a Debian archive"


def test_a_package_without_the_files(tmp_path: Path, machine: Callable) -> None:
    machine({"download*": SERVED}, dpkg="#!/bin/sh\nexit 0\n")
    assert "no folder" in reason(fashion_mnist_downloads.download_debian_package, tmp_path)


def test_apt_that_does_not_answer(
    tmp_path: Path, machine: Callable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fashion_mnist_downloads, "APT_SECONDS", 0.2)
    machine({"*": "exec sleep 20"})
    started = time.monotonic()
    why = reason(fashion_mnist_downloads.download_debian_package, tmp_path)
    assert why == "apt-get did not answer in 0.2 s"
    assert time.monotonic() - started < 5
