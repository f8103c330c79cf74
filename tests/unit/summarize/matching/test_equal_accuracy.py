"""Methods at equal accuracy: worked out by hand, over runs, and what cannot be matched."""

from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats

from prunescope.summarize import study_tables
from prunescope.summarize.matching import equal_accuracy
from prunescope.summarize.matching.matched_tables import EQUAL_ACCURACY, UNMATCHED

UNITS = 8
# method, retraining, rate, top1, sparsity, score
Network = tuple[str, str, float, float | None, float | None, float | None]
DENSE: list[Network] = [
    ("dense", "none", 0.0, 0.90, 0.0, 0.80),
    ("dense", "one_shot", 0.0, 0.92, 0.0, 0.82),
]
PRUNED: list[Network] = [
    ("structured", "one_shot", 0.4, 0.88, 0.36, 0.80),
    ("structured", "one_shot", 0.8, 0.80, 0.76, 0.70),
    ("structured", "none", 0.4, 0.70, 0.36, 0.74),
]


def tables(rows: list[Network], seed: int = 0) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The tables of one run. The units of a network all score what the network scores."""
    networks, units = [], []
    for method, retraining, rate, top1, sparsity, score in rows:
        named = {
            "study": "toy", "method": method, "retraining": retraining, "rate": rate, "seed": seed,
        }  # fmt: skip
        networks.append(
            {**named, "top1": top1, "sparsity_prunable": sparsity, "mis_soft_live": score}
        )
        units += [
            {
                **named, "layer": "conv", "layer_type": "conv2d", "block": "first", "unit": unit,
                "constant": False, "mis_soft": score, "mis_hard": score,
            }
            for unit in range(UNITS)
        ]  # fmt: skip
    return frame(study_tables.NETWORKS, networks), frame(study_tables.UNITS, units)


def frame(table: Any, rows: list[dict[str, Any]]) -> pl.DataFrame:
    blank = dict.fromkeys(table.columns)
    schema = {name: column.dtype for name, column in table.columns.items()}
    return pl.DataFrame([{**blank, **row} for row in rows], schema=schema)


def match(
    rows: list[Network], drops: list[float], *others: list[Network]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Of one run or several, each with its rows."""
    made = [tables(run, seed) for seed, run in enumerate([rows, *others])]
    networks, units = (pl.concat(parts) for parts in zip(*made, strict=True))
    matched, unmatched = equal_accuracy.match(networks, units, drops)
    EQUAL_ACCURACY._check(matched, "matched")
    UNMATCHED._check(unmatched, "unmatched")
    return matched, unmatched


def test_a_method_is_found_between_its_networks() -> None:
    """At 0.84: half of the way from 0.88 to 0.80."""
    matched, _ = match([*DENSE, *PRUNED], [0.06])
    (row,) = matched.filter(retraining="one_shot").to_dicts()
    assert (row["study"], row["method"], row["seed"], row["runs"]) == ("toy", "structured", 0, 1)
    assert row["top1"] == pytest.approx(0.84)
    assert row["rate"] == pytest.approx(0.6)
    assert (row["rate_below"], row["rate_above"]) == (0.4, 0.8)
    assert row["sparsity"] == pytest.approx(0.56)
    assert row["mis_soft"] == pytest.approx(0.75)
    # Against the dense network retrained alike, 0.82: -0.02 and -0.12.
    assert row["mis_soft_change"] == pytest.approx(-0.07)
    assert row["sparsity_low"] is row["mis_soft_high"] is row["mis_soft_change_low"] is None


def test_rows_of_the_tables_may_have_any_order() -> None:
    forward, _ = match([*DENSE, *PRUNED], [0.06])
    backward, _ = match([*DENSE, *reversed(PRUNED)], [0.06])
    assert forward.sort("retraining").equals(backward.sort("retraining"))


def test_the_dense_network_retrained_alike_is_the_rate_zero() -> None:
    """The dense network has 0.90 and was not retrained; that is half way from 0.92 to 0.88."""
    matched, _ = match([*DENSE, *PRUNED], [0.0])
    row = matched.filter(retraining="one_shot").row(0, named=True)
    assert row["top1"] == pytest.approx(0.90)
    assert row["rate"] == pytest.approx(0.2)
    assert row["sparsity"] == pytest.approx(0.18)
    assert row["mis_soft"] == pytest.approx(0.81)
    assert row["mis_soft_change"] == pytest.approx(-0.01)
    # What was not retrained stands at the dense network itself.
    plain = matched.filter(retraining="none").row(0, named=True)
    assert (plain["rate"], plain["sparsity"], plain["mis_soft"]) == (0.0, 0.0, 0.80)


def test_networks_are_matched_exactly_at_their_own_accuracy() -> None:
    matched, _ = match([*DENSE, *PRUNED], [0.90 - 0.88])
    row = matched.filter(retraining="one_shot").row(0, named=True)
    assert (row["rate"], row["sparsity"]) == (pytest.approx(0.4), pytest.approx(0.36))
    assert row["mis_soft"] == pytest.approx(0.80)


def test_what_cannot_be_matched_is_named_with_the_nearest_network() -> None:
    matched, unmatched = match([*DENSE[:1], *PRUNED], [0.01, 0.15])
    found = unmatched.select("retraining", "drop", "nearest_rate", "nearest_top1", "reason").rows()
    assert found == [
        # Without a control there is no rate 0.
        ("one_shot", 0.01, 0.4, 0.88, "less accurate at all of its rates"),
        ("one_shot", 0.15, 0.8, 0.80, "still more accurate at its highest rate"),
    ]
    assert unmatched["top1"].to_list() == pytest.approx([0.89, 0.75])
    assert len(matched) + len(unmatched) == 4
    assert matched["seed"].null_count() == 0, "one run has no interval"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            {("dense", "none"): (0, None)},
            "the accuracy of a dense network of this run is not known",
        ),
        ({("dense", "none"): None}, "the accuracy of a dense network of this run is not known"),
        (
            {("dense", "one_shot"): None, ("structured", "one_shot"): (0, None)},
            "the accuracy of its networks is not known",
        ),
        (
            {("structured", "one_shot"): (1, None)},
            "sparsity or score of a network beside this accuracy is not known",
        ),
        (
            {("structured", "one_shot"): (2, None)},
            "sparsity or score of a network beside this accuracy is not known",
        ),
    ],
)
def test_what_is_not_known_is_a_reason(change: dict[Any, Any], reason: str) -> None:
    rows: list[Network] = []
    for row in [*DENSE, *PRUNED[:2]]:
        edit = change.get(row[:2], False)
        if edit is None:
            continue
        values: list[Any] = list(row[3:])
        if edit:
            values[edit[0]] = edit[1]
        rows.append((*row[:3], *values))
    matched, unmatched = match(rows, [0.06])
    assert matched.is_empty()
    assert unmatched["reason"].to_list() == [reason]


def test_a_network_of_unknown_accuracy_is_passed_over() -> None:
    """At 0.84, between the rates 0.4 and 0.8, where that at 0.6 has no accuracy."""
    unknown: Network = ("structured", "one_shot", 0.6, None, 0.5, 0.1)
    matched, _ = match([*DENSE, *PRUNED, unknown], [0.06])
    assert matched.filter(retraining="one_shot")["mis_soft"].to_list() == [pytest.approx(0.75)]


def test_a_change_that_is_not_known_does_not_hide_the_score() -> None:
    made = tables([*DENSE, *PRUNED[:2]])
    few = made[1].filter((pl.col("method") == "dense") | (pl.col("unit") < 3))
    matched, _ = equal_accuracy.match(made[0], few, [0.06])
    assert matched["mis_soft_change"].to_list() == [None]
    assert matched["mis_soft"].to_list() == [pytest.approx(0.75)]


def shifted(rows: list[Network], by: float) -> list[Network]:
    """A run in which all networks score more, and are as accurate and sparse."""
    return [(*row[:5], row[5] + by) for row in rows if row[5] is not None]


def test_over_runs_the_mean_has_an_interval_from_the_variation_between_runs() -> None:
    runs = [[*DENSE, *PRUNED[:2]]]
    runs += [shifted(runs[0], by) for by in (0.03, -0.01)]
    matched, unmatched = match(runs[0], [0.06], *runs[1:])
    assert unmatched.is_empty()
    assert matched["seed"].to_list() == [0, 1, 2, None]
    row = matched.row(-1, named=True)
    assert (row["runs"], row["rate_below"], row["rate_above"]) == (3, 0.4, 0.8)
    scores = np.array([0.75, 0.78, 0.74])
    assert row["mis_soft"] == pytest.approx(scores.mean())
    low, high = stats.t.interval(0.95, 2, scores.mean(), stats.sem(scores))
    assert (row["mis_soft_low"], row["mis_soft_high"]) == pytest.approx((low, high))
    # What runs share falls out of the change, and does not vary the sparsity.
    for name, value in (("mis_soft_change", -0.07), ("sparsity", 0.56)):
        ends = (row[f"{name}_low"], row[name], row[f"{name}_high"])
        assert ends == pytest.approx((value, value, value))


def test_a_method_that_one_run_lacks_is_not_averaged_over_the_others() -> None:
    whole = [*DENSE, *PRUNED[:2]]
    # In this run the sparsest network is still too accurate.
    better = [*DENSE, PRUNED[0], ("structured", "one_shot", 0.8, 0.87, 0.76, 0.7)]
    matched, unmatched = match(whole, [0.06], better)
    assert matched["seed"].to_list() == [0]
    assert unmatched.select("seed", "reason").rows() == [(1, equal_accuracy.STILL_MORE)]


def test_methods_that_were_not_retrained_have_intervals_of_their_own() -> None:
    rng = np.random.default_rng(0)
    plain: list[Network] = [("structured", "none", 0.8, 0.5, 0.76, 0.6)]
    both = [shifted([*DENSE, *PRUNED[:2]], by) for by in (0.0, 0.01, -0.01)]
    loud = [
        [*run, *shifted(plain, by)] for run, by in zip(both, rng.normal(0, 0.2, 3), strict=True)
    ]
    alone, _ = match(both[0], [0.06], *both[1:])
    beside, _ = match(loud[0], [0.06], *loud[1:])
    ends = ["mis_soft_low", "mis_soft_high"]
    kept = beside.filter(pl.col("seed").is_null(), retraining="one_shot")
    assert kept.select(ends).rows() == alone.filter(pl.col("seed").is_null()).select(ends).rows()
    assert beside.filter(pl.col("seed").is_null())["retraining"].to_list() == ["none", "one_shot"]


def test_a_chain_begins_at_the_dense_network_of_its_first_level() -> None:
    """Later levels are judged against dense networks that were retrained more often."""
    rows: list[Network] = [
        DENSE[0],
        ("dense", "iterative", 0.4, 0.90, 0.0, 0.84),
        ("dense", "iterative", 0.8, 0.93, 0.0, 0.86),
        ("structured", "iterative", 0.4, 0.86, 0.36, 0.80),
        ("structured", "iterative", 0.8, 0.80, 0.76, 0.70),
    ]
    first, _ = match(rows, [0.02])
    row = first.row(0, named=True)
    assert (row["sparsity"], row["mis_soft"]) == pytest.approx((0.18, 0.82))
    assert row["mis_soft_change"] == pytest.approx(-0.02)
    (second,) = match(rows, [0.07])[0].to_dicts()
    # Half way from -0.04 to -0.16.
    assert second["mis_soft_change"] == pytest.approx(-0.10)


def test_an_empty_study_gives_empty_tables() -> None:
    matched, unmatched = match([*DENSE], [0.01])
    assert matched.is_empty()
    assert unmatched.is_empty()
