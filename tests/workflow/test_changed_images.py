"""Images that change under the same names: what was made of the old ones is never taken for new."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from imagefolders import make_image_folder, make_imagenet, write_lines
from workspaces import Workspace, temporary_project

from prunescope.data import packed_images
from workflow.test_image_folders import CONFIG, FOLDER, RESULTS, TARGETS, check, configure

pytestmark = pytest.mark.slow

IMAGE = "train/bee/bee_00003.jpg"
LISTED = {"index_images": 1, "pack_sample": 2}


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """A folder of images that was listed and packed. Tests that change it put it back."""
    with temporary_project(tmp_path_factory, "images") as workspace:
        make_image_folder(workspace.path(FOLDER), train_per_class=14, val_per_class=2)
        configure(workspace)
        run(workspace)
        yield workspace


@pytest.fixture
def images(listed: Workspace) -> Iterator[Path]:
    """The folder of images, put back with its dates after a test."""
    folder, kept = listed.path(FOLDER), listed.path("kept")
    shutil.copytree(folder, kept)
    yield folder
    shutil.rmtree(folder)
    kept.rename(folder)


def run(workspace: Workspace, *arguments: str) -> str:
    done = workspace.snakemake(*TARGETS, *arguments, config=CONFIG)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def stale(workspace: Workspace) -> dict[str, int]:
    """The jobs for the packed images that a dry run would execute."""
    found = workspace.stale(config=CONFIG)
    return {rule: number for rule, number in found.items() if rule in LISTED}


def repaint(folder: Path) -> None:
    """Other images under all the same names."""
    shutil.rmtree(folder)
    make_image_folder(folder, train_per_class=14, val_per_class=2, seed=1)


def add(folder: Path) -> None:
    shutil.copy(folder / IMAGE, folder / "val/ant/new.jpg")


def remove(folder: Path) -> None:
    (folder / IMAGE).unlink()


def age(folder: Path) -> None:
    os.utime(folder / IMAGE, ns=(0, 10**18))


def swap(folder: Path) -> None:
    """Two images of one class and one size exchange their names."""
    for old, new in (("00003", "x"), ("00007", "00003"), ("x", "00007")):
        (folder / f"train/bee/bee_{old}.jpg").rename(folder / f"train/bee/bee_{new}.jpg")


@pytest.mark.parametrize("change", [repaint, add, remove, age, swap])
def test_a_change_makes_all_stale_that_follows(
    listed: Workspace, images: Path, change: Callable[[Path], None]
) -> None:
    change(images)
    assert stale(listed) == LISTED


def test_the_old_images_with_their_dates_are_no_change(listed: Workspace) -> None:
    assert stale(listed) == {}


def test_repainted_images_are_packed(listed: Workspace, images: Path) -> None:
    repaint(images)
    run(listed)
    check(listed, "probe", 40)
    assert "Nothing to be done" in run(listed)


def test_images_that_change_while_packing_is_interrupted(blank: Workspace) -> None:
    """What was packed of the old images is not taken."""
    folder = make_image_folder(blank.path(FOLDER), train_per_class=40, val_per_class=2)
    configure(blank, probe={"images": 120, "seed": 0})
    # The first 64 images are packed; the last one stops the job.
    last = folder / "train/cat/cat_00039.jpg"
    last.write_bytes(b"no image")
    failed = blank.snakemake(TARGETS[1], config=CONFIG)
    assert failed.returncode != 0
    assert blank.path(f"{RESULTS}/probe/images.unfinished").exists()
    shutil.rmtree(folder)
    make_image_folder(folder, train_per_class=40, val_per_class=2, seed=1)
    run(blank)
    check(blank, "probe", 120)


def test_labels_of_flat_images_that_change(blank: Workspace) -> None:
    folder = make_imagenet(blank.path(FOLDER), 5, 8, 4, flat_validation=True)
    labels = folder / "validation_labels.csv"
    configure(blank, source="imagenet", validation_labels=f"{FOLDER}/{labels.name}",
              validation={"images": None, "seed": 0})  # fmt: skip
    run(blank)
    assert stale(blank) == {}
    before = packed(blank)
    status = labels.stat()
    header, first, second, *others = labels.read_text().splitlines()
    while first.split(",")[1] == second.split(",")[1]:
        second, *others = [*others, second]
    exchanged = [
        f"{one.split(',')[0]},{other.split(',')[1]}"
        for one, other in ((first, second), (second, first))
    ]
    write_lines(labels, header, *exchanged, *others)
    # Its date is the old one: the content tells.
    os.utime(labels, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert stale(blank) == LISTED
    run(blank)
    assert packed(blank) != before


def packed(workspace: Workspace) -> list[int]:
    folder = workspace.path(RESULTS) / "validation"
    images = packed_images.PackedImages.open(folder / "images.npy", folder / "labels.npy")
    return [int(label) for label in images.labels]
