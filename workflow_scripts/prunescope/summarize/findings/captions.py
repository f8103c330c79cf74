"""What each chart shows of a study, in a sentence with its numbers."""

from collections.abc import Callable, Mapping

import polars as pl

from prunescope.networks import coordinates
from prunescope.summarize.findings import facts as facts_module
from prunescope.summarize.findings import on_accuracy, on_robustness, on_scores, verdicts, wording
from prunescope.summarize.findings.facts import (
    ALPHA,
    OWN,
    Facts,
    estimate_of,
    kinds,
    relation,
    retrained,
)
from prunescope.summarize.findings.wording import change, named, percent, score


def caption(name: str, facts: Facts) -> str:
    """The finding of a chart, by its name in `charts.CHARTS`."""
    return CAPTIONS[name](facts)


def _without_retraining(facts: Facts) -> str:
    found = kinds(facts_module.pruned(facts).filter(retraining=coordinates.NOT_RETRAINED), "top1")
    if found.is_empty():
        return "No network was pruned and left without retraining."
    dense = estimate_of(facts, "top1", coordinates.DENSE, coordinates.NOT_RETRAINED)
    start = "" if dense is None else f"The dense network has {percent(dense['estimate'])}. "
    last = found.filter(pl.col("rate") == pl.col("rate").max().over("method"))
    ends = [
        f"{coordinates.human(row['method'])} {percent(row['top1'])}"
        for row in last.sort("top1", descending=True, maintain_order=True).iter_rows(named=True)
    ]
    return f"{start}Right after pruning at its highest rate: {wording.listed(ends)}."


def _during_retraining(facts: Facts) -> str:
    found = retrained(facts)
    one_shot = kinds(found.filter(retraining=coordinates.ONE_SHOT), "top1")
    if one_shot.is_empty():
        return "No pruned network was retrained in one shot."
    highest = one_shot.filter(pl.col("rate") == pl.col("rate").max()).sort(
        "top1", descending=True, maintain_order=True
    )
    ends = [
        f"{coordinates.human(row['method'])} {percent(row['top1'])}"
        for row in highest.iter_rows(named=True)
    ]
    epochs = sorted(set(found.filter(retraining=coordinates.ONE_SHOT)["epochs"].to_list()))
    dense = estimate_of(facts, "top1", coordinates.DENSE, coordinates.ONE_SHOT)
    control = "" if dense is None else f"; dense, retrained alike: {percent(dense['estimate'])}"
    return (
        f"After {wording.listed([str(number) for number in epochs])} epochs, on all validation "
        f"images: {wording.listed(ends)}{control}."
    )


def _iterative(facts: Facts) -> str:
    pruned = facts_module.pruned(facts)
    steps = kinds(pruned.filter(retraining=coordinates.ITERATIVE), "top1")
    once = kinds(pruned.filter(retraining=coordinates.ONE_SHOT), "top1")
    pairs = steps.join(once, on=["method", "rate"], suffix="_once").with_columns(
        gain=pl.col("top1") - pl.col("top1_once")
    )
    if pairs.is_empty():
        return "No method was retrained both iteratively and in one shot."
    row = pairs.sort("gain", maintain_order=True).row(-1, named=True)
    more, less = (int(found.sum()) for found in (pairs["gain"] > 0, pairs["gain"] < 0))
    twice = facts.networks.filter(pl.col("rate") > 0).height > pruned.height
    apart = " (not counted where both are the same)" if twice else ""
    return (
        f"Iterative retraining, which trains once more at every rate, is more accurate at {more} "
        f"of {len(pairs)} pairs of method and rate, and less at {less}{apart}; it gains most with "
        f"{named(row)}: {percent(row['top1'])} instead of {percent(row['top1_once'])}."
    )


def _by_method(facts: Facts) -> str:
    return f"{on_accuracy.dense_accuracy(facts)} {on_accuracy.pruned_accuracy(facts)}"


def _with_accuracy(facts: Facts) -> str:
    found = relation(facts, "spearman(mis_soft_live, top1)")
    text = on_accuracy.guessing(facts)
    if found is None:
        return text
    return (
        f"Over {found['n']} networks ({found['comparison']}) score and accuracy correlate with "
        f"{change(found['estimate'])} (Spearman; 95 % interval {change(found['low'])} to "
        f"{change(found['high'])}). {text}"
    )


def _by_depth(facts: Facts) -> str:
    rows = facts.statistics.filter(quantity="spearman(mis_soft_change, depth)").with_columns(
        method="pruning"
    )
    pruned = facts_module.pruned(facts)
    less = rows.join(pruned, on=OWN, how="semi")
    if less.is_empty():
        return "Too few layers have live units in pruned networks."
    plain = pruned.filter(epochs=0)
    said = [
        _with_depth(less.join(networks, on=OWN, how="semi"), words, ending)
        for networks, words, ending in (
            (retrained(facts), "retrained pruned network", ""),
            (plain, "pruned network", " without retraining"),
        )
        if networks.height
    ]
    return (
        "Over layers, after Holm's correction, the change of the score is shown to rise with depth "
        f"{'; '.join(said)}."
    )


def _with_depth(rows: pl.DataFrame, words: str, ending: str) -> str:
    shown = rows.filter(pl.col("p_holm") < ALPHA)
    up, down = (shown["estimate"] > 0).sum(), (shown["estimate"] < 0).sum()
    return f"in {up} and to fall in {down} of {wording.count(len(rows), words)}{ending}"


def _units(facts: Facts) -> str:
    found = verdicts.verdicts(facts)
    if found.is_empty():
        return on_scores.same_units(facts)
    sizes = facts.statistics.filter(
        pl.col("family") == "mis_soft_change against dense", pl.col("seed").is_not_null()
    ).select(*OWN[1:], "effect_size", method="pruning")
    joined = found.join(sizes, on=OWN, how="left", maintain_order="left").sort(
        pl.col("estimate").abs(), maintain_order=True
    )
    row = joined.row(-1, named=True)
    size = "" if row["effect_size"] is None else f", d_z = {row['effect_size']:+.2f}"
    return (
        f"The largest mean change of a retrained pruned network is {change(row['estimate'])} "
        f"({named(row)}{size}); {verdicts.of_verdicts(found, facts.margin)}."
    )


def _rates(facts: Facts) -> str:
    dense = estimate_of(facts, "mis_soft_live", coordinates.DENSE, coordinates.NOT_RETRAINED)
    start = "" if dense is None else f"Dense: {score(dense['estimate'])}. "
    return f"{start}{on_scores.rates(facts)}"


CAPTIONS: Mapping[str, Callable[[Facts], str]] = {
    "accuracy_without_retraining": _without_retraining,
    "accuracy_during_retraining": _during_retraining,
    "iterative_vs_one_shot": _iterative,
    "accuracy_by_method": _by_method,
    "mis_by_rate": _rates,
    "mis_vs_accuracy": _with_accuracy,
    "unit_change": _units,
    "mis_by_depth": _by_depth,
    "sensitivity": on_robustness.variants,
    "measures": on_robustness.measures,
}
