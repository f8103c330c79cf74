"""Records that are looked up say what Snakemake itself would have recorded."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from snakemake.iocontainers import Params
from snakemake.rules import Rule

from prunescope.study.results.how_made import Making
from prunescope.study.run import records

WILDCARDS = {"seed": "0"}


def unwatched(wildcards: Any, threads: Any) -> str:
    return "of a download"


def job_of(given: dict[str, Any]) -> Any:
    """A job as far as it is read here; a function stands for a param that is not watched."""
    values = {name: "now" if callable(value) else value for name, value in given.items()}
    rule = SimpleNamespace(
        name="make", params=Params(fromdict=given), _is_deriving_function=Rule._is_deriving_function
    )
    return SimpleNamespace(
        rule=rule, params=Params(fromdict=values), wildcards=Params(fromdict=WILDCARDS)
    )


def old_params(given: dict[str, Any], stored: dict[str, Any]) -> set[str]:
    """What the record of a file says that was made with the params `stored`."""
    made = Making("make", WILDCARDS, stored, ("a", "b"))
    job = job_of(given)
    record = records._record(job, records._watched_params(job), made, "file")
    assert record.input == ["a", "b"]
    assert record.params is not None
    return set(record.params)


def new_params(given: dict[str, Any]) -> set[str]:
    return {repr(value) for value in given.values() if not callable(value)}


SAME = {
    "texts": ("a", "a"),
    "numbers": (0.1, 0.1),
    "no value": (None, None),
    "tuples": ((1, (2.5, "x")), [1, [2.5, "x"]]),
    "mappings": ({"b": (1,), "a": {"c": None}}, {"a": {"c": None}, "b": [1]}),
    "keys that are numbers": ({1: "x"}, {"1": "x"}),
}


@pytest.mark.parametrize("name", SAME)
def test_a_param_is_the_same_after_a_way_through_json(name: str) -> None:
    value, stored = SAME[name]
    given = {"code": "abc", "value": value}
    assert old_params(given, {"code": "abc", "value": stored}) == new_params(given)


OTHER = {
    "another text": ("a", "b"),
    "another number": (0.1, 0.1000001),
    "a truth value for a number": (1, True),
    "a text for a number": (1, "1"),
    "no value any more": (1, None),
    "a longer list": ([1], [1, 2]),
    "another key": ({"a": 1}, {"b": 1}),
}


@pytest.mark.parametrize("name", OTHER)
def test_another_param_is_another_one(name: str) -> None:
    value, stored = OTHER[name]
    given = {"code": "abc", "value": value}
    assert old_params(given, {"code": "abc", "value": stored}) != new_params(given)


def test_params_that_were_added_or_removed() -> None:
    """Also where their values are those of other params: Snakemake compares a set of values."""
    given = {"code": "abc", "value": None, "more": None}
    assert old_params(given, {"code": "abc", "value": None}) - new_params(given)
    del given["more"]
    assert old_params(given, {"code": "abc", "value": None, "more": "abc"}) - new_params(given)


def test_values_that_changed_places() -> None:
    given = {"first": "a", "second": "b"}
    assert old_params(given, {"first": "b", "second": "a"}) - new_params(given)


def test_params_that_are_not_watched_are_not_compared() -> None:
    given = {"code": "abc", "place": unwatched}
    assert old_params(given, {"code": "abc", "place": "elsewhere"}) == new_params(given)
    assert old_params(given, {"code": "abc"}) == new_params(given)
    assert records._watched_params(job_of({"place": unwatched})) == {}


@pytest.mark.parametrize(
    "made",
    [
        Making("keep", WILDCARDS, {"code": "abc"}),
        Making("make", {"seed": "1"}, {"code": "abc"}),
        Making("make", {}, {"code": "abc"}),
        None,
    ],
)
def test_files_of_other_jobs_and_unknown_ones_are_stale(made: Making | None) -> None:
    job = job_of({"code": "abc"})
    record = records._record(job, records._watched_params(job), made, "file")
    assert record.params is not None
    assert not {*record.params} & {repr("abc")}
    assert (record.params == [records.UNKNOWN]) == (made is None)


def test_dates_are_those_that_snakemake_notes(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to("file")
    (tmp_path / "folder").mkdir()
    for name in ("file", "link", "folder"):
        path = tmp_path / name
        assert records._date(str(path)) == path.lstat().st_mtime
    stamp = tmp_path / "folder/.snakemake_timestamp"
    stamp.touch()
    assert records._date(str(tmp_path / "folder")) == stamp.stat().st_mtime
    assert records._date(str(tmp_path / "gone")) is None
