"""Archives from a folder of the user, or from their address."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from prunescope.data.archives import fetching
from prunescope.foundation import downloads
from prunescope.foundation.errors import InputError

CONTENT = bytes(range(256)) * 10_000
SHA256 = hashlib.sha256(CONTENT).hexdigest()
URL = "https://example.org/images.tgz"


def fetch(target: Path, folder: Path | None) -> None:
    fetching.fetch("images.tgz", SHA256, URL, target, str(folder) if folder else None)


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "results" / "images.tgz"


def test_a_file_of_a_folder_is_copied(tmp_path: Path, target: Path) -> None:
    (tmp_path / "images.tgz").write_bytes(CONTENT)
    fetch(target, tmp_path)
    assert target.read_bytes() == CONTENT
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize(
    "content", [b"", CONTENT[:-1], CONTENT + b"\0", CONTENT[:-1] + b"\0"],
    ids=["empty", "truncated", "longer", "another last byte"],
)  # fmt: skip
def test_another_content_is_refused(tmp_path: Path, target: Path, content: bytes) -> None:
    (tmp_path / "images.tgz").write_bytes(content)
    with pytest.raises(InputError) as refused:
        fetch(target, tmp_path)
    message = str(refused.value)
    found = hashlib.sha256(content).hexdigest()
    assert message.startswith(f"{tmp_path}/images.tgz: wrong checksum")
    assert all(text in message for text in (found, SHA256, URL, "datasets.<name>.folder to null"))
    assert list(target.parent.iterdir()) == []


def test_a_missing_file_is_named(tmp_path: Path, target: Path) -> None:
    with pytest.raises(InputError, match=r"images\.tgz: No such file .*Put it there.* null"):
        fetch(target, tmp_path)
    (tmp_path / "images.tgz").mkdir()
    with pytest.raises(InputError, match=r"images\.tgz: Is a directory"):
        fetch(target, tmp_path)
    assert not target.exists()


def test_without_a_folder_it_is_downloaded(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(downloads, "fetch", lambda *args, **more: asked.append((args, more)))
    fetch(target, None)
    ((arguments, more),) = asked
    assert arguments == (URL, target)
    assert more["sha256"] == SHA256
    assert "the folder that holds images.tgz in datasets.<name>.folder" in more["advice"]
