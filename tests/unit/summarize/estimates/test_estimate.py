"""What is estimated from the tables of a study: by hand, with planted effects, and with none."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from scipy import stats

from prunescope.networks.coordinates import COORDINATES
from prunescope.summarize import gathering, study_tables
from prunescope.summarize.estimates import estimate as estimate_module
from prunescope.summarize.estimates import paired_changes, rows
from prunescope.summarize.estimates.inputs import EstimationSettings, StudyTables
from prunescope.summarize.removal import removal_tables
from prunescope.summarize.selection import UNIT

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
                    "layer_type": "conv2d",
                    "block": [f"part{name[5]}" for name in np.repeat(LAYERS, A_LAYER)],
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
    # Logits score otherwise, so that they would show in every mean over channels.
    logits = units.filter(layer="block0.conv0").with_columns(
        pl.col("mis_soft") / 4,
        layer=pl.lit("fc"),
        block=pl.lit("fc"),
        layer_type=pl.lit("linear"),
        constant=False,
    )
    units = pl.concat([units, logits]).sort(COORDINATES, maintain_order=True)
    units = pl.concat(rows for _, rows in sorted(
        units.group_by(COORDINATES), key=lambda item: networks.index(item[0])))  # fmt: skip
    matched = gathering.score_networks(units).select("mis_soft_matched")
    answers = pl.concat(
        pl.DataFrame({"image": range(100), "label": 0,
                      "answer": (rng.random(100) > row["top1"]).astype(int)})
        .with_columns(pl.lit(row[key]).alias(key) for key in ("study", *COORDINATES))
        for row in rows
    )  # fmt: skip
    dense = units.filter(method="dense", retraining="none", layer_type="conv2d")
    live = units.filter(~pl.col("constant"))
    return StudyTables(
        networks=pl.DataFrame(rows).with_columns(matched),
        units=units,
        layers=study_tables.LAYERS.empty(),
        classes=study_tables.CLASSES.empty(),
        disagreements=study_tables.DISAGREEMENTS.empty(),
        answers=answers,
        variants=pl.concat(
            [
                live.with_columns(variant=pl.lit("unchanged")),
                # The same order of networks, on another scale.
                live.with_columns(pl.col("mis_soft") / 2, variant=pl.lit("half")),
            ]
        ),
        ablations=dense.select("study", *COORDINATES, *UNIT).with_columns(
            loss_rise=dense["mis_soft"] ** 3, top1_drop=pl.Series(rng.random(len(dense)))
        ),
        removals=removal_tables.UNITS_PRUNED.empty(),
    )


def estimate(study: StudyTables, **settings: float) -> pl.DataFrame:
    found = estimate_module.estimate(study, replace(SETTINGS, **settings))
    assert found.equals(study_tables.STATISTICS.conform(found))
    return found


@pytest.fixture(scope="module")
def planted() -> tuple[StudyTables, pl.DataFrame]:
    study = study_of(networks_of(), shift=-0.05)
    return study, estimate(study)


def paired(found: pl.DataFrame, quantity: str = "mis_soft_change_over_units") -> pl.DataFrame:
    return found.filter(pl.col("quantity") == quantity, pl.col("seed").is_not_null())


def test_means_are_those_of_the_units(planted: tuple[StudyTables, pl.DataFrame]) -> None:
    study, found = planted
    for key, units in study.units.group_by(COORDINATES):
        where = dict(zip(["pruning", "retraining", "rate", "seed"], key, strict=True))
        rows = found.filter(pl.col("variant").is_null(), **where)
        channels = units.filter(layer_type="conv2d")
        live = channels.filter(~pl.col("constant"))
        for quantity, values in {
            "mis_soft_live": live["mis_soft"],
            "mis_hard_live": live["mis_hard"],
            "mis_soft_all": channels["mis_soft"],
            "mis_soft_logits": units.filter(layer_type="linear")["mis_soft"],
            "label_purity": live["label_purity"],
        }.items():
            row = rows.filter(quantity=quantity).row(0, named=True)
            assert row["estimate"] == pytest.approx(values.mean())
            assert row["n"] == len(values)
            assert row["low"] < row["estimate"] < row["high"]
            assert row["p"] is None


def test_logits_take_no_part_in_what_is_said_of_channels(
    planted: tuple[StudyTables, pl.DataFrame],
) -> None:
    study, found = planted
    is_logit = pl.col("layer_type") == "linear"
    units = study.units.with_columns(
        mis_soft=pl.when(is_logit).then(1 - pl.col("mis_soft")).otherwise("mis_soft")
    )
    again = estimate(replace(study, units=units))
    own = pl.col("quantity").str.contains("logits")
    assert again.filter(~own).equals(found.filter(~own))
    assert not again.filter(own).equals(found.filter(own))


def test_matched_units_are_live_in_every_network_of_their_run() -> None:
    study = study_of(networks_of(seeds=2))
    found = estimate(study).filter(
        pl.col("seed").is_not_null(), pl.col("variant").is_null(), quantity="mis_soft_matched"
    )
    channels = study.units.filter(layer_type="conv2d")
    for seed in range(2):
        live = channels.filter(seed=seed).group_by(UNIT).agg(pl.col("constant").any())
        assert set(found.filter(seed=seed)["n"]) == {(~live["constant"]).sum()}
    both = channels.group_by(UNIT).agg(pl.col("constant").any())
    assert (~both["constant"]).sum() < min(found["n"])


def test_a_change_is_that_of_the_same_units(planted: tuple[StudyTables, pl.DataFrame]) -> None:
    study, found = planted
    channels = study.units.filter(layer_type="conv2d", constant=False)
    dense = channels.filter(method="dense", retraining="none")
    pruned = channels.filter(method="filters", rate=0.8)
    both = dense.join(pruned, on=["layer", "unit"])
    change = (both["mis_soft_right"] - both["mis_soft"]).to_numpy()
    row = paired(found).row(
        by_predicate=(pl.col("pruning") == "filters") & (pl.col("rate") == 0.8)
        & (pl.col("family") == "mis_soft_change_over_units against dense"), named=True,
    )  # fmt: skip
    assert row["estimate"] == pytest.approx(change.mean())
    assert row["n"] == len(change)
    assert row["effect_size"] == pytest.approx(change.mean() / change.std(ddof=1))


def test_layers_are_clusters_of_a_change(planted: tuple[StudyTables, pl.DataFrame]) -> None:
    """Against the jackknife by hand: without a layer, the mean moves by its residuals."""
    study, found = planted
    channels = study.units.filter(layer_type="conv2d", constant=False)
    dense = channels.filter(method="dense", retraining="none")
    pruned = channels.filter(method="filters", rate=0.8)
    change = dense.join(pruned, on=["layer", "unit"]).select(
        "layer", change=pl.col("mis_soft_right") - pl.col("mis_soft")
    )
    mean = change["change"].mean()
    grouped = change.group_by("layer", maintain_order=True)
    sums = grouped.agg((pl.col("change") - mean).sum())["change"].to_numpy()
    sizes = grouped.len()["len"].to_numpy()
    error = np.sqrt(5 / 6 * ((sums / (len(change) - sizes)) ** 2).sum())
    freedom = len(change) ** 2 / (sizes**2).sum() - 1
    family = "mis_soft_change_over_layers against dense"
    row = found.filter(family=family, pruning="filters", rate=0.8).row(0, named=True)
    reach = stats.t.ppf(0.975, freedom) * error
    assert (row["estimate"], row["n"]) == (pytest.approx(mean), 6)
    assert [row["low"], row["high"]] == pytest.approx([mean - reach, mean + reach])


@pytest.mark.parametrize("layers", [LAYERS[:5], ["big", *LAYERS]])
def test_few_or_unequal_layers_are_no_clusters(layers: list[str]) -> None:
    """Five layers, or seven of which one has more than half of the units."""
    study = study_of([("dense", "none", 0.0, 0), ("filters", "one_shot", 0.4, 0)])
    channels = study.units.filter(layer_type="conv2d")
    big = [channels.filter(layer=LAYERS[0]).with_columns(pl.col("unit") + 100 * copy,
           layer=pl.lit("big")) for copy in range(8)]  # fmt: skip
    units = pl.concat([*big, channels]).filter(pl.col("layer").is_in(layers))
    found = list(paired_changes.changes(list(paired_changes.pairs(units)), SETTINGS,
                 np.random.default_rng(0)))  # fmt: skip
    assert {row["quantity"] for row in found} == {
        f"{name}_change_over_units" for name in (*rows.SCORES, *rows.MEASURES)
    }


def test_a_change_that_grows_with_depth_is_found() -> None:
    study = study_of([("dense", "none", 0.0, 0), ("filters", "one_shot", 0.4, 0)], noise=0.001)
    deeper = pl.col("layer").replace_strict(
        {name: k / 10 for k, name in enumerate(LAYERS)}, default=0.0
    )
    pruned = pl.col("rate") > 0
    units = study.units.with_columns(pl.col("mis_soft") - pl.when(pruned).then(deeper).otherwise(0))
    (row,) = estimate(replace(study, units=units)).filter(
        quantity="spearman(mis_soft_change, depth)"
    ).rows(named=True)  # fmt: skip
    assert (row["estimate"], row["n"]) == (pytest.approx(-1), 6)


def test_every_network_meets_both_its_partners(planted: tuple[StudyTables, pl.DataFrame]) -> None:
    _, found = planted
    against = paired(found).group_by("family").agg(pl.len()).sort("family").rows()
    # One against dense for each of the ten others; the eight retrained pruned ones twice.
    assert against == [
        ("mis_soft_change_over_units against dense", 10),
        ("mis_soft_change_over_units against dense retrained alike", 8),
    ]


def test_the_partner_of_a_chain_was_retrained_as_often() -> None:
    rates = (0.2, 0.4)
    networks: list[Network] = [("dense", "none", 0.0, 0), ("dense", "one_shot", 0.0, 0)]
    networks += [(name, "iterative", rate, 0) for name in ("dense", "m") for rate in rates]
    units = study_of(networks).units
    found = {
        (pair.network.name, pair.partner): pair.changes["mis_soft"].to_numpy()
        for pair in paired_changes.pairs(units)
    }
    for rate in rates:
        own, partner = (
            units.filter(method=name, retraining="iterative", rate=rate, constant=False)
            for name in ("m", "dense")
        )
        both = own.join(partner, on=UNIT, suffix="_before")
        expected = (both["mis_soft"] - both["mis_soft_before"]).to_numpy()
        name = f"m/iterative/rate{rate:.2f}/seed0"
        np.testing.assert_allclose(found[name, paired_changes.CONTROL], expected)
        assert ("dense/iterative/rate0.20/seed0", paired_changes.CONTROL) not in found


def test_changes_by_layer_and_block(planted: tuple[StudyTables, pl.DataFrame]) -> None:
    _, found = planted
    by_layer = found.filter(pruning="weights", rate=0.6, quantity="mis_soft_change_by_layer")
    assert by_layer["layer"].to_list() == LAYERS
    blocks = found.filter(pruning="weights", rate=0.6, quantity="mis_soft_change_by_block")
    assert blocks["layer"].to_list() == ["part0", "part1", "part2"]
    assert blocks["n"].sum() == by_layer["n"].sum()
    assert by_layer["p"].null_count() == len(by_layer)


def test_one_run_gives_no_test_of_a_change(planted: tuple[StudyTables, pl.DataFrame]) -> None:
    _, found = planted
    tested = found.filter(pl.col("p").is_not_null())["quantity"].unique().to_list()
    assert {name.partition("(")[0] for name in tested} <= {"spearman", "top1_change_over_images"}
    assert not any("rate" in name for name in tested)
    correlation = found.filter(quantity="spearman(mis_soft_live, rate)").row(0, named=True)
    assert (correlation["low"], correlation["n"]) == (None, 1)


def test_holm_stays_within_its_family() -> None:
    found = estimate(study_of(networks_of(seeds=3), shift=-0.05))
    tested = found.filter(pl.col("p").is_not_null())
    assert tested["family"].null_count() == 0
    assert "mis_soft_change against dense retrained alike, over runs" in tested["family"]
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
    # Networks that were not retrained against dense, others against dense retrained as often.
    shifts = found.filter(variant="unchanged", quantity="mis_soft_shift")
    changes = paired(found).filter(
        (pl.col("retraining") == "none")
        == (pl.col("family") == "mis_soft_change_over_units against dense"),
        pl.col("family").str.starts_with("mis_soft_change_over_units"),
    )
    about = ["pruning", "retraining", "rate", "seed"]
    both = shifts.join(changes, on=about, how="full", coalesce=True)
    assert len(both) == len(shifts) > 0
    assert both["estimate"].to_list() == pytest.approx(both["estimate_right"].to_list())
    alike = found.filter(quantity="spearman(mis_soft_live, unchanged)").row(0, named=True)
    assert (alike["estimate"], alike["n"]) == (pytest.approx(1), toy.networks.height)
    perfect = found.filter(quantity="spearman(mis_soft, loss_rise)").row(0, named=True)
    assert perfect["estimate"] == pytest.approx(1)
    other = found.filter(quantity="spearman(label_purity, top1_drop)").row(0, named=True)
    assert other["low"] < 0 < other["high"]


def test_runs_are_averaged() -> None:
    found = estimate(study_of(networks_of(seeds=3), shift=-0.05))
    where = {"pruning": "filters", "rate": 0.4, "quantity": "mis_soft_live"}
    own = found.filter(pl.col("variant").is_null(), **where)
    single = own.filter(pl.col("seed").is_not_null())
    mean = own.filter(pl.col("seed").is_null()).row(0, named=True)
    interval = stats.ttest_1samp(single["estimate"].to_numpy(), 0).confidence_interval(0.95)
    assert mean["estimate"] == pytest.approx(single["estimate"].mean())
    assert mean["low"] == pytest.approx(interval.low)
    assert (mean["n"], mean["p"]) == (3, None)


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
