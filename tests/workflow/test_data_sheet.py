"""The data sheet is true of a finished study: keys, joins, and the answers of its examples."""

import re
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from files import load_module
from polars.testing import assert_frame_equal
from workspaces import PROJECT, Workspace

from prunescope.study.results.all_tables import ALL_TABLES

pytestmark = pytest.mark.slow

sheets = load_module(PROJECT / "docs" / "make_tables.py")
# The study makes none of these.
ABSENT = {
    "report", "copies", "mask_updates", "exemplars_elsewhere", "given_units", "given_networks",
    "channel_groups", "published", "published_analysis",
}  # fmt: skip
PRESENT = [name for name in sheets.SHEETS if name not in ABSENT]
# What may be empty in a study of one seed and two rates: nothing is shown, or nothing unmatched.
MAY_BE_EMPTY = {"statistics", "equal_accuracy", "unmatched"}
NETWORK = "results/tiny/networks/structured/iterative/rate0.60/seed0/"


def files_of(finished: Workspace, name: str) -> list[Path]:
    """All files of a table."""
    pattern = re.sub(r"\{\w+\}", "*", ALL_TABLES[name].path.replace("{study}", "tiny"))
    return sorted(finished.folder.glob(pattern))


def as_in_tiny(code: str) -> str:
    """An example with the paths of the tiny study."""
    code = code.replace("results/datasets/fashion_mnist/", "results/datasets/fashion_mnist_tiny/")
    code = code.replace("results/fashion_mnist/", "results/tiny/")
    return code.replace("results/tiny/networks/structured/one_shot/rate0.80/seed0/", NETWORK)


@pytest.fixture
def inside(finished: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.chdir(finished.folder)
    return finished


def test_the_study_has_the_other_tables(finished: Workspace) -> None:
    assert {name for name in ALL_TABLES if not files_of(finished, name)} == ABSENT


@pytest.mark.parametrize("name", PRESENT)
def test_keys_tell_rows_apart(finished: Workspace, name: str) -> None:
    key = sheets.SHEETS[name].key
    for path in files_of(finished, name):
        frame = pl.read_parquet(path)
        assert frame.height == (frame.select(key).n_unique() if key else 1), path


@pytest.mark.parametrize("name", [name for name in PRESENT if sheets.SHEETS[name].joins])
def test_every_row_finds_its_row_in_the_other_table(finished: Workspace, name: str) -> None:
    for path in files_of(finished, name):
        for other, by in sheets.SHEETS[name].joins.items():
            found = path.with_name(Path(ALL_TABLES[other].path).name)
            if other == "index":
                found = finished.path(
                    "results/datasets/fashion_mnist_tiny/validation/index.parquet"
                )
            frame = pl.read_parquet(path)
            assert frame.join(pl.read_parquet(found), on=by).height == frame.height, (path, other)


@pytest.mark.parametrize("name", PRESENT)
def test_examples_have_answers(inside: Workspace, name: str) -> None:
    *before, asked = as_in_tiny(sheets.code_of(name)).split(f"\n{name}.")
    namespace: dict[str, Any] = {"pl": pl}
    exec("\n".join(before), namespace)
    answer = eval(f"{name}.{asked}", namespace)
    assert answer.height > 0 or name in MAY_BE_EMPTY


@pytest.mark.parametrize("code", [sheets.JOINED, sheets.OF_NETWORKS], ids=["join", "paths"])
def test_tables_of_networks_come_together(inside: Workspace, code: str) -> None:
    namespace: dict[str, Any] = {}
    exec(as_in_tiny(code), namespace)
    networks = pl.read_parquet("results/tiny/tables/networks.parquet")
    found = namespace["answer"].join(networks, on=["method", "retraining", "rate", "seed"])
    assert found.height == namespace["answer"].height > 1


def answer_of(code: str) -> Any:
    namespace: dict[str, Any] = {}
    exec(as_in_tiny(code), namespace)
    return namespace["answer"]


def optional(package: str) -> Any:
    """A package that the environment need not have; without it, the test is skipped."""
    if find_spec(package) is None:
        pytest.skip(f"{package} is not installed")
    return import_module(package)


def test_pandas_says_what_polars_says(inside: Workspace) -> None:
    # pandas reads Parquet with it.
    optional("pyarrow")
    assert_frame_equal(pl.from_pandas(answer_of(sheets.PANDAS)), answer_of(sheets.POLARS))


def test_duckdb_says_what_polars_says(inside: Workspace) -> None:
    rows = optional("duckdb").sql(as_in_tiny(sheets.DUCKDB)).fetchall()
    answer = answer_of(sheets.POLARS)
    assert_frame_equal(pl.DataFrame(rows, answer.schema, orient="row"), answer)
