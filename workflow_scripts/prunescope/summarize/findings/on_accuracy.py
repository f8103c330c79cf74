"""Findings on accuracy."""

from collections.abc import Iterator

import polars as pl

from prunescope.networks.coordinates import COORDINATES, DENSE, UNTRAINED
from prunescope.summarize.estimates.runs import accuracy_changes
from prunescope.summarize.findings.facts import ALPHA, Facts, kind_means
from prunescope.summarize.findings.wording import (
    be,
    count,
    interval,
    named,
    percent,
    points,
    score,
)
from prunescope.summarize.words import describe_retraining

NOT_KNOWN = "The accuracy of the pruned networks is not known."


def dense_accuracy(facts: Facts) -> str:
    """Accuracy of the dense networks, as trained and retrained."""
    plain = facts.unpruned("top1", DENSE)
    if not facts.has_dense:
        return "The study has no dense network."
    if plain is None:
        return "The accuracy of the dense network is not known."
    said = [f"The dense network has {percent(plain['estimate'])} top-1{interval(plain, percent)}"]
    for retraining in facts.control_retrainings:
        control = facts.unpruned("top1", DENSE, retraining)
        if control is not None:
            said.append(
                f"retrained without pruning ({describe_retraining(retraining)}) it has "
                f"{percent(control['estimate'])}{interval(control, percent)}"
            )
    ending = "Compare pruned networks with those that were retrained alike."
    alone = retraining_alone(facts)
    return " ".join([f"{'; '.join(said)}.", *alone, *([ending] if len(said) > 1 else [])])


def retraining_alone(facts: Facts) -> Iterator[str]:
    """What retraining does to the accuracy of networks that are not pruned, over runs.

    Where it is shown to harm, what pruned networks lose is not all owed to pruning.
    """
    found = facts.statistics.filter(
        pl.col("retraining").is_in(facts.control_retrainings),
        quantity=accuracy_changes.QUANTITY,
        pruning=DENSE,
        rate=0.0,
    )
    for row in found.iter_rows(named=True):
        yield (
            f"Retraining alone ({describe_retraining(row['retraining'])}) changes accuracy by "
            f"{points(row['estimate'])}{interval(row, points)}."
        )
        # Where all runs change by the same, there is no p value.
        if row["estimate"] < 0 and row["p_holm"] is not None and row["p_holm"] < ALPHA:
            yield "It harms, so not all that retrained networks lose is owed to pruning."


def pruned_accuracy(facts: Facts) -> str:
    """The best pruned networks: of all, and at the highest rate."""
    found = kind_means(facts.pruned, "top1").sort("top1", descending=True, maintain_order=True)
    if found.is_empty():
        return NOT_KNOWN if facts.pruned.height else "No network was pruned."
    best = found.row(0, named=True)
    highest = found.filter(pl.col("rate") == pl.col("rate").max())
    first, last = highest.row(0, named=True), highest.row(-1, named=True)
    text = f"The best pruned networks ({named(best)}) have {percent(best['top1'])}"
    if len(highest) == 1:
        return f"{text}; those at the highest rate ({named(first)}) {percent(first['top1'])}."
    return (
        f"{text}. At the highest rate they range from {percent(last['top1'])} ({named(last)}) to "
        f"{percent(first['top1'])} ({named(first)})."
    )


def guessing(facts: Facts) -> str:
    """The networks that are not shown to be better than chance, and the score that they have."""
    if facts.pruned.is_empty():
        return "No network was pruned."
    if not facts.has_accuracy:
        return NOT_KNOWN
    if facts.classes is None:
        return "Which networks guess is not known, as the number of classes is not."
    found = _guessing_networks(facts, facts.classes)
    chance = percent(1 / facts.classes)
    if found.is_empty():
        return f"All pruned networks are above chance ({chance})."
    start = (
        f"{len(found):,} of {count(len(facts.pruned), 'pruned network')} {be(len(found))} not "
        f"shown to be above chance ({chance})"
    )
    scores = found["mis_soft_live"].drop_nulls().to_list()
    if not scores:
        return f"{start}; they have no live unit to score."
    untrained = facts.unpruned("mis_soft_live", UNTRAINED)
    beside = "" if untrained is None else f" (untrained: {score(untrained['estimate'])})"
    low, high = score(min(scores)), score(max(scores))
    spread = f"is {low}" if low == high else f"is between {low} and {high}"
    return (
        f"{start}, yet their mean soft MIS {spread}{beside}: the score does not ask whether a "
        "network is right."
    )


def _guessing_networks(facts: Facts, classes: int) -> pl.DataFrame:
    """The pruned networks whose accuracy is not shown to be above chance."""
    low = facts.statistics.filter(
        pl.col("variant").is_null(), pl.col("seed").is_not_null(), quantity="top1"
    ).select("retraining", "rate", "seed", low="low", method="pruning")
    joined = facts.pruned.join(low, on=COORDINATES, maintain_order="left")
    return joined.filter(pl.col("low") <= 1 / classes)
