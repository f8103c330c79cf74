"""What is not there is named before anything runs."""

import os
import shlex
import subprocess
from pathlib import Path

import pytest
from good_config import FOLDER, changed, good

from prunescope.study import readiness
from prunescope.train import event_files


def test_missing_images_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert readiness.missing_files(good()) is None
    labels = {"source": "imagenet", "validation_labels": "kit"}
    config = changed({"datasets.clothes": {**FOLDER, **labels}})

    def said() -> str:
        message = readiness.missing_files(config)
        assert message is not None
        assert "docs/imagenet.md" in message
        return message

    assert "data/clothes (`datasets.clothes.folder`)" in said()
    assert f"seen from {tmp_path}" in said()
    (tmp_path / "data/clothes/train").mkdir(parents=True)
    assert "not there: data/clothes/val (`datasets.clothes.folder`): No such file" in said()
    assert "kit (`datasets.clothes.validation_labels`): No such" in said()
    (tmp_path / "data/clothes/val").mkdir()
    assert "not there: kit (`datasets.clothes.validation_labels`): No such" in said()
    (tmp_path / "kit").mkdir()
    assert readiness.missing_files(config) is None


def test_images_that_cannot_be_reached_are_named_with_the_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = changed({"datasets.clothes": FOLDER})
    link = tmp_path / "data/clothes"
    link.parent.mkdir()
    link.symlink_to("/gone")
    place = "data/clothes (`datasets.clothes.folder`): "
    assert f"{place}a link to /gone, which is gone" in str(readiness.missing_files(config))
    link.unlink()
    link.symlink_to("clothes")
    assert f"{place}a link to clothes, which leads back" in str(readiness.missing_files(config))

    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "stat", refuse)
    assert f"{place}Permission denied" in str(readiness.missing_files(config))


@pytest.mark.parametrize("folder", ["data/my 'own' images", "./~", "a;b $HOME"])
def test_images_can_be_linked_as_the_message_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    monkeypatch.chdir(tmp_path)
    there = tmp_path / "where they are"
    for split in ("train", "val"):
        (there / split).mkdir(parents=True)
    config = changed({"datasets.clothes": {**FOLDER, "folder": folder}})

    def follow(source: Path) -> None:
        message = readiness.missing_files(config)
        assert message is not None
        command = message.partition("link them there (")[2].partition("), or change")[0]
        command = command.replace("/where/they/are", shlex.quote(str(source)))
        subprocess.run(command, shell=True, check=True)

    follow(there)
    assert readiness.missing_files(config) is None
    # The folder is there, a split is not.
    Path(folder).unlink()
    Path(folder).mkdir()
    follow(there / "train")
    follow(there / "val")
    assert readiness.missing_files(config) is None
    assert sorted(path.name for path in Path(folder).iterdir()) == ["train", "val"]


WANTED = ["results/tiny/a/network.safetensors", "results/tiny/b/c/mis.parquet", "downloads/n.pth"]


def test_folders_that_are_there_or_can_be_made_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert readiness.unwritable(WANTED) is None
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "results").symlink_to("elsewhere")
    (tmp_path / "results/tiny/a").mkdir(parents=True)
    assert readiness.unwritable(WANTED) is None
    assert readiness.unwritable([]) is None


@pytest.mark.parametrize("name", [".", "results", "results/tiny", "results/tiny/b"])
def test_a_folder_that_may_not_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """By `os.access`, because root may write whatever the mode says."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).mkdir(parents=True, exist_ok=True)
    allowed = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != name and allowed(path, mode))
    message = readiness.unwritable(WANTED)
    assert message is not None
    assert message.startswith(f"{name} (for ")
    assert "may not be written. Make it writable" in message


def test_what_stands_in_the_place_of_a_folder_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "results").symlink_to("gone")
    assert readiness.unwritable(WANTED) == (
        f"results (for {WANTED[0]}): a link to gone, which is gone. Put gone back, or remove the "
        "link."
    )
    (tmp_path / "gone").touch()
    assert readiness.unwritable(WANTED) == (
        f"results (for {WANTED[0]}): is a file, not a folder. Move it away."
    )


def test_training_on_copies_needs_no_image_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    store = {"shorter_side": 256, "quality": 90}

    def waiting(**keys: object) -> set[str]:
        """The rules that need the folder of images, which is not there."""
        config = changed({"datasets.clothes": {**FOLDER, **keys}})
        lacking = readiness.missing(config, packages=False)
        return next(set(rules) for reason, rules in lacking.items() if "data/clothes" in reason)

    copying = {"index_images", "pack_sample", "copy_train_images"}
    assert waiting(train_store=store) == copying
    assert waiting() >= copying | {"train_dense", "retrain_network"}


def test_a_study_that_is_watched_needs_tensorboard_for_its_trainings(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(event_files, "find_spec", lambda name: None)
    assert not any("event_files" in reason for reason in readiness.missing(good(), packages=True))
    config = changed({"event_files": True})
    (rules,) = [
        rules
        for reason, rules in readiness.missing(config, packages=True).items()
        if "make watch" in reason
    ]
    assert set(rules) == {"train_dense", "retrain_network", "prune_gradually", "regrow_network"}
