"""The schema of every Parquet file, declared once: checked on write and on read, and documented."""

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
    """A column: its type, what it holds, its unit, and whether it may be missing."""

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
        Where it lies, with the wildcards of the workflow.
    description
        What one row is.
    columns
        The columns in order.
    """

    path: str
    description: str
    columns: Mapping[str, Column]

    def write(self, frame: pl.DataFrame, path: str | Path) -> None:
        """Check `frame` against the schema and write it, whole or not at all.

        Raises
        ------
        ValueError
            Columns, types or missing values are not as declared: a fault in our code.
        """
        self._check(frame, str(path))
        # By way of memory: polars reports a full disk as an error of its own, Python as OSError.
        content = io.BytesIO()
        frame.write_parquet(
            content, compression="zstd", metadata={provenance.KEY: provenance.dumps()}
        )
        with whole_files.atomic(path) as temporary:
            temporary.write_bytes(content.getbuffer())

    def read(self, path: str | Path) -> pl.DataFrame:
        """Read and check a file.

        Raises
        ------
        InputError
            The file is damaged, or not of this schema.
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
    """A column of lists of equal length as a `(rows, length)` array, not copied."""
    return lists.explode().to_numpy().reshape(len(lists), -1)
