"""How removed units differ from kept ones: planted tables, and the tests of scipy."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from prunescope.networks.coordinates import KIND
from prunescope.summarize import estimators
from prunescope.summarize.estimates.runs import choices
from prunescope.summarize.estimates.runs.over_runs import OVER_RUNS
from prunescope.summarize.removal.removal_tables import UNITS_PRUNED

BLANK = {
    "study": "toy", "measure": "mis_soft", "removed": 8, "kept": 12, "difference": -0.06,
    "spread": 0.2, "standardized": -0.3, "random_low": -0.02, "random_high": 0.04, "p": 0.01,
}  # fmt: skip


def removal(retraining: str, rate: float, seed: int, chosen_as: str = "", **more: object) -> dict:
    about = {"method": "filters", "retraining": retraining, "rate": rate, "seed": seed,
             "chosen_as": chosen_as or retraining}  # fmt: skip
    return {**BLANK, **about, **more}


def table(rows: list[dict]) -> pl.DataFrame:
    schema = {name: column.dtype for name, column in UNITS_PRUNED.columns.items()}
    return pl.DataFrame(rows, schema=schema)


def standardized(values: np.ndarray, measure: str = "mis_soft") -> list[dict]:
    """Differences of kinds `(kinds, runs)`: each kind is a choice of its own."""
    return [
        removal("none", (1 + kind) / 10, run, standardized=float(value), measure=measure)
        for (kind, run), value in np.ndenumerate(values)
    ]


def test_a_run_is_compared_with_choices_at_random() -> None:
    (row,) = choices.choices(table([removal("none", 0.4, 3)]))
    assert row["quantity"] == "removed_minus_kept(mis_soft)"
    assert (row["estimate"], row["p"], row["n"]) == (-0.3, 0.01, 20)
    # -0.06 is 0.10 below the highest and 0.04 below the lowest of random choices; 0.2 is the unit.
    assert [row["low"], row["high"]] == pytest.approx([-0.5, -0.2])
    assert (row["pruning"], row["retraining"], row["rate"], row["seed"]) == (
        "filters", "none", 0.4, 3
    )  # fmt: skip
    assert "this run alone" in row["method"]


def test_an_interval_leaves_zero_out_where_the_difference_is_beyond_random_choices() -> None:
    inside = {"difference": 0.03, "standardized": 0.15}
    (row,) = choices.choices(table([removal("none", 0.4, 0, **inside)]))
    assert row["low"] < 0 < row["high"]


def test_a_choice_counts_once() -> None:
    rows = [
        removal("none", 0.4, 0), removal("one_shot", 0.4, 0, "none"),
        removal("iterative", 0.4, 0, "none"), removal("iterative", 0.8, 0),
        # The same units as those of another kind in one of two runs: a choice of its own.
        removal("iterative", 0.8, 1, "none"),
        removal("none", 0.9, 0, standardized=None),
    ]  # fmt: skip
    found = choices.distinct(table(rows)).select(*KIND, "seed").rows()
    assert found == [
        ("filters", "none", 0.4, 0),
        ("filters", "iterative", 0.8, 0),
        ("filters", "iterative", 0.8, 1),
        ("filters", "none", 0.9, 0),
    ]
    made = [row for row in choices.choices(table(rows)) if row.get("seed") is not None]
    assert len(made) == 3, "nothing is known of the last one"


def test_one_kind_over_runs_is_a_t_test() -> None:
    values = np.array([[-0.31, -0.24, -0.42]])
    rows = [r for r in choices.choices(table(standardized(values))) if OVER_RUNS in r["comparison"]]
    (row,) = rows
    expected = stats.ttest_1samp(values[0], 0)
    interval = expected.confidence_interval()
    assert row["p"] == pytest.approx(expected.pvalue)
    assert [row["low"], row["high"]] == pytest.approx([interval.low, interval.high])
    assert (row["n"], row.get("seed")) == (3, None)


def test_kinds_share_what_they_know_of_the_runs() -> None:
    """Two kinds of equal variance, without what runs share: the error is the pooled one."""
    deviations = np.array([0.03, -0.01, -0.02])
    values = np.array([-0.3 + deviations, 0.2 - deviations])
    rows = [r for r in choices.choices(table(standardized(values))) if r.get("seed") is None]
    assert [row["estimate"] for row in rows] == pytest.approx([-0.3, 0.2])
    # The kinds deviate in opposite directions, so the mean square of the runs is 0, and that of
    # the deviations (2 x 0.0014) / 2. Of a mean of a kind it is a half, over 3 runs.
    error = np.sqrt(0.0014 / 2 / 3)
    reach = stats.t.ppf(0.975, 2) * error
    assert [rows[0]["low"], rows[0]["high"]] == pytest.approx([-0.3 - reach, -0.3 + reach])
    assert rows[0]["p"] == pytest.approx(2 * stats.t.sf(0.3 / error, 2))


def test_all_tests_over_runs_are_one_family_and_each_run_is_another() -> None:
    values = np.array([[-0.3, -0.2], [0.1, 0.2]])
    rows = [*standardized(values), *standardized(values, "monosemanticity")]
    families: dict[str, int] = {}
    for row in choices.choices(table(rows)):
        families[row["family"]] = families.get(row["family"], 0) + 1
    assert families == {
        "removed minus kept, run of seed 0 alone": 4,
        "removed minus kept, run of seed 1 alone": 4,
        f"removed minus kept, {OVER_RUNS}": 4,
    }


def test_one_run_says_nothing_of_others() -> None:
    rows = standardized(np.array([[-0.3], [0.2]]))
    assert not [row for row in choices.choices(table(rows)) if OVER_RUNS in row["comparison"]]


def test_a_study_that_removes_no_units_has_nothing_to_compare() -> None:
    assert list(choices.choices(UNITS_PRUNED.empty())) == []


def at_random(rng: np.random.Generator, shift: float = 0.0) -> list[dict]:
    """Three methods at three rates in three runs, by two measures; nested choices are alike."""
    rows = []
    for measure in ("mis_soft", "monosemanticity"):
        shared = rng.normal(0, 0.06, (3, 1, 3))
        values = (shift + shared + rng.normal(0, 0.05, (3, 3, 3))).reshape(9, 3)
        rows += standardized(values, measure)
    return rows


def over_runs_of(rows: list[dict]) -> list[dict]:
    return [row for row in choices.choices(table(rows)) if row.get("seed") is None]


def any_shown(rows: list[dict]) -> bool:
    return bool((estimators.holm(np.array([row["p"] for row in rows])) < 0.05).any())


def test_choices_at_random_are_seldom_taken_for_a_preference() -> None:
    """Choices at several rates are nested, which the model does not know: a little above 5 %."""
    rng = np.random.default_rng(0)
    studies = [over_runs_of(at_random(rng)) for _ in range(200)]
    assert np.mean([any_shown(rows) for rows in studies]) < 0.1
    inside = [row["low"] < 0 < row["high"] for rows in studies for row in rows]
    assert 0.92 < np.mean(inside) < 0.98


def test_a_preference_is_found() -> None:
    rng = np.random.default_rng(1)
    studies = [over_runs_of(at_random(rng, shift=-0.4)) for _ in range(60)]
    assert np.mean([any_shown(rows) for rows in studies]) > 0.85
