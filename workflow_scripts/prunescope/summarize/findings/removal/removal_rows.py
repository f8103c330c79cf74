"""Look up in the table of statistics which units go, and what that does to means."""

from collections.abc import Sequence

import polars as pl

from prunescope.networks.coordinates import DENSE, KIND, NOT_RETRAINED
from prunescope.summarize import selection
from prunescope.summarize.estimates import paired_changes
from prunescope.summarize.estimates.runs import survivorship
from prunescope.summarize.estimates.runs.over_runs import OVER_RUNS
from prunescope.summarize.findings.facts import ALPHA
from prunescope.summarize.words import describe_retraining, human

_MEASURE = r"^removed_minus_kept\((\w+)\)$"
# The columns of the parts of a change, by their quantities.
PARTS = {
    survivorship.CHANGE: "change",
    survivorship.SAME: "same",
    survivorship.LOST: "lost",
    survivorship.NEW: "new",
}


def choices(statistics: pl.DataFrame) -> pl.DataFrame:
    """What each choice removes minus what it keeps: over runs, or of the only run.

    Parameters
    ----------
    statistics
        `study_tables.STATISTICS`.

    Returns
    -------
    polars.DataFrame
        `KIND`, `measure`, `estimate`, `low`, `high`, `p_holm`, `shown` (whether it is, after the
        correction), and `choice`: its name in words, with the kind of retraining only where a
        method has several choices. In the order of the methods.
    """
    found = statistics.with_columns(
        method="pruning", measure=pl.col("quantity").str.extract(_MEASURE)
    ).drop_nulls("measure")
    of_runs = found.drop_nulls("seed")
    kinds = of_runs.select(KIND).unique(maintain_order=True)
    named = kinds.with_columns(choice=pl.Series(_names(kinds.rows()), dtype=pl.String))
    shown = of_runs if of_runs["seed"].n_unique() == 1 else found.filter(pl.col("seed").is_null())
    columns = (*KIND, "choice", "measure", "estimate", "low", "high", "p_holm", "shown")
    tested = shown.with_columns(shown=(pl.col("p_holm") < ALPHA).fill_null(False))
    return named.join(tested, on=KIND, maintain_order="left_right").select(columns)


def _names(kinds: Sequence[tuple[str, str, float]]) -> list[str]:
    first: dict[str, str] = {}
    names = []
    for method, retraining, rate in kinds:
        same = first.setdefault(method, retraining) == retraining
        kind = "" if same else f", {describe_retraining(retraining)}"
        names.append(f"{human(method)}{kind}, {rate:.0%}")
    return names


def parts(networks: pl.DataFrame, statistics: pl.DataFrame) -> pl.DataFrame:
    """The change of the mean over live units of each kind of pruned network, and its parts.

    Against the partner of the verdict, over runs or of the only run. Kinds without one are left
    out, and so is the second of two names of the same networks.

    Parameters
    ----------
    networks, statistics
        `study_tables.NETWORKS` and `study_tables.STATISTICS`.

    Returns
    -------
    polars.DataFrame
        `KIND`; `change`, `same`, `lost` and `new`, of which the last three add up to the first;
        `low` and `high` of `change`; `lost_low`, `lost_high` and `lost_p`, corrected. Intervals
        and p are null where there is one run.
    """
    partner = pl.when(pl.col("retraining") == NOT_RETRAINED).then(pl.lit(DENSE))
    against = partner.otherwise(pl.lit(paired_changes.CONTROL))
    if selection.dense(networks).is_empty():
        against = pl.lit(paired_changes.LOWEST)
    end = f", {OVER_RUNS}" if networks["seed"].n_unique() > 1 else ""
    family = pl.concat_str("quantity", pl.lit(" against "), against, pl.lit(end))
    found = statistics.with_columns(method="pruning").filter(
        pl.col("quantity").is_in(list(PARTS)), pl.col("family") == family
    )
    kinds = selection.distinct(selection.pruned(networks)).select(KIND).unique(maintain_order=True)
    for quantity, name in PARTS.items():
        numbers = {"estimate": name, "low": f"{name}_low", "high": f"{name}_high",
                   "p_holm": f"{name}_p"}  # fmt: skip
        own = found.filter(quantity=quantity).select(*KIND, *numbers).rename(numbers)
        kinds = kinds.join(own, on=KIND, maintain_order="left")
    return kinds.select(
        *KIND, *PARTS.values(), "lost_low", "lost_high", "lost_p", low="change_low",
        high="change_high",
    )  # fmt: skip
