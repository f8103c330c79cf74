"""Judge changes of the score: shown, shown to be too small to matter, or undecided.

A change is only called shown where a test shows it, after Holm's correction.
"""

import polars as pl

from prunescope.networks.coordinates import DENSE, KIND, NOT_RETRAINED
from prunescope.summarize.estimates import paired_changes
from prunescope.summarize.estimates.runs import accuracy_changes as accuracy_changes_module
from prunescope.summarize.estimates.runs import over_runs
from prunescope.summarize.findings.facts import ALPHA, Facts
from prunescope.summarize.findings.wording import count, listed
from prunescope.summarize.study_tables import Row

SAME, LESS, MORE, OPEN = "within the margin", "lower", "higher", "undecided"


def verdicts(facts: Facts) -> pl.DataFrame:
    """The verdict on each kind of pruned network: how its score differs from its partner's.

    Networks that were not retrained are compared with the dense one, others with the dense network
    that was retrained as often. In a study without dense networks, all are compared with the
    network of the lowest rate of the same method and retraining. A verdict needs several runs that
    differ, and a partner: kinds that lack one of them are left out.

    Returns
    -------
    polars.DataFrame
        The columns `KIND`, `estimate`, `low`, `high` (95 %), and `verdict`: `SAME` if the
        equivalence test shows it after Holm's correction; else `LESS` or `MORE` if a change is
        shown after Holm's correction, of whatever size; else `OPEN`. `n` is the number of runs.
    """
    found = _against_partners(facts)
    equivalent = found.filter(quantity="mis_soft_equivalence").select(*KIND, same="p_holm")
    changed = found.filter(pl.col("low").is_not_null(), quantity="mis_soft_change")
    is_shown = pl.col("p_holm") < ALPHA
    verdict = (
        pl.when(pl.col("same") < ALPHA)
        .then(pl.lit(SAME))
        .when(is_shown & (pl.col("estimate") < 0))
        .then(pl.lit(LESS))
        .when(is_shown & (pl.col("estimate") > 0))
        .then(pl.lit(MORE))
        .otherwise(pl.lit(OPEN))
    )
    return changed.join(equivalent, on=KIND, maintain_order="left").select(
        *KIND, "estimate", "low", "high", "n", verdict=verdict
    )


def score_changes(facts: Facts) -> pl.DataFrame:
    """The change of the score of each kind of pruned network from its partner, over runs.

    Returns
    -------
    polars.DataFrame
        The columns `KIND`, `estimate`, `low`, `high` (95 %); the last two are null where runs do
        not differ.
    """
    found = _against_partners(facts).filter(quantity="mis_soft_change")
    return found.select(*KIND, "estimate", "low", "high")


def accuracy_changes(facts: Facts) -> pl.DataFrame:
    """The change of accuracy of each kind of pruned network from its partner, over runs.

    Returns
    -------
    polars.DataFrame
        The columns `KIND`, `estimate`, `low`, `high` (95 %), `p_holm`.
    """
    found = _against_partners(facts).filter(quantity=accuracy_changes_module.QUANTITY)
    return found.select(*KIND, "estimate", "low", "high", "p_holm")


def table_of_kinds(facts: Facts) -> pl.DataFrame:
    """Each kind of pruned network: means over runs, changes from its partner, and the verdict.

    Returns
    -------
    polars.DataFrame
        The columns `KIND`, `runs`, `top1`, `mis`; `top1_change`, `top1_low`, `top1_high`,
        `mis_change`, `mis_low`, `mis_high` and `verdict`. The intervals are over runs; with one
        run they are over its images and units, and there is no verdict; neither is there one where
        runs do not differ.
    """
    kinds = facts.pruned.group_by(KIND, maintain_order=True).agg(
        runs=pl.len(), top1=pl.col("top1").mean(), mis=pl.col("mis_soft_live").mean()
    )
    top1 = accuracy_changes(facts).select(
        *KIND, top1_change="estimate", top1_low="low", top1_high="high"
    )
    mis = (
        score_changes(facts)
        .select(*KIND, mis_change="estimate", mis_low="low", mis_high="high")
        .join(verdicts(facts).select(*KIND, "verdict"), on=KIND, how="left", maintain_order="left")
    )
    if facts.runs == 1:
        quantity = accuracy_changes_module.AS_GIVEN if facts.given else "top1_change_over_images"
        top1 = _of_one_run(facts, quantity, "top1_")
        mis = _of_one_run(facts, "mis_soft_change_over_units", "mis_").with_columns(
            verdict=pl.lit(None, dtype=pl.String)
        )
    joined = kinds.join(top1, on=KIND, how="left", maintain_order="left")
    return joined.join(mis, on=KIND, how="left", maintain_order="left").sort(
        *KIND, maintain_order=True
    )


def _of_one_run(facts: Facts, quantity: str, prefix: str) -> pl.DataFrame:
    """The changes of the networks of a single run: `KIND`, and the estimate with its interval."""
    found = _against_partners(facts, over="").filter(quantity=quantity)
    names = {"change": "estimate", "low": "low", "high": "high"}
    return found.select(*KIND, **{f"{prefix}{name}": column for name, column in names.items()})


def _against_partners(facts: Facts, over: str = f", {over_runs.OVER_RUNS}") -> pl.DataFrame:
    """The rows in which each kind of pruned network is compared with the partner of its verdict."""
    retrained = pl.col("retraining") != NOT_RETRAINED
    partner = pl.when(retrained).then(pl.lit(paired_changes.CONTROL)).otherwise(pl.lit(DENSE))
    if not facts.has_dense:
        partner = pl.lit(paired_changes.LOWEST)
    end = pl.concat_str(pl.lit(" against "), partner, pl.lit(over))
    named = facts.statistics.filter(pl.col("layer").is_null()).with_columns(method="pruning")
    found = named.filter(pl.col("family") == pl.concat_str("quantity", end))
    return found.join(facts.pruned, on=KIND, how="semi", maintain_order="left")


def count_verdicts(found: pl.DataFrame, margin: float) -> str:
    """In how many kinds of network the score is the same, lower, higher, undecided: a clause."""
    words = {
        SAME: f"shown to be the same within {margin:.3g}",
        LESS: f"shown to be {LESS}",
        MORE: f"shown to be {MORE}",
        OPEN: OPEN,
    }
    number = {verdict: int((found["verdict"] == verdict).sum()) for verdict in words}
    first, *others = (
        f"{words[verdict]} in {number[verdict]}" for verdict in words if number[verdict]
    )
    return listed([f"{first} of {count(len(found), 'kind')} of network", *others])


def judge_equivalence(row: Row, margin: float) -> str:
    """What a test of equivalence shows of a change, as a clause.

    Parameters
    ----------
    row
        The test: `p`, `p_holm`, `low` and `high` (90 %).
    margin
        The margin of the test.
    """
    if row["p_holm"] < ALPHA:
        return f"it lies within the margin of {margin:.3g}: equivalence is shown"
    if row["p"] < ALPHA:
        return (
            f"the interval lies within the margin of {margin:.3g}, but after Holm's correction "
            f"(p = {row['p_holm']:.2f}) equivalence is not shown"
        )
    if row["low"] > margin or row["high"] < -margin:
        return f"it lies outside the margin of {margin:.3g}: a change that matters is shown"
    return f"neither equivalence within the margin of {margin:.3g} nor a change beyond it is shown"
