"""Findings on the interpretability of units."""

from collections.abc import Iterator

import polars as pl

from prunescope.interpret import score_variants
from prunescope.networks.coordinates import DENSE, NOT_RETRAINED, RECALIBRATED, UNTRAINED
from prunescope.summarize.findings.facts import Facts
from prunescope.summarize.findings.verdicts import judge_equivalence, verdicts
from prunescope.summarize.findings.wording import (
    capitalised,
    change,
    change_interval,
    correlation,
    score,
)
from prunescope.summarize.study_tables import Row
from prunescope.summarize.words import describe_retraining


def rates(facts: Facts) -> str:
    """The change of the score over the rates, and its correlation with the rate."""
    said = []
    slope = facts.relation("slope_equivalence(mis_soft_live, rate)")
    if slope is not None:
        said.append(
            f"From the lowest to the highest rate the mean score changes by "
            f"{_slope(slope, facts.margin)}."
        )
    same = facts.relation("slope_equivalence(mis_soft_matched, rate)")
    if same is not None:
        said.append(
            f"Over channels that are live in all networks of a run it changes by "
            f"{_slope(same, facts.margin)}."
        )
    found = facts.relation("spearman(mis_soft_live, rate)")
    if found is not None:
        said.append(f"Score and rate correlate with {correlation(found)}.")
    return " ".join(said) or "Too few pruned networks to relate their score to the rate."


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
        row = facts.unpruned("mis_soft_change", DENSE, retraining)
        if row is not None:
            yield (
                f"retraining alone ({describe_retraining(retraining)}) changes the score of the "
                f"same units by {change(row['estimate'])} ({change_interval(row)})"
            )


def _at_random(facts: Facts) -> Iterator[str]:
    found = verdicts(facts).filter(pl.col("retraining") != NOT_RETRAINED)
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
            sum(values) / len(values) if values else None
            for values in (pairs[name].drop_nulls().to_list() for name in ("top1", "mis"))
        )
        said = [
            *([] if top1 is None else [f"accuracy by {100 * top1:+.1f} points"]),
            *(
                ["the mean score by +0.000"]
                if mis is None
                else [f"the mean score by {change(mis)}"]
            ),
        ]
        yield f"recalibrating batch norm alone changes {' and '.join(said)} on average"
