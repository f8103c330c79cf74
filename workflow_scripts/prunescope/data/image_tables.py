"""The tables of a split: the index of its images, and the report on peculiar files."""

import polars as pl

from prunescope.foundation.tables import Column, Table

# The action of a report: the image was left out.
SKIPPED = "skipped"
INDEX = Table(
    "results/datasets/{dataset}/{split}/index.parquet",
    "An image of a split, in the order of `images.npy` (where there is one).",
    {
        "image": Column(pl.Int32, "index in the split, and in `images.npy`"),
        "label": Column(pl.Int16, "class index"),
        "class": Column(pl.String, "class name"),
        "source_split": Column(pl.String, "split of the dataset that it was taken from"),
        "source_index": Column(pl.Int32, "index in that split"),
        "file": Column(
            pl.String, "file below the dataset's `folder`; none for archives", nullable=True
        ),
        "bytes": Column(
            pl.Int64, "size of the file when it was listed; none without a file", "B", nullable=True
        ),
        "modified": Column(
            pl.Int64,
            "when the file was last modified, since 1970, as it was listed; none without a file",
            "ns",
            nullable=True,
        ),
    },
)
REPORT = Table(
    "results/datasets/{dataset}/{split}/report.parquet",
    "A peculiarity of an image file of the split `validation` or `probe`.",
    {
        "file": Column(pl.String, "file below the dataset's `folder`"),
        "label": Column(pl.Int16, "class index"),
        "class": Column(pl.String, "class name"),
        "kind": Column(
            pl.String,
            "`corrupt`, `truncated`, `too_large`, `greyscale`, `cmyk`, `palette`, `alpha`, "
            "`exif_rotated`, `tiny`",
        ),
        "action": Column(pl.String, "`skipped`, `converted`, `rotated`, `enlarged`"),
        "message": Column(pl.String, "what exactly"),
    },
)
