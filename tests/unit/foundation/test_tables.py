"""Parquet files are of their schema, whole, and say where they come from."""

import json
import os
from contextvars import copy_context
from pathlib import Path

import polars as pl
import pytest

from prunescope.foundation import provenance, tables
from prunescope.foundation.errors import InputError
from prunescope.foundation.tables import Column, Table
from prunescope.study.results import all_tables

TABLE = Table(
    "results/scores.parquet",
    "A unit.",
    {
        "unit": Column(pl.Int32, "output channel"),
        "score": Column(pl.Float64, "score", "0..1", nullable=True),
        "images": Column(pl.List(pl.Int32), "images"),
    },
)
FRAME = pl.DataFrame(
    {"unit": [0, 1], "score": [0.5, None], "images": [[3, 4], []]},
    schema={"unit": pl.Int32, "score": pl.Float64, "images": pl.List(pl.Int32)},
)


def test_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "new" / "scores.parquet"
    TABLE.write(FRAME, path)
    read = TABLE.read(path)
    assert read.schema == FRAME.schema
    assert read.equals(FRAME)


@pytest.mark.parametrize("name", all_tables.ALL_TABLES)
def test_every_declared_type_can_be_stored(tmp_path: Path, name: str) -> None:
    table = all_tables.ALL_TABLES[name]
    empty = pl.DataFrame(schema={key: column.dtype for key, column in table.columns.items()})
    table.write(empty, tmp_path / "empty.parquet")
    assert table.read(tmp_path / "empty.parquet").schema == empty.schema


WRONG = {
    "missing column": FRAME.drop("score"),
    "extra column": FRAME.with_columns(extra=1),
    "wrong name": FRAME.rename({"unit": "channel"}),
    "wrong width": FRAME.with_columns(pl.col("unit").cast(pl.Int64)),
    "wrong type": FRAME.with_columns(pl.col("unit").cast(pl.String)),
    "wrong inner type": FRAME.with_columns(pl.col("images").cast(pl.List(pl.Int64))),
}


@pytest.mark.parametrize("frame", WRONG.values(), ids=WRONG)
def test_another_schema_is_refused(tmp_path: Path, frame: pl.DataFrame) -> None:
    path = tmp_path / "scores.parquet"
    with pytest.raises(ValueError, match=r"scores\.parquet: columns"):
        TABLE.write(frame, path)
    assert not list(tmp_path.iterdir())
    frame.write_parquet(path)
    with pytest.raises(InputError, match=r"scores\.parquet: not a whole file of this schema"):
        TABLE.read(path)


def test_a_missing_value_in_a_required_column_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    holed = FRAME.with_columns(unit=pl.Series([0, None], dtype=pl.Int32))
    with pytest.raises(ValueError, match="missing values in unit"):
        TABLE.write(holed, path)
    assert not list(tmp_path.iterdir())
    holed.write_parquet(path)
    with pytest.raises(InputError, match="missing values in unit"):
        TABLE.read(path)


@pytest.mark.parametrize("kept", [0, 3, 4, 0.3, 0.9, -1])
def test_truncated_files_are_refused(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "scores.parquet"
    TABLE.write(FRAME, path)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole)) if isinstance(kept, float) else kept])
    with pytest.raises(InputError, match=r"scores\.parquet: not a whole file"):
        TABLE.read(path)


def test_damaged_pages_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    TABLE.write(FRAME, path)
    content = bytearray(path.read_bytes())
    content[4:40] = bytes(36)  # after the magic bytes: the first page and its header
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"scores\.parquet: not a whole file"):
        TABLE.read(path)


def test_files_are_as_readable_as_any_other(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        TABLE.write(FRAME, tmp_path / "scores.parquet")
    finally:
        os.umask(before)
    assert (tmp_path / "scores.parquet").stat().st_mode & 0o777 == 0o640


def test_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"
    path.write_text("unit,score,images\n")
    with pytest.raises(InputError, match=r"scores\.parquet: not a whole file"):
        TABLE.read(path)


def test_an_absent_file_is_not_called_damaged(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        TABLE.read(tmp_path / "absent.parquet")


def test_provenance_is_stored(tmp_path: Path) -> None:
    path = tmp_path / "scores.parquet"

    def job() -> None:
        provenance.set_current({"rule": "score_mis", "params": {"tau": 0.16}})
        TABLE.write(FRAME, path)

    copy_context().run(job)
    assert json.loads(tables.read_provenance(path)) == {
        "rule": "score_mis",
        "params": {"tau": 0.16},
    }
    FRAME.write_parquet(path)
    assert tables.read_provenance(path) == "{}"


def test_the_same_frame_gives_the_same_bytes(tmp_path: Path) -> None:
    large = pl.select(unit=pl.int_range(50_000)).with_columns(
        score=pl.col("unit") / 7, images=pl.concat_list("unit", "unit")
    )
    TABLE.write(TABLE.conform(large), tmp_path / "one.parquet")
    in_chunks = pl.concat([large[:1000], large[1000:]], rechunk=False).rechunk()
    TABLE.write(TABLE.conform(in_chunks), tmp_path / "two.parquet")
    assert (tmp_path / "one.parquet").read_bytes() == (tmp_path / "two.parquet").read_bytes()


def test_conform_selects_orders_and_casts() -> None:
    frame = pl.DataFrame({"images": [[1], [2]], "other": "x", "score": [1, 0], "unit": [7, 8]})
    conformed = TABLE.conform(frame)
    assert conformed.schema == FRAME.schema
    assert conformed.columns == list(TABLE.columns)
    assert conformed.rows() == [(7, 1.0, [1]), (8, 0.0, [2])]


def test_conform_refuses_what_does_not_fit() -> None:
    frame = pl.DataFrame({"unit": [2**40], "score": [1.0], "images": [[1]]})
    with pytest.raises(pl.exceptions.PolarsError):
        TABLE.conform(frame)


@pytest.mark.parametrize("name", all_tables.ALL_TABLES)
def test_every_table_and_column_is_described(name: str) -> None:
    table = all_tables.ALL_TABLES[name]
    assert table.path.startswith("results/")
    assert table.path.endswith(".parquet")
    assert table.description.endswith(".")
    assert all(column.description for column in table.columns.values())
