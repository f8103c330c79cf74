"""Image files are decoded as by torchvision's evaluation preset, and odd ones are reported."""

import io
import struct
import zlib
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
    description = Description(
        "torchvision:googlenet",
        1000,
        224,
        tuple(preset.mean),
        tuple(preset.std),
        options={"init_weights": False},
    )
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


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG file."""
    return (
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
    )


def with_chunks(path: Path, image: Image.Image, *chunks: bytes, after: bool = False) -> Path:
    """Save as PNG with more chunks, before or after the pixels."""
    whole = io.BytesIO()
    image.save(whole, "PNG")
    content = whole.getvalue()
    place = len(content) - 12 if after else 33
    path.write_bytes(content[:place] + b"".join(chunks) + content[place:])
    return path


MANY = 70 << 20
ZEROS = zlib.compress(bytes(MANY))
CHUNKS = {
    "long text": [chunk(b"tEXt", b"Comment\0" + b"a" * (2 << 20))],
    "much text": [chunk(b"tEXt", b"Comment%d\0" % n + b"a" * (1 << 20)) for n in range(70)],
    "long packed text": [chunk(b"zTXt", b"Comment\0\0" + zlib.compress(b"a" * (3 << 20)))],
    "a bomb of text": [chunk(b"zTXt", b"Comment\0\0" + ZEROS)],
    "a bomb of international text": [chunk(b"iTXt", b"Comment\0\1\0en\0\0" + ZEROS)],
    "a large colour profile": [chunk(b"iCCP", b"icc\0\0" + zlib.compress(bytes(3 << 20)))],
    "a bomb of a colour profile": [chunk(b"iCCP", b"icc\0\0" + ZEROS)],
    "text packed in an unknown way": [chunk(b"zTXt", b"Comment\0\7abc")],
    "a colour profile without content": [chunk(b"iCCP", b"icc\0")],
}


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("kind", CHUNKS)
def test_texts_and_profiles_do_not_cost_the_image(tmp_path: Path, kind: str, after: bool) -> None:
    path = with_chunks(tmp_path / "a.png", plain(), *CHUNKS[kind], after=after)
    image, notes = decoding.decode(path)
    assert notes == ()
    np.testing.assert_array_equal(np.asarray(image), np.asarray(plain()))


def test_damage_in_a_text_is_damage(tmp_path: Path) -> None:
    broken = chunk(b"zTXt", b"Comment\0\7abc")
    path = with_chunks(tmp_path / "a.png", plain(), broken[:-1] + b"\xff")
    with pytest.raises(UnreadableError):
        decoding.decode(path)


def test_the_orientation_in_a_large_text_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    content = exif.tobytes() + bytes(1 << 20)
    profile = b"\nexif\n%8d\n" % len(content) + content.hex().encode()
    text = chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile))
    image, notes = decoding.decode(with_chunks(tmp_path / "a.png", plain(), text))
    assert [note.kind for note in notes] == ["exif_rotated"]
    assert image.size == (80, 64)


def test_a_jpeg_may_hold_a_large_colour_profile_and_comment(tmp_path: Path) -> None:
    profile = np.random.default_rng(0).bytes(3 << 20)
    path = save(tmp_path / "a.jpg", plain(), icc_profile=profile, comment=b"a" * 60_000)
    assert decoding.decode(path)[0].size == (64, 80)


@pytest.mark.slow
@pytest.mark.filterwarnings("error")
def test_more_pixels_than_pillow_allows_are_decoded(tmp_path: Path) -> None:
    path = save(tmp_path / "a.png", Image.new("1", (14_000, 13_000), 1), compress_level=1)
    pixels, notes = decoding.prepare(path, 40, 32)
    assert pixels is not None
    assert pixels.min() == 255
    assert [note.kind for note in notes] == ["greyscale"]


def header(width: int, height: int) -> bytes:
    """The beginning of a PNG file, from which its size is known; pixels follow that are none."""
    content = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", content) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(16_385, 16_384), (1, 1 << 29), (1 << 31, 1 << 31)])
def test_too_many_pixels_are_refused_before_they_are_decoded(
    tmp_path: Path, size: tuple[int, int]
) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(header(*size))
    pixels, (note,) = decoding.prepare(path, 40, 32)
    assert pixels is None
    assert (note.kind, note.action) == ("too_large", "skipped")
    message = decoding.refusal(path, note.kind, note.message)
    assert f"{size[0]} x {size[1]} pixels, at most 268,435,456 are taken (too_large)" in message
    assert "Make the image smaller, or leave such files out" in message


@pytest.mark.parametrize("size", [(2, 60_000), (60_000, 2)])
def test_the_middle_of_a_very_long_image_is_cut_out(tmp_path: Path, size: tuple[int, int]) -> None:
    """Resized as a whole, it would take gigabytes."""
    image = Image.new("RGB", size, "red")
    wide = size[0] > size[1]
    image.paste("blue", (29_990, 0, 30_010, 2) if wide else (0, 29_990, 2, 30_010))
    pixels, (note,) = decoding.prepare(save(tmp_path / "a.png", image), 256, 224)
    assert note.kind == "tiny"
    assert pixels is not None
    assert pixels.shape == (3, 224, 224)
    assert pixels.reshape(3, -1).mean(axis=1).tolist() == [0, 0, 255]


def test_how_long_an_image_is_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    image = plain(40, 400)
    whole = decoding.resize_and_crop(image, 64, 32)
    monkeypatch.setattr(decoding, "MOST_PIXELS", 1000)
    np.testing.assert_allclose(decoding.resize_and_crop(image, 64, 32), whole, atol=2)
