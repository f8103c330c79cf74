"""The table of the copies of train images."""

import polars as pl

from prunescope.foundation.tables import Column, Table

COPIES = Table(
    "results/datasets/{dataset}/train/copies.parquet",
    "The small copy of a train image in `copies.bin`, in the order of `index.parquet`. Made with "
    "`datasets.<name>.train_store` only.",
    {
        "image": Column(pl.Int32, "index in the split"),
        "file": Column(pl.String, "file below the dataset's `folder` that it is the copy of"),
        "start": Column(pl.Int64, "where the JPEG file begins in `copies.bin`", "B"),
        "bytes": Column(pl.Int32, "size of the JPEG file; 0 if the original is damaged", "B"),
        "crc32": Column(pl.Int64, "CRC-32 of the JPEG file"),
        "width": Column(pl.Int32, "width of the upright original; 0 if it is damaged", "pixels"),
        "height": Column(pl.Int32, "height of the upright original; 0 if it is damaged", "pixels"),
        "damage": Column(
            pl.String, "why the original has no copy; none if it has one", nullable=True
        ),
    },
)
