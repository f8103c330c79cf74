"""Image files are decoded as by torchvision's evaluation preset, and odd ones are reported."""

import io
from pathlib import Path

import numpy as np
import pytest
from imagefolders import ORIENTATION, add_oddities, picture
from PIL import Image, ImageOps
from torchvision.models import GoogLeNet_Weights
from torchvision.transforms.functional import center_crop, resize

from prunescope.data import decoding
from prunescope.data.decoding import UnreadableError
from prunescope.foundation.errors import InputError
from prunescope.networks.description import Description
from prunescope.networks.preprocessing import to_input


def save(path: Path, image: Image.Image, **options: object) -> Path:
    image.save(path, **options)
    return path


def plain(width: int = 64, height: int = 80, seed: int = 0) -> Image.Image:
    return Image.fromarray(picture(1, 3, (width, height), np.random.default_rng(seed)))


@pytest.mark.parametrize(
    "size", [(500, 375), (375, 500), (256, 256), (224, 224), (1001, 257), (60, 301), (257, 100)]
)
@pytest.mark.parametrize("ending", ["jpg", "png"])
def test_packed_pixels_are_those_of_torchvisions_preset(
    tmp_path: Path, size: tuple[int, int], ending: str
) -> None:
    path = save(tmp_path / f"image.{ending}", plain(*size))
    preset = GoogLeNet_Weights.IMAGENET1K_V1.transforms()
    with Image.open(path) as image:
        expected = preset(image.convert("RGB"))
    pixels, _ = decoding.prepare(path, 256, 224)
    assert pixels is not None
    assert (pixels.shape, pixels.dtype) == ((3, 224, 224), np.uint8)
    description = Description("googlenet", 1000, 224, tuple(preset.mean), tuple(preset.std))
    got = to_input(pixels[None], description)[0]
    assert float((got - expected).abs().max()) < 1e-6


def test_an_ordinary_image_has_nothing_peculiar(tmp_path: Path) -> None:
    assert decoding.prepare(save(tmp_path / "a.png", plain()), 40, 32)[1] == ()


def test_oddities_are_named(tmp_path: Path) -> None:
    expected = {
        "greyscale": "converted", "cmyk": "converted", "palette": "converted",
        "alpha": "converted", "tiny": "enlarged", "exif_rotated": "rotated",
        "truncated": "skipped", "corrupt": "skipped",
    }  # fmt: skip
    paths = add_oddities(tmp_path)
    assert set(paths) == set(expected)
    for kind, path in paths.items():
        pixels, notes = decoding.prepare(path, 40, 32)
        assert [(note.kind, note.action) for note in notes] == [(kind, expected[kind])]
        assert notes[0].message
        assert (pixels is None) == (expected[kind] == "skipped")
        assert pixels is None or (pixels.shape, pixels.dtype) == ((3, 32, 32), np.uint8)


def test_a_file_may_have_several_oddities(tmp_path: Path) -> None:
    turned = Image.Exif()
    turned[ORIENTATION] = 3
    path = save(tmp_path / "a.jpg", plain(20, 90).convert("L"), exif=turned)
    _, notes = decoding.prepare(path, 40, 32)
    assert [note.kind for note in notes] == ["exif_rotated", "greyscale", "tiny"]
    assert notes[2].message == "shorter side 20 pixels, less than 32"


@pytest.mark.parametrize("mode", ["L", "1", "CMYK", "P", "RGBA", "LA"])
def test_modes_are_converted_as_torchvisions_loader_does(tmp_path: Path, mode: str) -> None:
    ending = "jpg" if mode == "CMYK" else "png"
    path = save(tmp_path / f"a.{ending}", plain().convert(mode))
    with Image.open(path) as image:
        assert image.mode == mode
        expected = np.asarray(center_crop(resize(image.convert("RGB"), [40]), [32]))
    pixels, notes = decoding.prepare(path, 40, 32)
    assert len(notes) == 1
    np.testing.assert_array_equal(pixels, expected.transpose(2, 0, 1))


def test_transparent_palettes_are_named_once(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", plain().convert("P"), transparency=0)
    _, notes = decoding.prepare(path, 40, 32)
    assert [note.kind for note in notes] == ["palette"]


def test_sixteen_bits_are_scaled_not_clipped(tmp_path: Path) -> None:
    grey = np.linspace(0, 65535, 40 * 40).reshape(40, 40).astype(np.uint16)
    path = save(tmp_path / "a.png", Image.fromarray(grey))
    image, notes = decoding.decode(path)
    assert [note.kind for note in notes] == ["greyscale"]
    np.testing.assert_array_equal(np.asarray(image)[..., 0], grey // 256)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    path = save(tmp_path / "a.png", plain(), exif=exif)
    with Image.open(path) as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    image, notes = decoding.decode(path)
    np.testing.assert_array_equal(np.asarray(image), expected)
    assert len(notes) == (orientation > 1)


@pytest.mark.parametrize("orientation", [0, 9, 65535])
def test_unknown_orientations_are_upright(tmp_path: Path, orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    image, notes = decoding.decode(save(tmp_path / "a.png", plain(), exif=exif))
    assert notes == ()
    np.testing.assert_array_equal(np.asarray(image), np.asarray(plain()))


@pytest.mark.parametrize("exif", [b"XX*\0\x08\0\0\0", b"II*\0\x08", b"?"])
@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_damaged_exif_does_not_cost_the_image(tmp_path: Path, exif: bytes) -> None:
    # With a density in the header, Pillow does not look at EXIF before we do.
    path = save(tmp_path / "a.jpg", plain(), exif=b"Exif\0\0" + exif, dpi=(72, 72))
    image, notes = decoding.decode(path)
    assert notes == ()
    assert image.size == (64, 80)


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
def test_whatever_bytes_are_damaged_the_image_is_read_or_refused(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    path = tmp_path / "a.jpg"
    outcomes: list[str] = []
    for form in ("JPEG", "PNG"):
        whole = io.BytesIO()
        plain().save(whole, form)
        for _ in range(150):
            content = bytearray(whole.getvalue())
            for place in rng.integers(0, len(content), size=rng.integers(1, 9)):
                content[place] = rng.integers(256)
            path.write_bytes(content[: rng.integers(len(content) // 2, len(content) + 1)])
            try:
                outcomes.append(decoding.decode(path)[0].mode)
            except UnreadableError as error:
                outcomes.append(error.kind)
                reasons = str(error)
    assert set(outcomes) == {"RGB", "corrupt", "truncated"}
    assert "0x" not in reasons  # the same message in every run


@pytest.mark.parametrize("content", [b"", b"GIF89a\x01\0\x01\0", b"BM" + bytes(60), b"<svg/>"])
def test_other_formats_are_not_tried(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(content)
    with pytest.raises(UnreadableError, match="not a JPEG or PNG file"):
        decoding.decode(path)


def test_a_file_that_is_gone_is_not_damaged(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"a\.jpg: No such file.*run again: they are listed anew"):
        decoding.prepare(tmp_path / "a.jpg", 40, 32)
