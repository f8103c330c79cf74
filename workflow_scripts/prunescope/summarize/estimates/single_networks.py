"""Estimates of single networks: means over units, shares of images, alignment of layers."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from prunescope.summarize import estimators, gathering
from prunescope.summarize.estimates.inputs import EstimationSettings, StudyTables
from prunescope.summarize.estimates.rows import (
    MEASURES,
    OWN,
    SCORES,
    UNIT,
    Row,
    about_network,
    make_row,
    name_of,
)
from prunescope.summarize.estimators import Estimate

BOOTSTRAP = "mean over units, percentile bootstrap within layers"


# --- single networks -----------------------------------------------------------------------------


def network_means(
    units: pl.DataFrame, settings: EstimationSettings, rng: np.random.Generator
) -> Iterator[Row]:
    """Mean scores over live, all and matched units, and mean measures over live ones."""
    matched = gathering.matched_units(units).with_columns(matched=pl.lit(True))
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
    settings: EstimationSettings,
    rng: np.random.Generator,
) -> Iterator[Row]:
    # A unit may be constant on the recorded images only: it has one measure less.
    whole = rows.drop_nulls(columns)
    if len(whole) < 2:
        return
    found = estimators.stratified_means(
        whole.select(columns).to_numpy(), whole["layer"].to_numpy(), settings.resamples, rng
    )
    for column, one in zip(columns, found, strict=True):
        yield make_row(f"{column}{suffix}", name_of(key), one, BOOTSTRAP, **about_network(key))


def shares(study: StudyTables) -> Iterator[Row]:
    """Accuracy, agreement with dense, the class that loses most, and images in disagreement."""
    for row in study.networks.iter_rows(named=True):
        own = [row[name] for name in OWN]
        for quantity in ("top1", "agreement"):
            hits = round(row[quantity] * row["images"])
            found = estimators.proportion(hits, row["images"])
            yield make_row(
                quantity, name_of(own), found, "share of images, Wilson", **about_network(own)
            )
    for key, rows in study.classes.group_by(OWN, maintain_order=True):
        worst = rows.sort("top1_change", "class").row(0, named=True)
        found = Estimate(worst["top1_change"], None, None, None, worst["images"], level=None)
        label = f"{name_of(key)}, class {worst['class']}"
        yield make_row("worst_class_change", label, found, "largest loss of accuracy of a class",
                   **about_network(key))  # fmt: skip
    yield from _disagreeing(study)


def _disagreeing(study: StudyTables) -> Iterator[Row]:
    images = study.networks["images"][0]
    kinds = study.networks.filter(pl.col("rate") > 0).select(OWN[:3]).unique(maintain_order=True)
    counted = study.disagreements.group_by(OWN[:3]).agg(count=pl.len())
    joined = kinds.join(counted, on=OWN[:3], how="left", maintain_order="left")
    for method, retraining, rate, count in joined.iter_rows():
        found = estimators.proportion(count or 0, images)
        yield make_row("disagreement", f"{method}/{retraining}/rate{rate:.2f}", found,
                   "images whose most frequent class over seeds is not that of dense, Wilson",
                   pruning=method, retraining=retraining, rate=rate)  # fmt: skip


def alignments(layers: pl.DataFrame) -> Iterator[Row]:
    """Mean alignment of the layers with those of the dense network."""
    for key, rows in layers.group_by(OWN, maintain_order=True):
        values = rows["cka"].drop_nulls()
        if len(values) and key[:2] != ("dense", "none"):
            found = Estimate(float(values.mean()), None, None, None, len(values), level=None)  # type: ignore[arg-type]
            yield make_row("cka", name_of(key), found, "mean over layers", **about_network(key))
