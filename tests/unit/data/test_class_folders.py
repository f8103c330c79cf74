"""Folders of classes are listed as they are, and what is odd about them is named."""

import logging
from pathlib import Path

import pytest
from imagefolders import SMALL, make_image_folder

from prunescope.data.sources import image_folder
from prunescope.foundation.errors import InputError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_image_folder(tmp_path, ("cat", "Bee", "ant"), 3, 2, SMALL)


def test_endings_count_whatever_their_case_and_the_rest_is_counted(
    folder: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("a.JPEG", "b.Png", "c.gif", "d.txt", "e.txt", ".f.jpg", "README"):
        (folder / "train/cat" / name).touch()
    (folder / "train/cat/more").mkdir()
    with caplog.at_level(logging.INFO, "prunescope"):
        train, _ = image_folder.index(folder, {})
    added = [Path(file).name for file in train["file"] if "cat_" not in file and "/cat/" in file]
    assert added == ["a.JPEG", "b.Png"]
    assert "4 files are no images and ignored (1 .gif, 2 .txt, 1 README)" in caplog.text
    assert "1 folders in a folder of a class are ignored" in caplog.text


def test_linked_folders_and_files_are_followed(folder: Path, tmp_path: Path) -> None:
    (folder / "train").rename(tmp_path / "elsewhere")
    (folder / "train").symlink_to(tmp_path / "elsewhere")
    (folder / "train/cat/link.jpg").symlink_to(folder / "train/ant/ant_00000.jpg")
    train, _ = image_folder.index(folder, {})
    assert len(train) == 10
    assert "train/cat/link.jpg" in train["file"]


def test_class_folders_that_differ_are_named(folder: Path) -> None:
    (folder / "val/cat").rename(folder / "val/dog")
    with pytest.raises(InputError, match=r"only in train/: cat; only in val/: dog"):
        image_folder.index(folder, {})


def test_a_missing_split_tells_the_convention(folder: Path) -> None:
    (folder / "val").rename(folder / "validation")
    with pytest.raises(InputError, match=r"/val: No such file.*holds train/ and val/"):
        image_folder.index(folder, {})


def test_a_class_without_images_is_named(folder: Path) -> None:
    (folder / "train/dog").mkdir()
    with pytest.raises(InputError, match=r"/train: no images in dog\. .*\.jpeg, \.jpg, \.png"):
        image_folder.index(folder, {})


def test_a_folder_without_classes_is_named(folder: Path) -> None:
    (folder / "train").rename(folder / "old")
    (folder / "train").mkdir()
    with pytest.raises(InputError, match=r"/train: no images\. It must hold one folder"):
        image_folder.index(folder, {})


def test_images_beside_the_class_folders_are_named(folder: Path) -> None:
    (folder / "val/stray.jpg").touch()
    with pytest.raises(InputError, match=r"/val: 1 images lie beside .* stray\.jpg"):
        image_folder.index(folder, {})
