"""The table of all that is estimated from the published scores, and how a row of it is made."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from prunescope.foundation.tables import Column, Table
from prunescope.summarize import estimators
from prunescope.summarize.estimators import Estimate
from prunescope.summarize.study_tables import Row

ANALYSIS = Table(
    "results/{study}/tables/published_analysis.parquet",
    "An estimate from the published scores of units. Only made if `unit_scores.source` is "
    "`published`.",
    {
        "quantity": Column(pl.String, "what is estimated"),
        "group": Column(pl.String, "over which networks, in words"),
        "pruning": Column(pl.String, "pruning method of the network or arm", nullable=True),
        "retraining": Column(pl.String, "its kind of retraining", nullable=True),
        "rate": Column(pl.Float64, "its pruning rate; null for an arm", "fraction", nullable=True),
        "layer_type": Column(pl.String, "`conv2d`, `linear` (logits) or `both`", nullable=True),
        "units": Column(
            pl.String,
            "`live` (in the network, or in the pair) or `live in all`",
            nullable=True,
        ),
        "reading": Column(
            pl.String, "how units are read as dead: a key of `readings.READINGS`", nullable=True
        ),
        "estimate": Column(pl.Float64, "the estimate"),
        "low": Column(pl.Float64, "lower end of the interval", nullable=True),
        "high": Column(pl.Float64, "upper end of the interval", nullable=True),
        "level": Column(pl.Float64, "confidence level of the interval", "fraction", nullable=True),
        "p": Column(pl.Float64, "p value, uncorrected", nullable=True),
        "p_holm": Column(
            pl.Float64,
            "p value after Holm's correction over the rows that differ in the arm only",
            nullable=True,
        ),
        "n": Column(pl.Int64, "units, layers, networks or arms behind it"),
        "method": Column(pl.String, "statistical method, and what it does not tell"),
    },
)
MARGIN = "margin"
_FAMILY = ("quantity", "layer_type", "units", "reading")


def margin_of(setting: float | Mapping[str, float]) -> float | None:
    """The margin of the config as a number; None if it is given in units of the study's own runs.

    There is no dense network and one run of each kind, so such units do not exist here.
    """
    return None if isinstance(setting, Mapping) else float(setting)


def number(value: float, n: int) -> Estimate:
    """A number without an interval."""
    return Estimate(float(value), None, None, None, n, None)


def row(quantity: str, group: str, found: Estimate, method: str, **place: Any) -> Row:
    """A row of `ANALYSIS`; `place` fills the columns that may be missing."""
    return {
        **{name: None for name, column in ANALYSIS.columns.items() if column.nullable},
        "quantity": quantity,
        "group": group,
        "estimate": found.estimate,
        "low": found.low,
        "high": found.high,
        "level": found.level,
        "p": found.p,
        "n": found.n,
        "method": method,
        **place,
    }


def to_table(rows: list[Row]) -> pl.DataFrame:
    """Rows as a table, with Holm's correction over the arms."""
    frame = pl.DataFrame(
        rows, schema={key: column.dtype for key, column in ANALYSIS.columns.items()}
    ).with_columns(place=pl.int_range(pl.len()))
    corrected: list[float | None] = [None] * len(frame)
    tested = frame.filter(pl.col("p").is_not_null() & pl.col("retraining").is_not_null())
    for _, family in tested.group_by(_FAMILY, maintain_order=True):
        holm = estimators.holm(family["p"].to_numpy().astype(np.float64))
        for place, p in zip(family["place"], holm, strict=True):
            corrected[place] = float(p)
    return frame.with_columns(p_holm=pl.Series(corrected, dtype=pl.Float64)).drop("place")
