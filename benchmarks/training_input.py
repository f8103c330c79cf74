"""Measure how many images one core gives a training: from copies, against original files."""

import shutil
import statistics
import time
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.common import PAIRS, Material, Measured, Target, ratios
from prunescope.data import image_tables
from prunescope.data.copies import copy_table, writing
from prunescope.data.sources import image_folder
from prunescope.data.watching import stamps
from prunescope.train.images.augmentation import RANDOM_RESIZED_CROP
from prunescope.train.images.batches import TrainImages
from prunescope.train.images.copied_images import CopiedImages
from prunescope.train.images.image_files import ImageFiles

IMAGES = 256
# The size of a typical image of ImageNet; the quality gives files of about 100 KB, as its are.
WIDTH, HEIGHT, QUALITY = 500, 375, 90
SIZE, RESIZE = 224, 256
COPIES = {"shorter_side": 256, "quality": 90}


def photograph(rng: np.random.Generator) -> Image.Image:
    """Noise with the spectrum of photographs: the amplitude falls as the frequency rises.

    Source: Field, J. Opt. Soc. Am. A 4, 2379 (1987).
    """
    frequency = np.hypot(np.fft.fftfreq(HEIGHT)[:, None], np.fft.rfftfreq(WIDTH)[None])
    frequency[0, 0] = np.inf
    grey, *colours = (
        np.fft.irfft2(np.fft.rfft2(rng.normal(size=(HEIGHT, WIDTH))) / frequency, (HEIGHT, WIDTH))
        for _ in range(4)
    )
    mixed = np.stack([grey + 0.1 * colour for colour in colours], axis=-1)
    return Image.fromarray((128 + 50 * mixed / mixed.std()).clip(0, 255).astype(np.uint8))


def open_sources(folder: Path, images: int) -> tuple[ImageFiles, CopiedImages]:
    """Files of 500 x 375 pixels, and their copies."""
    shutil.rmtree(folder, ignore_errors=True)
    rng = np.random.default_rng(0)
    for split, number in (("train", images), ("val", 1)):
        (folder / split / "noise").mkdir(parents=True)
        for place in range(number):
            path = folder / split / "noise" / f"{place}.jpg"
            photograph(rng).save(path, quality=QUALITY)
    train, _ = image_folder.index(folder, {})
    index, copies, table = (
        folder / name for name in ("index.parquet", "copies.bin", "copies.parquet")
    )
    image_tables.INDEX.write(stamps.stamped(train, folder), index)
    rows = image_tables.INDEX.read(index)
    written = writing.write(
        rows["file"].to_list(),
        stamps.of_index(rows),
        writing.CopySettings(str(folder), "fail", **COPIES),
        copies,
        folder / "copies.unfinished",
        code="",
        threads=1,
    )
    copy_table.COPIES.write(written, table)
    return (
        ImageFiles.open(index, folder, image_size=SIZE, resize=RESIZE, on_error="fail"),
        CopiedImages.open(index, copies, table, image_size=SIZE, resize=RESIZE),
    )


def read(source: TrainImages) -> np.ndarray:
    """All images, cropped at random."""
    rng = np.random.default_rng(0)
    return source.read(np.arange(len(source)), (RANDOM_RESIZED_CROP,), rng).images


def core_seconds(source: TrainImages) -> float:
    """The time on a core, not on the clock: other processes do not count."""
    start = time.process_time()
    read(source)
    return time.process_time() - start


def run(material: Material, pairs: int = PAIRS) -> dict[str, Measured]:
    folder = material.scratch / "training_input"
    originals, copies = open_sources(folder, min(IMAGES, material.images))
    slow, fast = [], []
    for _ in range(pairs):
        slow.append(core_seconds(originals))
        fast.append(core_seconds(copies))
    number = len(copies)
    return {
        "copies_vs_original_files": Measured(
            "ratio",
            f"random crops of {SIZE} pixels for training: seconds of one core for {number} JPEG "
            f"files of {WIDTH} x {HEIGHT}, over those for their copies of shorter side "
            f"{COPIES['shorter_side']}, quality {COPIES['quality']}",
            ratios(slow, fast),
            Target(2.5, at_most=False),
            {
                "images_per_core_second_of_originals": number / statistics.median(slow),
                "images_per_core_second_of_copies": number / statistics.median(fast),
                "kib_of_an_original": float(originals.stamps[:, 0].mean()) / 1024,
                "kib_of_a_copy": float(copies.places[:, 1].mean()) / 1024,
            },
        )
    }
