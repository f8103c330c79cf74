"""Means over runs of what is estimated for single networks."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

import polars as pl

from prunescope.networks.coordinates import name_kind
from prunescope.summarize import estimators
from prunescope.summarize.estimates.rows import BLANK, statistic
from prunescope.summarize.study_tables import Row


def means_over_runs(rows: Iterable[Row]) -> Iterator[Row]:
    """Means over seeds of what is estimated for single networks, with Student's interval.

    Changes of the score have a model of their own (`over_runs`).
    """
    single = [row for row in rows if row.get("seed") is not None and row.get("family") is None]
    if not single:
        return
    common = ("pruning", "retraining", "rate", "layer", "variant")
    frame = pl.DataFrame([{**BLANK, **row} for row in single], infer_schema_length=None)
    for key, group in frame.group_by("quantity", *common, maintain_order=True):
        values = group["estimate"].drop_nulls().to_numpy()
        if len(values) < 2:
            continue
        quantity, *others = key
        columns = dict(zip(common, others, strict=True))
        name = name_kind(columns["pruning"], columns["retraining"], columns["rate"])
        # The null hypothesis would be that a mean score is zero, which is no question.
        found = replace(estimators.mean_t(values), p=None)
        method = "mean over runs, Student's t"
        yield statistic(quantity, f"{name} over runs", found, method, **columns)
