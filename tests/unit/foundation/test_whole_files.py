"""Files are whole or absent, whoever fails or writes at the same time."""

import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, wait
from pathlib import Path

import numpy as np
import pytest

from prunescope.foundation import arrays, whole_files
from prunescope.foundation.code_digest import SCRIPTS
from prunescope.foundation.errors import SupersededError

LIBRARY = SCRIPTS


def test_atomic_writes_and_makes_folders(tmp_path: Path) -> None:
    target = tmp_path / "a" / "b" / "file.txt"
    with whole_files.atomic(target) as temporary:
        assert temporary.parent == target.parent  # a move across file systems is not atomic
        assert temporary.suffix == target.suffix
        temporary.write_text("new")
        assert not target.exists()
    assert target.read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("existing", ["old", None])
def test_a_failing_block_changes_nothing(
    tmp_path: Path, error: type[BaseException], existing: str | None
) -> None:
    target = tmp_path / "file.txt"
    if existing:
        target.write_text(existing)

    def fail() -> None:
        with whole_files.atomic(target) as temporary:
            temporary.write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert [path.read_text() for path in tmp_path.iterdir()] == ([existing] if existing else [])


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o027, 0o640)])
def test_files_are_as_readable_as_any_other(tmp_path: Path, umask: int, mode: int) -> None:
    before = os.umask(umask)
    try:
        arrays.save_provenance(tmp_path / "file.json")
        arrays.save_array(np.zeros(3), tmp_path / "file.npy")
        for path in tmp_path.iterdir():
            assert path.stat().st_mode & 0o777 == mode
        assert os.umask(umask) == umask
    finally:
        os.umask(before)


def write_in_pieces(target: Path, letter: str) -> None:
    with whole_files.atomic(target) as temporary, temporary.open("w") as file:
        for _ in range(50):
            file.write(letter * 1000)
            file.flush()


def test_threads_never_mix(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    write_in_pieces(target, "a")
    done = threading.Event()

    def read() -> set[str]:
        seen = set()
        while not done.is_set():
            seen.add(target.read_text())
        return seen

    with ThreadPoolExecutor(9) as pool:
        reader = pool.submit(read)
        writers = [pool.submit(write_in_pieces, target, letter) for letter in "bcdefghi" * 5]
        wait(writers)
        done.set()
    for writer in writers:
        writer.result()  # raises what the writer raised
    assert reader.result() <= {letter * 50_000 for letter in "abcdefghi"}
    assert list(tmp_path.iterdir()) == [target]


WRITER = """
import sys
from prunescope.foundation import whole_files
for _ in range(20):
    with whole_files.atomic(sys.argv[1]) as temporary, temporary.open("w") as file:
        for _ in range(20):
            file.write(sys.argv[2] * 1000)
            file.flush()
"""


def test_processes_never_mix(tmp_path: Path) -> None:
    target = tmp_path / "file.txt"
    environment = {**os.environ, "PYTHONPATH": str(LIBRARY)}
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, target, letter], env=environment)
        for letter in "ab"
    ]
    seen = set()
    while any(writer.poll() is None for writer in writers):
        if target.exists():
            seen.add(target.read_text())
    assert [writer.returncode for writer in writers] == [0, 0]
    assert seen | {target.read_text()} <= {"a" * 20_000, "b" * 20_000}
    assert list(tmp_path.iterdir()) == [target]


# --- leftovers -----------------------------------------------------------------------------------


def gone() -> int:
    """The number of a process that has ended."""
    with subprocess.Popen(["true"]) as process:
        return process.pid


def left_over(name: str, process: int, host: str | None = None, suffix: str = "") -> str:
    return f".{name}.{host or whole_files._host()}-{process}-0123456789abcdef{suffix}"


def test_leftovers_of_a_killed_writer_are_removed_and_nothing_else(tmp_path: Path) -> None:
    names = [
        left_over("a.npy", gone(), suffix=".npy"),
        left_over("b.npy", gone(), suffix=".npy"),
        left_over("a.npy", os.getpid(), suffix=".npy"),
        left_over("a.npy", gone(), host="01234567", suffix=".npy"),
        ".a.npy",
        "a.npy",
    ]
    for name in names:
        (tmp_path / name).touch()
    whole_files.remove_leftovers(tmp_path / "a.npy")
    assert {path.name for path in tmp_path.iterdir()} == set(names[1:])


@pytest.mark.parametrize("host", [None, "01234567"])
def test_leftovers_of_yesterday_are_removed(tmp_path: Path, host: str | None) -> None:
    path = tmp_path / left_over("a.npy", os.getpid(), host, ".npy")
    path.touch()
    os.utime(path, (time.time() - 90_000,) * 2)
    whole_files.remove_leftovers(tmp_path / "a.npy")
    assert not path.exists()


def test_a_writer_that_was_killed_and_not_yet_asked_for_is_gone(tmp_path: Path) -> None:
    process = subprocess.Popen(["sleep", "60"])
    path = tmp_path / left_over("a.npy", process.pid, suffix=".npy")
    path.touch()
    whole_files.remove_leftovers(tmp_path / "a.npy")
    assert path.exists()
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    whole_files.remove_leftovers(tmp_path / "a.npy")
    process.wait()
    assert not path.exists()


def test_a_temporary_file_is_one_of_those_that_are_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with whole_files.atomic(tmp_path / "a.npy") as temporary:
        whole_files.remove_leftovers(tmp_path / "a.npy")
        assert temporary.exists(), "its writer is at work"
    monkeypatch.setattr(whole_files, "_is_running", lambda _process: False)
    with (
        pytest.raises(SupersededError, match=r"a\.npy: .* another job makes the same result"),
        whole_files.atomic(tmp_path / "a.npy"),
    ):
        whole_files.remove_leftovers(tmp_path / "a.npy")


# --- folders -------------------------------------------------------------------------------------


def fill_folder(target: Path, text: str) -> None:
    with whole_files.atomic_folder(target) as temporary:
        assert temporary.parent == target.parent
        (temporary / "data").mkdir()
        (temporary / "data" / "file.js").write_text(text)
        assert not target.exists() or (target / "data" / "file.js").read_text() != text


def test_a_folder_replaces_the_one_before(tmp_path: Path) -> None:
    target = tmp_path / "study" / "explorer"
    fill_folder(target, "old")
    (target / "left over.js").touch()
    fill_folder(target, "new")
    assert whole_files.files_of(target) == [target / "data" / "file.js"]
    assert (target / "data" / "file.js").read_text() == "new"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
def test_a_folder_that_fails_changes_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    target = tmp_path / "explorer"
    fill_folder(target, "old")

    def fail() -> None:
        with whole_files.atomic_folder(target) as temporary:
            (temporary / "file.js").write_text("half")
            raise error

    with pytest.raises(error):
        fail()
    assert (target / "data" / "file.js").read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_a_folder_names_itself_where_there_is_no_room(tmp_path: Path) -> None:
    target = tmp_path / "explorer"

    def fail() -> None:
        with whole_files.atomic_folder(target):
            raise OSError("no number, as NumPy")

    with pytest.raises(OSError, match="No space left") as caught:
        fail()
    assert caught.value.filename == str(target)
    assert list(tmp_path.iterdir()) == []


def test_folders_of_a_killed_writer_are_removed_and_nothing_else(tmp_path: Path) -> None:
    names = [left_over("explorer", gone()), left_over("explorer", os.getpid()), "explorer"]
    for name in names:
        (tmp_path / name / "data").mkdir(parents=True)
    whole_files.remove_leftovers(tmp_path / "explorer")
    assert {path.name for path in tmp_path.iterdir()} == set(names[1:])


def test_a_folder_that_was_deleted_meanwhile(tmp_path: Path) -> None:
    fill_folder(tmp_path / "explorer", "old")
    with (
        pytest.raises(SupersededError, match=r"explorer: .* another job"),
        whole_files.atomic_folder(tmp_path / "explorer") as temporary,
    ):
        temporary.rmdir()
    assert (tmp_path / "explorer" / "data" / "file.js").read_text() == "old"


def test_the_files_of_a_path(tmp_path: Path) -> None:
    fill_folder(tmp_path / "explorer", "text")
    file = tmp_path / "explorer" / "data" / "file.js"
    assert whole_files.files_of(tmp_path / "explorer") == [file]
    assert whole_files.files_of(file) == [file]
    assert whole_files.files_of(tmp_path / "nothing") == []
