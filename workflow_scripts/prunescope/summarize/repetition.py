"""Compare a study with its repetition by other seeds: do conclusions hold?

Both are samples of the same thing, so a second estimate often lies outside the interval of the
first: it has an error of its own. How often it should lie inside is computed for each interval.
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from scipy import optimize, stats

from prunescope.networks.coordinates import KIND
from prunescope.summarize.estimates.runs.over_runs import OVER_RUNS
from prunescope.summarize.findings.facts import Facts
from prunescope.summarize.findings.verdicts import verdicts

# What names an estimate in both studies.
KEY = ("quantity", "comparison", "family")


@dataclass(frozen=True)
class Repetition:
    """How a repetition agrees with a study.

    Attributes
    ----------
    verdicts
        The columns `KIND`, `verdict` and `verdict_again`: of kinds that have one in both.
    captures
        One row for each quantity: `quantity`, `intervals` (how many estimates with an interval both
        studies have), `captured` (the fraction of second estimates that lie in the first interval)
        and `expected` (the fraction that should).
    """

    verdicts: pl.DataFrame
    captures: pl.DataFrame

    @property
    def agreement(self) -> float:
        """The fraction of verdicts that agree; NaN if there are none."""
        same = self.verdicts["verdict"] == self.verdicts["verdict_again"]
        return float(same.mean()) if len(same) else float("nan")  # type: ignore[arg-type]


def compare(first: Facts, second: Facts) -> Repetition:
    """Compare a study with its repetition.

    Parameters
    ----------
    first, second
        The facts of two studies with the same config, but for their seeds.
    """
    both = (
        verdicts(first)
        .select(*KIND, "verdict")
        .join(
            verdicts(second).select(*KIND, verdict_again="verdict"), on=KIND, maintain_order="left"
        )
    )
    return Repetition(both, captures(first.statistics, second.statistics))


def captures(first: pl.DataFrame, second: pl.DataFrame) -> pl.DataFrame:
    """How often the second estimate lies in the 95 % interval of the first, by quantity.

    Only estimates over runs with a p value count: its interval and its p value tell the degrees of
    freedom, and those how often the second estimate should lie inside.

    Parameters
    ----------
    first, second
        As `study_tables.STATISTICS`.
    """
    tested = first.filter(
        pl.col("comparison").str.ends_with(OVER_RUNS),
        pl.col("p").is_not_null(),
        # Networks that guess may all answer alike: then nothing varies, and there is no t test.
        pl.col("low") < pl.col("high"),
        level=0.95,
    )
    joined = tested.join(
        second.select(*KEY, again="estimate"), on=KEY, maintain_order="left"
    ).with_columns(captured=pl.col("again").is_between("low", "high"))
    expected = [expected_capture(row) for row in joined.to_dicts()]
    return (
        joined.with_columns(expected=pl.Series(expected, dtype=pl.Float64))
        .group_by("quantity", maintain_order=True)
        .agg(
            pl.len().alias("intervals"),
            pl.col("captured").mean(),
            pl.col("expected").mean(),
        )
    )


def expected_capture(row: dict) -> float:
    """How often an equal, independent estimate lies in the interval of a t test.

    The difference of both estimates has twice the variance, so that it is the probability that
    |t| stays below t(0.975) / sqrt(2) (Cumming & Maillardet 2006: 83 % with a known variance).

    Parameters
    ----------
    row
        `estimate`, `low`, `high` and the two-sided `p` of a t test against zero.
    """
    freedom = degrees_of_freedom(row)
    inner = stats.t.ppf(0.975, freedom) / np.sqrt(2)
    return float(2 * stats.t.cdf(inner, freedom) - 1)


def degrees_of_freedom(row: dict) -> float:
    """The degrees of freedom of a t test, from its 95 % interval and its p value."""
    half = (row["high"] - row["low"]) / 2
    ratio = abs(row["estimate"]) / half

    def excess(freedom: float) -> float:
        return float(2 * stats.t.sf(ratio * stats.t.ppf(0.975, freedom), freedom)) - row["p"]

    low, high = 0.5, 1e6
    # Near the edge of the interval p is 0.05 whatever the degrees of freedom.
    if np.sign(excess(low)) == np.sign(excess(high)):
        return high
    return float(optimize.brentq(excess, low, high))
