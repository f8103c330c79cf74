"""Relations over networks: the score against the rate and the accuracy; means over seeds."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import numpy as np
import polars as pl

from prunescope.networks.coordinates import name_kind
from prunescope.summarize import estimators, selection, study_tables
from prunescope.summarize.estimates.inputs import EstimationSettings
from prunescope.summarize.estimates.rows import BLANK, FEWEST, statistic
from prunescope.summarize.estimators import Estimate
from prunescope.summarize.study_tables import Row

# --- the score against rate and accuracy ---------------------------------------------------------


def relations(networks: pl.DataFrame, settings: EstimationSettings) -> Iterator[Row]:
    """Correlations of the score with rate and accuracy over pruned networks, and equivalence.

    Both over the live units of each network and over the units that are live in all networks
    (`matched`), because the units that survive pruning are not the same in all networks.
    """
    for column in ("mis_soft_live", "mis_soft_matched"):
        scored = selection.pruned(networks).filter(pl.col(column).is_not_null())
        for name, rows, columns in _groups(scored):
            if len(rows) >= FEWEST and np.ptp(rows[column].to_numpy()) > 0:
                yield from _relations(name, rows, column, settings, columns)


def _groups(pruned: pl.DataFrame) -> Iterator[tuple[str, pl.DataFrame, Row]]:
    """Groups of networks: their name, the networks, each once, and what they have in common."""
    once = selection.distinct(pruned)
    yield study_tables.ALL_PRUNED, once, {}
    retrained = once.filter(pl.col("epochs") > 0)
    if 0 < len(retrained) < len(once):
        yield study_tables.ALL_RETRAINED, retrained, {}
    for (kind,), rows in pruned.group_by(["retraining"], maintain_order=True):
        yield f"retraining {kind}", rows, {"retraining": kind}
    for (method,), rows in once.group_by(["method"], maintain_order=True):
        yield f"method {method}", rows, {"pruning": method}


def _relations(
    name: str, rows: pl.DataFrame, column: str, settings: EstimationSettings, columns: Row
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
            partial = "partial, " if given is not None else ""
            yield statistic(
                f"{kind}({column}, {label})",
                name,
                estimators.correlation(x, score, ranks=ranks, given=given),
                f"{partial}over networks, Fisher's interval",
                family=f"relations of {column}",
                **columns,
            )
        if label.startswith("rate") and estimators.determined(x, given):
            yield statistic(
                f"slope_equivalence({column}, {label})",
                name,
                _equivalent_slope(x, score, given, settings.margin),
                f"change from the lowest to the highest rate (least squares over networks), "
                f"two one-sided t tests against {settings.margin}",
                family=f"slope_equivalence of {column}",
                **columns,
            )


def _equivalent_slope(
    rate: np.ndarray, score: np.ndarray, given: np.ndarray | None, margin: float
) -> Estimate:
    value, error, freedom = estimators.slope(rate, score, given)
    # The change over the rates that the study has, not over all rates from 0 to 1.
    span = float(np.ptp(rate))
    return estimators.equivalence(value * span, error * span, freedom, margin, len(rate))


# --- means over seeds ----------------------------------------------------------------------------


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
    common = ("pruning", "retraining", "rate", "layer", "variant")
    frame = pl.DataFrame([{**BLANK, **row} for row in single], infer_schema_length=None)
    for key, group in frame.group_by("quantity", "family", *common, maintain_order=True):
        values = group["estimate"].drop_nulls().to_numpy()
        if len(values) < 2:
            continue
        quantity, family, *others = key
        columns = dict(zip(common, others, strict=True))
        found = estimators.mean_t(values)
        name = name_kind(columns["pruning"], columns["retraining"], columns["rate"])
        comparison = f"{name} over seeds"
        if family is None:
            # The null hypothesis would be that a mean score is zero, which is no question.
            found = replace(found, p=None)
        else:
            comparison, family = f"{comparison}, {family}", f"{family} over seeds"
        method = "mean over seeds, Student's t"
        yield statistic(quantity, comparison, found, method, family=family, **columns)
