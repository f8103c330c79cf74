"""Write the captions of the charts: what each shows of a study, in sentences with its numbers."""

from collections.abc import Callable, Mapping

import polars as pl

from prunescope.networks.coordinates import (
    COORDINATES,
    DENSE,
    ITERATIVE,
    KIND,
    NOT_RETRAINED,
    ONE_SHOT,
)
from prunescope.summarize import selection
from prunescope.summarize.findings import answer, on_accuracy, on_robustness, on_scores
from prunescope.summarize.findings.facts import ALPHA, Facts, kind_means
from prunescope.summarize.findings.removal import removal_words
from prunescope.summarize.findings.verdicts import verdicts
from prunescope.summarize.findings.wording import (
    change,
    change_interval,
    correlation,
    count,
    listed,
    named,
    percent,
    score,
)
from prunescope.summarize.study_tables import Row
from prunescope.summarize.words import describe_pieces, describe_retraining, human


def caption(name: str, facts: Facts) -> str:
    """The finding of a chart, by its name in `all_charts.CHARTS`."""
    if name in OF_ACCURACY and not facts.has_accuracy:
        return on_accuracy.NOT_KNOWN
    return CAPTIONS[name](facts)


def _without_retraining(facts: Facts) -> str:
    found = kind_means(facts.pruned.filter(retraining=NOT_RETRAINED), "top1")
    if found.is_empty():
        return "No network was pruned and left without retraining."
    dense = facts.unpruned("top1", DENSE)
    start = "" if dense is None else f"The dense network has {percent(dense['estimate'])}. "
    last = found.filter(pl.col("rate") == pl.col("rate").max().over("method"))
    return f"{start}Right after pruning at its highest rate: {_accuracies(last)}."


def _accuracies(found: pl.DataFrame) -> str:
    """The methods with their accuracies, the most accurate one first."""
    ordered = found.sort("top1", descending=True, maintain_order=True)
    return listed(
        [f"{human(row['method'])} {percent(row['top1'])}" for row in ordered.iter_rows(named=True)]
    )


def _during_retraining(facts: Facts) -> str:
    networks = facts.retrained.filter(retraining=ONE_SHOT)
    found = kind_means(networks, "top1")
    if found.is_empty():
        return "No pruned network was retrained in one shot."
    highest = found.filter(pl.col("rate") == pl.col("rate").max())
    epochs = [str(number) for number in sorted(set(networks["epochs"].drop_nulls().to_list()))]
    if not epochs:
        return "How accuracy changed while networks were retrained is not known."
    dense = facts.unpruned("top1", DENSE, ONE_SHOT)
    control = "" if dense is None else f"; dense, retrained alike: {percent(dense['estimate'])}"
    return (
        f"After {listed(epochs)} epochs, on all validation images: {_accuracies(highest)}{control}."
    )


def _iterative(facts: Facts) -> str:
    iterative = kind_means(facts.pruned.filter(retraining=ITERATIVE), "top1")
    one_shot = kind_means(facts.pruned.filter(retraining=ONE_SHOT), "top1")
    pairs = iterative.join(one_shot, on=["method", "rate"], suffix="_one_shot").with_columns(
        gain=pl.col("top1") - pl.col("top1_one_shot")
    )
    if pairs.is_empty():
        return "No method was retrained both iteratively and in one shot."
    row = pairs.sort("gain", maintain_order=True).row(-1, named=True)
    more, less = (int(found.sum()) for found in (pairs["gain"] > 0, pairs["gain"] < 0))
    twice = selection.pruned(facts.networks).height > facts.pruned.height
    apart = " (not counted where both are the same)" if twice else ""
    return (
        f"Iterative retraining, which trains once more at every rate, is more accurate at {more} "
        f"of {len(pairs)} pairs of method and rate, and less at {less}{apart}; it gains most with "
        f"{named(row)}: {percent(row['top1'])} instead of {percent(row['top1_one_shot'])}."
    )


def _by_method(facts: Facts) -> str:
    return f"{on_accuracy.dense_accuracy(facts)} {on_accuracy.pruned_accuracy(facts)}"


def _with_accuracy(facts: Facts) -> str:
    found = facts.relation("spearman(mis_soft_live, top1)")
    text = on_accuracy.guessing(facts)
    if found is None:
        return text
    return f"Score and accuracy correlate with {correlation(found)}. {text}"


def _by_depth(facts: Facts) -> str:
    rows = facts.statistics.filter(quantity="spearman(mis_soft_change, depth)").with_columns(
        method="pruning"
    )
    found = rows.join(facts.pruned, on=COORDINATES, how="semi")
    if found.is_empty():
        return "Too few layers have live units in pruned networks."
    not_trained = facts.pruned.filter(~selection.IS_TRAINED)
    said = [
        _with_depth(found.join(networks, on=COORDINATES, how="semi"), words, ending)
        for networks, words, ending in (
            (facts.retrained, "retrained pruned network", ""),
            (not_trained, "pruned network", " without retraining"),
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
    return f"in {up} and to fall in {down} of {count(len(rows), words)}{ending}"


def _units(facts: Facts) -> str:
    found = verdicts(facts)
    if found.is_empty():
        return answer.interpretability(facts)
    row = found.sort(pl.col("estimate").abs(), maintain_order=True).row(-1, named=True)
    return (
        f"The largest mean change of a kind of network is {change(row['estimate'])} "
        f"({named(row)}; {change_interval(row)}). {answer.interpretability(facts)}"
    )


def _rates(facts: Facts) -> str:
    dense = facts.unpruned("mis_soft_live", DENSE)
    start = "" if dense is None else f"Dense: {score(dense['estimate'])}. "
    return f"{start}{on_scores.rates(facts)}"


def _removed(facts: Facts) -> str:
    return removal_words.which_units_go(facts) or "No criterion removed whole channels."


def _survivorship(facts: Facts) -> str:
    return removal_words.survivorship(facts) or "No channels were lost, and none came alive."


def _by_sparsity(facts: Facts) -> str:
    """The most and the least accurate method among those that remove the same kind of pieces."""
    pieces = pl.col("method").replace_strict(
        facts.granularities, default=None, return_dtype=pl.String
    )
    found = kind_means(facts.pruned, "top1").join(
        kind_means(facts.pruned, "mis_soft_live"), on=KIND, maintain_order="left"
    )
    alike = found.with_columns(pieces=pieces).drop_nulls("pieces")
    highest = pl.col("rate") == pl.col("rate").max().over("pieces", "retraining")
    said = []
    for (kind, retraining), rows in alike.filter(highest).group_by(
        "pieces", "retraining", maintain_order=True
    ):
        if len(rows) > 1:
            first = f"Of {describe_pieces(str(kind))} at rate {percent(rows['rate'][0], 0)}"
            said.append(f"{first} ({describe_retraining(str(retraining))}), {_extremes(rows)}.")
    if not said:
        return "No two methods remove the same kind of pieces and are retrained alike."
    return " ".join(said)


def _extremes(rows: pl.DataFrame) -> str:
    """The most and the least accurate of some methods, with their scores."""
    ordered = rows.sort("top1", descending=True, maintain_order=True)
    best, worst = ordered.row(0, named=True), ordered.row(-1, named=True)
    if best["top1"] == worst["top1"]:
        return f"all {len(rows)} methods have an accuracy of {percent(best['top1'])}"
    told = [
        f"{human(row['method'])} is the {which} accurate with {percent(row['top1'])} and a score "
        f"of {score(row['mis_soft_live'])}"
        for row, which in ((best, "most"), (worst, "least"))
    ]
    return ", ".join(told)


def _at_equal_accuracy(facts: Facts) -> str:
    """What is matched at each loss of accuracy, and what is not."""
    several = facts.runs > 1
    matched = facts.equal_accuracy.filter(pl.col("seed").is_null() == several)
    every = {*facts.equal_accuracy["drop"], *facts.unmatched["drop"]}
    if not every:
        return "No method was pruned."
    return " ".join(
        _at_drop(drop, matched.filter(drop=drop), facts.unmatched.filter(drop=drop))
        for drop in sorted(every)
    )


def _at_drop(drop: float, matched: pl.DataFrame, unmatched: pl.DataFrame) -> str:
    lost = count(1, "point") if drop == 0.01 else f"{100 * drop:.3g} points"
    start = f"At {lost} below the dense network" if drop else "As accurate as the dense network"
    reasons = unmatched["reason"].unique()
    if matched.is_empty() and len(reasons) == 1:
        return f"{start}, no method is matched in every run. The reason for each: {reasons[0]}."
    others = f" Not matched in every run: {_unmatched(unmatched)}." if len(unmatched) else ""
    if matched.is_empty():
        return f"{start}, no method is matched in every run.{others}"
    row = matched.sort("sparsity", maintain_order=True).row(-1, named=True)
    changed = row["mis_soft_change"]
    how = "" if changed is None else f", where its score has changed by {change(changed)}"
    return (
        f"{start}, the sparsest of {count(len(matched), 'method')} is {_chain(row)}, with "
        f"{percent(row['sparsity'])}{how}.{others}"
    )


def _unmatched(rows: pl.DataFrame) -> str:
    """The methods that are not matched, those with the same reason together."""
    chains = rows.unique(["method", "retraining", "reason"], maintain_order=True)
    return "; ".join(
        f"{listed([_chain(row) for row in same.iter_rows(named=True)])}, {reason}"
        for (reason,), same in chains.group_by(["reason"], maintain_order=True)
    )


def _chain(row: Row) -> str:
    """A method and its retraining in words."""
    return f"{human(row['method'])} ({describe_retraining(row['retraining'])})"


# The charts that show nothing but accuracy.
OF_ACCURACY = (
    "accuracy_without_retraining",
    "accuracy_during_retraining",
    "iterative_vs_one_shot",
    "accuracy_by_method",
    "mis_vs_accuracy",
    "criteria_by_sparsity",
    "equal_accuracy",
)
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
    "removed_units": _removed,
    "survivorship": _survivorship,
    "criteria_by_sparsity": _by_sparsity,
    "equal_accuracy": _at_equal_accuracy,
}
