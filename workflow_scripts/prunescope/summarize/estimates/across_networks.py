"""Relations over networks: the score against the rate and the accuracy; means over seeds."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from prunescope.summarize import estimators
from prunescope.summarize.duplicates import distinct
from prunescope.summarize.estimates.inputs import EstimationSettings
from prunescope.summarize.estimates.rows import BLANK, FEWEST, Row, make_row
from prunescope.summarize.estimators import Estimate

# --- networks ------------------------------------------------------------------------------------


def relations(networks: pl.DataFrame, settings: EstimationSettings) -> Iterator[Row]:
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
    name: str, rows: pl.DataFrame, column: str, settings: EstimationSettings, about: Row
) -> Iterator[Row]:
    score, rate, top1 = (rows[c].to_numpy() for c in (column, "rate", "top1"))
    for label, x, given in (
        ("rate", rate, None),
        ("top1", top1, None),
        ("rate | top1", rate, top1),
    ):
        for kind, ranks in (("spearman", True), ("pearson", False)):
            if not estimators.determined(x, given, ranks=ranks):
                continue
            found = estimators.correlation(x, score, ranks=ranks, given=given)
            partial = "partial, " if given is not None else ""
            yield make_row(f"{kind}({column}, {label})", name, found,
                       f"{partial}over networks, Fisher's interval",
                       family=f"relations of {column}", **about)  # fmt: skip
        if label.startswith("rate") and estimators.determined(x, given):
            quantity = f"slope_equivalence({column}, {label})"
            found = _equivalent_slope(x, score, given, settings.margin)
            yield make_row(quantity, name, found,
                       f"change from the lowest to the highest rate (least squares over networks), "
                       f"two one-sided t tests against {settings.margin}",
                       family=f"slope_equivalence of {column}", **about)  # fmt: skip


def _equivalent_slope(
    rate: np.ndarray, score: np.ndarray, given: np.ndarray | None, margin: float
) -> Estimate:
    value, error, freedom = estimators.slope(rate, score, given)
    # What the score changes over the rates that the study has, not from nothing to everything.
    span = float(np.ptp(rate))
    return estimators.equivalence(value * span, error * span, freedom, margin, len(rate))


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
    frame = pl.DataFrame([{**BLANK, **row} for row in single], infer_schema_length=None)
    for key, group in frame.group_by(columns, maintain_order=True):
        values = group["estimate"].drop_nulls().to_numpy()
        if len(values) < 2:
            continue
        about = dict(zip(columns[1:6], key[1:6], strict=True))
        quantity, family = key[0], key[6]
        found = estimators.mean_t(values)
        if family is None:
            # That a mean score is not zero is no question.
            found = replace(found, p=None)
        words = f"{about['pruning']}/{about['retraining']}/rate{about['rate']:.2f} over seeds"
        yield make_row(quantity, words if family is None else f"{words}, {family}", found,
                   "mean over seeds, Student's t",
                   family=family and f"{family} over seeds", **about)  # fmt: skip
