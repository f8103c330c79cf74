"""Folders of small image files, made for tests: ImageNet's shape, and files with every oddity.

The images of a class share a colour and the direction of their stripes, so that a network learns
something from them. The same arguments make the same files.
"""

import colorsys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl
from PIL import Image
from scipy.io import savemat

SIZES = ((80, 64), (64, 96), (120, 90), (72, 72))
SMALL = ((8, 8),)
ORIENTATION = 0x0112


def synset_names(number: int) -> list[str]:
    """Names of synsets in their sorted order."""
    return [f"n{1_440_764 + 1_000 * place:08d}" for place in range(number)]


def picture(
    label: int, classes: int, size: tuple[int, int], rng: np.random.Generator
) -> np.ndarray:
    """An image of a class, uint8 `(height, width, 3)`; `size` is width and height in pixels."""
    width, height = size
    colour = np.array(colorsys.hsv_to_rgb(label / classes, 0.7, 0.8))
    angle = np.pi * label / classes + rng.normal(scale=0.1)
    y, x = np.mgrid[:height, :width]
    along = x * np.cos(angle) + y * np.sin(angle)
    stripes = 0.75 + 0.25 * np.sin(along / 4 + rng.uniform(0, 2 * np.pi))
    noise = rng.normal(scale=0.05, size=(height, width, 3))
    return (255 * np.clip(colour * stripes[..., None] + noise, 0, 1)).astype(np.uint8)


def make_image_folder(
    folder: Path,
    classes: Sequence[str] = ("ant", "bee", "cat"),
    train_per_class: int = 8,
    val_per_class: int = 4,
    sizes: Sequence[tuple[int, int]] = SIZES,
    seed: int = 0,
    ending: str = ".jpg",
) -> Path:
    """Write `train/<class>/` and `val/<class>/`; `sizes` (width, height) take turns."""
    rng = np.random.default_rng(seed)
    for split, number in (("train", train_per_class), ("val", val_per_class)):
        for label, name in enumerate(classes):
            (folder / split / name).mkdir(parents=True)
            for place in range(number):
                pixels = picture(label, len(classes), sizes[place % len(sizes)], rng)
                path = folder / split / name / f"{name}_{place:05d}{ending}"
                Image.fromarray(pixels).save(path, quality=90)
    return folder


def make_imagenet(
    folder: Path,
    synsets: int = 10,
    train_per_class: int = 12,
    val_per_class: int = 4,
    sizes: Sequence[tuple[int, int]] = SIZES,
    seed: int = 0,
    flat_validation: bool = False,
) -> Path:
    """Write a folder of the shape of ILSVRC2012.

    With `flat_validation`, `val/` holds ILSVRC2012_val_00000001.JPEG and so on in mixed order,
    and the labels stand, three times, in `validation_labels.csv`, `LOC_val_solution.csv`
    (Kaggle's format) and `devkit/data/` (whose ids do not follow the order of the synsets).
    """
    names = synset_names(synsets)
    make_image_folder(folder, names, train_per_class, val_per_class, sizes, seed, ".JPEG")
    if flat_validation:
        _flatten(folder, names, np.random.default_rng(seed))
    return folder


def _flatten(folder: Path, names: Sequence[str], rng: np.random.Generator) -> None:
    files = sorted((folder / "val").glob("*/*"))
    labels = []
    for number, place in enumerate(rng.permutation(len(files)), start=1):
        labels.append(files[place].parent.name)
        files[place].rename(folder / "val" / f"ILSVRC2012_val_{number:08d}.JPEG")
    for name in names:
        (folder / "val" / name).rmdir()
    stems = [f"ILSVRC2012_val_{number:08d}" for number in range(1, len(labels) + 1)]
    rows = zip(stems, labels, strict=True)
    write_lines(folder / "validation_labels.csv", "file,synset",
                *(f"{stem}.JPEG,{label}" for stem, label in rows))  # fmt: skip
    rows = zip(stems, labels, strict=True)
    write_lines(folder / "LOC_val_solution.csv", "ImageId,PredictionString",
                *(f"{stem},{label} 1 2 30 40 " for stem, label in rows))  # fmt: skip
    ids = dict(zip(names, (1 + rng.permutation(len(names))).tolist(), strict=True))
    write_devkit(folder / "devkit", ids, [ids[label] for label in labels])


def write_lines(path: Path, *lines: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


def write_devkit(folder: Path, ids: dict[str, int], truth: Sequence[int]) -> None:
    """Write the two files of the development kit that are read; `ids` by synset."""
    fields = [("ILSVRC2012_ID", "O"), ("WNID", "O"), ("words", "O"), ("gloss", "O"),
              ("num_children", "O")]  # fmt: skip
    # The real file lists the leaves by id, then the synsets above them.
    rows = sorted((number, name, "a thing", "what it is", 0) for name, number in ids.items())
    rows.append((len(rows) + 1, "n00001740", "entity", "what is", len(rows)))
    write_lines(folder / "data" / "ILSVRC2012_validation_ground_truth.txt", *truth)
    synsets = np.array(rows, dtype=fields).reshape(-1, 1)
    savemat(folder / "data" / "meta.mat", {"synsets": synsets})


def add_oddities(folder: Path, size: tuple[int, int] = (64, 80), seed: int = 0) -> dict[str, Path]:
    """Put one file of each kind of oddity into a folder; returns them by kind."""
    rng = np.random.default_rng(seed)
    plain = Image.fromarray(picture(0, 3, size, rng))
    jpegs = {
        "greyscale": plain.convert("L"),
        "cmyk": plain.convert("CMYK"),
        "tiny": plain.resize((9, 7)),
        "truncated": plain,
    }
    pngs = {"palette": plain.convert("P"), "alpha": plain.convert("RGBA")}
    paths = {kind: folder / f"odd_{kind}.jpg" for kind in (*jpegs, "exif_rotated", "corrupt")}
    paths |= {kind: folder / f"odd_{kind}.png" for kind in pngs}
    for kind, image in (jpegs | pngs).items():
        image.save(paths[kind])
    turned = Image.Exif()
    turned[ORIENTATION] = 6
    plain.save(paths["exif_rotated"], exif=turned)
    content = paths["truncated"].read_bytes()
    paths["truncated"].write_bytes(content[: len(content) // 2])
    paths["corrupt"].write_bytes(b"this is no image")
    return paths


def rows(index: pl.DataFrame) -> list[tuple[str, int]]:
    """The files of an index with their labels."""
    return list(zip(index["file"], index["label"], strict=True))
