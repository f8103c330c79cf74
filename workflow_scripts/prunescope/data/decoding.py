"""Decode an image file to upright RGB, resize and crop it, and report its peculiarities."""

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageFile, PngImagePlugin
from PIL.PngImagePlugin import PngStream

from prunescope.data.file_names import diagnosis, shown
from prunescope.foundation.errors import InputError

# No other formats: some of Pillow's decoders start external programs.
FORMATS = ("JPEG", "PNG")
# Errors of Pillow for damaged files.
DAMAGE = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, OverflowError,
    struct.error, zlib.error,
)  # fmt: skip
# Images with more pixels are refused before they are decoded: a small file may hold so many that
# the memory does not suffice. Pillow's own limit is lower, and calls the file a bomb.
MOST_PIXELS = 1 << 28
Image.MAX_IMAGE_PIXELS = None
# A chunk of text or a colour profile in a PNG file may have this many bytes, unpacked.
MOST_TEXT = 1 << 26
# The `kind` of a file in the report, by Pillow's mode. All modes are converted to RGB.
KINDS = {"CMYK": "cmyk", "P": "palette", "LA": "alpha", "PA": "alpha", "RGBA": "alpha"}
# How to turn an image upright, by the value of the EXIF tag Orientation (1 is upright).
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _let_pass(name: str) -> None:
    """Let Pillow pass over a kind of PNG chunk that it refuses: images need neither of them.

    By itself, Pillow refuses the whole file if one is large or of a form that it does not know.
    """
    read = getattr(PngStream, name)

    def read_or_pass(stream: Any, position: int, length: int) -> bytes:
        start = stream.fp.tell()
        try:
            return read(stream, position, length)
        except (ValueError, SyntaxError, IndexError):
            stream.fp.seek(start)
            return ImageFile._safe_read(stream.fp, length)

    setattr(PngStream, name, read_or_pass)


PngImagePlugin.MAX_TEXT_CHUNK = MOST_TEXT
for _chunk in ("chunk_tEXt", "chunk_zTXt", "chunk_iTXt", "chunk_iCCP"):
    _let_pass(_chunk)


class UnreadableError(Exception):
    """An image file is damaged or too large.

    `kind` is `corrupt`, `truncated` or `too_large`; the message is the reason.
    """

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


@dataclass(frozen=True)
class Peculiarity:
    """A peculiarity of an image file: a row of `image_tables.REPORT` without the file's name."""

    kind: str
    action: str
    message: str


def decode(path: Path) -> tuple[Image.Image, tuple[Peculiarity, ...]]:
    """Read an image file as upright RGB, as `decode_content` does.

    Returns
    -------
    image, peculiarities
        The RGB image, and all that was converted or turned.

    Raises
    ------
    UnreadableError
        The file is damaged, or has more than `MOST_PIXELS` pixels.
    InputError
        The file is missing, a link to it leads nowhere, or its permissions forbid reading.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        reason, advice = diagnosis(path, error)
        raise InputError(
            f"{shown(path)}: {reason}. {advice}, or, if the folder has changed since its images "
            "were listed, run again: they are listed anew."
        ) from error
    return decode_content(content)


def decode_content(content: bytes) -> tuple[Image.Image, tuple[Peculiarity, ...]]:
    """Make upright RGB of the content of an image file.

    Other modes are converted with `Image.convert`, which drops transparency, as in torchvision's
    loader. Unlike in torchvision's loader, the EXIF orientation is applied.

    Returns
    -------
    image, peculiarities
        The RGB image, and all that was converted or turned.

    Raises
    ------
    UnreadableError
        The content is damaged, or has more than `MOST_PIXELS` pixels.
    """
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        if image.width * image.height > MOST_PIXELS:
            size = f"{image.width} x {image.height} pixels, at most {MOST_PIXELS:,} are taken"
            raise UnreadableError("too_large", size)
        image.load()
    except DAMAGE as error:
        kind = "truncated" if "truncated" in str(error).lower() else "corrupt"
        raise UnreadableError(kind, _without_address(error)) from error
    upright, turned = _turn(image)
    rgb, converted = _to_rgb(upright)
    return rgb, (*turned, *converted)


def _without_address(error: BaseException) -> str:
    """The reason in one line, without the memory address in some of Pillow's messages."""
    if isinstance(error, Image.UnidentifiedImageError):
        return f"not a {' or '.join(FORMATS)} file"
    return " ".join(str(error).split()) or type(error).__name__


def _turn(image: Image.Image) -> tuple[Image.Image, tuple[Peculiarity, ...]]:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except DAMAGE:
        orientation = 1  # as Pillow itself does for most damaged EXIF data
    if orientation not in TURNS:
        return image, ()
    note = Peculiarity("exif_rotated", "rotated", f"EXIF orientation {orientation}")
    return image.transpose(TURNS[orientation]), (note,)


def _to_rgb(image: Image.Image) -> tuple[Image.Image, tuple[Peculiarity, ...]]:
    if image.mode == "RGB":
        return image, ()
    kind = KINDS.get(image.mode, "greyscale")
    note = Peculiarity(kind, "converted", f"mode {image.mode} to RGB")
    if image.mode.startswith("I"):
        # Scale 16-bit values: Pillow would clip them.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB"), (note,)


def resize_and_crop(image: Image.Image, resize: int, size: int) -> np.ndarray:
    """Resize the shorter side to `resize` pixels and cut out the central square.

    Resizing is bilinear with antialiasing. The pixels equal those of torchvision's
    `ImageClassification(crop_size=size, resize_size=resize)` (torchvision.transforms._presets)
    before it scales and normalises.

    Returns
    -------
    numpy.ndarray
        uint8 `(3, size, size)`.
    """
    short, long = sorted(image.size)
    if resize * resize * long > short * MOST_PIXELS:
        # So long that it would not fit into memory when resized: the ends go first.
        image, long = _middle(image, 3 * short), 3 * short
    scaled = int(resize * long / short)
    width, height = (resize, scaled) if image.width <= image.height else (scaled, resize)
    left, top = round((width - size) / 2), round((height - size) / 2)
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return to_array(resized.crop((left, top, left + size, top + size)))


def _middle(image: Image.Image, length: int) -> Image.Image:
    """The middle of a long image, `length` pixels long."""
    left, top = ((side - length) // 2 if side > length else 0 for side in image.size)
    return image.crop((left, top, min(left + length, image.width), min(top + length, image.height)))


def to_array(image: Image.Image) -> np.ndarray:
    """An RGB image as uint8 `(3, height, width)`."""
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def prepare(
    path: Path, resize: int, size: int
) -> tuple[np.ndarray | None, tuple[Peculiarity, ...]]:
    """Decode, resize and crop a file for packing.

    Returns
    -------
    pixels
        uint8 `(3, size, size)`; None if the file is damaged.
    peculiarities
        The peculiarities of the file.

    Raises
    ------
    InputError
        The file is missing, a link to it leads nowhere, or its permissions forbid reading.
    """
    try:
        image, peculiarities = decode(path)
    except UnreadableError as error:
        return None, (Peculiarity(error.kind, "skipped", str(error)),)
    if min(image.size) < size:
        side = f"shorter side {min(image.size)} pixels, less than {size}"
        peculiarities = (*peculiarities, Peculiarity("tiny", "enlarged", side))
    return resize_and_crop(image, resize, size), peculiarities


def refusal(path: Path, kind: str, reason: str) -> str:
    """The error message for a file that cannot be read, under `on_error: fail`."""
    mend = "Make the image smaller" if kind == "too_large" else "Replace the file"
    return (
        f"{shown(path)}: {reason} ({kind}). {mend}, or leave such files out: "
        "`datasets.<name>.on_error: skip`."
    )
