"""Training batches from copies: Pillow's pixels, the pieces that originals give, no damage."""

import io
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
from prunescope.data.copies import copy_table, writing
from prunescope.data.sources import image_folder
from prunescope.data.watching import stamps
from prunescope.foundation.code_digest import SCRIPTS
from prunescope.foundation.errors import InputError
from prunescope.train.images import batches
from prunescope.train.images.augmentation import AUGMENTATIONS, draw_seeds
from prunescope.train.images.copied_images import CopiedImages
from prunescope.train.images.image_files import ImageFiles
from prunescope.train.images.random_crops import crop_copy_at_random, draw_box

CROP = "random_resized_crop"
SIZE, RESIZE = 32, 40


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_image_folder(tmp_path, ("ant", "bee"), train_per_class=4, val_per_class=1)
    return copy(tmp_path)


def copy(folder: Path, side: int = 48, quality: int = 90) -> Path:
    """List and copy the train images of a folder, into the folder."""
    train, _ = image_folder.index(folder, {})
    index = stamps.stamped(train, folder)
    image_tables.INDEX.write(index, folder / "index.parquet")
    index = image_tables.INDEX.read(folder / "index.parquet")
    table = writing.write(
        index["file"].to_list(), stamps.of_index(index),
        writing.CopySettings(str(folder), "skip", side, quality), folder / "copies.bin",
        folder / "copies.unfinished", code="code", threads=1,
    )  # fmt: skip
    copy_table.COPIES.write(table, folder / "copies.parquet")
    return folder


def open_copies(folder: Path) -> CopiedImages:
    names = [folder / name for name in ("index.parquet", "copies.bin", "copies.parquet")]
    return CopiedImages.open(*names, image_size=SIZE, resize=RESIZE)


def open_originals(folder: Path) -> ImageFiles:
    return ImageFiles.open(
        folder / "index.parquet", folder, image_size=SIZE, resize=RESIZE, on_error="skip"
    )


def pillow(folder: Path, number: int) -> Image.Image:
    """A copy as Pillow decodes it."""
    row = copy_table.COPIES.read(folder / "copies.parquet").row(number, named=True)
    content = (folder / "copies.bin").read_bytes()[row["start"] :][: row["bytes"]]
    return Image.open(io.BytesIO(content))


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def damage(folder: Path, number: int, name: str = "ant") -> None:
    path = folder / f"train/{name}/{name}_{number:05d}.jpg"
    path.write_bytes(path.read_bytes()[:700])


def test_without_augmentation_pixels_are_pillows(folder: Path) -> None:
    batch = open_copies(folder).read(np.array([6, 0, 0, 3]), (), rng())
    assert batch.labels.tolist() == [1, 0, 0, 0]
    assert batch.labels.dtype == np.int64
    assert batch.images.dtype == np.uint8
    assert batch.replaced == 0
    for image, number in zip(batch.images, [6, 0, 0, 3], strict=True):
        expected = decoding.resize_and_crop(pillow(folder, number), RESIZE, SIZE)
        np.testing.assert_array_equal(image, expected)


def test_crops_are_pillows_up_to_rounding(folder: Path) -> None:
    """Pillow and torch round sums of weighted pixels differently; torch rounds the edges here."""
    copies, differing = open_copies(folder), []
    for seed in range(20):
        indices = rng(seed).permutation(8)
        got = copies.read(indices, (CROP,), rng(seed)).images
        for image, index, crop in zip(got, indices, draw_seeds(8, rng(seed)), strict=True):
            small, (height, width) = pillow(folder, index), copies.originals[index].tolist()
            torch.manual_seed(crop)
            shaped = Image.new("L", (width, height))
            top, left, rows, columns = RandomResizedCrop.get_params(
                shaped, [0.08, 1], [3 / 4, 4 / 3]
            )
            x, y = small.width / width, small.height / height
            edges = left * x, top * y, (left + columns) * x, (top + rows) * y
            piece = small.crop(tuple(round(edge) for edge in edges))
            expected = piece.resize((SIZE, SIZE), Image.Resampling.BILINEAR)
            difference = np.abs(image.astype(int) - decoding.to_array(expected))
            assert difference.max() <= 1
            differing.append((difference > 0).mean())
    assert np.mean(differing) < 0.1


def test_crops_show_the_pieces_that_originals_would_give(tmp_path: Path) -> None:
    make_image_folder(tmp_path, ("ant", "bee"), 4, 1, sizes=((500, 375), (375, 500)))
    copy(tmp_path, side=256, quality=95)
    got = open_copies(tmp_path).read(np.arange(8), (CROP,), rng(1)).images.astype(float)
    expected = open_originals(tmp_path).read(np.arange(8), (CROP,), rng(1)).images
    assert np.abs(got - expected).mean() < 3
    # Other pieces of the same images are far from them.
    other = open_originals(tmp_path).read(np.arange(8), (CROP,), rng(2)).images
    assert np.abs(got - other).mean() > 9


def test_a_copy_of_the_same_size_gives_the_same_piece() -> None:
    pixels = rng().integers(0, 256, (60, 90, 3), dtype=np.uint8)
    image = torch.from_numpy(pixels).permute(2, 0, 1)
    for seed in range(30):
        top, left, height, width = draw_box((60, 90), seed)
        piece = Image.fromarray(pixels).crop((left, top, left + width, top + height))
        expected = np.asarray(piece.resize((32, 32), Image.Resampling.BILINEAR))
        got = crop_copy_at_random(image, (60, 90), 32, seed)
        assert np.abs(got.astype(int) - expected.transpose(2, 0, 1)).max() <= 1


def test_a_piece_of_a_tiny_copy_is_a_pixel_at_least() -> None:
    for seed in range(50):
        got = crop_copy_at_random(torch.full((3, 1, 40), 7, dtype=torch.uint8), (50, 2000), 8, seed)
        assert got.shape == (3, 8, 8)
        assert (got == 7).all()


def test_a_crop_of_a_copy_depends_neither_on_its_batch_nor_on_torch(folder: Path) -> None:
    copies = open_copies(folder)
    torch.manual_seed(3)
    before = torch.get_rng_state()
    many = copies.read(np.array([1, 4, 7]), (CROP,), rng())
    torch.manual_seed(4)
    other = copies.read(np.array([2, 4, 3]), (CROP,), rng())
    torch.manual_seed(3)
    copies.read(np.array([1]), (CROP,), rng())
    assert torch.equal(torch.get_rng_state(), before)
    np.testing.assert_array_equal(many.images[1], other.images[1])
    assert (many.images[0] != other.images[0]).any()


def test_augmentation_follows_the_crop_of_a_copy_in_order(folder: Path) -> None:
    copies = open_copies(folder)
    names = (CROP, "random_shift", "horizontal_flip")
    got = copies.read(np.arange(8), names, rng(5)).images
    source = rng(5)
    expected = copies.read(np.arange(8), (CROP,), source).images
    for name in names[1:]:
        expected = AUGMENTATIONS[name](expected, source)
    np.testing.assert_array_equal(got, expected)
    assert (got != copies.read(np.arange(8), names, rng(6)).images).any()


def test_a_pickle_holds_no_pixels_and_gives_the_same_bytes_elsewhere(
    folder: Path, tmp_path: Path
) -> None:
    copies = open_copies(folder)
    content = pickle.dumps(copies)
    assert len(content) < 2000 < (folder / "copies.bin").stat().st_size
    (tmp_path / "copies.pickle").write_bytes(content)
    script = (
        "import pickle, sys, numpy as np\n"
        f"copies = pickle.load(open({str(tmp_path / 'copies.pickle')!r}, 'rb'))\n"
        f"batch = copies.read(np.arange(8), ({CROP!r}, 'horizontal_flip'), "
        "np.random.default_rng(0))\n"
        "sys.stdout.buffer.write(batch.images.tobytes())\n"
    )
    # Without vector instructions, torch gives the same bytes.
    for environment in ({}, {"ATEN_CPU_CAPABILITY": "default"}):
        done = subprocess.run(
            [sys.executable, "-c", script],
            capture_output=True,
            env={"PYTHONPATH": str(SCRIPTS), **environment},
        )
        assert done.returncode == 0, done.stderr.decode()
        here = copies.read(np.arange(8), (CROP, "horizontal_flip"), rng())
        assert done.stdout == here.images.tobytes()


@pytest.mark.parametrize("augmentation", [(), (CROP,)])
def test_workers_read_the_same_from_copies(folder: Path, augmentation: tuple[str, ...]) -> None:
    parts = [batches.Part(rng(step).integers(0, 8, 3), (1, step, 0)) for step in range(5)]
    reader = batches.Reader(open_copies(folder), parts, augmentation, 7)
    for alone, shared in zip(
        batches.read_all(reader, 0, False), batches.read_all(reader, 2, False), strict=True
    ):
        assert torch.equal(alone[0], shared[0])
        assert torch.equal(alone[1], shared[1])


def test_training_opens_copies_where_there_are_some(folder: Path) -> None:
    files = {
        "index": str(folder / "index.parquet"),
        "copies": str(folder / "copies.bin"),
        "copy_table": str(folder / "copies.parquet"),
    }
    source = batches.open_source(files, {"image_size": SIZE, "resize": RESIZE})
    got = source.read(np.arange(8), (CROP,), rng()).images
    np.testing.assert_array_equal(
        got, open_copies(folder).read(np.arange(8), (CROP,), rng()).images
    )


def test_the_same_image_stands_in_as_among_originals(folder: Path) -> None:
    damage(folder, 2)
    damage(folder, 3)
    copies = open_copies(copy(folder))
    batch = copies.read(np.array([2, 0, 3, 5]), (), rng())
    assert batch.labels.tolist() == [0, 0, 0, 1]
    assert (
        batch.replaced == 2 == open_originals(folder).read(np.array([2, 0, 3]), (), rng()).replaced
    )
    # After 2 comes 3, damaged as well, then 0 again.
    np.testing.assert_array_equal(batch.images[0], batch.images[1])
    np.testing.assert_array_equal(batch.images[2], batch.images[1])
    assert (batch.images[3] != batch.images[1]).any()


def test_a_class_without_a_copy_is_named(folder: Path) -> None:
    for number in range(4):
        damage(folder, number)
    with pytest.raises(InputError, match="class 0: none of the 4 images of this class can be read"):
        open_copies(copy(folder)).read(np.array([1]), (), rng())


@pytest.mark.parametrize("augmentation", [(), (CROP,)])
@pytest.mark.parametrize("place", [0.1, 0.5, 0.99])
def test_a_damaged_copy_is_never_trained_on(
    folder: Path, augmentation: tuple[str, ...], place: float
) -> None:
    copies = open_copies(folder)
    start, size, _ = copies.places[5].tolist()
    content = bytearray((folder / "copies.bin").read_bytes())
    content[start + int(place * size)] ^= 1
    (folder / "copies.bin").write_bytes(content)
    copies.read(np.array([4, 6]), augmentation, rng())
    with pytest.raises(InputError, match=r"copies\.bin: the copy of image 5 is damaged"):
        copies.read(np.array([4, 5]), augmentation, rng())


def test_copies_that_were_cut_short_are_not_opened(folder: Path) -> None:
    content = (folder / "copies.bin").read_bytes()
    (folder / "copies.bin").write_bytes(content[:-1])
    with pytest.raises(
        InputError, match=rf"copies\.bin: {len(content) - 1} bytes, .* {len(content)}"
    ):
        open_copies(folder)


def test_copies_of_other_images_are_not_opened(folder: Path) -> None:
    index = image_tables.INDEX.read(folder / "index.parquet")
    image_tables.INDEX.write(index.reverse(), folder / "index.parquet")
    with pytest.raises(InputError, match=r"copies\.parquet: other images than in .*index\.parquet"):
        open_copies(folder)
