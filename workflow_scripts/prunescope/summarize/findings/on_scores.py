"""Findings on the interpretability of units."""

from collections.abc import Iterator

import polars as pl

from prunescope.interpret import score_variants
from prunescope.networks import coordinates
from prunescope.summarize.findings.facts import (
    Facts,
    dense_retrainings,
    estimate_of,
    pruned,
    relation,
)
from prunescope.summarize.findings.verdicts import of_verdicts, shown_by, verdicts
from prunescope.summarize.findings.wording import (
    Row,
    bounds_of,
    change,
    count,
    human,
    interval,
    named,
    score,
)


def same_units(facts: Facts) -> str:
    """The change of the score over the units that are live in both, and what is shown of it."""
    found = verdicts(facts)
    dense = estimate_of(facts, "mis_soft_live", coordinates.DENSE, coordinates.NOT_RETRAINED)
    start = (
        ""
        if dense is None
        else f"The dense network's mean soft MIS is {score(dense['estimate'])}{interval(dense)}. "
    )
    if found.is_empty():
        return f"{start}No pruned network was retrained and scored, so changes are not tested."
    low, high = found.sort("estimate")[0].row(0, named=True), found.sort("estimate")[-1]
    top = high.row(0, named=True)
    if len(found) == 1:
        spread = f"changes by {change(low['estimate'])} ({bounds_of(low)})"
    else:
        spread = (
            f"changes by {change(low['estimate'])} ({bounds_of(low)}; {named(low)}) to "
            f"{change(top['estimate'])} ({bounds_of(top)}; {named(top)})"
        )
    number = count(len(found), "retrained pruned network")
    return (
        f"{start}Over the same units it {spread} in {number}: {of_verdicts(found, facts.margin)}."
    )


def rates(facts: Facts) -> str:
    """Correlation with the rate, the test of equivalence, and the same given accuracy."""
    found = relation(facts, "spearman(mis_soft_live, rate)")
    slope = relation(facts, "slope_equivalence(mis_soft_live, rate)")
    if found is None or slope is None:
        return "Too few pruned networks to relate their score to the rate."
    text = (
        f"Over {found['n']} networks ({found['comparison']}) score and rate correlate with "
        f"{change(found['estimate'])} (Spearman; 95 % interval {change(found['low'])} to "
        f"{change(found['high'])}); from the lowest to the highest rate the mean score changes by "
        f"{_slope(slope, facts.margin)}."
    )
    partial = relation(facts, "spearman(mis_soft_live, rate | top1)")
    if partial is not None:
        text += (
            f" Given accuracy the correlation is {change(partial['estimate'])} "
            f"({change(partial['low'])} to {change(partial['high'])})."
        )
    same = relation(facts, "slope_equivalence(mis_soft_matched, rate)")
    if same is not None:
        text += (
            " Over the units that are live in all networks alone, the mean score changes by "
            f"{_slope(same, facts.margin)}."
        )
    return text


def _slope(row: Row, margin: float) -> str:
    return (
        f"{change(row['estimate'])} (90 % interval {change(row['low'])} to {change(row['high'])}): "
        f"{shown_by(row, margin)}"
    )


def controls(facts: Facts) -> str:
    """What retraining, random choice, recalibration, no training and permuted images give."""
    said = [*_retraining_alone(facts), *_at_random(facts), *_recalibrated(facts)]
    untrained = estimate_of(
        facts, "mis_soft_live", coordinates.UNTRAINED, coordinates.NOT_RETRAINED
    )
    if untrained is not None:
        said.append(f"an untrained network scores {score(untrained['estimate'])}")
    floor = facts.statistics.filter(
        pl.col("seed").is_not_null(), quantity="mis_soft_live", variant=score_variants.PERMUTED
    )["estimate"].to_list()
    if floor:
        said.append(f"images dealt at random score {score(sum(floor) / len(floor))} (the floor)")
    if not said:
        return "The study has no controls."
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def _retraining_alone(facts: Facts) -> Iterator[str]:
    for kind in dense_retrainings(facts):
        row = estimate_of(facts, "mis_soft_change_clustered", coordinates.DENSE, kind)
        if row is not None:
            yield (
                f"retraining alone ({human(kind)}) changes the score of the same units by "
                f"{change(row['estimate'])} ({bounds_of(row)})"
            )


def _at_random(facts: Facts) -> Iterator[str]:
    found = verdicts(facts)
    drawn = found.filter(pl.col("method").is_in(facts.random_methods))["estimate"].to_list()
    chosen = found.filter(~pl.col("method").is_in(facts.random_methods))["estimate"].to_list()
    if drawn and chosen:
        yield (
            f"pruning at random changes it by {change(min(drawn))} to {change(max(drawn))}, "
            f"pruning by a criterion by {change(min(chosen))} to {change(max(chosen))}"
        )


def _recalibrated(facts: Facts) -> Iterator[str]:
    again = pruned(facts).filter(retraining=coordinates.RECALIBRATED)
    plain = pruned(facts).filter(retraining=coordinates.NOT_RETRAINED)
    pairs = again.join(plain, on=["method", "rate", "seed"], suffix="_before").select(
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
