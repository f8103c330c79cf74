"""What was downloaded first is recorded, and is the only file that is taken ever after."""

import hashlib
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import yaml
from servers import Server, serving, truncated

from prunescope.foundation import downloads
from prunescope.foundation.errors import InputError
from prunescope.foundation.first_use import lock_files
from prunescope.foundation.first_use.lock_files import Lock

BODY = bytes(range(256)) * 400
SHA256 = hashlib.sha256(BODY).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    with serving(BODY) as running:
        yield running


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lock:
    monkeypatch.chdir(tmp_path)
    return Lock(Path("config/mine.lock"))


TARGET = "downloads/net.pth"


def test_the_first_download_is_recorded_and_shown(server: Server, lock: Lock, caplog) -> None:
    with caplog.at_level("INFO", "prunescope"):
        lock_files.fetch(server.url, TARGET, lock)
    assert Path(TARGET).read_bytes() == BODY
    assert yaml.safe_load(lock.path.read_text()) == {
        "files": {TARGET: {"url": server.url, "sha256": SHA256}}
    }
    assert any(SHA256 in text and str(lock.path) in text for text in caplog.messages)


def test_the_same_file_is_taken_again(server: Server, lock: Lock) -> None:
    lock_files.fetch(server.url, TARGET, lock)
    before = lock.path.read_bytes()
    Path(TARGET).unlink()
    lock_files.fetch(server.url, TARGET, lock)
    lock_files.fetch(server.url, TARGET, lock)
    assert len(server.ranges) == 2
    assert lock.path.read_bytes() == before


def test_another_file_is_refused(server: Server, lock: Lock) -> None:
    lock_files.fetch(server.url, TARGET, lock)
    Path(TARGET).unlink()
    server.body = BODY[::-1]
    with pytest.raises(InputError) as refused:
        lock_files.fetch(server.url, TARGET, lock)
    other = hashlib.sha256(server.body).hexdigest()
    for part in (SHA256, other, str(lock.path), f"remove the lines of {TARGET}", server.url):
        assert part in str(refused.value)
    assert not Path(TARGET).exists()
    lock.path.unlink()
    lock_files.fetch(server.url, TARGET, lock)
    assert lock.sha256(TARGET) == other


def test_a_file_that_changed_on_the_disk_is_refused(server: Server, lock: Lock) -> None:
    lock_files.fetch(server.url, TARGET, lock)
    Path(TARGET).write_bytes(BODY[1:])
    for use in (lock_files.fetch, lock_files.verify):
        with pytest.raises(InputError, match=f"at its first use it was {SHA256}"):
            use(server.url, TARGET, lock)


def test_a_file_put_there_by_hand_is_recorded_at_its_first_use(server: Server, lock: Lock) -> None:
    Path("downloads").mkdir()
    Path(TARGET).write_bytes(BODY)
    lock_files.verify(server.url, TARGET, lock)
    assert lock.sha256(TARGET) == SHA256
    assert server.ranges == []


def test_an_older_part_is_not_continued(server: Server, lock: Lock) -> None:
    """It may be of another file: no checksum could tell."""
    Path("downloads").mkdir()
    Path(f"{TARGET}.part").write_bytes(b"x" * 1000)
    lock_files.fetch(server.url, TARGET, lock)
    assert Path(TARGET).read_bytes() == BODY
    assert server.ranges == [None]


def test_a_broken_line_is_continued(server: Server, tmp_path: Path) -> None:
    server.script = [truncated(5000)]
    found = downloads.fetch_unverified(server.url, tmp_path / "net.pth", pauses=(0, 0))
    assert found == SHA256
    assert server.ranges == [None, "bytes=5000-"]


def test_what_is_recorded_stays(lock: Lock) -> None:
    assert lock.record("a", "https://a", "1" * 64) == "1" * 64
    assert lock.record("a", "https://a", "2" * 64) == "1" * 64
    assert lock.record("b", "https://b", "3" * 64) == "3" * 64
    assert [lock.sha256(name) for name in ("a", "b", "c")] == ["1" * 64, "3" * 64, None]


def test_many_jobs_at_once(lock: Lock) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from prunescope.foundation.first_use.lock_files import Lock\n"
        "for n in range(15): Lock(Path(sys.argv[1])).record(f'{sys.argv[2]}-{n}', 'u', '0' * 64)\n"
    )
    scripts = str(Path(downloads.__file__).parents[2])

    def start(name: str) -> int:
        command = [sys.executable, "-c", code, str(lock.path.absolute()), name]
        return subprocess.run(command, env={"PYTHONPATH": scripts}, check=False).returncode

    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(start, "abc")) == [0, 0, 0]
    assert len(yaml.safe_load(lock.path.read_text())["files"]) == 45


@pytest.mark.parametrize("text", ["a: [", "files: 3", "other: {}", "files: {a: {sha256: 12}}"])
def test_a_damaged_record(lock: Lock, text: str) -> None:
    lock.path.parent.mkdir()
    lock.path.write_text(text)
    with pytest.raises(InputError, match=r"config/mine\.lock: not a whole record of checksums"):
        lock.sha256("a")
    with pytest.raises(InputError, match="not a whole record"):
        lock.record("a", "u", "0" * 64)
    assert lock.path.read_text() == text
