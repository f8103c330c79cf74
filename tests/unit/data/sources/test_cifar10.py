"""CIFAR-10's binary form, in archives of a few images."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tars import write_tar

from prunescope.data import source
from prunescope.data.sources import cifar10
from prunescope.foundation.errors import InputError

NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
FOLDER = "cifar-10-batches-bin"
META = f"{FOLDER}/batches.meta.txt"
# As in the published file, an empty line ends it.
META_TEXT = "\n".join([*NAMES, "", ""]).encode()
PER_BATCH = 3
Files = dict[str, bytes]


@pytest.fixture(autouse=True)
def few_images(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cifar10, "IMAGES", {"train": 5 * PER_BATCH, "test": PER_BATCH})


def pixel(batch: int, row: int, channel: int, y: int, x: int) -> int:
    """A value of its own for each place, as a byte."""
    return (31 * batch + 17 * row + 101 * channel + 7 * y + 3 * x) % 256


def record(batch: int, row: int) -> bytes:
    planes = [
        pixel(batch, row, channel, y, x) for channel in range(3) for y in range(32)
        for x in range(32)
    ]  # fmt: skip
    return bytes([(batch + row) % 10, *planes])


@pytest.fixture(scope="module")
def whole() -> Files:
    batches = {f"data_batch_{number}": number for number in range(1, 6)} | {"test_batch": 6}
    contents = {
        f"{FOLDER}/{name}.bin": b"".join(record(number, row) for row in range(PER_BATCH))
        for name, number in batches.items()
    }
    # The order in the published archive is none, either.
    return {**dict(reversed(contents.items())), META: META_TEXT, f"{FOLDER}/readme.html": b"<p>"}


@pytest.fixture
def archive(tmp_path: Path) -> Callable[[Files], dict[str, Path]]:
    def write(files: Files) -> dict[str, Path]:
        return {cifar10.ARCHIVE: write_tar(tmp_path / cifar10.ARCHIVE, files)}

    return write


def test_it_is_an_archive_that_is_fetched() -> None:
    found = source.load("cifar10")
    assert isinstance(found, source.Archive)
    assert found.DOWNLOADED
    assert found.ADDRESSES == {
        "cifar-10-binary.tar.gz": "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
    }


def test_images_stand_in_the_order_of_the_batches(whole: Files, archive: Callable) -> None:
    train, test = cifar10.read(archive(whole), 32)
    assert (train.name, test.name) == ("train", "test")
    assert train.images.shape == (15, 3, 32, 32)
    assert test.images.shape == (3, 3, 32, 32)
    assert train.images.dtype == np.uint8
    assert train.labels.dtype == np.int64
    assert train.labels.tolist() == [1, 2, 3, 2, 3, 4, 3, 4, 5, 4, 5, 6, 5, 6, 7]
    assert test.labels.tolist() == [6, 7, 8]
    for number, row, channel, y, x in ((1, 0, 0, 0, 0), (1, 2, 2, 31, 5), (4, 1, 1, 3, 30)):
        stored = train.images[3 * (number - 1) + row, channel, y, x]
        assert stored == pixel(number, row, channel, y, x)
    assert test.images[2, 1, 9, 8] == pixel(6, 2, 1, 9, 8)
    assert test.index()["class"].to_list() == ["frog", "horse", "ship"]


def test_other_sizes_are_resized(whole: Files, archive: Callable) -> None:
    train, _ = cifar10.read(archive(whole), 48)
    assert train.images.shape == (15, 3, 48, 48)
    pixels = [[[pixel(2, 1, c, y, x) for c in range(3)] for x in range(32)] for y in range(32)]
    picture = Image.fromarray(np.array(pixels, dtype=np.uint8)).resize((48, 48), Image.BILINEAR)
    np.testing.assert_array_equal(train.images[4], np.asarray(picture).transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({f"{FOLDER}/data_batch_3.bin": None}, r"lacks data_batch_3\.bin\. Delete it"),
        ({META: None}, r"lacks batches\.meta\.txt"),
        ({META: b"cat\ndog\n"}, r"names 2 classes, not 10"),
        ({f"{FOLDER}/test_batch.bin": record(6, 0)}, "the test images have 3,073 bytes, not 9,219"),
        ({f"{FOLDER}/data_batch_1.bin": b""}, "the train images have 36,876 bytes, not 46,095"),
        (
            {f"{FOLDER}/test_batch.bin": record(6, 0) * 2 + b"\x0a" + record(6, 0)[1:]},
            "label 10 among the test images",
        ),
    ],
    ids=["no batch", "no names", "other classes", "short", "empty", "label"],
)
def test_what_does_not_fit_is_refused(
    whole: Files, archive: Callable, change: dict[str, bytes | None], message: str
) -> None:
    files = {name: content for name, content in (whole | change).items() if content is not None}
    with pytest.raises(InputError, match=message):
        list(cifar10.read(archive(files), 32))
