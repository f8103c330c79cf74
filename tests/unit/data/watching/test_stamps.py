"""Sizes and dates of image files: what was listed, and what changed since."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from imagefolders import make_image_folder

from prunescope.data import image_tables
from prunescope.data.sources import image_folder
from prunescope.data.watching import stamps
from prunescope.foundation.errors import InputError

DATE = 1_700_000_000_123_456_789


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_image_folder(tmp_path / "images", ("ant", "bee"), 3, 1)


def test_an_index_holds_the_size_and_the_date_of_each_file(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stamps, "CHUNK", 4)
    os.utime(folder / "train/bee/bee_00001.jpg", ns=(0, DATE))
    train, _ = image_folder.index(folder, {})
    listed = stamps.stamped(train, folder)
    image_tables.INDEX.write(listed, tmp_path / "index.parquet")
    read = image_tables.INDEX.read(tmp_path / "index.parquet")
    assert read["bytes"].to_list() == [(folder / file).stat().st_size for file in read["file"]]
    assert read["modified"][4] == DATE
    assert [*stamps.of_index(read)] == stamps.of_files(folder, read["file"])


def test_a_file_that_goes_while_the_folder_is_listed_is_named(folder: Path) -> None:
    train, _ = image_folder.index(folder, {})
    path = folder / "train/bee/bee_00001.jpg"
    path.unlink()
    with pytest.raises(InputError, match=rf"{path}: No such file or directory\. Put it there"):
        stamps.stamped(train, folder)


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"more")


def age(path: Path) -> None:
    os.utime(path, ns=(0, DATE))


def replace_alike(path: Path) -> None:
    """Another file of the same size, renamed over it."""
    other = path.with_name("other")
    other.write_bytes(bytes(path.stat().st_size))
    other.replace(path)


@pytest.mark.parametrize("change", [append, age, replace_alike])
def test_a_change_is_named(folder: Path, change: Callable[[Path], None]) -> None:
    path = folder / "val/ant/ant_00000.jpg"
    (listed,) = stamps.of_files(folder, ["val/ant/ant_00000.jpg"])
    stamps.check(path, listed)
    change(path)
    what = r"bytes, now \d+" if change is append else "another date"
    with pytest.raises(InputError, match=rf"{path}: changed since it was listed \(.*{what}\)"):
        stamps.check(path, listed)
