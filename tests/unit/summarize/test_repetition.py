"""A study and its repetition: agreement of verdicts, and how often intervals capture."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import stats

from prunescope.summarize import estimators, repetition, study_tables
from prunescope.summarize.repetition import Repetition

ROW = {"quantity": "mis_soft_change", "comparison": "a against dense, over runs", "family": "f"}


def table(*rows: dict) -> pl.DataFrame:
    blank = dict.fromkeys(study_tables.STATISTICS.columns)
    schema = {name: column.dtype for name, column in study_tables.STATISTICS.columns.items()}
    return pl.DataFrame([blank | row for row in rows], schema=schema, strict=False)


def row_of(estimate: float, error: float, freedom: float, **about: str) -> dict:
    found = estimators.student(estimate, error, freedom, 3)
    return {**ROW, **vars(found), **about}


@pytest.mark.parametrize("freedom", [1.7, 2, 11, 40])
@pytest.mark.parametrize("estimate", [0.002, 0.01, -0.03])
def test_degrees_of_freedom_come_back(estimate: float, freedom: float) -> None:
    row = row_of(estimate, 0.005, freedom)
    assert repetition.degrees_of_freedom(row) == pytest.approx(freedom, rel=1e-4)


def test_an_interval_of_known_variance_captures_five_of_six() -> None:
    """83.4 %: Cumming & Maillardet 2006."""
    assert repetition.expected_capture(row_of(0.01, 0.005, 1e5)) == pytest.approx(0.834, abs=1e-3)


@pytest.mark.parametrize("runs", [3, 8])
def test_expected_captures_are_those_of_simulated_repetitions(runs: int) -> None:
    rng = np.random.default_rng(3)
    values = rng.normal(0.01, 0.005, size=(2, 20_000, runs))
    first, second = values.mean(axis=2)
    half = stats.t.ppf(0.975, runs - 1) * values[0].std(axis=1, ddof=1) / np.sqrt(runs)
    seen = (np.abs(second - first) < half).mean()
    row = row_of(0.01, 0.005, runs - 1)
    assert repetition.expected_capture(row) == pytest.approx(seen, abs=0.01)


def test_captures_count_second_estimates_in_first_intervals() -> None:
    names = [f"{name} against dense, over runs" for name in "abc"]
    first = [row_of(0.0, 0.01, 2, comparison=name) for name in names]
    # Half the interval is 0.043.
    second = [
        row_of(value, 0.01, 2, comparison=name)
        for value, name in zip((0.04, -0.05, 0.01), names, strict=True)
    ]
    alone = row_of(0.0, 0.01, 2, comparison="d against dense, over runs")
    certain = {**alone, "comparison": names[0], "family": "g", "low": 0.1, "high": 0.1}
    of_one_run = row_of(0.0, 0.01, 2, comparison="a against dense")
    (row,) = repetition.captures(
        table(*first, alone, certain, of_one_run), table(*second, certain, of_one_run)
    ).to_dicts()
    assert (row["quantity"], row["intervals"]) == ("mis_soft_change", 3)
    assert row["captured"] == pytest.approx(2 / 3)
    assert 0.8 < row["expected"] < 1


def test_agreement_is_the_fraction_of_equal_verdicts() -> None:
    rows = pl.DataFrame({"verdict": ["lower", "undecided"], "verdict_again": ["lower", "higher"]})
    found = Repetition(rows, pl.DataFrame())
    assert found.agreement == 0.5
    assert np.isnan(replace(found, verdicts=rows.clear()).agreement)
