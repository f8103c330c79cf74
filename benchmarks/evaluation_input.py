"""Measure evaluation from packed images against decoding JPEG files every time."""

import os
from pathlib import Path

import numpy as np
import polars as pl
import torch
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from benchmarks.common import (
    PAIRS,
    Material,
    Measured,
    Target,
    interleave,
    medians,
    ratios,
    require_equal,
)
from prunescope.data import packed_images
from prunescope.evaluate import predictions
from prunescope.networks import modules
from prunescope.networks.preprocessing import to_input

# Enough images that starting the workers, which takes half a second, hardly counts.
IMAGES = 10_000
# The size of a typical image of ImageNet, and the size to which preprocessing would scale it for
# images of 32 pixels, in the same proportion as for ImageNet.
WIDTH, HEIGHT, RESIZE, QUALITY = 500, 375, 36, 95


class Files(Dataset):
    """The plain way: open, decode, resize and crop the centre whenever an image is needed."""

    def __init__(self, paths: list[Path], size: int) -> None:
        self.paths, self.size = paths, size

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, place: int) -> torch.Tensor:
        with Image.open(self.paths[place]) as opened:
            image = opened.convert("RGB")
        shorter = RESIZE / min(image.size)
        image = image.resize(tuple(round(side * shorter) for side in image.size),
                             Image.Resampling.BILINEAR)  # fmt: skip
        left, top = ((side - self.size) // 2 for side in image.size)
        cut = image.crop((left, top, left + self.size, top + self.size))
        return torch.from_numpy(np.array(cut).transpose(2, 0, 1).copy())


class Packed(Dataset):
    """The packed store, read in batches: each batch is one slice of it."""

    def __init__(self, images: np.ndarray, batch: int) -> None:
        self.images, self.batch = images, batch

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch)

    def __getitem__(self, place: int) -> torch.Tensor:
        return torch.from_numpy(self.images[place * self.batch : (place + 1) * self.batch])


def write_files(material: Material, number: int) -> list[Path]:
    """Write JPEG files that take as long to decode as photographs: mosaics of probe images.

    Enlarged probe images would be smooth: a tenth of the bytes of a photograph, and decoded faster.
    """
    folder = material.scratch / "jpeg"
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{place}.jpg" for place in range(number)]
    side = material.probe.images.shape[-1]
    rows, columns = -(-HEIGHT // side), -(-WIDTH // side)
    for place, path in enumerate(paths):
        if not path.exists():
            chosen = (place + np.arange(rows * columns)) % len(material.probe)
            tiles = material.probe.images[chosen].reshape(rows, columns, -1, side, side)
            mosaic = tiles.transpose(0, 3, 1, 4, 2).reshape(rows * side, columns * side, -1)
            Image.fromarray(mosaic[:HEIGHT, :WIDTH]).save(path, quality=QUALITY)
    return paths


def run(material: Material, pairs: int = PAIRS) -> dict[str, Measured]:
    description = material.dense.description
    module = modules.to_module(material.dense)
    files = Files(write_files(material, min(IMAGES, material.images)), description.image_size)
    labels = np.array(material.probe.labels[: len(files)])
    packed = packed_images.PackedImages(np.stack([image.numpy() for image in files]), labels)
    workers = os.cpu_count() or 1

    def ours() -> pl.DataFrame:
        return predictions.predict(module, packed, description)

    def loaded(source: Dataset, batch: int | None) -> np.ndarray:
        loss = []
        for images in DataLoader(source, batch_size=batch, num_workers=workers):
            with torch.inference_mode():
                log_p = torch.log_softmax(module(to_input(images, description)), dim=1)
            loss.append(-log_p)
        return torch.cat(loss).gather(1, torch.from_numpy(labels)[:, None])[:, 0].numpy()

    def from_store() -> np.ndarray:
        return loaded(Packed(packed.images, predictions.BATCH), None)

    def from_files() -> np.ndarray:
        return loaded(files, predictions.BATCH)

    threads = torch.get_num_threads()
    torch.set_num_threads(workers)
    try:
        difference = max(
            require_equal("losses", ours()["loss"].to_numpy(), peer(), 1e-6)
            for peer in (from_store, from_files)
        )
        fast, both, slow = interleave(ours, from_store, from_files, pairs=pairs)
    finally:
        torch.set_num_threads(threads)
    return {
        "packed_vs_jpeg_evaluation": Measured(
            "ratio",
            f"evaluating {len(files)} images at {description.image_size} pixels: time with JPEG "
            f"files of {WIDTH} x {HEIGHT} that {workers} workers decode, over that from the packed "
            f"store with as many workers (prunescope uses none for it, which is faster)",
            ratios(slow, both),
            Target(3, at_most=False),
            {
                **medians(packed=fast, packed_with_workers=both, jpeg=slow),
                "ratio_to_packed_without_workers": float(np.median(ratios(slow, fast))),
                "kib_of_a_file": float(np.mean([path.stat().st_size for path in files.paths]))
                / 1024,
                "largest_difference": difference,
            },
        )
    }
