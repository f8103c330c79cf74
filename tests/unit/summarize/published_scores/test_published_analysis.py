"""What is estimated from published scores, on a made-up study and beside plain NumPy."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats
from small_study import PUBLISHED, published_units, scores_of, small_scores, small_tables

from prunescope.foundation.errors import InputError
from prunescope.summarize.published_scores import (
    analysis,
    changes,
    published_values,
    readings,
    relations,
)
from prunescope.summarize.published_scores.analysis_rows import ANALYSIS
from prunescope.summarize.published_scores.readings import Scores

MARGIN = 0.02


@pytest.fixture
def small() -> Scores:
    return small_scores()


@pytest.fixture(scope="module")
def units(published_folder: Path) -> pl.DataFrame:
    return published_units(published_folder)


@pytest.fixture(scope="module")
def scores(units: pl.DataFrame) -> Scores:
    return scores_of(units)


@pytest.fixture(scope="module")
def table_of_published(scores: Scores) -> pl.DataFrame:
    return analysis.analyse(scores, PUBLISHED, MARGIN)


def pick(table: pl.DataFrame, **where: object) -> pl.DataFrame:
    return table.filter(**where)


def value(table: pl.DataFrame, **where: object) -> float:
    return pick(table, **where)["estimate"].item()


# --- a made-up study -----------------------------------------------------------------------------


def test_readings_of_dead_units(small: Scores) -> None:
    arms = small.arms
    assert len(arms) == 6
    adam = arms["structured", "one_shot_adam_50"][0]
    sgd = arms["structured", "one_shot_sgd_50"][0]
    random = arms["connection_sparsity_random", "one_shot_sgd_50"][0]
    numbers = {name: small.dead(name).sum(axis=1) for name in readings.READINGS}
    assert [numbers[name][adam] for name in readings.READINGS] == [0, 12, 13, 13]
    assert [numbers[name][sgd] for name in readings.READINGS] == [0, 12, 12, 12]
    assert [numbers[name][random] for name in readings.READINGS] == [0, 0, 0, 0]
    matched = small.used(readings.CONSTANT, readings.MATCHED, "conv2d")
    assert matched.sum(axis=1).tolist() == [60 - 48 - 1] * 24


def test_units_that_look_dead_are_channels(small: Scores) -> None:
    small.soft[:, small.types == "linear"] = 0.999
    assert not small.dead(readings.SUSPECTED)[:, small.types == "linear"].any()


def test_a_planted_rise_is_found(small: Scores) -> None:
    table = analysis.analyse(small, None, MARGIN)
    assert table.schema == {name: column.dtype for name, column in ANALYSIS.columns.items()}
    rise = pick(table, quantity="mis_soft_change", reading="constant")
    assert len(rise) == 6 * 2 * 2
    assert ((rise["estimate"] - 0.03).abs() < 0.004).all()
    assert (rise["low"] < 0.03).mean() > 0.8
    assert (pick(table, quantity="mis_soft_equivalence", reading="constant")["p"] > 0.9).all()
    within = pick(table, quantity=relations.WITHIN, reading="constant", layer_type="both")
    assert (within["estimate"] == 1).all()
    # One optimizer, two, and both methods together: the smallest p that there can be.
    assert np.allclose(np.sort(within["p"])[::2], [2 / 24**3, 2 / 24**2, 2 / 24])


def test_no_change_is_equivalent() -> None:
    table = analysis.analyse(small_scores(0.0), None, MARGIN)
    assert (pick(table, quantity="mis_soft_equivalence", reading="constant")["p_holm"] < 0.01).all()


def test_pairs_of_networks_get_no_test_of_a_change(small: Scores) -> None:
    """An arm is one run: its layers do not tell how another run would turn out."""
    table = analysis.analyse(small, None, MARGIN)
    assert pick(table, quantity="mis_soft_change")["p"].null_count() == 6 * 7 * 2
    over_networks = table.filter(pl.col("method") == relations.DEPENDENT)
    assert (
        over_networks["low"].null_count() == over_networks["p"].null_count() == len(over_networks)
    )


def test_dead_units_move_the_mean_if_they_are_counted(small: Scores) -> None:
    table = analysis.analyse(small, None, None)
    arm = {"retraining": "one_shot_sgd_50", "pruning": "structured", "quantity": "mis_soft",
           "layer_type": "both", "units": "live", "rate": 0.8}  # fmt: skip
    assert value(table, **arm, reading="counted") > value(table, **arm, reading="constant") + 0.1
    assert pick(table, quantity="mis_soft_equivalence").is_empty()


def test_without_accuracies_there_are_no_relations_with_them(small: Scores) -> None:
    blind = Scores(small.networks.with_columns(top1=pl.lit(None)), small.soft, small.constant,
                   small.layers, small.types)  # fmt: skip
    table = analysis.analyse(blind, None, MARGIN)
    assert not table["quantity"].str.contains("top1").any()


def test_a_partial_correlation() -> None:
    """Of residuals, as it is defined."""
    rng = np.random.default_rng(0)
    x, y, z = rng.normal(size=(3, 50))
    x, y = x + z, y - z
    residuals = [v - np.polyval(np.polyfit(z, v, 1), z) for v in (x, y)]
    assert np.isclose(relations.partial(x, y, z, ranks=False), np.corrcoef(*residuals)[0, 1])


def test_networks_that_may_be_of_one_training_are_dealt_together(small: Scores) -> None:
    """Six arms, but only three dealings: p cannot be below 2 / 24**3."""
    rng = np.random.default_rng(0)
    found = [relations.within_arms(rng.normal(size=24), small).p for _ in range(400)]
    assert min(found) >= 2 / 24**3
    # Under the null no more than 5 % of tests reject at 5 %, but for chance of 400 tests.
    assert np.mean(np.array(found) < 0.05) < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 400)


def test_ties_within_an_arm(small: Scores) -> None:
    means = np.tile([1.0, 1.0, 2.0, 3.0], 6)
    rho = stats.spearmanr([1, 1, 2, 3], [1, 2, 3, 4]).statistic
    assert np.isclose(relations.within_arms(means, small).estimate, rho)


@pytest.mark.parametrize("fault", ["order", "networks", "rates"])
def test_tables_that_do_not_fit_are_refused(fault: str) -> None:
    units, networks = small_tables()
    if fault == "order":
        units = pl.concat([units[80:], units[:80].reverse()])
        networks = pl.concat([networks[1:], networks[:1]])
    elif fault == "networks":
        networks = networks.reverse()
    else:
        change = pl.when(pl.col("rate") == 0.8).then(0.9).otherwise("rate").alias("rate")
        last = pl.col("retraining") == "one_shot_adam_50"
        units = units.with_columns(rate=pl.when(last).then(change).otherwise("rate"))
        networks = networks.with_columns(rate=pl.when(last).then(change).otherwise("rate"))
    with pytest.raises(ValueError, match=r"other (units|networks|rates)"):
        Scores.of_tables(units, networks)


# --- published values ----------------------------------------------------------------------------


def test_published_values_of_networks() -> None:
    found = published_values.of_networks(PUBLISHED, published_values.TOP1)
    arm = pick(found, method="structured", retraining="one_shot_sgd_50").sort("rate")
    assert arm["value"].to_list() == [0.7, 0.66, 0.59, 0.44]
    assert len(published_values.figure(PUBLISHED)) == 28
    assert published_values.borrowed(PUBLISHED) == 0.699678


def test_another_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(InputError, match="no table of published numbers"):
        published_values.figure(tmp_path / "other.csv")


# --- the published scores, beside plain NumPy ----------------------------------------------------


def test_published_means_come_out(table_of_published: pl.DataFrame) -> None:
    table = table_of_published
    difference = pick(table, quantity="mis_soft_minus_published", reading="pruned")
    assert len(difference) == 12
    assert (difference["estimate"].abs() < 5e-7).all()
    counts = {name: pick(table, quantity=name)["estimate"].to_list()
              for name in ("pruned_filters", "expected_pruned_filters")}  # fmt: skip
    assert counts["pruned_filters"] == counts["expected_pruned_filters"]


def test_the_published_test_of_score_and_rate(table_of_published: pl.DataFrame) -> None:
    table = pick(table_of_published, quantity=relations.AS_TESTED)
    rounded = {group: (round(found["estimate"].item(), 2), round(found["p"].item(), 2))
               for group in (relations.FIGURE, relations.BORROWED)
               for found in [pick(table, group=group)]}  # fmt: skip
    assert rounded == {relations.FIGURE: (0.48, 0.01), relations.BORROWED: (0.11, 0.54)}


def test_the_headline_again(
    units: pl.DataFrame, scores: Scores, table_of_published: pl.DataFrame
) -> None:
    """In a few lines of NumPy, from the scores alone."""
    soft = units["mis_soft"].to_numpy().reshape(24, 8280)
    layers = units["layer"].to_numpy()[:8280]
    dead = np.array(
        [[(soft[:, u] == score).sum() > 1 for u, score in enumerate(one)] for one in soft]
    )
    rates = np.tile([0.2, 0.4, 0.6, 0.8], 6)
    table = table_of_published
    both = {"layer_type": "both", "reading": "constant"}

    live = np.array([one[~out].mean() for one, out in zip(soft, dead, strict=True)])
    tied = np.array([np.mean(np.flatnonzero(np.sort(rates) == rate)) for rate in rates])
    rho = np.corrcoef(np.argsort(np.argsort(live)), tied)[0, 1]
    assert np.isclose(rho, value(table, quantity="spearman(mis_soft, rate)", units="live", **both))

    matched = soft[:, ~dead.any(axis=0)].mean(axis=1)
    r = np.corrcoef(matched, rates)[0, 1]
    found = value(table, quantity="pearson(mis_soft, rate)", units="live in all", **both)
    assert np.isclose(r, found)

    arm = {"pruning": "structured", "retraining": "one_shot_sgd_50"}
    first, last = 20, 23  # the last arm of the table
    assert scores.networks[first].to_dicts()[0]["retraining"] == arm["retraining"]
    kept = ~dead[first] & ~dead[last] & (layers != "fc")
    change = soft[last, kept] - soft[first, kept]
    where = layers[kept]
    names = np.unique(where)
    without = [change[where != name].mean() for name in names]  # the jackknife over layers
    sizes = np.array([np.sum(where == name) for name in names])
    # Leaving out a layer moves the mean by its total over the number of the others.
    error = np.sqrt(
        (len(names) - 1) / len(names) * np.sum((np.array(without) - change.mean()) ** 2)
    )
    freedom = sizes.sum() ** 2 / np.sum(sizes**2) - 1
    reach = stats.t.ppf(0.975, freedom) * error
    (row,) = pick(table, quantity="mis_soft_change", units="live", reading="constant",
                  layer_type="conv2d", **arm).to_dicts()  # fmt: skip
    assert np.isclose(row["estimate"], change.mean())
    assert np.allclose([row["low"], row["high"]], [change.mean() - reach, change.mean() + reach])
    assert row["method"] == changes.OVER_LAYERS
