"""Downloads from a server of this machine that behaves as badly as the tests ask it to."""

import errno
import hashlib
import socket
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from servers import Handler, Server, dropped, serving, status, truncated, whole

from prunescope.foundation import downloads
from prunescope.foundation.errors import InputError, NetworkError

BODY = np.random.default_rng(0).bytes(1_000_000)
SHA256 = hashlib.sha256(BODY).hexdigest()
PAUSES = (0.0, 0.0, 0.0)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    with serving(BODY) as running:
        yield running


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "downloads" / "net.pth"


def part_of(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def fetch(server: Server, target: Path, **keywords: str) -> None:
    checksum = keywords or {"sha256": SHA256}
    downloads.fetch(server.url, target, pauses=PAUSES, timeout=5, **checksum)


def failure(
    server: Server, target: Path, kind: type[InputError] = InputError, **keywords: str
) -> str:
    with pytest.raises(InputError) as refused:
        fetch(server, target, **keywords)
    assert refused.type is kind
    assert not target.exists()
    return str(refused.value)


def assert_fetched(target: Path) -> None:
    assert target.read_bytes() == BODY
    assert [path.name for path in target.parent.iterdir()] == [target.name]


def test_a_whole_file(server: Server, target: Path) -> None:
    fetch(server, target)
    assert_fetched(target)
    assert server.ranges == [None]


def test_a_prefix_of_the_checksum_in_any_case(server: Server, target: Path) -> None:
    fetch(server, target, sha256_prefix=SHA256[:8].upper())
    assert_fetched(target)


def test_a_truncated_body_is_continued(server: Server, target: Path) -> None:
    server.script = [truncated(400_000), truncated(100_000)]
    fetch(server, target)
    assert_fetched(target)
    assert server.ranges == [None, "bytes=400000-", "bytes=500000-"]


def test_a_dropped_connection_is_continued(server: Server, target: Path) -> None:
    server.script = [dropped]
    fetch(server, target)
    assert_fetched(target)
    assert len(server.ranges) == 2


def test_a_line_that_keeps_dropping_gets_there(server: Server, target: Path) -> None:
    """More interruptions than attempts: each gets further, so none is the last."""
    server.script = [truncated(90_000)] * 11
    fetch(server, target)
    assert_fetched(target)
    assert len(server.ranges) == 12 > len(PAUSES) + 1


@pytest.mark.parametrize("code", [429, 500, 503])
def test_a_busy_server_is_asked_again(server: Server, target: Path, code: int) -> None:
    server.script = [status(code), status(code)]
    fetch(server, target)
    assert_fetched(target)
    assert len(server.ranges) == 3


def test_the_pauses_grow(server: Server, target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    monkeypatch.setattr(downloads.time, "sleep", waited.append)
    server.script = [status(503)] * 3
    downloads.fetch(server.url, target, sha256=SHA256)
    assert waited == [1, 2, 4]


def test_a_server_that_stays_busy(server: Server, target: Path) -> None:
    server.script = [status(503)] * 10
    message = failure(server, target, NetworkError)
    assert "the server answers 503" in message
    assert len(server.ranges) == len(PAUSES) + 1


@pytest.mark.parametrize("code", [401, 403, 404, 410])
def test_a_refusal_is_final(server: Server, target: Path, code: int) -> None:
    server.script = [status(code)]
    assert f"the server answers {code}" in failure(server, target)
    assert len(server.ranges) == 1


def test_a_refusal_keeps_what_has_come(server: Server, target: Path) -> None:
    server.script = [truncated(1000), status(404)]
    assert f"kept in {part_of(target)}" in failure(server, target)
    assert part_of(target).read_bytes() == BODY[:1000]


def test_a_wrong_checksum(server: Server, target: Path) -> None:
    expected = "0" * 64
    message = failure(server, target, sha256=expected)
    for part in (SHA256, expected, server.url, str(target), "net.pth"):
        assert part in message
    assert not part_of(target).exists()
    assert len(server.ranges) == 1


def test_a_wrong_prefix(server: Server, target: Path) -> None:
    assert "must begin with 12345678" in failure(server, target, sha256_prefix="12345678")


def test_a_server_without_ranges(server: Server, target: Path) -> None:
    server.knows_ranges = False
    server.script = [truncated(400_000)]
    fetch(server, target)
    assert_fetched(target)
    assert server.ranges == [None, "bytes=400000-"]


def test_a_server_without_ranges_that_never_ends(server: Server, target: Path) -> None:
    """Starting again is no progress: the attempts run out."""
    server.knows_ranges = False
    server.script = [truncated(400_000)] * 100
    assert "ended after 400000 of 1000000 bytes" in failure(server, target, NetworkError)
    assert len(server.ranges) == len(PAUSES) + 1


def leave_part(target: Path, content: bytes) -> None:
    target.parent.mkdir(parents=True)
    part_of(target).write_bytes(content)


def test_an_earlier_process_is_continued(server: Server, target: Path) -> None:
    leave_part(target, BODY[:700_000])
    fetch(server, target)
    assert_fetched(target)
    assert server.ranges == ["bytes=700000-"]


def test_a_part_that_only_lacks_its_name(server: Server, target: Path) -> None:
    leave_part(target, BODY)
    fetch(server, target)
    assert_fetched(target)
    assert server.ranges == ["bytes=1000000-"]


@pytest.mark.parametrize("size", [700_000, 1_000_000, 1_200_000])
def test_a_part_of_another_file_is_thrown_away(server: Server, target: Path, size: int) -> None:
    leave_part(target, bytes(size))
    fetch(server, target)
    assert_fetched(target)
    assert server.ranges == [f"bytes={size}-", None]


def test_a_part_and_a_wrong_file(server: Server, target: Path) -> None:
    """One clean retry, then the message; the next run starts from nothing."""
    leave_part(target, bytes(10))
    assert "wrong checksum" in failure(server, target, sha256="0" * 64)
    assert server.ranges == ["bytes=10-", None]
    assert not part_of(target).exists()


def test_a_file_that_changes_while_it_comes(server: Server, target: Path) -> None:
    server.body = bytes(len(BODY))

    def change(request: Handler) -> None:
        server.body = BODY
        whole(request)

    server.script = [truncated(1000), change]
    fetch(server, target)
    assert_fetched(target)


def test_no_network(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "*")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{closed.getsockname()[1]}/net.pth"
    with pytest.raises(NetworkError) as refused:
        downloads.fetch(url, target, sha256=SHA256, advice="Mind the gap.", pauses=PAUSES)
    message = str(refused.value)
    assert message.startswith(f"net.pth could not be downloaded from {url}: ")
    assert f"save {url} as {target}: the SHA-256 must be {SHA256}. Mind the gap." in message
    assert not part_of(target).exists()


def test_a_silent_server(server: Server, target: Path) -> None:
    silence = threading.Event()
    server.script = [lambda request: silence.wait(5)]
    downloads.fetch(server.url, target, sha256=SHA256, pauses=PAUSES, timeout=0.2)
    silence.set()
    assert_fetched(target)


def test_a_full_disk_is_no_interruption(
    server: Server, target: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The job tells of it in its own words; trying again would not help."""

    def full(response: object, file: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(downloads, "_copy", full)
    with pytest.raises(OSError, match="No space left"):
        fetch(server, target)
    assert len(server.ranges) == 1


@pytest.mark.parametrize("given", [{}, {"sha256": SHA256, "sha256_prefix": "1234"}])
def test_exactly_one_checksum(target: Path, given: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="exactly one"):
        downloads.fetch("http://127.0.0.1/net.pth", target, **given)


def test_a_prefix_is_no_checksum(target: Path) -> None:
    with pytest.raises(ValueError, match="64 hexadecimal digits, not 8"):
        downloads.fetch("http://127.0.0.1/net.pth", target, sha256=SHA256[:8])


def test_a_right_file_is_left_alone(server: Server, target: Path) -> None:
    target.parent.mkdir(parents=True)
    target.write_bytes(BODY)
    written = target.stat().st_mtime_ns
    fetch(server, target)
    assert server.ranges == []
    assert target.stat().st_mtime_ns == written


def test_a_wrong_file_is_replaced(server: Server, target: Path) -> None:
    target.parent.mkdir(parents=True)
    target.write_bytes(BODY[:-1])
    fetch(server, target)
    assert_fetched(target)


def test_files_put_there_by_hand_are_verified(tmp_path: Path) -> None:
    path = tmp_path / "net.pth"
    path.write_bytes(BODY)
    downloads.verify(path, sha256=SHA256)
    downloads.verify(path, sha256_prefix=SHA256[:8])
    path.write_bytes(BODY[:-1])
    with pytest.raises(InputError, match=f"{path}: wrong checksum.*must be {SHA256}"):
        downloads.verify(path, sha256=SHA256)


def redirected(first: str, second: str) -> str:
    """Where a request for `first` goes when its server names `second`."""
    request = urllib.request.Request(first)
    found = downloads._StayEncrypted().redirect_request(request, None, 302, "", {}, second)
    assert found is not None
    return found.full_url


def test_a_redirection_never_leads_to_an_address_without_encryption() -> None:
    for first, second in [
        ("https://example.org/a", "https://example.com/b"),
        ("http://127.0.0.1/a", "http://127.0.0.1/b"),
    ]:
        assert redirected(first, second) == second
    with pytest.raises(downloads.Refused, match="which is not encrypted"):
        redirected("https://example.org/a", "http://example.com/b")
