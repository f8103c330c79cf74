"""What is estimated from the tables of a study: by hand, with planted effects, and with none."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import stats

from prunescope.networks.coordinates import COORDINATES
from prunescope.summarize import gathering, study_tables
from prunescope.summarize.estimates import estimate as estimate_module
from prunescope.summarize.estimates import paired_changes
from prunescope.summarize.estimates.inputs import EstimationSettings, StudyTables
from prunescope.summarize.selection import UNIT
from prunescope.summarize.study_tables import Row

LAYERS = [f"block{block}.conv{layer}" for block in range(3) for layer in range(2)]
A_LAYER = 25
SETTINGS = EstimationSettings(resamples=200, margin=0.02, seed=0)
RATES = (0.2, 0.4, 0.6, 0.8)
Network = tuple[str, str, float, int]


def networks_of(seeds: int = 1, methods: tuple[str, ...] = ("filters", "weights")) -> list[Network]:
    found: list[Network] = []
    for seed in range(seeds):
        found += [("dense", "none", 0.0, seed), ("dense", "one_shot", 0.0, seed)]
        found += [("untrained", "none", 0.0, seed)]
        found += [(method, "one_shot", rate, seed) for method in methods for rate in RATES]
    return found


def study_of(
    networks: list[Network], seed: int = 0, shift: float = 0.0, noise: float = 0.05
) -> StudyTables:
    """A study in which pruning shifts the score of every unit by `shift` times the rate."""
    rng = np.random.default_rng(seed)
    base = rng.normal(0.75, 0.1, size=len(LAYERS) * A_LAYER)
    frames, rows = [], []
    for method, retraining, rate, number in networks:
        scores = base + shift * rate + rng.normal(0, noise, size=len(base))
        about = {"study": "toy", "method": method, "retraining": retraining,
                 "rate": rate, "seed": number}  # fmt: skip
        frames.append(
            pl.DataFrame(
                {
                    "layer": np.repeat(LAYERS, A_LAYER),
                    "unit": np.tile(np.arange(A_LAYER), len(LAYERS)),
                    "constant": rng.random(len(base)) < rate / 4,
                    "mis_soft": scores,
                    "mis_hard": np.clip(scores + 0.1, 0, 1),
                    "monosemanticity": rng.random(len(base)),
                    "label_purity": rng.random(len(base)),
                    "class_selectivity": rng.random(len(base)),
                }
            ).with_columns(pl.lit(value).alias(key) for key, value in about.items())
        )
        live = frames[-1].filter(~pl.col("constant"))["mis_soft"].mean()
        rows.append({**about, "top1": 0.9 - 0.3 * rate + rng.normal(0, 0.01), "images": 100,
                     "loss": rng.random(), "agreement": 0.8, "epochs": 2, "mis_soft_live": live,
                     "mis_soft_all": scores.mean(), "mis_hard_all": scores.mean()})  # fmt: skip
    units = pl.concat(frames)
    matched = gathering.score_networks(units).select("mis_soft_matched")
    dense = units.filter(method="dense", retraining="none")
    return StudyTables(
        networks=pl.DataFrame(rows).with_columns(matched),
        units=units,
        layers=study_tables.LAYERS.empty(),
        classes=study_tables.CLASSES.empty(),
        disagreements=study_tables.DISAGREEMENTS.empty(),
        variants=pl.concat(
            [
                units.with_columns(variant=pl.lit("unchanged")),
                # The same order of networks, on another scale.
                units.with_columns(pl.col("mis_soft") / 2, variant=pl.lit("half")),
            ]
        ),
        ablations=dense.select("study", *COORDINATES, *UNIT).with_columns(
            loss_rise=dense["mis_soft"] ** 3, top1_drop=pl.Series(rng.random(len(dense)))
        ),
    )


def estimate(study: StudyTables, **settings: float) -> pl.DataFrame:
    found = estimate_module.estimate(study, replace(SETTINGS, **settings))
    assert found.equals(study_tables.STATISTICS.conform(found))
    return found


@pytest.fixture(scope="module")
def planted() -> tuple[StudyTables, pl.DataFrame]:
    study = study_of(networks_of(), shift=-0.05)
    return study, estimate(study)


def paired(found: pl.DataFrame, quantity: str = "mis_soft_change") -> pl.DataFrame:
    return found.filter(pl.col("quantity") == quantity, pl.col("seed").is_not_null())


def test_means_are_those_of_the_units(planted: tuple[StudyTables, pl.DataFrame]) -> None:
    study, found = planted
    for key, units in study.units.group_by(COORDINATES):
        where = dict(zip(["pruning", "retraining", "rate", "seed"], key, strict=True))
        rows = found.filter(pl.col("variant").is_null(), **where)
        live = units.filter(~pl.col("constant"))
        for quantity, values in {
            "mis_soft_live": live["mis_soft"],
            "mis_hard_live": live["mis_hard"],
            "mis_soft_all": units["mis_soft"],
            "label_purity": live["label_purity"],
        }.items():
            row = rows.filter(quantity=quantity).row(0, named=True)
            assert row["estimate"] == pytest.approx(values.mean())
            assert row["n"] == len(values)
            assert row["low"] < row["estimate"] < row["high"]
            assert row["p"] is None


def test_matched_units_are_live_everywhere(planted: tuple[StudyTables, pl.DataFrame]) -> None:
    study, found = planted
    live = study.units.group_by(UNIT).agg(pl.col("constant").any())
    assert set(found.filter(quantity="mis_soft_matched")["n"]) == {(~live["constant"]).sum()}


def test_a_change_is_that_of_the_same_units(planted: tuple[StudyTables, pl.DataFrame]) -> None:
    study, found = planted
    dense = study.units.filter(method="dense", retraining="none", constant=False)
    pruned = study.units.filter(method="filters", rate=0.8, constant=False)
    both = dense.join(pruned, on=["layer", "unit"])
    change = (both["mis_soft_right"] - both["mis_soft"]).to_numpy()
    row = paired(found).row(
        by_predicate=(pl.col("pruning") == "filters") & (pl.col("rate") == 0.8)
        & (pl.col("family") == "mis_soft_change against dense"), named=True,
    )  # fmt: skip
    assert row["estimate"] == pytest.approx(change.mean())
    assert row["n"] == len(change)
    assert row["effect_size"] == pytest.approx(change.mean() / change.std(ddof=1))
    assert row["p"] <= 0.01


def test_layers_are_clusters_of_a_change(planted: tuple[StudyTables, pl.DataFrame]) -> None:
    """Against the jackknife by hand: without a layer, the mean moves by its residuals."""
    study, found = planted
    dense = study.units.filter(method="dense", retraining="none", constant=False)
    pruned = study.units.filter(method="filters", rate=0.8, constant=False)
    change = dense.join(pruned, on=["layer", "unit"]).select(
        "layer", change=pl.col("mis_soft_right") - pl.col("mis_soft")
    )
    mean = change["change"].mean()
    sums = (
        change.group_by("layer", maintain_order=True)
        .agg((pl.col("change") - mean).sum())["change"]
        .to_numpy()
    )
    sizes = change.group_by("layer", maintain_order=True).len()["len"].to_numpy()
    error = np.sqrt(5 / 6 * ((sums / (len(change) - sizes)) ** 2).sum())
    freedom = len(change) ** 2 / (sizes**2).sum() - 1
    where = {"pruning": "filters", "rate": 0.8}
    for quantity, p, level in (
        ("mis_soft_change_clustered", None, 0.95),
        ("mis_soft_equivalence", stats.t.sf((0.02 - abs(mean)) / error, freedom), 0.90),
    ):
        rows = found.filter(pl.col("family").str.ends_with("against dense"), quantity=quantity,
                            **where)  # fmt: skip
        row = rows.row(0, named=True)
        reach = stats.t.ppf((1 + level) / 2, freedom) * error
        assert (row["estimate"], row["n"], row["level"]) == (pytest.approx(mean), 6, level)
        assert [row["low"], row["high"]] == pytest.approx([mean - reach, mean + reach])
        assert p is None or row["p"] == pytest.approx(p)


def test_a_change_that_grows_with_depth_is_found() -> None:
    study = study_of([("dense", "none", 0.0, 0), ("filters", "one_shot", 0.4, 0)], noise=0.001)
    deeper = pl.col("layer").replace_strict({name: k / 10 for k, name in enumerate(LAYERS)})
    pruned = pl.col("rate") > 0
    units = study.units.with_columns(pl.col("mis_soft") - pl.when(pruned).then(deeper).otherwise(0))
    (row,) = estimate(replace(study, units=units)).filter(
        quantity="spearman(mis_soft_change, depth)"
    ).rows(named=True)  # fmt: skip
    assert (row["estimate"], row["n"]) == (pytest.approx(-1), 6)


def test_every_network_meets_both_its_partners(planted: tuple[StudyTables, pl.DataFrame]) -> None:
    _, found = planted
    rows = paired(found)
    against = rows.group_by("family").agg(pl.len()).sort("family").rows()
    # One against dense for each of the ten others; the eight retrained pruned ones twice.
    assert against == [
        ("mis_soft_change against dense", 10),
        ("mis_soft_change against dense retrained alike", 8),
    ]


def test_changes_by_layer_and_block(planted: tuple[StudyTables, pl.DataFrame]) -> None:
    study, found = planted
    rows = found.filter(pruning="weights", rate=0.6, quantity="mis_soft_change_by_layer")
    assert rows["layer"].to_list() == LAYERS
    blocks = found.filter(pruning="weights", rate=0.6, quantity="mis_soft_change_by_block")
    assert blocks["layer"].to_list() == ["block0", "block1", "block2"]
    assert blocks["n"].sum() == rows["n"].sum()
    dense = study.units.filter(method="dense", retraining="none", constant=False)
    pruned = study.units.filter(method="weights", rate=0.6, constant=False, layer=LAYERS[0])
    both = dense.join(pruned, on=["layer", "unit"])
    expected = stats.ttest_rel(both["mis_soft_right"], both["mis_soft"])
    assert rows["p"][0] == pytest.approx(expected.pvalue)


@pytest.mark.parametrize("group", ["all pruned networks", "method filters"])
def test_relations_are_scipys(group: str) -> None:
    twice = study_of(networks_of(seeds=2), shift=-0.05)
    found = estimate(twice)
    pruned = twice.networks.filter(pl.col("rate") > 0)
    if group == "method filters":
        pruned = pruned.filter(method="filters")
    for against in ("rate", "top1"):
        for kind, function in (("spearman", stats.spearmanr), ("pearson", stats.pearsonr)):
            row = found.row(
                by_predicate=(pl.col("quantity") == f"{kind}(mis_soft_live, {against})")
                & (pl.col("comparison") == group), named=True,
            )  # fmt: skip
            expected = function(pruned[against], pruned["mis_soft_live"])
            assert (row["estimate"], row["p"]) == pytest.approx(tuple(expected))
            assert row["n"] == len(pruned)


def test_what_the_accuracy_tells_of_the_rate_is_not_related(
    planted: tuple[StudyTables, pl.DataFrame],
) -> None:
    """Accuracy falls with the rate in a curve: ranks are the same, and nothing of them is left."""
    study, _ = planted
    networks = study.networks.with_columns(top1=0.9 - 0.2 * pl.col("rate") ** 2)
    found = estimate(replace(study, networks=networks))
    given = found.filter(pl.col("quantity").str.ends_with("| top1)"))["quantity"].unique()
    assert {name.partition("(")[0] for name in given} == {"pearson", "slope_equivalence"}
    line = study.networks.with_columns(top1=0.9 - 0.2 * pl.col("rate"))
    found = estimate(replace(study, networks=line))
    assert not found["quantity"].str.ends_with("| top1)").any()
    assert "spearman(mis_soft_live, rate)" in found["quantity"]


def test_a_network_of_two_names_is_one_point(planted: tuple[StudyTables, pl.DataFrame]) -> None:
    """Iterative retraining begins as one-shot retraining does: the first network is the same."""
    study, found = planted
    again = study.networks.filter(method="filters", rate=0.2).with_columns(
        retraining=pl.lit("iterative")
    )
    # In whatever order the kinds of retraining are named.
    twice = estimate(replace(study, networks=pl.concat([again, study.networks])))
    relations = pl.col("family").str.starts_with("relations")
    columns = ["quantity", "comparison", "estimate", "n"]
    assert twice.filter(relations).select(columns).equals(found.filter(relations).select(columns))


def test_scores_of_the_same_units_are_related_too(
    planted: tuple[StudyTables, pl.DataFrame],
) -> None:
    study, found = planted
    pruned = study.networks.filter(pl.col("rate") > 0)
    expected = stats.pearsonr(pruned["rate"], pruned["mis_soft_matched"])
    row = found.row(
        by_predicate=(pl.col("quantity") == "pearson(mis_soft_matched, rate)")
        & (pl.col("comparison") == "all pruned networks"), named=True,
    )  # fmt: skip
    assert (row["estimate"], row["p"]) == pytest.approx(tuple(expected))


def test_flips_suffice_for_all_tests_of_a_family() -> None:
    """With 50 networks 200 flips could show nothing: 50 / 201 is above 5 %."""
    networks = [*networks_of(methods=())[:1]]
    networks += [(f"m{place}", "one_shot", 0.8, 0) for place in range(50)]
    study = study_of(networks, shift=0.5)
    found = list(paired_changes.changes(study.units, SETTINGS, np.random.default_rng(0)))
    soft = [row["p"] for row in found if row["quantity"] == "mis_soft_change"]
    assert len(soft) == 50
    assert max(soft) * 50 < 0.05


def test_the_slope_is_the_change_over_the_rates(planted: tuple[StudyTables, pl.DataFrame]) -> None:
    study, found = planted
    pruned = study.networks.filter(pl.col("rate") > 0)
    expected = stats.linregress(pruned["rate"], pruned["mis_soft_live"])
    row = found.filter(
        quantity="slope_equivalence(mis_soft_live, rate)", comparison="all pruned networks"
    ).row(0, named=True)
    assert row["estimate"] == pytest.approx(0.6 * expected.slope)
    assert row["level"] == 0.90
    assert row["p"] > 0.05  # the planted change is 0.03


def test_holm_stays_within_its_family(planted: tuple[StudyTables, pl.DataFrame]) -> None:
    _, found = planted
    tested = found.filter(pl.col("p").is_not_null())
    assert tested["family"].null_count() == 0
    for (_,), family in tested.group_by("family"):
        smallest = family.sort("p").row(0, named=True)
        assert smallest["p_holm"] == pytest.approx(min(1, len(family) * smallest["p"]))
        assert (family["p_holm"] >= family["p"]).all()
    assert found.filter(pl.col("p").is_null())["p_holm"].is_null().all()


def test_variants_and_ablations(planted: tuple[StudyTables, pl.DataFrame]) -> None:
    toy, found = planted
    own = found.filter(pl.col("variant").is_null(), quantity="mis_soft_live")
    varied = found.filter(variant="unchanged", quantity="mis_soft_live")
    assert varied["estimate"].to_list() == pytest.approx(own["estimate"].to_list())
    shifts = found.filter(variant="unchanged", quantity="mis_soft_shift")
    changes = paired(found).filter(family="mis_soft_change against dense")
    assert shifts["estimate"].to_list() == pytest.approx(changes["estimate"].to_list())
    alike = found.filter(quantity="spearman(mis_soft_live, unchanged)").row(0, named=True)
    assert (alike["estimate"], alike["n"]) == (pytest.approx(1), toy.networks.height)
    difference = found.filter(quantity="mis_soft_live_difference", variant="unchanged").row(
        0, named=True
    )
    means = toy.networks["mis_soft_live"]
    expected = means.filter(toy.networks["rate"] > 0).mean() - means[0]
    assert (difference["estimate"], difference["n"]) == (pytest.approx(expected), 8)
    perfect = found.filter(quantity="spearman(mis_soft, loss_rise)").row(0, named=True)
    assert perfect["estimate"] == pytest.approx(1)
    other = found.filter(quantity="spearman(label_purity, top1_drop)").row(0, named=True)
    assert other["low"] < 0 < other["high"]


def test_seeds_are_averaged() -> None:
    study = study_of(networks_of(seeds=3), shift=-0.05)
    found = estimate(study)
    where = {"pruning": "filters", "rate": 0.4}
    for quantity in ("mis_soft_live", "mis_soft_change"):
        rows = found.filter(pl.col("variant").is_null(), quantity=quantity, **where)
        rows = rows.filter(pl.col("family").is_null()
                           | pl.col("family").str.starts_with("mis_soft_change against dense")
                           & ~pl.col("family").str.contains("alike"))  # fmt: skip
        single = rows.filter(pl.col("seed").is_not_null())
        mean = rows.filter(pl.col("seed").is_null())
        assert len(single) == 3
        expected = stats.ttest_1samp(single["estimate"].to_numpy(), 0)
        interval = expected.confidence_interval(0.95)
        assert mean["estimate"].to_list() == pytest.approx([single["estimate"].mean()])
        assert mean["low"].to_list() == pytest.approx([interval.low])
        assert mean["n"].to_list() == [3]
        expected_p = None if quantity == "mis_soft_live" else pytest.approx(expected.pvalue)
        assert mean["p"].to_list() == [expected_p]


def test_estimates_follow_their_seed() -> None:
    study = study_of(networks_of(methods=("filters",)))
    assert estimate(study).equals(estimate(study))
    assert not estimate(study).equals(estimate(study, seed=1))


def test_a_study_of_the_dense_network_alone() -> None:
    found = estimate(study_of([("dense", "none", 0.0, 0)]))
    assert found.filter(pl.col("quantity").str.contains("_change|equivalence|rate")).is_empty()
    assert found.filter(quantity="mis_soft_live")["variant"].to_list() == [
        None,
        "unchanged",
        "half",
    ]


def changes_of(networks: list[Network], seed: int, shift: float = 0.0) -> dict[str, Row]:
    """The estimates of the change of the one pruned network, by quantity."""
    units = study_of(networks, seed=seed, shift=shift).units
    settings = replace(SETTINGS, seed=seed, resamples=1000)
    found = paired_changes.changes(units, settings, np.random.default_rng(seed))
    return {row["quantity"]: row for row in found}


@pytest.mark.slow
def test_a_null_study_shows_nothing_and_a_planted_one_does() -> None:
    """1,000 studies without an effect: at most 7 % of tests at 5 % find one.

    The null is that of independent units; `test_estimators` has the one of dependent units.
    """
    one = [*networks_of(methods=())[:1], ("filters", "one_shot", 0.2, 0)]
    # With 200 a test of exactly 5 % would find more than 7 % in one of ten simulations, as seeds 0
    # to 199 do (7.5 %): the choice of seeds would decide.
    nulls = [changes_of(one, seed) for seed in range(1000)]
    for quantity in ("mis_soft_change", "label_purity_change"):
        rows = [found[quantity] for found in nulls]
        assert np.mean([row["p"] < 0.05 for row in rows]) <= 0.07, quantity
        assert 0.92 <= np.mean([row["low"] <= 0 <= row["high"] for row in rows]) <= 0.98, quantity
    for seed in range(20):
        found = changes_of(one, seed, shift=0.2)
        assert found["mis_soft_change"]["p"] < 0.05
        assert found["mis_soft_change"]["estimate"] == pytest.approx(0.04, abs=0.02)
        assert found["mis_soft_equivalence"]["p"] > 0.05
