"""What the tables of a study say: rows of `tables.STATISTICS`.

Units of a network are not a random sample of anything, and networks that come from one dense
network are not independent. Intervals over units say how well a network's mean is known from
its units; how a method would do on another network, only several seeds can say.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import polars as pl

from prunescope import sensitivity, statistics, summary, tables
from prunescope.distinct import distinct
from prunescope.statistics import Estimate

Row = dict[str, Any]

# An interval of a correlation needs more networks or units than these.
FEWEST = 6
# Sign flips for each network: with m tests of one family the smallest p that n flips can give is,
# after Holm's correction, m / (1 + n).
FLIPS = 40
MEASURES = ("monosemanticity", "label_purity", "class_selectivity")
SCORES = ("mis_soft", "mis_hard")
UNIT = list(summary.UNIT)
OWN = ["method", "retraining", "rate", "seed"]
BOOTSTRAP = "mean over units, percentile bootstrap within layers"
SHIFT = "mean change against dense over units live in both, t with layers as clusters"
PAIRED = "mean over units live in both, percentile bootstrap within layers, sign-flip permutation"
CLUSTERED = "mean over units live in both, t with layers as clusters, sign flips of whole layers"


@dataclass(frozen=True)
class Settings:
    """How estimates are made.

    Attributes
    ----------
    resamples
        Of bootstraps and permutation tests.
    margin
        Change of the MIS that is too small to matter.
    seed
        Seeds both.
    """

    resamples: int
    margin: float
    seed: int


@dataclass(frozen=True)
class Study:
    """The tables that estimates are made from, as `tables` declares them.

    `variants` and `ablations` are those of some networks, stacked, with coordinates.
    """

    networks: pl.DataFrame
    units: pl.DataFrame
    layers: pl.DataFrame
    classes: pl.DataFrame
    disagreements: pl.DataFrame
    variants: pl.DataFrame
    ablations: pl.DataFrame


def estimate(study: Study, settings: Settings) -> pl.DataFrame:
    """All estimates of a study, as `tables.STATISTICS`."""
    rng = np.random.default_rng(settings.seed)
    rows = [
        *network_means(study.units, settings, rng),
        *shares(study),
        *alignments(study.layers),
        *changes(study.units, settings, rng),
        *changes_by_layer(study.units),
        *changes_by_depth(study.units),
        *relations(study.networks, settings),
        *variants(study.variants),
        *conclusions(study.variants),
        *ablations(study.ablations, study.units),
        *agreements_of_measures(study.units),
    ]
    rows += list(over_seeds(rows))
    name = study.networks["study"][0]
    frame = pl.DataFrame(
        [{**_BLANK, **row, "study": name} for row in rows],
        schema={key: column.dtype for key, column in tables.STATISTICS.columns.items()},
    )
    return _correct(frame)


_BLANK: Row = dict.fromkeys(tables.STATISTICS.columns)


def _row(quantity: str, comparison: str, found: Estimate, method: str, **about: Any) -> Row:
    known = {key: _finite(value) for key, value in asdict(found).items()}
    return {"quantity": quantity, "comparison": comparison, "method": method, **known, **about}


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not np.isfinite(value) else value


def _about(key: Sequence[Any]) -> Row:
    return dict(zip(["pruning", "retraining", "rate", "seed"], key, strict=True))


def name_of(key: Sequence[Any]) -> str:
    """A network in words: its coordinates as in its path."""
    method, retraining, rate, seed = key
    return f"{method}/{retraining}/rate{rate:.2f}/seed{seed}"


def _correct(frame: pl.DataFrame) -> pl.DataFrame:
    """Fill in `p_holm`, family by family."""
    corrected = frame["p_holm"].to_numpy().copy()
    p = frame["p"].to_numpy()
    family = frame["family"].to_numpy()
    for name in frame["family"].drop_nulls().unique():
        members = np.flatnonzero((family == name) & ~np.isnan(p))
        corrected[members] = statistics.holm(p[members])
    return frame.with_columns(p_holm=pl.Series(corrected, dtype=pl.Float64).fill_nan(None))


# --- single networks -----------------------------------------------------------------------------


def network_means(
    units: pl.DataFrame, settings: Settings, rng: np.random.Generator
) -> Iterator[Row]:
    """Mean scores over live, all and matched units, and mean measures over live ones."""
    matched = summary.matched_units(units).with_columns(matched=pl.lit(True))
    marked = units.join(matched, on=UNIT, how="left", maintain_order="left")
    scopes = {
        "_live": ~pl.col("constant"),
        "_all": pl.lit(True),
        "_matched": pl.col("matched").fill_null(False),
    }
    for key, rows in marked.group_by(OWN, maintain_order=True):
        for suffix, chosen in scopes.items():
            yield from _means(rows.filter(chosen), SCORES, suffix, key, settings, rng)
        yield from _means(rows.filter(scopes["_live"]), MEASURES, "", key, settings, rng)


def _means(
    rows: pl.DataFrame,
    columns: Sequence[str],
    suffix: str,
    key: Sequence[Any],
    settings: Settings,
    rng: np.random.Generator,
) -> Iterator[Row]:
    # A unit may be constant on the recorded images only: it has one measure less.
    whole = rows.drop_nulls(columns)
    if len(whole) < 2:
        return
    found = statistics.stratified_means(
        whole.select(columns).to_numpy(), whole["layer"].to_numpy(), settings.resamples, rng
    )
    for column, one in zip(columns, found, strict=True):
        yield _row(f"{column}{suffix}", name_of(key), one, BOOTSTRAP, **_about(key))


def shares(study: Study) -> Iterator[Row]:
    """Accuracy, agreement with dense, the class that loses most, and images in disagreement."""
    for row in study.networks.iter_rows(named=True):
        own = [row[name] for name in OWN]
        for quantity in ("top1", "agreement"):
            hits = round(row[quantity] * row["images"])
            found = statistics.proportion(hits, row["images"])
            yield _row(quantity, name_of(own), found, "share of images, Wilson", **_about(own))
    for key, rows in study.classes.group_by(OWN, maintain_order=True):
        worst = rows.sort("top1_change", "class").row(0, named=True)
        found = Estimate(worst["top1_change"], None, None, None, worst["images"], level=None)
        label = f"{name_of(key)}, class {worst['class']}"
        yield _row("worst_class_change", label, found, "largest loss of accuracy of a class",
                   **_about(key))  # fmt: skip
    yield from _disagreeing(study)


def _disagreeing(study: Study) -> Iterator[Row]:
    images = study.networks["images"][0]
    kinds = study.networks.filter(pl.col("rate") > 0).select(OWN[:3]).unique(maintain_order=True)
    counted = study.disagreements.group_by(OWN[:3]).agg(count=pl.len())
    joined = kinds.join(counted, on=OWN[:3], how="left", maintain_order="left")
    for method, retraining, rate, count in joined.iter_rows():
        found = statistics.proportion(count or 0, images)
        yield _row("disagreement", f"{method}/{retraining}/rate{rate:.2f}", found,
                   "images whose most frequent class over seeds is not that of dense, Wilson",
                   pruning=method, retraining=retraining, rate=rate)  # fmt: skip


def alignments(layers: pl.DataFrame) -> Iterator[Row]:
    """Mean alignment of the layers with those of the dense network."""
    for key, rows in layers.group_by(OWN, maintain_order=True):
        values = rows["cka"].drop_nulls()
        if len(values) and key[:2] != ("dense", "none"):
            found = Estimate(float(values.mean()), None, None, None, len(values), level=None)  # type: ignore[arg-type]
            yield _row("cka", name_of(key), found, "mean over layers", **_about(key))


# --- the same unit, dense and pruned --------------------------------------------------------------


def _pairs(units: pl.DataFrame) -> Iterator[tuple[Sequence[Any], str, pl.DataFrame]]:
    """Each network beside the dense one, and beside the dense one that was retrained as it was.

    Yields the coordinates, the name of the partner, and the units that are live in both: columns
    `layer` and, for every score and measure, its change.
    """
    live = units.filter(~pl.col("constant"))
    by_network = dict(live.group_by(OWN, maintain_order=True))
    for key, rows in by_network.items():
        method, retraining, _, seed = key
        partners = {"dense": ("dense", "none", 0.0, seed)}
        if retraining != "none" and method != "dense":
            partners["dense retrained alike"] = ("dense", retraining, 0.0, seed)
        for name, partner in partners.items():
            if partner != key and partner in by_network:
                yield key, name, _change(rows, by_network[partner])


def _change(rows: pl.DataFrame, partner: pl.DataFrame) -> pl.DataFrame:
    joined = rows.join(partner, on=UNIT, suffix="_before", maintain_order="left")
    return joined.select(
        "layer", *(pl.col(name) - pl.col(f"{name}_before") for name in (*SCORES, *MEASURES))
    )


def changes(units: pl.DataFrame, settings: Settings, rng: np.random.Generator) -> Iterator[Row]:
    """Mean change of every score and measure, with tests for a change and for none."""
    flips = max(settings.resamples, FLIPS * units.select(OWN).n_unique())
    for key, partner, pairs in _pairs(units):
        comparison = f"{name_of(key)} against {partner}"
        for columns in (SCORES, MEASURES):
            whole = pairs.drop_nulls(columns)
            if len(whole) >= FEWEST:
                yield from _changes(whole, columns, comparison, partner, key, settings, flips, rng)


def _changes(
    pairs: pl.DataFrame,
    columns: Sequence[str],
    comparison: str,
    partner: str,
    key: Sequence[Any],
    settings: Settings,
    flips: int,
    rng: np.random.Generator,
) -> Iterator[Row]:
    values, strata = pairs.select(columns).to_numpy(), pairs["layer"].to_numpy()
    means = statistics.stratified_means(values, strata, settings.resamples, rng)
    p = statistics.sign_flip_p(values, flips, rng)
    for place, column in enumerate(columns):
        size = statistics.effect_size(values[:, place])
        found = replace(means[place], p=float(p[place]), effect_size=size)
        yield _row(f"{column}_change", comparison, found, PAIRED,
                   family=f"{column}_change against {partner}", **_about(key))  # fmt: skip
    if "mis_soft" in columns:
        soft = values[:, columns.index("mis_soft")]
        yield from _clustered(soft, strata, comparison, partner, key, settings, flips, rng)


def _clustered(
    soft: np.ndarray,
    layers: np.ndarray,
    comparison: str,
    partner: str,
    key: Sequence[Any],
    settings: Settings,
    flips: int,
    rng: np.random.Generator,
) -> Iterator[Row]:
    """Change and equivalence of the soft score; units of a layer may depend on each other."""
    mean, error, freedom = statistics.clustered_mean(soft, layers)
    if mean.n < FEWEST:
        return
    totals = statistics.cluster_totals(soft, layers)
    p = statistics.sign_flip_p(totals[:, None], flips, rng)[0]
    yield _row("mis_soft_change_clustered", comparison, replace(mean, p=float(p)), CLUSTERED,
               family=f"mis_soft_change_clustered against {partner}", **_about(key))  # fmt: skip
    found = statistics.equivalence(mean.estimate, error, freedom, settings.margin, mean.n)
    yield _row("mis_soft_equivalence", comparison, found,
               f"two one-sided t tests, layers as clusters, against a change of {settings.margin}",
               family=f"mis_soft_equivalence against {partner}", **_about(key))  # fmt: skip


def changes_by_layer(units: pl.DataFrame) -> Iterator[Row]:
    """Mean change of the soft score in each layer, and in each block of layers: by depth."""
    for key, partner, pairs in _pairs(units):
        if partner != "dense":
            continue
        block = pl.col("layer").str.split(".").list.first()
        for kind, by in (("layer", pl.col("layer")), ("block", block)):
            for (name,), rows in pairs.group_by(by, maintain_order=True):
                if len(rows) < FEWEST:
                    continue
                yield _row(f"mis_soft_change_by_{kind}", f"{name_of(key)}, {name}",
                           statistics.mean_t(rows["mis_soft"].to_numpy()),
                           "mean over units live in both, Student's t",
                           family=f"mis_soft_change_by_{kind} in {name_of(key)}",
                           layer=name, **_about(key))  # fmt: skip


def changes_by_depth(units: pl.DataFrame) -> Iterator[Row]:
    """Does the change of the soft score grow or shrink with depth? Over the layers of a network."""
    places = {name: place for place, name in enumerate(units["layer"].unique(maintain_order=True))}
    for key, partner, pairs in _pairs(units):
        layers = pairs.group_by("layer", maintain_order=True).agg(pl.col("mis_soft").mean())
        change = layers["mis_soft"].to_numpy()
        if partner != "dense" or len(layers) < FEWEST or np.ptp(change) == 0:
            continue
        depth = np.array([places[name] for name in layers["layer"]], dtype=np.float64)
        yield _row("spearman(mis_soft_change, depth)", f"layers of {name_of(key)}",
                   statistics.correlation(depth, change, ranks=True),
                   "over layers in the order of the network, Fisher's interval",
                   family="spearman(mis_soft_change, depth)", **_about(key))  # fmt: skip


# --- networks ------------------------------------------------------------------------------------


def relations(networks: pl.DataFrame, settings: Settings) -> Iterator[Row]:
    """The score against the rate and the accuracy, over pruned networks; and no relation.

    Over the live units of each network, and over those that are live in all networks (`matched`):
    what pruning leaves alive are other units.
    """
    pruned = networks.filter(pl.col("rate") > 0)
    for column in ("mis_soft_live", "mis_soft_matched"):
        scored = pruned.filter(pl.col(column).is_not_null())
        for name, rows, about in _groups(scored):
            if len(rows) >= FEWEST and np.ptp(rows[column].to_numpy()) > 0:
                yield from _relations(name, rows, column, settings, about)


def _relations(
    name: str, rows: pl.DataFrame, column: str, settings: Settings, about: Row
) -> Iterator[Row]:
    score, rate, top1 = (rows[c].to_numpy() for c in (column, "rate", "top1"))
    for label, x, given in (
        ("rate", rate, None),
        ("top1", top1, None),
        ("rate | top1", rate, top1),
    ):
        for kind, ranks in (("spearman", True), ("pearson", False)):
            if not statistics.determined(x, given, ranks=ranks):
                continue
            found = statistics.correlation(x, score, ranks=ranks, given=given)
            partial = "partial, " if given is not None else ""
            yield _row(f"{kind}({column}, {label})", name, found,
                       f"{partial}over networks, Fisher's interval",
                       family=f"relations of {column}", **about)  # fmt: skip
        if label.startswith("rate") and statistics.determined(x, given):
            quantity = f"slope_equivalence({column}, {label})"
            found = _equivalent_slope(x, score, given, settings.margin)
            yield _row(quantity, name, found,
                       f"change from the lowest to the highest rate (least squares over networks), "
                       f"two one-sided t tests against {settings.margin}",
                       family=f"slope_equivalence of {column}", **about)  # fmt: skip


def _equivalent_slope(
    rate: np.ndarray, score: np.ndarray, given: np.ndarray | None, margin: float
) -> Estimate:
    value, error, freedom = statistics.slope(rate, score, given)
    # What the score changes over the rates that the study has, not from nothing to everything.
    span = float(np.ptp(rate))
    return statistics.equivalence(value * span, error * span, freedom, margin, len(rate))


def _groups(pruned: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame, Row]]:
    """Networks that are looked at together, none of them twice."""
    once = distinct(pruned)
    yield "all pruned networks", once, {}
    retrained = once.filter(pl.col("epochs") > 0)
    if 0 < len(retrained) < len(once):
        yield "all retrained pruned networks", retrained, {}
    for (kind,), rows in pruned.group_by(["retraining"], maintain_order=True):
        yield f"retraining {kind}", rows, {"retraining": kind}
    for (method,), rows in once.group_by(["method"], maintain_order=True):
        yield f"method {method}", rows, {"pruning": method}


def over_seeds(rows: Iterable[Row]) -> Iterator[Row]:
    """Means over seeds of what is estimated for single networks, with Student's interval."""
    single = [
        row
        for row in rows
        if row.get("seed") is not None
        and (row.get("family") is None or row["quantity"].endswith("_change"))
    ]
    if not single:
        return
    columns = ["quantity", "pruning", "retraining", "rate", "layer", "variant", "family"]
    frame = pl.DataFrame([{**_BLANK, **row} for row in single], infer_schema_length=None)
    for key, group in frame.group_by(columns, maintain_order=True):
        values = group["estimate"].drop_nulls().to_numpy()
        if len(values) < 2:
            continue
        about = dict(zip(columns[1:6], key[1:6], strict=True))
        quantity, family = key[0], key[6]
        found = statistics.mean_t(values)
        if family is None:
            # That a mean score is not zero is no question.
            found = replace(found, p=None)
        words = f"{about['pruning']}/{about['retraining']}/rate{about['rate']:.2f} over seeds"
        yield _row(quantity, words if family is None else f"{words}, {family}", found,
                   "mean over seeds, Student's t",
                   family=family and f"{family} over seeds", **about)  # fmt: skip


# --- other ways to score, other measures ----------------------------------------------------------


def variants(scores: pl.DataFrame) -> Iterator[Row]:
    """Mean score, and mean change against dense, under every variant."""
    live = scores.filter(~pl.col("constant"))
    by_network = dict(live.group_by([*OWN, "variant"], maintain_order=True))
    method = "mean over units, normal interval from the variance within layers"
    for key, rows in by_network.items():
        own, variant = key[:4], key[4]
        about = {**_about(own), "variant": variant}
        label = f"{name_of(own)}, {variant}"
        for column in SCORES:
            yield _row(f"{column}_live", label, _normal(rows, column), method, **about)
        partner = ("dense", "none", 0.0, own[3], variant)
        if own[:2] == ("dense", "none") or partner not in by_network:
            continue
        joined = rows.join(by_network[partner], on=UNIT, suffix="_before", maintain_order="left")
        for column in SCORES if joined["layer"].n_unique() > 1 else ():
            pairs = joined.with_columns(pl.col(column) - pl.col(f"{column}_before"))
            found, *_ = statistics.clustered_mean(
                pairs[column].to_numpy(), pairs["layer"].to_numpy()
            )
            yield _row(f"{column}_shift", label, found, SHIFT, **about)


def conclusions(scores: pl.DataFrame) -> Iterator[Row]:
    """Does a variant order networks as the study's own score does, and shift pruned ones alike?"""
    live = scores.filter(~pl.col("constant"))
    means = live.group_by([*OWN, "variant"], maintain_order=True).agg(pl.col("mis_soft").mean())
    own = means.filter(variant=sensitivity.UNCHANGED).drop("variant")
    dense = pl.col("method") == "dense", pl.col("retraining") == "none"
    before = means.filter(*dense).select("seed", "variant", before="mis_soft")
    for (variant,), rows in means.group_by(["variant"], maintain_order=True):
        joined = rows.join(own, on=OWN, suffix="_own", maintain_order="left")
        x, y = joined["mis_soft_own"].to_numpy(), joined["mis_soft"].to_numpy()
        varied = variant != sensitivity.UNCHANGED
        if varied and len(joined) >= FEWEST and np.ptp(x) > 0 and np.ptp(y) > 0:
            yield _row("spearman(mis_soft_live, unchanged)", f"networks, {variant}",
                       statistics.correlation(x, y, ranks=True),
                       "over networks, Fisher's interval",
                       family="spearman(mis_soft_live, unchanged)", variant=variant)  # fmt: skip
        pruned = rows.filter(pl.col("rate") > 0, pl.col("retraining") != "none")
        shifts = pruned.join(before, on=["seed", "variant"], maintain_order="left").select(
            pl.col("mis_soft") - pl.col("before")
        )["mis_soft"]
        if len(shifts) > 1:
            found = replace(statistics.mean_t(shifts.to_numpy()), p=None)
            yield _row("mis_soft_live_difference", f"retrained pruned networks, {variant}", found,
                       "difference of means to dense, mean over networks, Student's t",
                       variant=variant)  # fmt: skip


def _normal(rows: pl.DataFrame, column: str) -> Estimate:
    return statistics.stratified_normal_mean(rows[column].to_numpy(), rows["layer"].to_numpy())


def ablations(rows: pl.DataFrame, units: pl.DataFrame) -> Iterator[Row]:
    """Does a unit's score tell how much the network needs it?"""
    joined = rows.join(units, on=[*OWN, *UNIT], maintain_order="left").filter(~pl.col("constant"))
    for key, group in joined.group_by(OWN, maintain_order=True):
        for loss in ("top1_drop", "loss_rise"):
            for measure in (*SCORES, *MEASURES):
                yield from _over_units(group, measure, loss, key, "ablation")


def agreements_of_measures(units: pl.DataFrame) -> Iterator[Row]:
    """Do the measures see the same units as interpretable? Over the live units of the dense."""
    dense = units.filter(pl.col("rate") == 0, ~pl.col("constant"), pl.col("retraining") == "none")
    for key, group in dense.group_by(OWN, maintain_order=True):
        for measure in MEASURES:
            yield from _over_units(group, "mis_soft", measure, key, "measures")


def _over_units(
    group: pl.DataFrame, first: str, second: str, key: Sequence[Any], family: str
) -> Iterator[Row]:
    whole = group.drop_nulls([first, second])
    x, y = whole[first].to_numpy(), whole[second].to_numpy()
    if len(whole) < FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return
    found = statistics.correlation(x, y, ranks=True)
    yield _row(f"spearman({first}, {second})", f"units of {name_of(key)}", found,
               "over units, Fisher's interval", family=family, **_about(key))  # fmt: skip
