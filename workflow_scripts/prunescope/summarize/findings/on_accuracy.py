"""Findings on accuracy."""

import polars as pl

from prunescope.networks import coordinates
from prunescope.summarize.findings.facts import Facts, dense_retrainings, estimate_of, kinds, pruned
from prunescope.summarize.findings.verdicts import guesses
from prunescope.summarize.findings.wording import (
    count,
    ends_of,
    human,
    interval,
    named,
    percent,
    score,
)


def dense_accuracy(facts: Facts) -> str:
    """Accuracy of the dense networks, as trained and retrained."""
    plain = estimate_of(facts, "top1", coordinates.DENSE, coordinates.NOT_RETRAINED)
    if plain is None:
        return "The study has no dense network."
    said = [f"The dense network has {percent(plain['estimate'])} top-1{interval(plain, percent)}"]
    for kind in dense_retrainings(facts):
        again = estimate_of(facts, "top1", coordinates.DENSE, kind)
        if again is not None:
            said.append(
                f"retrained without pruning ({human(kind)}) it has {percent(again['estimate'])}"
                f"{interval(again, percent)}"
            )
    ending = " Compare pruned networks with those that were retrained alike."
    return f"{'; '.join(said)}.{ending if len(said) > 1 else ''}"


def pruned_accuracy(facts: Facts) -> str:
    """The best pruned networks: of all, and at the highest rate."""
    found = kinds(pruned(facts), "top1").sort("top1", descending=True, maintain_order=True)
    if found.is_empty():
        return "No network was pruned."
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
    """Networks at chance, and that they have a score nevertheless."""
    found = guesses(facts)
    chance = percent(1 / facts.classes)
    if pruned(facts).is_empty():
        return "No network was pruned."
    if found.is_empty():
        return f"All pruned networks are above chance ({chance})."
    start = (
        f"{len(found):,} of {count(len(pruned(facts)), 'pruned network')} "
        f"{'is' if len(found) == 1 else 'are'} not shown to be above chance ({chance})"
    )
    scores = found["mis_soft_live"].drop_nulls()
    untrained = estimate_of(
        facts, "mis_soft_live", coordinates.UNTRAINED, coordinates.NOT_RETRAINED
    )
    if scores.is_empty():
        return f"{start}; they have no live unit to score."
    beside = "" if untrained is None else f" (untrained: {score(untrained['estimate'])})"
    low, high = ends_of(scores)
    spread = f"is {low}" if low == high else f"is between {low} and {high}"
    return (
        f"{start}, yet their mean soft MIS {spread}{beside}: the score does not ask whether a "
        "network is right."
    )
