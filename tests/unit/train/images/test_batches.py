"""Batches depend on their place in training, never on who reads them."""

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from imagefolders import make_image_folder

from prunescope.data import image_tables
from prunescope.data.packed_images import PackedImages
from prunescope.data.sources import image_folder
from prunescope.data.watching import stamps
from prunescope.foundation import arrays
from prunescope.foundation.errors import InputError
from prunescope.train.images import batches as batches_module
from prunescope.train.images.augmentation import RANDOM_RESIZED_CROP
from prunescope.train.images.batches import Batch, Part, Reader, TrainImages, divide, read_all
from prunescope.train.images.image_files import ImageFiles
from prunescope.train.images.packed_source import PackedSource

AUGMENTATION = ("horizontal_flip", "random_shift")


def pictures(count: int = 24) -> PackedImages:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, size=(count, 3, 8, 8), dtype=np.uint8)
    return PackedImages(images, np.arange(count))


def read(
    parts: list[Part],
    workers: int = 0,
    source: TrainImages | None = None,
    augmentation: tuple[str, ...] = AUGMENTATION,
) -> list[Batch]:
    reader = Reader(source or PackedSource(pictures()), parts, augmentation, seed=(3, 4))
    return list(read_all(reader, workers, pin_memory=False))


def same(first: list[Batch], second: list[Batch]) -> bool:
    assert len(first) == len(second)
    pairs = zip(first, second, strict=True)
    return all(
        torch.equal(one[0], other[0]) and torch.equal(one[1], other[1]) and one[2] == other[2]
        for one, other in pairs
    )


ORDER = np.random.default_rng(1).permutation(24)


def test_parts_by_hand() -> None:
    parts = divide(np.arange(8), epoch=2, batch=4, parts=2, mine=slice(1, 2), first=0)
    assert [part.indices.tolist() for part in parts] == [[2, 3], [6, 7]]
    assert [part.key for part in parts] == [(2, 0, 1), (2, 1, 1)]


def test_parts_of_all_processes_make_up_the_batch() -> None:
    whole = divide(ORDER, 1, 12, 1, slice(0, 1), first=0)
    shares = [divide(ORDER, 1, 12, 4, slice(at, at + 2), first=0) for at in (0, 2)]
    for step, batch in enumerate(whole):
        parts = [part for share in shares for part in share[2 * step : 2 * step + 2]]
        np.testing.assert_array_equal(
            np.concatenate([part.indices for part in parts]), batch.indices
        )


@pytest.mark.parametrize("workers", [1, 2])
def test_workers_read_what_this_process_reads(workers: int) -> None:
    parts = divide(ORDER, 1, 6, 1, slice(0, 1), first=0)
    assert same(read(parts, workers), read(parts))


@pytest.fixture
def files(tmp_path: Path) -> ImageFiles:
    return open_listed(make_image_folder(tmp_path, ("ant", "bee"), train_per_class=12))


def open_listed(folder: Path) -> ImageFiles:
    train, _ = image_folder.index(folder, {})
    index = folder / "index.parquet"
    image_tables.INDEX.write(stamps.stamped(train, folder), index)
    return ImageFiles.open(index, folder, image_size=32, resize=40, on_error="fail")


def test_workers_decode_image_files(files: ImageFiles) -> None:
    parts = divide(ORDER, 1, 6, 1, slice(0, 1), first=0)
    augmentation = (RANDOM_RESIZED_CROP, *AUGMENTATION)
    ahead = read(parts, 2, files, augmentation)
    assert ahead[0][0].shape == (6, 3, 32, 32)
    assert same(ahead, read(parts, 0, files, augmentation))


def test_a_damaged_file_that_a_worker_meets_is_named(files: ImageFiles) -> None:
    (files.folder / "train/bee/bee_00003.jpg").write_bytes(b"")
    parts = divide(ORDER, 1, 6, 1, slice(0, 1), first=0)
    with pytest.raises(InputError, match=r"bee_00003\.jpg: .*on_error: skip"):
        read(parts, 2, open_listed(files.folder))


def test_workers_count_what_stands_in(files: ImageFiles) -> None:
    for number in (0, 5, 7):
        (files.folder / f"train/ant/ant_{number:05d}.jpg").write_bytes(b"")
    parts = divide(np.arange(24), 1, 6, 1, slice(0, 1), first=0)
    skipping = replace(open_listed(files.folder), on_error="skip")
    assert [batch[2] for batch in read(parts, 2, skipping)] == [2, 1, 0, 0]
    assert same(read(parts, 2, skipping), read(parts, 0, skipping))


def test_workers_leave_torchs_generator_alone() -> None:
    """It seeds dropout: a training that goes on starts its workers once more than another."""
    torch.manual_seed(3)
    before = torch.get_rng_state()
    read(divide(ORDER, 1, 6, 1, slice(0, 1), first=0), workers=1)
    assert torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize(
    ("device", "threads", "expected"),
    [("cpu", 1, 0), ("cpu", 8, 1), ("cuda", 1, 1), ("cuda", 8, 8)],
)
def test_cores_decode_as_far_as_they_do_not_train(device: str, threads: int, expected: int) -> None:
    assert batches_module.workers({}, threads, torch.device(device)) == expected
    assert batches_module.workers(None, threads, torch.device(device)) == 0, "packed images"


def test_an_epoch_that_is_entered_late_goes_on_as_it_would_have() -> None:
    whole = divide(ORDER, 1, 6, 1, slice(0, 1), first=0)
    rest = divide(ORDER, 1, 6, 1, slice(0, 1), first=2)
    assert same(read(whole)[2:], read(rest))


def test_epochs_and_steps_are_augmented_differently() -> None:
    indices = np.arange(6)
    keys = [(1, 0, 0), (2, 0, 0), (1, 1, 0), (1, 0, 1)]
    batches = read([Part(indices, key) for key in keys])
    assert len({images.numpy().tobytes() for images, _, _ in batches}) == 4


def test_another_process_maps_the_file_instead_of_copying_it(tmp_path: Path) -> None:
    packed = pictures()
    arrays.save_array(packed.images, tmp_path / "images.npy")
    arrays.save_array(packed.labels, tmp_path / "labels.npy")
    opened = PackedImages.open(tmp_path / "images.npy", tmp_path / "labels.npy")
    sent = pickle.dumps(opened)
    assert len(sent) < packed.images.nbytes / 2
    back = pickle.loads(sent)
    assert isinstance(back.images, np.memmap)
    np.testing.assert_array_equal(back.images, packed.images)
    np.testing.assert_array_equal(back.labels, packed.labels)
