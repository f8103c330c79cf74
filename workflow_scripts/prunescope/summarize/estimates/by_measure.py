"""How the score agrees with other measures of a unit, and with what its ablation costs."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import polars as pl

from prunescope.summarize import estimators
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
    found = estimators.correlation(x, y, ranks=True)
    yield make_row(f"spearman({first}, {second})", f"units of {name_of(key)}", found,
               "over units, Fisher's interval", family=family, **about_network(key))  # fmt: skip
