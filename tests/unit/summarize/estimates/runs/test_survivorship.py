"""The three parts of the change of a mean over live units: by hand, as an identity, over runs."""

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from prunescope.summarize.estimates.paired_changes import CONTROL
from prunescope.summarize.estimates.runs import survivorship
from prunescope.summarize.estimates.runs.over_runs import OVER_RUNS
from prunescope.summarize.estimates.runs.survivorship import CHANGE, LOST, NEW, SAME, Change

Scores = dict[int, float]


def live(scores: Scores) -> pl.DataFrame:
    return pl.DataFrame(
        {"layer": "conv", "unit": list(scores), "mis_soft": list(scores.values())},
        schema={"layer": pl.String, "unit": pl.Int32, "mis_soft": pl.Float64},
    )


def between(before: Scores, after: Scores) -> Change:
    found = Change.between(live(before), live(after))
    assert found is not None
    return found


def test_the_parts_by_hand() -> None:
    """Four units; the best one goes, one rises by 0.2, one comes alive."""
    found = between({0: 0.9, 1: 0.5, 2: 0.6, 3: 0.4}, {1: 0.7, 2: 0.6, 3: 0.4, 9: 0.9})
    # Means: 0.60 of all before, 0.50 of those that stay, 0.1 / 0.15 more after.
    assert found.lost == pytest.approx(0.50 - 0.60)
    assert found.same == pytest.approx(0.2 / 3)
    # After: 1.7 / 3 of the same units, 2.6 / 4 with the new one.
    assert found.new == pytest.approx(2.6 / 4 - 1.7 / 3)
    assert found.change == pytest.approx(2.6 / 4 - 0.60)
    assert (found.n_live, found.n_same, found.n_lost, found.n_new) == (4, 3, 1, 1)


def test_survivorship_alone_moves_the_mean_though_no_unit_changes() -> None:
    before = {0: 0.9, 1: 0.8, 2: 0.3, 3: 0.4}
    found = between(before, {0: 0.9, 1: 0.8})
    assert found.change == pytest.approx(0.25)
    assert (found.same, found.new) == (0, 0)
    assert found.lost == pytest.approx(0.25)


def test_nothing_is_said_where_no_unit_lives_in_both() -> None:
    assert Change.between(live({0: 0.5}), live({1: 0.5})) is None


SCORES = st.dictionaries(st.integers(0, 12), st.floats(0, 1), min_size=1)


@given(SCORES, SCORES)
def test_the_parts_add_up_and_are_those_of_the_price_equation(
    before: Scores, after: Scores
) -> None:
    found = Change.between(live(before), live(after))
    both = before.keys() & after.keys()
    assert (found is None) == (not both)
    if found is None:
        return
    assert found.same + found.lost + found.new == pytest.approx(found.change, abs=1e-12)
    assert found.change == pytest.approx(
        np.mean(list(after.values())) - np.mean(list(before.values())), abs=1e-12
    )
    # Price: the covariance of fitness (1 for those that stay) and score, over the mean fitness.
    fitness = np.array([unit in both for unit in before], dtype=float)
    score = np.array(list(before.values()))
    selection = np.mean(fitness * score) - fitness.mean() * score.mean()
    assert found.lost == pytest.approx(selection / fitness.mean(), abs=1e-12)
    # Melitz and Polanec: the share of the exits times how far they lie below the survivors.
    gone = [score for unit, score in before.items() if unit not in both]
    stay = np.mean([before[unit] for unit in both])
    share = len(gone) / len(before)
    assert found.lost == pytest.approx(share * (stay - np.mean(gone)) if gone else 0, abs=1e-12)
    came = [score for unit, score in after.items() if unit not in both]
    now = np.mean([after[unit] for unit in both])
    share = len(came) / len(after)
    assert found.new == pytest.approx(share * (np.mean(came) - now) if came else 0, abs=1e-12)


def network(method: str, retraining: str, rate: float, seed: int, scores: Scores) -> pl.DataFrame:
    return live(scores).with_columns(
        method=pl.lit(method), retraining=pl.lit(retraining), rate=pl.lit(rate),
        seed=pl.lit(seed), constant=pl.lit(False),
    )  # fmt: skip


def study(runs: int) -> tuple[pl.DataFrame, np.ndarray]:
    """Networks that lose unit 0, by its score in each run; two were retrained, one was not."""
    best = 0.8 + 0.01 * np.arange(runs) ** 2
    parts = []
    for seed in range(runs):
        dense = {0: float(best[seed]), 1: 0.4, 2: 0.5}
        kept = {unit: dense[unit] for unit in (1, 2)}
        parts += [
            network("dense", "none", 0.0, seed, dense),
            network("dense", "one_shot", 0.0, seed, {unit: s + 0.1 for unit, s in dense.items()}),
            network("untrained", "none", 0.0, seed, dense),
            network("filters", "none", 0.4, seed, kept),
            network("filters", "one_shot", 0.4, seed, kept),
        ]
    return pl.concat(parts), best


def test_a_run_has_each_part_against_each_partner() -> None:
    rows = list(survivorship.survivorship(study(1)[0]))
    found = {
        (row["comparison"], row["quantity"]): (round(row["estimate"], 6), row["n"]) for row in rows
    }
    name, dense = "filters/{}/rate0.40/seed0 against {}", "dense"
    lost = round(0.45 - 1.7 / 3, 6)
    expected = {
        (name.format("none", dense), CHANGE): (lost, 2),
        (name.format("none", dense), SAME): (0, 2),
        (name.format("none", dense), LOST): (lost, 1),
        (name.format("none", dense), NEW): (0, 0),
        (name.format("one_shot", dense), CHANGE): (lost, 2),
        (name.format("one_shot", dense), SAME): (0, 2),
        (name.format("one_shot", dense), LOST): (lost, 1),
        (name.format("one_shot", dense), NEW): (0, 0),
        # Retrained alike, the dense network scores 0.1 higher.
        (name.format("one_shot", CONTROL), CHANGE): (round(lost - 0.1, 6), 2),
        (name.format("one_shot", CONTROL), SAME): (-0.1, 2),
        (name.format("one_shot", CONTROL), LOST): (lost, 1),
        (name.format("one_shot", CONTROL), NEW): (0, 0),
    }
    assert found == expected
    assert all(row["p"] is None for row in rows)


def test_over_runs_the_loss_is_tested_and_the_parts_have_intervals() -> None:
    units, best = study(3)
    rows = [row for row in survivorship.survivorship(units) if OVER_RUNS in row["comparison"]]
    of_kind = {row["quantity"]: row for row in rows if row["retraining"] == "none"}
    assert set(of_kind) == {CHANGE, SAME, LOST, NEW}
    losses = 0.45 - (best + 0.9) / 3
    expected = stats.ttest_1samp(losses, 0)
    assert of_kind[LOST]["estimate"] == pytest.approx(losses.mean())
    assert of_kind[LOST]["p"] == pytest.approx(expected.pvalue)
    interval = expected.confidence_interval()
    for quantity in (LOST, CHANGE):
        found = of_kind[quantity]
        assert [found["low"], found["high"]] == pytest.approx([interval.low, interval.high])
        assert found["n"] == 3
    assert [of_kind[quantity]["p"] for quantity in (CHANGE, SAME, NEW)] == [None, None, None]
    assert of_kind[NEW]["estimate"] == 0
    assert of_kind[NEW]["low"] is None, "no unit came alive: nothing that could vary"
    families = {row["family"] for row in rows if row["quantity"] == LOST}
    assert families == {f"{LOST} against {partner}, {OVER_RUNS}" for partner in ("dense", CONTROL)}


def test_kinds_that_lose_nothing_do_not_make_others_surer() -> None:
    units, _ = study(3)
    weights = units.filter(pl.col("method") == "dense", retraining="none").with_columns(
        method=pl.lit("weights"), rate=pl.lit(0.4)
    )
    of_filters = [
        [row for row in survivorship.survivorship(frame)
         if row["quantity"] == LOST and row["pruning"] == "filters"]
        for frame in (units, pl.concat([units, weights]))
    ]  # fmt: skip
    assert of_filters[0] == of_filters[1]
