"""Odd names, broken links and folders that cannot be read: named while a folder is listed."""

import logging
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from imagefolders import make_image_folder, make_imagenet, write_devkit

from prunescope.data import decoding, packing
from prunescope.data.file_names import shown, spelled
from prunescope.data.packing import PackingSettings
from prunescope.data.sources import image_folder, imagenet
from prunescope.data.watching import stamps
from prunescope.foundation.errors import InputError
from prunescope.train.images.image_files import ImageFiles

SMALL = ((8, 8),)
COMPOSED, DECOMPOSED = "caf\u00e9", "cafe\u0301"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return make_image_folder(tmp_path / "images", ("ant", "bee", "cat"), 2, 1, SMALL)


def refusal(folder: Path, index: Callable = image_folder.index, **dataset: str) -> str:
    """The message of listing `folder`: one line that any terminal and log can show."""
    with pytest.raises(InputError) as refused:
        index(folder, dataset)
    message = str(refused.value)
    assert message.isprintable()
    assert message.encode()
    return message


def named(folder: Path, name: bytes) -> Path:
    """A path whose last name has these bytes."""
    return Path(os.fsdecode(os.fsencode(folder) + b"/" + name))


# --- names that are not UTF-8 ----------------------------------------------------------------


@pytest.mark.parametrize("name", [b"caf\xe9.jpg", b"\xff\xfe.JPEG", b"\xed\xa0\x80.png"])
@pytest.mark.parametrize("split", ["train", "val"])
def test_names_of_images_that_are_not_utf8(folder: Path, split: str, name: bytes) -> None:
    named(folder / split / "bee", name).touch()
    message = refusal(folder)
    assert message.startswith(f"{folder}/{split}/bee: 1 image files have names that are not UTF-8")
    assert f"the first is {name!r}. Rename them." in message


@pytest.mark.parametrize("name", [b"caf\xe9", b"\x80"])
def test_names_of_classes_that_are_not_utf8(folder: Path, name: bytes) -> None:
    for split in ("train", "val"):
        shutil.copytree(folder / split / "cat", named(folder / split, name))
    message = refusal(folder)
    assert message.startswith(f"{folder}/train: 1 class folders have names that are not UTF-8")
    assert repr(name) in message


def test_names_of_synsets_and_flat_images_that_are_not_utf8(tmp_path: Path) -> None:
    flat = make_imagenet(tmp_path, 3, 1, 1, SMALL, flat_validation=True)
    named(flat / "val", b"\xe9.JPEG").touch()
    labels = str(flat / "validation_labels.csv")
    message = refusal(flat, imagenet.index, validation_labels=labels)
    assert r"b'\xe9.JPEG'" in message


def test_ignored_files_may_have_any_name(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in (b"caf\xe9", b"a.\xe9", b".\xe9.jpg", b"new\nline"):
        named(folder / "train/bee", name).touch()
    with caplog.at_level(logging.INFO, "prunescope"):
        assert len(image_folder.index(folder, {})[0]) == 6
    assert "3 files are no images" in caplog.text
    assert all(record.getMessage().isprintable() for record in caplog.records)


# --- names with signs that are not seen ------------------------------------------------------


@pytest.mark.parametrize("name", ["two\nlines", "a\ttab", "bell\a", "ünïcode", "with blank", "🐝"])
def test_other_names_are_taken(folder: Path, name: str) -> None:
    for split in ("train", "val"):
        (folder / split / "bee").rename(folder / split / name)
        (folder / split / "cat/cat_00000.jpg").rename(folder / split / "cat" / f"{name}.jpg")
    train, _ = image_folder.index(folder, {})
    assert name in set(train["class"])
    assert f"train/cat/{name}.jpg" in set(train["file"])
    listed = np.array(stamps.of_files(folder, [f"train/cat/{name}.jpg"]))
    files = ImageFiles(folder, np.array([f"train/cat/{name}.jpg".encode()]), listed,
                       np.zeros(1, int), 8, 8, "fail")  # fmt: skip
    assert files.read(np.array([0]), (), np.random.default_rng(0)).images.shape == (1, 3, 8, 8)


@pytest.mark.parametrize(
    ("train", "validation", "what"),
    [
        (COMPOSED, DECOMPOSED, "how accents are encoded"),
        (DECOMPOSED, COMPOSED, "how accents are encoded"),
        ("fly", "fly ", "blanks"),
        ("red fly", "red  fly", "blanks"),
        ("red fly", "red\u00a0fly", "blanks"),
        ("fly", "fly\n", "blanks"),
        ("red fly", "red\tfly", "blanks"),
        ("fly", "\u200bfly", "invisible characters"),
        ("fly", "fl\u00ady", "invisible characters"),
        ("fly", "Fly", "upper and lower case"),
        ("Fly", "fly ", "blanks and upper and lower case"),
    ],
)
def test_classes_that_look_alike_are_spelled_out(
    folder: Path, train: str, validation: str, what: str
) -> None:
    (folder / "train/bee").rename(folder / "train" / train)
    (folder / "val/bee").rename(folder / "val" / validation)
    message = refusal(folder)
    pair = sorted((train, validation))
    assert f"{pair[0]!a} and {pair[1]!a} differ in {what} only" in message
    assert "Add, remove or rename folders." in message
    assert "ant" not in message.split("class folders")[1]


def test_letters_of_another_alphabet_are_spelled_out(folder: Path) -> None:
    (folder / "val/cat").rename(folder / "val/\u0441at")
    message = refusal(folder)
    assert "only in train/: cat; only in val/: \u0441at ('\\u0441at')" in message
    assert "differ in" not in message


def test_a_class_that_looks_like_one_of_both_splits(folder: Path) -> None:
    shutil.copytree(folder / "train/bee", folder / "train/Bee")
    message = refusal(folder)
    assert "only in train/: Bee; 'Bee' and 'bee' differ in upper and lower case only" in message


@pytest.mark.parametrize(
    ("name", "other"), [(COMPOSED, DECOMPOSED), ("fly", "fly "), ("fly", "f\u200dly")]
)
def test_one_class_in_two_folders_is_no_two_classes(folder: Path, name: str, other: str) -> None:
    """Both splits have both, so that the splits do not differ."""
    for split in ("train", "val"):
        shutil.copytree(folder / split / "cat", folder / split / name)
        shutil.copytree(folder / split / "cat", folder / split / other)
    message = refusal(folder)
    assert f"{folder}/train: two class folders look alike: " in message
    assert ascii(name) in message
    assert ascii(other) in message


def test_classes_may_differ_in_case(folder: Path) -> None:
    for split in ("train", "val"):
        shutil.copytree(folder / split / "bee", folder / split / "Bee")
    assert image_folder.index(folder, {})[0]["label"].n_unique() == 4


@pytest.mark.parametrize("name", ["n01440764 ", "n0144076\uff14", "n01440764\n"])
def test_synsets_that_only_look_like_one(tmp_path: Path, name: str) -> None:
    make_imagenet(tmp_path, 2, 1, 1, SMALL)
    for split in ("train", "val"):
        (tmp_path / split / "n01440764").rename(tmp_path / split / name)
    message = refusal(tmp_path, imagenet.index)
    assert ascii(name) in message
    assert "is no synset" in message


# --- links -----------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ["/gone/x.jpg", "../bee/none.jpg", "bee_00000.jpg/x"])
@pytest.mark.parametrize("name", ["x.jpg", "x", "x.txt"])
def test_a_link_to_nothing_is_named_with_its_target(folder: Path, name: str, target: str) -> None:
    for link in (name, "y.png"):
        (folder / "train/bee" / link).symlink_to(target)
    message = refusal(folder)
    assert message.startswith(f"{folder}/train/bee/{name}: a link to {target}, which is gone. ")
    assert f"Put {target} back, or remove the link." in message
    assert "cannot be followed: 2." in message


def test_a_class_does_not_vanish_with_the_target_of_its_link(folder: Path, tmp_path: Path) -> None:
    for split in ("train", "val"):
        (folder / split / "cat").rename(tmp_path / f"pool-{split}")
        (folder / split / "cat").symlink_to(tmp_path / f"pool-{split}")
    assert image_folder.index(folder, {})[0]["label"].n_unique() == 3
    for split in ("train", "val"):
        (tmp_path / f"pool-{split}").rename(tmp_path / f"moved-{split}")
    message = refusal(folder)
    assert f"{folder}/train/cat: a link to {tmp_path}/pool-train, which is gone" in message


@pytest.mark.parametrize("place", ["train/bee/x.jpg", "train/dog", "val/cat/y.png", "val/dog"])
def test_a_link_that_leads_to_itself(folder: Path, place: str) -> None:
    (folder / place).symlink_to(folder / f"{place}2")
    (folder / f"{place}2").symlink_to(folder / place)
    message = refusal(folder)
    assert message.startswith(f"{folder / place}: a link to {folder / place}2, which leads back")


@pytest.mark.parametrize("split", ["train", "val"])
def test_a_split_that_is_a_broken_link(folder: Path, split: str) -> None:
    (folder / split).rename(folder / "old")
    (folder / split).symlink_to("none")
    message = refusal(folder)
    assert message.startswith(f"{folder}/{split}: a link to none, which is gone. ")


def test_a_broken_link_among_flat_images(tmp_path: Path) -> None:
    flat = make_imagenet(tmp_path, 3, 1, 1, SMALL, flat_validation=True)
    (flat / "val/ILSVRC2012_val_00000002.JPEG").unlink()
    (flat / "val/ILSVRC2012_val_00000002.JPEG").symlink_to("/gone")
    labels = str(flat / "validation_labels.csv")
    assert "a link to /gone, which" in refusal(flat, imagenet.index, validation_labels=labels)


def test_an_odd_target_is_escaped(folder: Path) -> None:
    (folder / "train/bee/x.jpg").symlink_to(os.fsdecode(b"no\nwhere/\xe9"))
    assert r"a link to b'no\nwhere/\xe9', which is gone" in refusal(folder)


def test_hidden_broken_links_are_not_looked_at(folder: Path) -> None:
    (folder / "train/bee/.x.jpg").symlink_to("/gone")
    assert len(image_folder.index(folder, {})[0]) == 6


# --- what is no file -------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["train/bee/x.jpg", "val/cat/x.PNG", "train/x.jpeg"])
def test_a_folder_with_the_name_of_an_image(folder: Path, place: str) -> None:
    (folder / place).mkdir()
    message = refusal(folder)
    assert message.startswith(f"{folder / place}: named like an image, but a folder. ")
    assert "rename or remove it" in message


def test_a_folder_among_flat_images(tmp_path: Path) -> None:
    flat = make_imagenet(tmp_path, 3, 1, 1, SMALL, flat_validation=True)
    (flat / "val/x.JPEG").mkdir()
    labels = str(flat / "validation_labels.csv")
    message = refusal(flat, imagenet.index, validation_labels=labels)
    assert "val/x.JPEG: named like an image, but a folder" in message


def test_a_pipe_with_the_name_of_an_image(folder: Path) -> None:
    """Reading it would wait for ever."""
    os.mkfifo(folder / "train/bee/x.jpg")
    assert "x.jpg: named like an image, but neither a file nor a folder" in refusal(folder)


@pytest.mark.parametrize("place", ["train", "val/bee"])
def test_a_folder_that_may_not_be_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """The super-user may read everything, so the refusal is made up."""
    scandir = os.scandir

    def refuse(path: Path) -> object:
        if path == folder / place:
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    message = refusal(folder)
    assert message.startswith(f"{folder / place}: Permission denied. Make it readable for you")


def test_a_development_kit_that_may_not_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_devkit(tmp_path, {"n00000001": 1}, [1])

    def refuse(path: Path) -> bool:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "is_file", refuse)
    with pytest.raises(InputError, match=f"{tmp_path}: Permission denied. Make it readable"):
        imagenet.read_validation_labels(tmp_path)


# --- what changed since the folder was listed ------------------------------------------------


def lose(path: Path) -> str:
    path.unlink()
    return "No such file or directory. Put it there"


def lose_the_target(path: Path) -> str:
    path.unlink()
    path.symlink_to("/gone/x.jpg")
    return "a link to /gone/x.jpg, which is gone. Put /gone/x.jpg back, or remove the link"


def lose_the_class(path: Path) -> str:
    shutil.rmtree(path.parent)
    path.parent.symlink_to("/gone")
    return f"{path.parent} is a link to /gone, which is gone. Put /gone back"


def tie_a_knot(path: Path) -> str:
    path.unlink()
    path.symlink_to(path.name)
    return f"a link to {path.name}, which leads back to the link. Mend or remove the link"


def put_a_folder(path: Path) -> str:
    path.unlink()
    path.mkdir()
    return "Is a directory. "


def put_a_file_for_the_class(path: Path) -> str:
    shutil.rmtree(path.parent)
    path.parent.touch()
    return "Not a directory. "


CHANGES = (lose, lose_the_target, lose_the_class, tie_a_knot, put_a_folder,
           put_a_file_for_the_class)  # fmt: skip


@pytest.mark.parametrize("change", CHANGES)
def test_files_that_changed_since_they_were_listed(
    folder: Path, tmp_path: Path, change: Callable[[Path], str]
) -> None:
    """Packing and training name the file, and what lists the folder anew."""
    train, _ = image_folder.index(folder, {})
    files = train["file"].to_list()
    listed = stamps.of_files(folder, files)
    said = change(folder / "train/bee/bee_00001.jpg")
    settings = PackingSettings(str(folder), 8, 8, "skip")
    images, unfinished = tmp_path / "images.npy", tmp_path / "images.unfinished"
    with pytest.raises(InputError) as packed:
        packing.pack(files, listed, settings, images, unfinished, code="", threads=1)
    opened = ImageFiles(folder, np.array([name.encode() for name in files]), np.array(listed),
                        train["label"].to_numpy(), 8, 8, "skip")  # fmt: skip
    with pytest.raises(InputError) as read:
        opened.read(np.array([3]), (), np.random.default_rng(0))
    lost = "bee_0000[01].jpg" if "class" in change.__name__ else "bee_00001.jpg"
    for message in map(str, (packed.value, read.value)):
        assert re.match(f"{folder}/train/bee/{lost}: {re.escape(said)}", message)
        assert message.endswith("run again: they are listed anew.")
    assert not images.exists()


@pytest.mark.parametrize("change", CHANGES[1:])
def test_the_advice_leads_on(folder: Path, change: Callable[[Path], str]) -> None:
    """Listed anew, the folder is refused by name, not indexed as if nothing had happened."""
    change(folder / "train/bee/bee_00001.jpg")
    assert f"{folder}" in refusal(folder)


def test_a_file_that_may_not_be_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: Path) -> bytes:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    with pytest.raises(InputError, match=r"x\.jpg: Permission denied\. Make it readable for you"):
        decoding.decode(folder / "x.jpg")


def test_messages_about_files_are_one_line(folder: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = folder / "train/bee/two\nlines.jpg"
    path.write_bytes(b"no image")
    listed = np.array(stamps.of_files(folder, ["train/bee/two\nlines.jpg"]))
    files = ImageFiles(folder, np.array([b"train/bee/two\nlines.jpg"]), listed, np.zeros(1, int),
                       8, 8, "skip")  # fmt: skip
    with caplog.at_level(logging.INFO, "prunescope"), pytest.raises(InputError):
        files.read(np.array([0]), (), np.random.default_rng(0))
    assert all(record.getMessage().isprintable() for record in caplog.records)
    assert decoding.refusal(path, "corrupt", "why").isprintable()
    path.unlink()
    with pytest.raises(InputError) as gone:
        decoding.decode(path)
    assert r"two\nlines.jpg'" in str(gone.value)
    assert str(gone.value).isprintable()


# --- how names are shown ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "in_a_message", "compared"),
    [
        ("cat", "cat", "cat"),
        ("red fly", "red fly", "red fly"),
        ("it's", "it's", "it's"),
        (COMPOSED, COMPOSED, f"{COMPOSED} ('caf\\xe9')"),
        (DECOMPOSED, DECOMPOSED, f"{DECOMPOSED} ('cafe\\u0301')"),
        ("cat ", "cat ", "'cat '"),
        ("a\nb", r"'a\nb'", r"'a\nb'"),
        ("a\u200bb", r"'a\u200bb'", r"'a\u200bb'"),
        (os.fsdecode(b"caf\xe9"), r"b'caf\xe9'", r"b'caf\xe9'"),
    ],
)
def test_names_in_messages(name: str, in_a_message: str, compared: str) -> None:
    assert shown(name) == in_a_message
    assert spelled(name) == compared
