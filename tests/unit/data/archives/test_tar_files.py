"""What is read of an archive: expected regular files, and nothing else."""

import io
import re
import tarfile
from pathlib import Path

import pytest
from tars import write_tar

from prunescope.data.archives import tar_files
from prunescope.foundation.errors import InputError

EXPECTED = re.compile(r"data/([a-z]+)\.bin")
FILES = {"data/b.bin": b"second", "README": b"read me", "data/a.bin": b"first"}


def read(path: Path) -> dict[str, bytes]:
    return {match[1]: content for match, content in tar_files.members(path, EXPECTED)}


def test_expected_files_are_read_in_the_order_of_the_archive(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "data.tgz", FILES)
    assert list(read(path).items()) == [("b", b"second"), ("a", b"first")]
    assert [match[0] for match in tar_files.names(path, EXPECTED)] == ["data/b.bin", "data/a.bin"]


@pytest.mark.parametrize(
    "name",
    ["../data/a.bin", "/data/a.bin", "data/a.bin/../../b.bin", "x/data/a.bin", "data/a.bin\n"],
)
def test_other_names_are_passed_over(tmp_path: Path, name: str) -> None:
    """Above all those that lead out of a folder. Nothing is written in any case."""
    path = write_tar(tmp_path / "data.tgz", {name: b"evil", **FILES})
    assert read(path) == {"b": b"second", "a": b"first"}
    assert [file.name for file in tmp_path.iterdir()] == ["data.tgz"]


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    path = write_tar(tmp_path / "data.tgz", FILES, {"data/c.bin": str(tmp_path / "secret")})
    with pytest.raises(InputError, match=r"data\.tgz: .* \(data/c\.bin is no regular file\)"):
        read(path)


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.DIRTYPE, tarfile.FIFOTYPE])
def test_other_kinds_of_members_are_refused(tmp_path: Path, kind: bytes) -> None:
    path = tmp_path / "data.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for name, type_ in (("data/a.bin", tarfile.REGTYPE), ("data/c.bin", kind)):
            member = tarfile.TarInfo(name)
            member.type, member.linkname = type_, "data/a.bin"
            archive.addfile(member, io.BytesIO())
    with pytest.raises(InputError, match="no regular file"):
        read(path)


def test_a_file_that_comes_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.tgz"
    with tarfile.open(path, "w:gz") as archive:
        for content in (b"one", b"two"):
            member = tarfile.TarInfo("data/a.bin")
            member.size = 3
            archive.addfile(member, io.BytesIO(content))
    with pytest.raises(InputError, match=r"\(data/a\.bin comes twice\)"):
        read(path)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.7, 0.9])
def test_a_truncated_archive_is_refused(tmp_path: Path, part: float) -> None:
    noise = {f"data/{letter}.bin": bytes(range(256)) * 40 for letter in "abcdef"}
    path = write_tar(tmp_path / "data.tgz", noise)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(InputError, match=r"data\.tgz: not a whole archive.* fetched again"):
        read(path)


def test_another_kind_of_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "data.tgz"
    path.write_bytes(b"<html>Please log in</html>")
    with pytest.raises(InputError, match="not a whole archive, or another one"):
        tar_files.names(path, EXPECTED)
