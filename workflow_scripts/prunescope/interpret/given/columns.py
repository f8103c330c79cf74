"""Read a CSV or Parquet file cell by cell, so that every error names its row and its value."""

import csv
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from prunescope.data.file_names import diagnosis, shown
from prunescope.foundation.errors import InputError
from prunescope.foundation.tables import Table

# The column of row numbers in frames that are read here: lines of a CSV file, whose first line is
# the header, or rows of a Parquet file, counted from 1.
ROW = "row"
ADVICE = "docs/unit_scores.md describes the columns"
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
_MISSING = object()


@dataclass(frozen=True)
class Cell:
    """What the cells of a column may hold.

    Attributes
    ----------
    allowed
        What is allowed, in words with an article.
    holds
        Makes the expression that is true for an allowed value, from that of the column.
    default
        What a table without the column holds in it. Without a default the column must be there.
    """

    allowed: str
    holds: Callable[[pl.Expr], pl.Expr]
    default: Any = _MISSING

    @property
    def is_required(self) -> bool:
        """Whether a table must have the column."""
        return self.default is _MISSING


@dataclass(frozen=True)
class GivenFile:
    """A file that was read.

    Attributes
    ----------
    path
        Where it lies.
    frame
        `ROW`, and the columns of its table with their types.
    """

    path: Path
    frame: pl.DataFrame

    def error(self, row: int, text: str) -> InputError:
        """An error that names the file and one of its rows."""
        return InputError(f"{_place(self.path, row)}: {text}")

    def numbered(self, row: int) -> str:
        """A row in words: a line of a CSV file, a row of a Parquet file."""
        return _numbered(self.path, row)


def _place(path: Path, row: int) -> str:
    return f"{shown(path)}, {_numbered(path, row)}"


def _numbered(path: Path, row: int) -> str:
    return f"{'row' if _is_parquet(path) else 'line'} {row}"


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() in (".parquet", ".pq")


def read(path: str | Path, table: Table, cells: Mapping[str, Cell]) -> GivenFile:
    """Read a file and check each of its cells.

    Parameters
    ----------
    path
        A Parquet file if its name ends in `.parquet` or `.pq`, else a CSV file with a header.
    table
        Gives the types of the columns, and which of them may be empty.
    cells
        What cells may hold, for each column of the table.

    Raises
    ------
    InputError
        The file cannot be read, has other columns, no row, or a cell that holds something else.
    """
    path = Path(path)
    raw = _load(path)
    _check_columns(path, raw, cells)
    if raw.is_empty():
        raise InputError(f"{shown(path)}: has no rows, only a header. {ADVICE}")
    first = 1 if _is_parquet(path) else 2
    columns = [_column(path, raw, first, name, table, cell) for name, cell in cells.items()]
    rows = pl.Series(ROW, range(first, first + raw.height), dtype=pl.Int64)
    return GivenFile(path, pl.DataFrame([rows, *columns]))


def _load(path: Path) -> pl.DataFrame:
    """The file as it is; of a CSV file all cells are texts."""
    try:
        # The library reads folders and patterns too, and its error for a missing file is another.
        path.open("rb").close()
        if _is_parquet(path):
            return pl.read_parquet(path, use_pyarrow=False)
        return pl.read_csv(path, infer_schema=False, glob=False)
    except OSError as error:
        reason, advice = diagnosis(path, error)
        raise InputError(f"{shown(path)}: {reason}. {advice}") from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: BaseException) -> InputError:
    reason = " ".join(str(error).split())[:200] or type(error).__name__
    if _is_parquet(path):
        return InputError(f"{shown(path)}: no Parquet file ({reason}). Write it anew")
    try:
        with path.open(encoding="utf-8", newline="") as lines:
            reader = csv.reader(lines)
            width = len(next(reader, []))
            for cells in reader:
                if len(cells) > width:
                    return InputError(
                        f"{_place(path, reader.line_num)}: has {len(cells)} cells, but the header "
                        f"has {width}. Cells are separated by commas; {ADVICE}"
                    )
    except (OSError, ValueError, csv.Error) as other:
        reason = str(other)
    return InputError(f"{shown(path)}: no CSV table in UTF-8 ({reason}). {ADVICE}")


def _check_columns(path: Path, raw: pl.DataFrame, cells: Mapping[str, Cell]) -> None:
    missing = [name for name, cell in cells.items() if cell.is_required and name not in raw.columns]
    unknown = [name for name in raw.columns if name not in cells]
    place = shown(path) if _is_parquet(path) else _place(path, 1)
    if missing:
        raise InputError(
            f"{place}: lacks the {_columns(missing)}; it has {', '.join(raw.columns)}. {ADVICE}"
        )
    if unknown:
        raise InputError(
            f"{place}: has the {_columns(unknown)}, which no table of this kind has. Allowed: "
            f"{', '.join(cells)}. Remove it, or spell it so"
        )


def _columns(names: list[str]) -> str:
    return f"column{'s' * (len(names) > 1)} {', '.join(f'`{name}`' for name in names)}"


def _column(
    path: Path, raw: pl.DataFrame, first: int, name: str, table: Table, cell: Cell
) -> pl.Series:
    """A column with its type, or an error that names its first bad cell."""
    declared = table.columns[name]
    if name not in raw.columns:
        return pl.Series(name, [cell.default] * raw.height, dtype=declared.dtype)
    given = raw[name]
    try:
        values = _typed(given, declared.dtype)
    except pl.exceptions.PolarsError as error:
        raise InputError(
            f"{shown(path)}: column `{name}` has the type {given.dtype}, but its cells must hold "
            f"{cell.allowed}. Write it anew"
        ) from error
    good = values.to_frame().select(cell.holds(pl.col(name)).fill_null(False))[name]
    if declared.nullable:
        good |= given.is_null()
    bad = (~good).arg_true()
    if len(bad):
        row = int(bad[0])
        found = "empty" if given[row] is None else repr(given[row])
        raise InputError(
            f"{_place(path, first + row)}: `{name}` is {found}, but must be {cell.allowed}"
            f"{' or empty' if declared.nullable else ''}. Mend this cell"
        )
    return values


def _typed(given: pl.Series, dtype: Any) -> pl.Series:
    """A column with another type; null where a value has none of that type."""
    if given.dtype == dtype:
        return given
    if given.dtype == pl.String:
        given = given.str.strip_chars()
        if dtype == pl.Boolean:
            texts = given.str.to_lowercase()
            return texts.replace_strict(_BOOLEANS, default=None, return_dtype=pl.Boolean)
    if dtype == pl.String:
        return given.cast(pl.String)
    if not dtype.is_integer():
        return given.cast(dtype, strict=False)
    # By way of numbers with a fraction, which a cast would cut off.
    numbers = given.cast(pl.Float64, strict=False)
    whole = numbers.to_frame().select(
        pl.when(pl.first().is_finite() & (pl.first() == pl.first().floor())).then(pl.first())
    )
    return whole.to_series().cast(dtype, strict=False).alias(given.name)
