"""Which units go: how far the removed units differ from those that stay, in a run and over runs.

A choice is what a method removes from the dense network at a rate. Kinds of retraining that start
from the dense network take the same units, so a choice counts once, under the first of them. The
difference is in standard deviations within layers, so that measures compare. Choices at random
differ by 0 on average.
"""

from collections.abc import Iterator

import polars as pl

from prunescope.networks.coordinates import KIND, Coordinates, name_kind
from prunescope.summarize.estimates.rows import statistic
from prunescope.summarize.estimates.runs.over_runs import (
    OVER_RUNS,
    Layout,
    columns_of,
    how_known,
    tested,
)
from prunescope.summarize.estimators import Estimate
from prunescope.summarize.removal.removal_tables import MEASURES
from prunescope.summarize.study_tables import Row

FAMILY = "removed minus kept"
_WITHIN_RUN = (
    "within layers, in standard deviations; interval and p against random choices of as many "
    "pieces, this run alone"
)


def quantity(measure: str) -> str:
    """The name of the difference by a measure, in the table of statistics."""
    return f"removed_minus_kept({measure})"


def choices(removals: pl.DataFrame) -> Iterator[Row]:
    """How the removed units of each choice differ from those that stay, by every measure.

    Of each run alone, against choices at random, and over runs. The tests of a run are a family,
    and so are those over runs, of all choices and measures.

    Parameters
    ----------
    removals
        `removal_tables.UNITS_PRUNED`.
    """
    found = distinct(removals).drop_nulls("standardized")
    for row in found.iter_rows(named=True):
        yield _in_a_run(row)
    for measure in MEASURES:
        values = found.filter(measure=measure).select(*KIND, "seed", value="standardized")
        layout = Layout.of(values)
        if layout is not None:
            yield from _over_runs(layout, measure)


def distinct(removals: pl.DataFrame) -> pl.DataFrame:
    """The rows of each choice once: of kinds that take units of their own in some run."""
    own = removals.filter(pl.col("chosen_as") == pl.col("retraining")).select(KIND).unique()
    return removals.join(own, on=KIND, how="semi", maintain_order="left")


def _in_a_run(row: Row) -> Row:
    network = Coordinates.from_row(row)
    # What the difference exceeds those of the middle 95 % of random choices by.
    low, high = (
        (row["difference"] - row[f"random_{end}"]) / row["spread"] for end in ("high", "low")
    )
    return statistic(
        quantity(row["measure"]),
        network.name,
        Estimate(row["standardized"], low, high, row["p"], row["removed"] + row["kept"]),
        _WITHIN_RUN,
        network,
        family=f"{FAMILY}, run of seed {network.seed} alone",
    )


def _over_runs(layout: Layout, measure: str) -> Iterator[Row]:
    method = f"within layers, in standard deviations; {how_known(layout.model)}"
    for place, kind in enumerate(layout.kinds.to_dicts()):
        name = name_kind(kind["method"], kind["retraining"], kind["rate"])
        yield statistic(
            quantity(measure),
            f"{name}, {OVER_RUNS}",
            tested(layout.model.mean(place), layout.model.runs),
            method,
            family=f"{FAMILY}, {OVER_RUNS}",
            **columns_of(kind),
        )
