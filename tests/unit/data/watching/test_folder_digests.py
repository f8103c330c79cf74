"""The digests of a folder of images change with what they watch, and with nothing else."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from imagefolders import make_image_folder

from prunescope.data.watching import folder_digests

IMAGE = "train/bee/bee_00001.jpg"
Digest = Callable[[Path], str]
BOTH = [folder_digests.of_stamps, folder_digests.of_content]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_image_folder(tmp_path / "images", ("ant", "bee", "cat"), 3, 2)


def repaint(folder: Path) -> None:
    """Other pixels under the same name: of the same size, but of another date."""
    content = bytearray((folder / IMAGE).read_bytes())
    content[-20] ^= 1
    (folder / IMAGE).write_bytes(content)


def add(folder: Path) -> None:
    shutil.copy(folder / IMAGE, folder / "val/cat/new.PNG")


def add_beside_the_classes(folder: Path) -> None:
    shutil.copy(folder / IMAGE, folder / "val/stray.jpeg")


def remove(folder: Path) -> None:
    (folder / IMAGE).unlink()


def rename(folder: Path) -> None:
    (folder / IMAGE).rename(folder / "train/bee/renamed.jpg")


def move(folder: Path) -> None:
    (folder / IMAGE).rename(folder / "train/ant/bee_00001.jpg")


def rename_class(folder: Path) -> None:
    (folder / "val/cat").rename(folder / "val/dog")


def add_class(folder: Path) -> None:
    (folder / "train/empty").mkdir()


def swap_splits(folder: Path) -> None:
    (folder / "train").rename(folder / "other")
    (folder / "val").rename(folder / "train")
    (folder / "other").rename(folder / "val")


def lose_a_target(folder: Path) -> None:
    (folder / "train/bee/link.jpg").unlink()
    (folder / "train/bee/link.jpg").symlink_to("gone")


CHANGES = [repaint, add, add_beside_the_classes, remove, rename, move, rename_class, add_class,
           swap_splits, lose_a_target]  # fmt: skip


@pytest.mark.parametrize("digest", BOTH)
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_images_is_noticed(
    folder: Path, digest: Digest, change: Callable[[Path], None]
) -> None:
    (folder / "train/bee/link.jpg").symlink_to(folder / IMAGE)
    before = digest(folder)
    change(folder)
    assert digest(folder) != before


@pytest.mark.parametrize("digest", BOTH)
def test_other_files_do_not_matter(folder: Path, digest: Digest) -> None:
    before = digest(folder)
    (folder / "train/bee/Thumbs.db").write_text("a thumbnail")
    (folder / "train/.hidden.jpg").write_text("hidden")
    (folder / "notes").mkdir()
    (folder / "notes/note.jpg").write_text("beside the splits")
    assert digest(folder) == before


@pytest.mark.parametrize("digest", BOTH)
def test_a_copy_with_its_dates_has_the_same_digest(
    folder: Path, tmp_path: Path, digest: Digest
) -> None:
    shutil.copytree(folder, tmp_path / "copy")
    assert digest(tmp_path / "copy") == digest(folder)
    linked = tmp_path / "linked"
    linked.symlink_to(folder)
    assert digest(linked) == digest(folder)


def test_content_tells_apart_what_sizes_and_dates_do_not(folder: Path) -> None:
    status = (folder / IMAGE).stat()
    dates, contents = folder_digests.of_stamps(folder), folder_digests.of_content(folder)
    repaint(folder)
    os.utime(folder / IMAGE, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert folder_digests.of_stamps(folder) == dates
    assert folder_digests.of_content(folder) != contents
    os.utime(folder / IMAGE, ns=(0, 0))
    assert folder_digests.of_stamps(folder) != dates


@pytest.mark.parametrize("digest", BOTH)
def test_whatever_cannot_be_read_is_no_traceback(
    folder: Path, tmp_path: Path, digest: Digest
) -> None:
    sound = digest(folder)
    assert digest(tmp_path / "gone") != sound
    (folder / "train/loop").symlink_to(folder / "train")
    (folder / "train/knot.jpg").symlink_to("knot.jpg")
    (folder / os.fsdecode(b"train/caf\xe9.jpg")).touch()
    (folder / "val/cat").rename(tmp_path / "cat")
    (folder / "val/cat").write_text("no folder")
    assert digest(folder) == digest(folder) != sound


def test_no_file_is_opened_for_sizes_and_dates(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: str) -> str:
        raise AssertionError(f"{path} was opened")

    monkeypatch.setattr(folder_digests, "checksum", refuse)
    folder_digests.of_stamps(folder)
    with pytest.raises(AssertionError, match="was opened"):
        folder_digests.of_content(folder)
