"""The same units in two networks: how their scores differ."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl

from prunescope.summarize import estimators
from prunescope.summarize.estimates.inputs import EstimationSettings
from prunescope.summarize.estimates.rows import (
    FEWEST,
    MEASURES,
    OWN,
    SCORES,
    UNIT,
    Row,
    about_network,
    make_row,
    name_of,
)

# Sign flips for each network: with m tests of one family the smallest p that n flips can give is,
# after Holm's correction, m / (1 + n).
FLIPS = 40
PAIRED = "mean over units live in both, percentile bootstrap within layers, sign-flip permutation"
CLUSTERED = "mean over units live in both, t with layers as clusters, sign flips of whole layers"


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


def changes(
    units: pl.DataFrame, settings: EstimationSettings, rng: np.random.Generator
) -> Iterator[Row]:
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
    settings: EstimationSettings,
    flips: int,
    rng: np.random.Generator,
) -> Iterator[Row]:
    values, strata = pairs.select(columns).to_numpy(), pairs["layer"].to_numpy()
    means = estimators.stratified_means(values, strata, settings.resamples, rng)
    p = estimators.sign_flip_p(values, flips, rng)
    for place, column in enumerate(columns):
        size = estimators.effect_size(values[:, place])
        found = replace(means[place], p=float(p[place]), effect_size=size)
        yield make_row(f"{column}_change", comparison, found, PAIRED,
                   family=f"{column}_change against {partner}", **about_network(key))  # fmt: skip
    if "mis_soft" in columns:
        soft = values[:, columns.index("mis_soft")]
        yield from _clustered(soft, strata, comparison, partner, key, settings, flips, rng)


def _clustered(
    soft: np.ndarray,
    layers: np.ndarray,
    comparison: str,
    partner: str,
    key: Sequence[Any],
    settings: EstimationSettings,
    flips: int,
    rng: np.random.Generator,
) -> Iterator[Row]:
    """Change and equivalence of the soft score; units of a layer may depend on each other."""
    mean, error, freedom = estimators.clustered_mean(soft, layers)
    if mean.n < FEWEST:
        return
    totals = estimators.cluster_totals(soft, layers)
    p = estimators.sign_flip_p(totals[:, None], flips, rng)[0]
    yield make_row("mis_soft_change_clustered", comparison, replace(mean, p=float(p)), CLUSTERED,
                   family=f"mis_soft_change_clustered against {partner}",
                   **about_network(key))  # fmt: skip
    found = estimators.equivalence(mean.estimate, error, freedom, settings.margin, mean.n)
    yield make_row("mis_soft_equivalence", comparison, found,
               f"two one-sided t tests, layers as clusters, against a change of {settings.margin}",
               family=f"mis_soft_equivalence against {partner}", **about_network(key))  # fmt: skip


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
                yield make_row(f"mis_soft_change_by_{kind}", f"{name_of(key)}, {name}",
                           estimators.mean_t(rows["mis_soft"].to_numpy()),
                           "mean over units live in both, Student's t",
                           family=f"mis_soft_change_by_{kind} in {name_of(key)}",
                           layer=name, **about_network(key))  # fmt: skip


def changes_by_depth(units: pl.DataFrame) -> Iterator[Row]:
    """Does the change of the soft score grow or shrink with depth? Over the layers of a network."""
    places = {name: place for place, name in enumerate(units["layer"].unique(maintain_order=True))}
    for key, partner, pairs in _pairs(units):
        layers = pairs.group_by("layer", maintain_order=True).agg(pl.col("mis_soft").mean())
        change = layers["mis_soft"].to_numpy()
        if partner != "dense" or len(layers) < FEWEST or np.ptp(change) == 0:
            continue
        depth = np.array([places[name] for name in layers["layer"]], dtype=np.float64)
        yield make_row("spearman(mis_soft_change, depth)", f"layers of {name_of(key)}",
                   estimators.correlation(depth, change, ranks=True),
                   "over layers in the order of the network, Fisher's interval",
                   family="spearman(mis_soft_change, depth)", **about_network(key))  # fmt: skip
