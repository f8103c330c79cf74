"""Training batches from files: seeded, alike in every process, and what stands in for damage."""

import logging
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from imagefolders import make_image_folder
from PIL import Image
from torchvision.transforms import RandomResizedCrop

from prunescope.data import decoding, image_tables
from prunescope.data.sources import image_folder
from prunescope.data.watching import stamps
from prunescope.foundation.code_digest import SCRIPTS
from prunescope.foundation.errors import InputError
from prunescope.train.images.augmentation import AUGMENTATIONS
from prunescope.train.images.image_files import ImageFiles
from prunescope.train.images.random_crops import crop_at_random

CROP = "random_resized_crop"


@pytest.fixture
def index(tmp_path: Path) -> Path:
    make_image_folder(tmp_path, ("ant", "bee"), train_per_class=4, val_per_class=1)
    return list_images(tmp_path)


def list_images(folder: Path) -> Path:
    train, _ = image_folder.index(folder, {})
    image_tables.INDEX.write(stamps.stamped(train, folder), folder / "index.parquet")
    return folder / "index.parquet"


def open_files(index: Path, on_error: str = "fail") -> ImageFiles:
    return ImageFiles.open(index, index.parent, image_size=32, resize=40, on_error=on_error)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def damage(index: Path, number: int, name: str = "ant") -> Path:
    path = index.parent / f"train/{name}/{name}_{number:05d}.jpg"
    path.write_bytes(path.read_bytes()[:700])
    list_images(index.parent)
    return path


def test_files_and_labels_of_the_index(index: Path) -> None:
    files = open_files(index)
    assert len(files) == 8
    assert files.labels.tolist() == [0] * 4 + [1] * 4
    assert files.labels.dtype == np.int64
    assert files.files[5].decode() == "train/bee/bee_00001.jpg"


def test_without_augmentation_images_are_those_that_would_be_packed(index: Path) -> None:
    files = open_files(index)
    batch = files.read(np.array([6, 0, 0]), (), rng())
    assert batch.labels.tolist() == [1, 0, 0]
    assert batch.images.dtype == np.uint8
    for image, number in zip(batch.images, [6, 0, 0], strict=True):
        path = index.parent / files.files[number].decode()
        np.testing.assert_array_equal(image, decoding.prepare(path, 40, 32)[0])


def test_crops_are_torchvisions_from_the_original_image(index: Path) -> None:
    path = index.parent / "train/ant/ant_00002.jpg"
    with Image.open(path) as image:
        for seed in range(5):
            torch.manual_seed(seed)
            expected = np.asarray(RandomResizedCrop(32)(image))
            got = crop_at_random(image, 32, seed)
            np.testing.assert_array_equal(got, expected.transpose(2, 0, 1))


def test_a_crop_leaves_torchs_generator_alone(index: Path) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    open_files(index).read(np.arange(3), (CROP,), rng())
    assert torch.equal(torch.get_rng_state(), before)


def test_an_images_crop_does_not_depend_on_its_batch(index: Path) -> None:
    files = open_files(index)
    many = files.read(np.array([1, 4, 7]), (CROP,), rng())
    other = files.read(np.array([2, 4, 3]), (CROP,), rng())
    np.testing.assert_array_equal(many.images[1], other.images[1])
    assert (many.images[0] != other.images[0]).any()


def test_further_augmentation_follows_in_order(index: Path) -> None:
    files = open_files(index)
    names = (CROP, "random_shift", "horizontal_flip")
    got = files.read(np.arange(8), names, rng(5)).images
    source = rng(5)
    expected = files.read(np.arange(8), (CROP,), source).images
    for name in names[1:]:
        expected = AUGMENTATIONS[name](expected, source)
    np.testing.assert_array_equal(got, expected)
    assert (got != files.read(np.arange(8), names, rng(6)).images).any()


def test_another_process_reads_the_same_bytes(index: Path, tmp_path: Path) -> None:
    files = open_files(index)
    (tmp_path / "files.pickle").write_bytes(pickle.dumps(files))
    script = (
        "import pickle, sys, numpy as np\n"
        f"files = pickle.load(open({str(tmp_path / 'files.pickle')!r}, 'rb'))\n"
        f"batch = files.read(np.arange(8), ({CROP!r}, 'horizontal_flip'), "
        "np.random.default_rng(0))\n"
        "sys.stdout.buffer.write(batch.images.tobytes())\n"
    )
    code = SCRIPTS
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, env={"PYTHONPATH": str(code)}
    )
    assert done.returncode == 0, done.stderr.decode()
    here = files.read(np.arange(8), (CROP, "horizontal_flip"), rng())
    assert done.stdout == here.images.tobytes()


@pytest.mark.parametrize("augmentation", [(), (CROP,)])
def test_damaged_files_stop_training(index: Path, augmentation: tuple[str, ...]) -> None:
    path = damage(index, 2)
    with pytest.raises(InputError, match=rf"{path}.*truncated.*on_error: skip"):
        open_files(index).read(np.arange(4), augmentation, rng())


def test_the_next_of_the_class_stands_in(index: Path, caplog: pytest.LogCaptureFixture) -> None:
    damaged = [damage(index, number) for number in (2, 3)]
    with caplog.at_level(logging.WARNING, "prunescope"):
        assert open_files(index, "skip").read(np.array([0, 1, 6]), (CROP,), rng()).replaced == 0
        batch = open_files(index, "skip").read(np.array([2, 0, 3, 5]), (), rng())
    assert batch.labels.tolist() == [0, 0, 0, 1]
    assert batch.replaced == 2
    # After 2 comes 3, damaged as well, then 0 again.
    np.testing.assert_array_equal(batch.images[0], batch.images[1])
    np.testing.assert_array_equal(batch.images[2], batch.images[1])
    assert [str(path) in caplog.text for path in damaged] == [True, True]


def test_the_one_after_a_damaged_file_is_taken_first(index: Path) -> None:
    damage(index, 1, "bee")
    batch = open_files(index, "skip").read(np.array([5, 6]), (), rng())
    np.testing.assert_array_equal(batch.images[0], batch.images[1])


def test_a_class_without_a_readable_file_is_named(index: Path) -> None:
    for number in range(4):
        damage(index, number)
    with pytest.raises(InputError, match=r"train/ant: none of the 4 images of this class"):
        open_files(index, "skip").read(np.array([1]), (), rng())


def test_a_missing_file_is_never_skipped(index: Path) -> None:
    (index.parent / "train/ant/ant_00001.jpg").unlink()
    with pytest.raises(InputError, match=r"ant_00001\.jpg: No such file"):
        open_files(index, "skip").read(np.array([1]), (), rng())


@pytest.mark.parametrize("augmentation", [(), (CROP,)])
@pytest.mark.parametrize("number", [1, 2])
def test_a_file_that_changed_is_never_read_or_skipped(
    index: Path, augmentation: tuple[str, ...], number: int
) -> None:
    """Neither a whole one, nor one that is damaged by now, nor one that would stand in."""
    damage(index, 1)
    path = index.parent / f"train/ant/ant_{number:05d}.jpg"
    path.write_bytes(path.read_bytes()[:300] + b"other")
    with pytest.raises(InputError, match=rf"{path}: changed since it was listed.*Run again"):
        open_files(index, "skip").read(np.array([1]), augmentation, rng())


@pytest.mark.parametrize("column", ["file", "bytes", "modified"])
def test_the_index_of_a_packed_split_is_refused(index: Path, column: str) -> None:
    import polars as pl

    rows = image_tables.INDEX.read(index)
    packed = rows.with_columns(pl.lit(None, dtype=rows.schema[column]).alias(column))
    image_tables.INDEX.write(packed, index)
    with pytest.raises(InputError, match="rows without a file"):
        open_files(index)
