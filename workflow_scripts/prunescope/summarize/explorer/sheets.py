"""Draw the probe images as thumbnails, many of them in one picture (a sheet)."""

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

# The side in pixels of the largest thumbnails, and of a sheet.
THUMBNAIL = 96
SHEET = 1024
# With more sheets than this, the images of one unit are spread over nearly all sheets. Small
# sheets are made instead, so that the page loads fewer images that it does not show.
LARGE_SHEETS = 4
SMALL_SHEET_COLUMNS = 4


@dataclass(frozen=True)
class Sheets:
    """The layout of the thumbnails: image `i` is in sheet `i // columns ** 2`, row by row.

    Attributes
    ----------
    images
        Number of images.
    side
        Side of a thumbnail in pixels.
    columns
        Thumbnails in a row of a sheet. A full sheet has as many rows as columns.
    format
        `png` if thumbnails have the size of the images, `jpg` if they are smaller.
    """

    images: int
    side: int
    columns: int
    format: str

    @classmethod
    def plan(cls, images: int, side: int) -> "Sheets":
        """Lay out `images` square images of `side` pixels."""
        thumbnail = min(side, THUMBNAIL)
        columns = SHEET // thumbnail
        if images > LARGE_SHEETS * columns**2:
            columns = SMALL_SHEET_COLUMNS
        return cls(images, thumbnail, columns, "png" if side == thumbnail else "jpg")

    @property
    def names(self) -> list[str]:
        """File names of the sheets, in order."""
        number = -(-self.images // self.columns**2)
        return [f"sheet{n:04d}.{self.format}" for n in range(number)]


def draw_sheets(images: np.ndarray, plan: Sheets) -> Iterator[bytes]:
    """Draw the sheets one after the other.

    Parameters
    ----------
    images
        uint8 `(images, 3, side, side)`; may be memory-mapped.
    plan
        Their layout.

    Yields
    ------
    bytes
        The file of each sheet, in the order of `plan.names`.
    """
    # Slow to import, and no other function of this module needs it.
    from PIL import Image

    size = plan.columns**2
    for start in range(0, len(images), size):
        chosen = np.asarray(images[start : start + size]).transpose(0, 2, 3, 1)
        if chosen.shape[1] != plan.side:
            small = (plan.side, plan.side)
            chosen = np.stack(
                [
                    np.asarray(Image.fromarray(image).resize(small, Image.Resampling.LANCZOS))
                    for image in chosen
                ]
            )
        sheet = Image.fromarray(_tile(chosen, plan.columns))
        if (chosen == chosen[..., :1]).all():
            sheet = sheet.convert("L")
        content = io.BytesIO()
        options: dict[str, Any] = {"jpg": {"quality": 85, "subsampling": 0}, "png": {}}[plan.format]
        sheet.save(content, {"jpg": "jpeg", "png": "png"}[plan.format], **options)
        yield content.getvalue()


def _tile(images: np.ndarray, columns: int) -> np.ndarray:
    """Place `(images, side, side, channels)` in rows of `columns`; empty places stay black."""
    number, side, _, channels = images.shape
    rows = -(-number // columns)
    cells = np.zeros((rows * columns, side, side, channels), dtype=images.dtype)
    cells[:number] = images
    grid = cells.reshape(rows, columns, side, side, channels).transpose(0, 2, 1, 3, 4)
    return grid.reshape(rows * side, columns * side, channels)
