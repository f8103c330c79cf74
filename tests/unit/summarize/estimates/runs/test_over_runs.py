"""Changes, slopes and correlations over runs; differences of accuracy over runs and images."""

import numpy as np
import polars as pl
import pytest
from scipy import stats

from prunescope.networks.coordinates import KIND, Coordinates
from prunescope.summarize import estimators
from prunescope.summarize.estimates.paired_changes import CONTROL, Pair
from prunescope.summarize.estimates.runs import accuracy_changes, over_runs
from prunescope.summarize.estimates.runs.over_runs import Layout
from prunescope.summarize.run_model import Known

MARGIN = 0.02
DENSE = "dense"


def kinds(*rows: tuple[str, str, float]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=list(KIND), orient="row")


def values(rows: list[tuple[str, str, float, int, float]]) -> pl.DataFrame:
    return pl.DataFrame(rows, schema=[*KIND, "seed", "value"], orient="row")


def test_a_layout_has_the_kinds_that_every_run_has() -> None:
    rows = [
        ("m", "one_shot", 0.4, 1, 0.2), ("m", "one_shot", 0.4, 0, 0.1),
        ("m", "one_shot", 0.8, 0, 0.3),
        ("l", "one_shot", 0.8, 0, 0.5), ("l", "one_shot", 0.8, 1, 0.6),
    ]  # fmt: skip
    layout = Layout.of(values(rows))
    assert layout is not None
    assert layout.kinds.rows() == [("l", "one_shot", 0.8), ("m", "one_shot", 0.4)]
    assert layout.model.values.tolist() == [[0.5, 0.6], [0.1, 0.2]]
    assert Layout.of(values(rows[1:3])) is None, "one run"
    assert Layout.of(values([rows[0], rows[2]])) is None, "no kind in both runs"


def test_a_slope_is_least_squares_within_methods() -> None:
    """Two methods on other levels: pooled over them, the slope would be another one."""
    found = kinds(*(("a", "x", rate) for rate in (0.2, 0.4, 0.8)), ("b", "x", 0.4), ("b", "x", 0.8),
                  ("c", "x", 0.8))  # fmt: skip
    weights = over_runs.slope_weights(found)
    assert weights is not None
    assert weights.sum() == pytest.approx(0)
    score = np.array([0.5, 0.6, 0.55, 0.9, 0.8, 0.1])
    a = 0.6 * stats.linregress([0.2, 0.4, 0.8], score[:3]).slope
    b = score[4] - score[3]
    assert weights @ score == pytest.approx((a + b) / 2)
    assert weights[5] == 0
    assert over_runs.slope_weights(kinds(("a", "x", 0.8), ("b", "x", 0.8))) is None


def pair(network: Coordinates, change: float, partner: str = DENSE, units: int = 10) -> Pair:
    """A change whose mean over units is exactly `change`."""
    spread = np.linspace(-0.1, 0.1, units)
    frame = pl.DataFrame({"mis_soft": change + spread, "mis_hard": 2 * change + spread})
    return Pair(network, partner, frame)


def pairs(changes: np.ndarray, retraining: str = "one_shot") -> list[Pair]:
    return [
        pair(Coordinates(f"m{kind}", retraining, "0.80", run), changes[kind, run])
        for kind in range(changes.shape[0])
        for run in range(changes.shape[1])
    ]


def test_a_change_over_runs_is_the_mean_of_the_means_of_runs() -> None:
    changes = np.random.default_rng(0).normal(0, 0.01, (4, 3))
    rows = list(over_runs.changes_over_runs(pairs(changes), MARGIN))
    soft = [row for row in rows if row["quantity"] == "mis_soft_change"]
    assert [row["estimate"] for row in soft] == pytest.approx(changes.mean(axis=1).tolist())
    assert {row["n"] for row in rows} == {3}
    assert {row.get("seed") for row in rows} == {None}
    pooled = changes.var(axis=1, ddof=1).mean()
    known = over_runs.Layout.of(
        values([(f"m{k}", "one_shot", 0.8, r, changes[k, r]) for k in range(4) for r in range(3)])
    )
    assert known is not None
    reach = stats.t.ppf(0.975, known.model.mean(0).freedom) * np.sqrt(pooled / 3)
    assert soft[0]["high"] - soft[0]["estimate"] == pytest.approx(reach)
    same = [row for row in rows if row["quantity"] == "mis_soft_equivalence"]
    assert {row["level"] for row in same} == {0.90}
    hard = [row["estimate"] for row in rows if row["quantity"] == "mis_hard_change"]
    assert hard == pytest.approx((2 * changes.mean(axis=1)).tolist())


def test_networks_that_were_not_retrained_do_not_widen_the_intervals_of_others() -> None:
    rng = np.random.default_rng(1)
    quiet, loud = rng.normal(0, 0.001, (4, 3)), rng.normal(0, 0.1, (4, 3))
    alone = list(over_runs.changes_over_runs(pairs(quiet), MARGIN))
    both = list(over_runs.changes_over_runs([*pairs(loud, "none"), *pairs(quiet)], MARGIN))
    kept = [row for row in both if row["retraining"] == "one_shot"]
    assert [row["low"] for row in kept] == [row["low"] for row in alone]


def test_partners_are_families_of_their_own() -> None:
    changes = np.zeros((2, 3)) + np.array([[0.0, 0.01, 0.02]])
    control = [Pair(p.network, CONTROL, p.changes) for p in pairs(changes)]
    rows = list(over_runs.changes_over_runs([*pairs(changes), *control], MARGIN))
    assert {row["family"] for row in rows if row["quantity"] == "mis_soft_change"} == {
        "mis_soft_change against dense, over runs",
        "mis_soft_change against dense retrained alike, over runs",
    }


def test_one_run_says_nothing_over_runs() -> None:
    assert not list(over_runs.changes_over_runs(pairs(np.zeros((4, 1))), MARGIN))


def test_runs_that_measured_the_same_networks_are_not_tested() -> None:
    """As rounded elsewhere, they would be shown to differ, by a spread of 1e-17."""
    varying = np.random.default_rng(2).normal(0, 0.01, (4, 3))
    copies = -0.05 + 1e-17 * np.arange(3)
    rows = list(over_runs.changes_over_runs(pairs(np.vstack([varying, copies])), MARGIN))
    alone = list(over_runs.changes_over_runs(pairs(varying), MARGIN))
    of_copies = [row for row in rows if row["pruning"] == "m4"]
    assert {row["quantity"] for row in of_copies} == {"mis_soft_change", "mis_hard_change"}
    assert of_copies[0]["estimate"] == pytest.approx(-0.05)
    assert {(row["low"], row["high"], row["p"]) for row in of_copies} == {(None, None, None)}
    # They tell nothing of how much the other kinds vary.
    assert [row for row in rows if row["pruning"] != "m4"] == alone


def test_the_slope_of_copies_is_not_tested() -> None:
    rates = (0.2, 0.4, 0.8)
    networks = pl.DataFrame(
        {
            "method": "m", "retraining": "none", "rate": rate, "seed": seed, "top1": 0.1 + rate,
            "mis_soft_live": 0.9 - rate / 10, "mis_soft_matched": 0.9, "mis_soft_all": 0.9,
            "mis_hard_all": 0.9, "epochs": 0, "loss": rate,
        }
        for rate in rates for seed in range(3)
    )  # fmt: skip
    assert not list(over_runs.slopes_over_runs(networks, MARGIN))
    moved = networks.with_columns(pl.col("mis_soft_live") + pl.col("seed") * pl.col("rate") / 1000)
    assert list(over_runs.slopes_over_runs(moved, MARGIN))


def test_the_mean_of_correlations_is_fishers() -> None:
    found = over_runs.mean_correlation(np.array([0.2, 0.5, 0.7]))
    z = np.arctanh([0.2, 0.5, 0.7])
    interval = stats.ttest_1samp(z, 0).confidence_interval(0.95)
    assert found.estimate == pytest.approx(np.tanh(z.mean()))
    assert [found.low, found.high] == pytest.approx([np.tanh(interval.low), np.tanh(interval.high)])
    one = over_runs.mean_correlation(np.array([0.4]))
    assert (one.estimate, one.low, one.p, one.n) == (0.4, None, None, 1)
    copies = over_runs.mean_correlation(np.array([0.4, 0.4, 0.4]))
    assert (copies.estimate, copies.low, copies.p, copies.n) == (0.4, None, None, 3)


# --- accuracy --------------------------------------------------------------------------------


def answers(hits: dict[tuple[str, str, float, int], list[int]]) -> pl.DataFrame:
    """Each image is of class 0, and answered 0 where it is right."""
    return pl.concat(
        pl.DataFrame(
            {"method": method, "retraining": retraining, "rate": rate, "seed": seed,
             "image": range(len(right)), "label": 0, "answer": [1 - hit for hit in right]}
        )
        for (method, retraining, rate, seed), right in hits.items()
    )  # fmt: skip


def test_a_difference_of_accuracy_is_paired_by_image() -> None:
    dense, pruned = [1, 1, 1, 0, 1, 1, 0, 1], [1, 0, 1, 0, 0, 1, 1, 1]
    rows = list(
        accuracy_changes.accuracy_changes(
            answers({(DENSE, "none", 0.0, 0): dense, ("m", "one_shot", 0.8, 0): pruned})
        )
    )
    (row,) = rows
    test = stats.ttest_rel(pruned, dense)
    assert row["quantity"] == "top1_change_over_images"
    assert row["estimate"] == pytest.approx(-1 / 8)
    assert row["p"] == pytest.approx(test.pvalue)
    assert [row["low"], row["high"]] == pytest.approx(list(test.confidence_interval(0.95)))


def test_accuracy_is_compared_with_the_partner_of_a_chain() -> None:
    hits = {(DENSE, "none", 0.0, 0): [1] * 8, (DENSE, "one_shot", 0.0, 0): [0] * 8}
    hits |= {(DENSE, "iterative", rate, 0): [0, 1] * 4 for rate in (0.4, 0.8)}
    hits |= {("m", "iterative", 0.8, 0): [0, 1] * 3 + [1, 1], ("m", "one_shot", 0.8, 0): [1] * 8}
    rows = list(accuracy_changes.accuracy_changes(answers(hits)))
    against = {
        (row["pruning"], row["retraining"], row["family"].partition(" against ")[2]): row[
            "estimate"
        ]
        for row in rows
        if row["rate"] == 0.8
    }
    assert against == {
        ("m", "iterative", CONTROL): pytest.approx(1 / 8),
        ("m", "iterative", DENSE): pytest.approx(-3 / 8),
        ("m", "one_shot", CONTROL): pytest.approx(1),
        ("m", "one_shot", DENSE): pytest.approx(0),
        (DENSE, "iterative", DENSE): pytest.approx(-1 / 2),
    }


def test_images_that_are_hard_in_every_run_widen_the_interval() -> None:
    """With the same differences in every run, only images vary; with none shared, only runs."""
    shared = np.tile(np.random.default_rng(0).integers(-1, 2, 400), (3, 1)).astype(float)
    found = accuracy_changes.with_images(Known(shared.mean(), 0.0, 4.0), shared)
    assert found.error == pytest.approx(shared[0].std(ddof=1) / 20)
    assert found.freedom == pytest.approx(399)
    own = np.random.default_rng(1).integers(-1, 2, (3, 400)).astype(float)
    own -= own.mean(axis=0, keepdims=True)
    found = accuracy_changes.with_images(Known(0.0, 0.01, 4.0), own)
    assert (found.error, found.freedom) == (pytest.approx(0.01), pytest.approx(4))


def test_intervals_of_accuracy_cover_the_truth_in_400_studies() -> None:
    """Images and runs are both drawn anew in each study; the true difference is 0."""
    rng = np.random.default_rng(0)
    kind, runs, images, covered = 6, 3, 500, []
    for _ in range(400):
        of_images = rng.normal(0, 0.15, (kind, 1, images))
        of_runs = rng.normal(0, 0.006, (kind, runs, 1)) + rng.normal(0, 0.004, (1, runs, 1))
        differences = of_images + of_runs + rng.normal(0, 0.25, (kind, runs, images))
        model = over_runs.RunModel(differences.mean(axis=2))
        known = accuracy_changes.with_images(model.mean(0), differences[0])
        row = estimators.student(known.estimate, known.error, known.freedom, runs)
        covered.append(row.low <= 0 <= row.high)
    assert 0.92 <= np.mean(covered) <= 0.98
