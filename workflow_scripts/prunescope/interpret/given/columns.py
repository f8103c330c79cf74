"""Read a CSV or Parquet file cell by cell, so that every error names its row and its value."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import polars as pl

from prunescope.data.file_names import diagnosis, shown
from prunescope.foundation.errors import InputError
from prunescope.foundation.tables import Table

# The column of row numbers in frames that are read here: lines of a CSV file (of a row that takes
# several lines the first one), or rows of a Parquet file, both counted from 1.
ROW = "row"
ADVICE = "docs/unit_scores.md describes the columns"
_BOOLEANS = {"true": True, "false": False, "1": True, "0": False}
_MISSING = object()
# The rows of a CSV file that are read at once.
_AT_ONCE = 50_000


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
    return path.suffix.lower() == ".parquet"


def read(path: str | Path, table: Table, cells: Mapping[str, Cell]) -> GivenFile:
    """Read a file and check each of its cells.

    Parameters
    ----------
    path
        A Parquet file if its name ends in `.parquet`, else a CSV file with a header. Blank
        lines of a CSV file are skipped.
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
    if raw.frame.is_empty():
        raise InputError(f"{shown(path)}: has no rows, only a header. {ADVICE}")
    columns = [_column(path, raw, name, table, cell) for name, cell in cells.items()]
    return GivenFile(path, pl.DataFrame([raw.rows, *columns]))


@dataclass(frozen=True)
class _Raw:
    """A file as it is.

    Attributes
    ----------
    header
        The line of the header; None in a Parquet file.
    frame
        Its cells; of a CSV file all are texts, and empty ones null.
    rows
        The number of each row: `ROW`.
    """

    header: int | None
    frame: pl.DataFrame
    rows: pl.Series


def _load(path: Path) -> _Raw:
    try:
        # The library reads folders and patterns too, and its error for a missing file is another.
        path.open("rb").close()
        if not _is_parquet(path):
            return _load_csv(path)
        frame = pl.read_parquet(path, use_pyarrow=False)
        rows = pl.Series(ROW, range(1, frame.height + 1), dtype=pl.Int64)
        return _Raw(None, frame, rows)
    except OSError as error:
        reason, advice = diagnosis(path, error)
        raise InputError(f"{shown(path)}: {reason}. {advice}") from error
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise InputError(f"{shown(path)}: no Parquet file ({reason}). Write it anew") from error


def _load_csv(path: Path) -> _Raw:
    """A CSV file by Python's reader, which tells the line of every row."""
    with path.open(encoding="utf-8-sig", newline="") as lines:
        reader = _numbered_rows(path, lines)
        header, names = next(reader, (1, []))
        if not names:
            raise InputError(f"{shown(path)}: no CSV table in UTF-8 (it is empty). {ADVICE}")
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise InputError(
                f"{_place(path, header)}: has the column `{twice}` twice. Remove one of the two"
            )
        schema = dict.fromkeys(names, pl.String)
        numbers: list[int] = []
        parts = [pl.DataFrame(schema=schema)]
        while batch := list(islice(reader, _AT_ONCE)):
            for line, cells in batch:
                if len(cells) != len(names):
                    raise InputError(
                        f"{_place(path, line)}: has {len(cells)} cells, but the header has "
                        f"{len(names)}. Cells are separated by commas; {ADVICE}"
                    )
            numbers += [line for line, _ in batch]
            columns = zip(*(cells for _, cells in batch), strict=True)
            texts = dict(zip(names, map(list, columns), strict=True))
            parts.append(pl.DataFrame(texts, schema=schema))
    frame = pl.concat(parts).with_columns(pl.all().replace("", None))
    return _Raw(header, frame, pl.Series(ROW, numbers, dtype=pl.Int64))


def _numbered_rows(path: Path, lines: Iterable[str]) -> Iterator[tuple[int, list[str]]]:
    """The rows of a CSV file with the lines at which they begin, without blank lines."""
    reader = csv.reader(lines, strict=True)
    line = 0
    try:
        for cells in reader:
            if len(cells) > 1 or any(cell.strip() for cell in cells):
                yield line + 1, cells
            line = reader.line_num
    except csv.Error as error:
        raise InputError(
            f"{_place(path, line + 1)}: no row of a CSV table ({error}). {ADVICE}"
        ) from error
    except ValueError as error:
        raise InputError(f"{shown(path)}: no CSV table in UTF-8 ({error}). {ADVICE}") from error


def _check_columns(path: Path, raw: _Raw, cells: Mapping[str, Cell]) -> None:
    names = raw.frame.columns
    missing = [name for name, cell in cells.items() if cell.is_required and name not in names]
    unknown = [name for name in names if name not in cells]
    place = shown(path) if raw.header is None else _place(path, raw.header)
    if missing:
        raise InputError(
            f"{place}: lacks the {_columns(missing)}; it has {', '.join(names)}. {ADVICE}"
        )
    if unknown:
        raise InputError(
            f"{place}: has the {_columns(unknown)}, which no table of this kind has. Allowed: "
            f"{', '.join(cells)}. Remove it, or spell it so"
        )


def _columns(names: list[str]) -> str:
    return f"column{'s' * (len(names) > 1)} {', '.join(f'`{name}`' for name in names)}"


def _column(path: Path, raw: _Raw, name: str, table: Table, cell: Cell) -> pl.Series:
    """A column with its type, or an error that names its first bad cell."""
    declared = table.columns[name]
    if name not in raw.frame.columns:
        return pl.Series(name, [cell.default] * raw.frame.height, dtype=declared.dtype)
    given = raw.frame[name]
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
            f"{_place(path, raw.rows[row])}: `{name}` is {found}, but must be {cell.allowed}"
            f"{' or empty' if declared.nullable else ''}. Mend this cell"
        )
    return values


def _typed(given: pl.Series, dtype: Any) -> pl.Series:
    """A column with another type; null where a value has none of that type.

    Raises
    ------
    polars.exceptions.PolarsError
        No value of the column's type can be meant.
    """
    if given.dtype == dtype:
        return given
    if isinstance(given.dtype, pl.Categorical | pl.Enum):
        given = given.cast(pl.String)
    if given.dtype == pl.String:
        given = given.str.strip_chars()
        if dtype == pl.Boolean:
            texts = given.str.to_lowercase()
            return texts.replace_strict(_BOOLEANS, default=None, return_dtype=pl.Boolean)
    if dtype == pl.String:
        return given.cast(pl.String)
    # A cast would make a number of a date or of a truth value.
    if not (given.dtype.is_numeric() or given.dtype in (pl.String, pl.Null)):
        raise pl.exceptions.InvalidOperationError(f"{given.dtype} is no {dtype}")
    if dtype == pl.Boolean:
        # A cast would take every number but 0 for true.
        numbers = given.cast(pl.Float64).to_frame()
        truth = pl.when((pl.first() == 0) | (pl.first() == 1)).then(pl.first() == 1)
        return numbers.select(truth.alias(given.name)).to_series()
    if not dtype.is_integer():
        return given.cast(dtype, strict=False)
    # By way of numbers with a fraction, which a cast would cut off.
    numbers = given.cast(pl.Float64, strict=False).to_frame()
    whole = numbers.select(
        pl.when(pl.first().is_finite() & (pl.first() == pl.first().floor())).then(pl.first())
    )
    return whole.to_series().cast(dtype, strict=False).alias(given.name)
