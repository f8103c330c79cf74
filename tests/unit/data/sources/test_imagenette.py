"""Imagenette's archive, with a few small images."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tars import write_tar

from prunescope.data import source
from prunescope.data.sources import imagenette
from prunescope.foundation.errors import InputError

Files = dict[str, bytes]
TOP = "imagenette2-160"
TRAIN = {
    f"{TOP}/train/n03888257/b.JPEG": (40, 60, 200),
    f"{TOP}/train/n01440764/z.JPEG": (60, 40, 30),
    f"{TOP}/train/n01440764/A.JPEG": (40, 40, 90),
}
VALIDATION = {f"{TOP}/val/n03417042/c.JPEG": (50, 40, 140)}


def image(width: int, height: int, grey: int, mode: str = "RGB") -> bytes:
    """A plain image, but for a white column at its left edge."""
    picture = Image.new("L", (width, height), grey)
    picture.paste(255, (0, 0, 1, height))
    content = io.BytesIO()
    picture.convert(mode).save(content, "JPEG", quality=95)
    return content.getvalue()


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> Files:
    monkeypatch.setattr(imagenette, "IMAGES", {"train": len(TRAIN), "test": len(VALIDATION)})
    images = {name: image(*shape) for name, shape in (TRAIN | VALIDATION).items()}
    # What the archive holds besides, and what must not be taken for an image.
    others = {
        f"{TOP}/noisy_imagenette.csv": b"path\n",
        f"{TOP}/train/n01440764/._A.txt": b"",
        f"{TOP}/train/n99999999/d.JPEG": b"",
        f"{TOP}/train/n01440764/../../../e.JPEG": b"",
    }
    return {**images, **others}


@pytest.fixture
def archive(tmp_path: Path) -> Callable[[Files], dict[str, Path]]:
    def write(files: Files) -> dict[str, Path]:
        return {imagenette.ARCHIVE: write_tar(tmp_path / imagenette.ARCHIVE, files)}

    return write


def test_it_is_an_archive_that_is_fetched() -> None:
    found = source.load("imagenette")
    assert isinstance(found, source.Archive)
    assert found.DOWNLOADED
    assert found.ADDRESSES == {
        "imagenette2-160.tgz": "https://s3.amazonaws.com/fast-ai-imageclas/imagenette2-160.tgz"
    }


def test_images_are_sorted_by_class_and_name(whole: Files, archive: Callable) -> None:
    train, test = imagenette.read(archive(whole), 32)
    assert (train.name, test.name) == ("train", "test")
    assert train.labels.tolist() == [0, 0, 9]
    assert test.labels.tolist() == [6]
    assert train.index()["class"].to_list() == ["tench", "tench", "parachute"]
    assert test.index()["class"].to_list() == ["garbage truck"]
    assert train.images.dtype == np.uint8
    assert train.images.shape == (3, 3, 32, 32)
    # A.JPEG comes before z.JPEG, though the archive has it later.
    assert np.median(train.images, axis=(1, 2, 3)).tolist() == [90, 30, 200]


def test_the_shorter_side_fits_and_the_centre_is_cut_out(whole: Files, archive: Callable) -> None:
    train, _ = imagenette.read(archive(whole), 40)
    square, wide, tall = train.images.astype(int)
    # Of 40 pixels a side already: as decoded. The edges of the wide one are cut off.
    assert square[0, :, 0].min() > 240
    assert abs(wide - 30).max() < 10
    assert tall[0, :, 0].min() > 240


def test_grey_images_are_taken(whole: Files, archive: Callable) -> None:
    (name,) = VALIDATION
    _, test = imagenette.read(archive({**whole, name: image(32, 32, 77, "L")}), 32)
    assert test.images.shape == (1, 3, 32, 32)
    assert np.median(test.images) == 77


def test_another_number_of_images_is_refused(whole: Files, archive: Callable) -> None:
    del whole[next(iter(TRAIN))]
    with pytest.raises(InputError, match="holds 2 train images, not 3"):
        list(imagenette.read(archive(whole), 32))


def test_an_image_that_cannot_be_read_is_named(whole: Files, archive: Callable) -> None:
    name = next(iter(TRAIN))
    files = archive({**whole, name: whole[name][:200]})
    with pytest.raises(InputError, match=f"{imagenette.ARCHIVE}: {name} cannot be read"):
        list(imagenette.read(files, 32))
