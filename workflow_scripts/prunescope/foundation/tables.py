"""Declare the schema of a Parquet file, and check it on each write and read.

`docs/artifacts.md` is generated from the declarations.
"""

import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from prunescope.foundation import provenance, whole_files


@dataclass(frozen=True)
class Column:
    """A column: its type, its content, its unit, and whether values may be missing."""

    dtype: pl.DataType | type[pl.DataType]
    description: str
    unit: str = ""
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """A Parquet file of the study.

    Attributes
    ----------
    path
        Path of the file, with the wildcards of the workflow.
    description
        What one row stands for.
    columns
        The columns in order.
    """

    path: str
    description: str
    columns: Mapping[str, Column]

    def write(self, frame: pl.DataFrame, path: str | Path) -> None:
        """Check `frame` against the schema and write it atomically.

        Raises
        ------
        ValueError
            Columns, types or missing values are not as declared: a bug in the calling code.
        """
        self._check(frame, str(path))
        # Python writes the file, not polars: polars raises no OSError if the disk is full.
        content = io.BytesIO()
        frame.write_parquet(
            content, compression="zstd", metadata={provenance.KEY: provenance.dumps()}
        )
        with whole_files.atomic(path) as temporary:
            temporary.write_bytes(content.getbuffer())

    def read(self, path: str | Path) -> pl.DataFrame:
        """Read a file and check it against the schema.

        Raises
        ------
        InputError
            The file is damaged, or has another schema.
        """
        with whole_files.reading(path, "file of this schema"):
            frame = pl.read_parquet(path, use_pyarrow=False)
            self._check(frame, str(path))
        return frame

    def empty(self) -> pl.DataFrame:
        """A table without rows."""
        return pl.DataFrame(schema={name: column.dtype for name, column in self.columns.items()})

    def _check(self, frame: pl.DataFrame, name: str) -> None:
        declared = {key: column.dtype for key, column in self.columns.items()}
        if dict(frame.schema) != declared:
            raise ValueError(f"{name}: columns {dict(frame.schema)} instead of {declared}")
        required = [key for key, column in self.columns.items() if not column.nullable]
        missing = [key for key in required if frame[key].null_count()]
        if missing:
            raise ValueError(f"{name}: missing values in {', '.join(missing)}")

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Select the declared columns of `frame` in order and cast them."""
        return frame.select(pl.col(key).cast(column.dtype) for key, column in self.columns.items())


def read_provenance(path: str | Path) -> str:
    """The provenance of a Parquet file, as JSON.

    Raises
    ------
    InputError
        The file is damaged.
    """
    with whole_files.reading(path, "Parquet file"):
        stored = pl.read_parquet_metadata(path).get(provenance.KEY, "{}")
        json.loads(stored)
    return stored


def matrix(lists: pl.Series) -> np.ndarray:
    """A column of lists of equal length as a `(rows, length)` array, without a copy."""
    return lists.explode().to_numpy().reshape(len(lists), -1)
