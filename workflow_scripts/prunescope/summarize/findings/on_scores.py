"""Findings on the interpretability of units."""

from collections.abc import Iterator

import polars as pl

from prunescope.interpret import score_variants
from prunescope.networks.coordinates import DENSE, NOT_RETRAINED, RECALIBRATED, UNTRAINED
from prunescope.summarize.findings.facts import Facts
from prunescope.summarize.findings.verdicts import count_verdicts, judge_equivalence, verdicts
from prunescope.summarize.findings.wording import (
    capitalised,
    change,
    change_interval,
    count,
    interval,
    named,
    score,
)
from prunescope.summarize.study_tables import Row
from prunescope.summarize.words import describe_retraining


def same_units(facts: Facts) -> str:
    """The change of the score over the units that are live in both, and what is shown of it."""
    found = verdicts(facts)
    dense = facts.unpruned("mis_soft_live", DENSE)
    start = (
        ""
        if dense is None
        else f"The dense network's mean soft MIS is {score(dense['estimate'])}{interval(dense)}. "
    )
    if found.is_empty():
        return f"{start}No pruned network was retrained and scored, so changes are not tested."
    ordered = found.sort("estimate")
    low, high = ordered.row(0, named=True), ordered.row(-1, named=True)
    if len(found) == 1:
        spread = f"changes by {change(low['estimate'])} ({change_interval(low)})"
    else:
        spread = (
            f"changes by {change(low['estimate'])} ({change_interval(low)}; {named(low)}) to "
            f"{change(high['estimate'])} ({change_interval(high)}; {named(high)})"
        )
    return (
        f"{start}Over the same units it {spread} in "
        f"{count(len(found), 'retrained pruned network')}: "
        f"{count_verdicts(found, facts.margin)}."
    )


def rates(facts: Facts) -> str:
    """Correlation with the rate, the test of equivalence, and the same given accuracy."""
    found = facts.relation("spearman(mis_soft_live, rate)")
    slope = facts.relation("slope_equivalence(mis_soft_live, rate)")
    if found is None or slope is None:
        return "Too few pruned networks to relate their score to the rate."
    text = (
        f"Over {found['n']} networks ({found['comparison']}) score and rate correlate with "
        f"{change(found['estimate'])} (Spearman; {change_interval(found)}); from the lowest to "
        f"the highest rate the mean score changes by {_slope(slope, facts.margin)}."
    )
    partial = facts.relation("spearman(mis_soft_live, rate | top1)")
    if partial is not None:
        text += (
            f" Given accuracy the correlation is {change(partial['estimate'])} "
            f"({change(partial['low'])} to {change(partial['high'])})."
        )
    same = facts.relation("slope_equivalence(mis_soft_matched, rate)")
    if same is not None:
        text += (
            " Over the units that are live in all networks alone, the mean score changes by "
            f"{_slope(same, facts.margin)}."
        )
    return text


def _slope(row: Row, margin: float) -> str:
    return (
        f"{change(row['estimate'])} (90 % interval {change(row['low'])} to {change(row['high'])}): "
        f"{judge_equivalence(row, margin)}"
    )


def controls(facts: Facts) -> str:
    """What retraining, random choice, recalibration, no training and permuted images give."""
    said = [*_retraining_alone(facts), *_at_random(facts), *_recalibrated(facts)]
    untrained = facts.unpruned("mis_soft_live", UNTRAINED)
    if untrained is not None:
        said.append(f"an untrained network scores {score(untrained['estimate'])}")
    floor = facts.statistics.filter(
        pl.col("seed").is_not_null(), quantity="mis_soft_live", variant=score_variants.PERMUTED
    )["estimate"].to_list()
    if floor:
        said.append(f"images dealt at random score {score(sum(floor) / len(floor))} (the floor)")
    return capitalised("; ".join(said)) if said else "The study has no controls."


def _retraining_alone(facts: Facts) -> Iterator[str]:
    for retraining in facts.control_retrainings:
        row = facts.unpruned("mis_soft_change_clustered", DENSE, retraining)
        if row is not None:
            yield (
                f"retraining alone ({describe_retraining(retraining)}) changes the score of the "
                f"same units by {change(row['estimate'])} ({change_interval(row)})"
            )


def _at_random(facts: Facts) -> Iterator[str]:
    found = verdicts(facts)
    is_random = pl.col("method").is_in(facts.random_methods)
    drawn = found.filter(is_random)["estimate"].to_list()
    chosen = found.filter(~is_random)["estimate"].to_list()
    if drawn and chosen:
        yield (
            f"pruning at random changes it by {change(min(drawn))} to {change(max(drawn))}, "
            f"pruning by a criterion by {change(min(chosen))} to {change(max(chosen))}"
        )


def _recalibrated(facts: Facts) -> Iterator[str]:
    after = facts.pruned.filter(retraining=RECALIBRATED)
    before = facts.pruned.filter(retraining=NOT_RETRAINED)
    pairs = after.join(before, on=["method", "rate", "seed"], suffix="_before").select(
        top1=pl.col("top1") - pl.col("top1_before"),
        mis=pl.col("mis_soft_live") - pl.col("mis_soft_live_before"),
    )
    if pairs.height:
        top1, mis = (
            sum(values) / len(values)
            for values in (pairs["top1"].to_list(), pairs["mis"].drop_nulls().to_list() or [0.0])
        )
        yield (
            f"recalibrating batch norm alone changes accuracy by {100 * top1:+.1f} points and the "
            f"mean score by {change(mis)} on average"
        )
