"""Thumbnails stand on few or small sheets, each in its place."""

import io

import numpy as np
import pytest
from PIL import Image

from prunescope.summarize.explorer.sheets import Sheets, draw_sheets


@pytest.mark.parametrize(
    ("images", "side", "expected", "sheets"),
    [
        (1000, 32, Sheets(1000, 32, 32, "png"), 1),
        (4096, 32, Sheets(4096, 32, 32, "png"), 4),
        (4097, 32, Sheets(4097, 32, 4, "png"), 257),
        (300, 224, Sheets(300, 96, 10, "jpg"), 3),
        (10_000, 224, Sheets(10_000, 96, 4, "jpg"), 625),
    ],
)
def test_sheets_are_few_or_small(images: int, side: int, expected: Sheets, sheets: int) -> None:
    assert Sheets.plan(images, side) == expected
    assert len(expected.names) == len(set(expected.names)) == sheets


@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_every_thumbnail_is_where_the_plan_says(mode: str) -> None:
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (11, 3, 8, 8), dtype=np.uint8)
    if mode == "L":
        images[:] = images[:, :1]
    plan = Sheets(11, 8, 3, "png")
    drawn = [Image.open(io.BytesIO(content)) for content in draw_sheets(images, plan)]
    assert [sheet.size for sheet in drawn] == [(24, 24), (24, 8)]
    assert {sheet.mode for sheet in drawn} == {mode}
    for image, pixels in enumerate(images):
        sheet, cell = divmod(image, 9)
        row, column = divmod(cell, 3)
        box = (8 * column, 8 * row, 8 * column + 8, 8 * row + 8)
        shown = np.asarray(drawn[sheet].convert("RGB").crop(box))
        assert np.array_equal(shown, pixels.transpose(1, 2, 0))


def test_large_images_become_small_ones() -> None:
    images = np.zeros((2, 3, 224, 224), dtype=np.uint8)
    images[1, 0] = 200
    plan = Sheets.plan(2, 224)
    (content,) = draw_sheets(images, plan)
    sheet = Image.open(io.BytesIO(content))
    assert sheet.format == "JPEG"
    assert sheet.size == (960, 96)
    red, green, blue = sheet.getpixel((96 + 48, 48))
    assert abs(red - 200) < 6
    assert max(green, blue) < 6
