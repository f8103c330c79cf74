"""The answer of a study in three sentences: what was done, accuracy, interpretability."""

import polars as pl

from prunescope.networks.coordinates import DENSE, KIND, NOT_RETRAINED
from prunescope.summarize import selection
from prunescope.summarize.findings.facts import ALPHA, Facts
from prunescope.summarize.findings.verdicts import (
    accuracy_changes,
    count_verdicts,
    score_changes,
    verdicts,
)
from prunescope.summarize.findings.wording import be, count, listed, named, percent, points
from prunescope.summarize.words import human


def answer(facts: Facts) -> str:
    """Three sentences that can be read without the documentation."""
    return " ".join([what_was_done(facts), accuracy(facts), interpretability(facts)])


def what_was_done(facts: Facts) -> str:
    """The networks, the methods, and the number of runs."""
    rows, pruned = facts.networks, selection.pruned(facts.networks)
    if pruned.is_empty():
        return f"{count(len(rows), 'network')} on {facts.dataset}: none of them is pruned."
    elsewhere = pruned["method"].is_in(list(facts.pruned_elsewhere))
    ways = []
    if not elsewhere.all():
        names, rates = _names_and_rates(pruned.filter(~elsewhere))
        ways.append(f"by {count(len(names), 'method')} ({listed(names)}) at {listed(rates)}")
    if elsewhere.any():
        names, rates = _names_and_rates(pruned.filter(elsewhere))
        ways.append(f"elsewhere ({listed(names)}) at {listed(rates)}")
    return f"A network trained on {facts.dataset} was pruned {' and '.join(ways)}, {_runs(facts)}."


def _runs(facts: Facts) -> str:
    """The number of runs, and whether each has a dense network of its own.

    Runs that begin with the same weights differ by what comes after them alone.
    """
    if facts.runs == 1:
        return "in a single run"
    dense = facts.networks.filter(method=DENSE, retraining=NOT_RETRAINED)
    if len(dense) > 1 and dense.select("top1", "mis_soft_all").n_unique() == 1:
        return f"in {facts.runs} runs from one dense network"
    return f"in {facts.runs} independent runs"


def _names_and_rates(networks: pl.DataFrame) -> tuple[list[str], list[str]]:
    """The methods of networks, and the rates at which they stand, in words."""
    methods = [human(name) for name in selection.present(networks["method"])]
    return methods, [percent(rate, 0) for rate in sorted(set(networks["rate"].to_list()))]


def accuracy(facts: Facts) -> str:
    """What pruning did to accuracy, for networks that were retrained, where there are any."""
    found = accuracy_changes(facts)
    if found.is_empty():
        return _accuracy_of_one_run(facts)
    lower = found.filter((pl.col("p_holm") < ALPHA) & (pl.col("estimate") < 0))
    retrained = facts.retrained.select(KIND).unique()
    after = found.join(retrained, on=KIND, how="semi", maintain_order="left")
    which, shown = (after, "After retraining") if after.height else (found, "Without retraining")
    fallen = lower.join(which.select(KIND), on=KIND, how="semi", maintain_order="left")
    if fallen.is_empty():
        return f"{shown}, no loss of accuracy is shown in {count(len(which), 'kind')} of network."
    worst = fallen.sort("estimate", maintain_order=True).row(0, named=True)
    return (
        f"{shown}, accuracy is shown to fall in {len(fallen)} of "
        f"{count(len(which), 'kind')} of network, most by {points(worst['estimate'])} "
        f"({named(worst)})."
    )


def _accuracy_of_one_run(facts: Facts) -> str:
    if facts.pruned.is_empty():
        return "Nothing is said of pruned accuracy."
    known = [part.drop_nulls("top1") for part in (facts.retrained, facts.pruned)]
    found = next((part for part in known if part.height), known[-1]).sort("top1")
    if found.is_empty():
        return "Their accuracy is not known."
    low, high = found.row(0, named=True), found.row(-1, named=True)
    if len(found) == 1:
        return f"Its accuracy is {percent(low['top1'])} ({named(low)})."
    return (
        f"Their accuracy lies between {percent(low['top1'])} ({named(low)}) and "
        f"{percent(high['top1'])} ({named(high)})."
    )


def interpretability(facts: Facts) -> str:
    """What pruning did to the score of the same channels, and how sure that is."""
    if facts.pruned.is_empty():
        return "Nothing is said of pruned units."
    found = verdicts(facts)
    copies = len(score_changes(facts)) - len(found)
    if found.is_empty() and copies:
        return (
            "What that does to the interpretability of single units stays open: the runs measured "
            "the same networks, so they cannot tell a change from chance."
        )
    if found.is_empty():
        return (
            "What that does to the interpretability of single units stays open: one run cannot "
            "tell a change from chance."
            if facts.runs == 1
            else "What that does to the interpretability of single units stays open: no network "
            "has a dense partner to compare with."
        )
    return (
        "The mean interpretability score of the same channels is "
        f"{count_verdicts(found, facts.margin)}{_untested(copies)}."
    )


def _untested(kinds: int) -> str:
    """What is said of kinds of network whose runs do not differ."""
    if not kinds:
        return ""
    return f"; {count(kinds, 'kind')} more, the same networks in every run, {be(kinds)} not tested"
