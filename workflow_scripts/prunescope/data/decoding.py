"""One image file: decoded, turned upright, made RGB, resized, cropped; and what is odd about it."""

import io
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image

from prunescope.foundation.errors import InputError

# Others are not tried: some of Pillow's decoders start programs.
FORMATS = ("JPEG", "PNG")
# What Pillow raises on damaged files.
DAMAGE = (
    OSError, SyntaxError, ValueError, EOFError, IndexError, KeyError, OverflowError,
    struct.error, zlib.error, Image.DecompressionBombError,
)  # fmt: skip
# By Pillow's mode; whatever is not RGB is converted to it.
KINDS = {"CMYK": "cmyk", "P": "palette", "LA": "alpha", "PA": "alpha", "RGBA": "alpha"}
# By the value of the EXIF tag Orientation; 1 is upright.
TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class UnreadableError(Exception):
    """An image file is damaged; `kind` is `corrupt` or `truncated`, the message the reason."""

    def __init__(self, kind: str, reason: str) -> None:
        super().__init__(reason)
        self.kind = kind


@dataclass(frozen=True)
class Peculiarity:
    """What is odd about an image file: a row of `tables.REPORT` without the file's name."""

    kind: str
    action: str
    message: str


def decode(path: Path) -> tuple[Image.Image, tuple[Peculiarity, ...]]:
    """Read an image file as upright RGB.

    Modes are converted as torchvision's loader does (`Image.convert`, transparency dropped).
    The orientation that EXIF tells is applied, which torchvision's loader does not do.

    Raises
    ------
    UnreadableError
        The file is damaged.
    InputError
        The file is gone, or may not be read.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: {error.strerror}. It was there when the folder was indexed: put it back, or "
            "run again with `--forcerun index_images`."
        ) from error
    try:
        image = Image.open(io.BytesIO(content), formats=FORMATS)
        image.load()
    except DAMAGE as error:
        kind = "truncated" if "truncated" in str(error).lower() else "corrupt"
        raise UnreadableError(kind, _without_address(error)) from error
    upright, turned = _turn(image)
    rgb, converted = _to_rgb(upright)
    return rgb, (*turned, *converted)


def _without_address(error: BaseException) -> str:
    """The reason in one line; Pillow's names the object in memory, which differs between runs."""
    if isinstance(error, Image.UnidentifiedImageError):
        return f"not a {' or '.join(FORMATS)} file"
    return " ".join(str(error).split()) or type(error).__name__


def _turn(image: Image.Image) -> tuple[Image.Image, tuple[Peculiarity, ...]]:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except DAMAGE:
        orientation = 1  # Pillow passes over damaged EXIF data of most files by itself.
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
        # 16 bits: Pillow would clip them.
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    return image.convert("RGB"), (note,)


def resize_and_crop(image: Image.Image, resize: int, size: int) -> np.ndarray:
    """Resize the shorter side to `resize` pixels, bilinear with antialiasing, and cut the centre.

    The same pixels as torchvision's `ImageClassification(crop_size=size, resize_size=resize)`
    (torchvision.transforms._presets) before it scales and normalises.

    Returns
    -------
    numpy.ndarray
        uint8 `(3, size, size)`.
    """
    short, long = sorted(image.size)
    scaled = int(resize * long / short)
    width, height = (resize, scaled) if image.width <= image.height else (scaled, resize)
    left, top = round((width - size) / 2), round((height - size) / 2)
    resized = image.resize((width, height), Image.Resampling.BILINEAR)
    return to_array(resized.crop((left, top, left + size, top + size)))


def to_array(image: Image.Image) -> np.ndarray:
    """An RGB image as uint8 `(3, height, width)`."""
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))


def prepare(
    path: Path, resize: int, size: int
) -> tuple[np.ndarray | None, tuple[Peculiarity, ...]]:
    """Make a file into the image that is packed, or None where the file is damaged.

    Returns
    -------
    pixels
        uint8 `(3, size, size)`, or None.
    peculiarities
        What is odd about the file.

    Raises
    ------
    InputError
        The file is gone, or may not be read.
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
    """What to tell about a damaged file where none may be."""
    return (
        f"{path}: {reason} ({kind}). Replace the file, or leave damaged files out: "
        "`datasets.<name>.on_error: skip`."
    )
