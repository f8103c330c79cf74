"""What a study found, in plain language: ten lines, with all numbers from its tables.

The wording follows from the numbers. That something is shown is only said where a test shows it;
an interval that neither lies within the margin nor outside of it is called undecided.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from prunescope import sensitivity, theme
from prunescope.distinct import distinct

Row = dict[str, Any]
ALPHA = 0.05
OWN = ["method", "retraining", "rate", "seed"]
RETRAINED = "all retrained pruned networks"
SAME, LESS, MORE, OPEN = "within the margin", "lower", "higher", "undecided"
# What a network loses when a unit is silenced, as in `tables.ABLATION`.
OUTCOMES = {"top1_drop": "accuracy lost", "loss_rise": "rise of the loss"}
SCORES = {"mis_soft": "soft MIS", "mis_hard": "hard MIS"}
TITLES = (
    "Study",
    "Dense accuracy",
    "Pruned accuracy",
    "Guessing networks",
    "Interpretability of the same units",
    "Interpretability and rate",
    "Controls",
    "Sensitivity",
    "Other measures",
    "What cannot be concluded",
)


@dataclass(frozen=True)
class Facts:
    """What findings are drawn from.

    Attributes
    ----------
    networks, statistics
        As in `tables.NETWORKS` and `tables.STATISTICS`.
    dataset
        Its name.
    classes
        Its classes: one over their number is the level of guessing.
    probe_images
        Images among which exemplars are looked for.
    metric
        The metric of similarity.
    margin
        Change of the score that is too small to matter.
    random_methods
        Pruning methods that choose at random.
    """

    networks: pl.DataFrame
    statistics: pl.DataFrame
    dataset: str
    classes: int
    probe_images: int
    metric: str
    margin: float
    random_methods: tuple[str, ...] = ()


def gather(networks: pl.DataFrame, statistics: pl.DataFrame, settings: Mapping[str, Any]) -> Facts:
    """The facts of a study, from its tables and from what the workflow knows of its config."""
    random = tuple(settings["random_methods"])
    return Facts(networks, statistics, **{**settings, "random_methods": random})


def summarize(facts: Facts) -> list[str]:
    """The ten lines, in the order of `TITLES`."""
    return [
        what_was_run(facts),
        dense_accuracy(facts),
        pruned_accuracy(facts),
        guessing(facts),
        same_units(facts),
        rates(facts),
        controls(facts),
        variants(facts),
        measures(facts),
        limits(facts),
    ]


def to_markdown(facts: Facts) -> str:
    """The summary as a page; without its heading also valid reStructuredText."""
    name = facts.networks["study"][0]
    lines = zip(TITLES, summarize(facts), strict=True)
    return f"# What the study {name} found\n\n" + "".join(
        f"- **{title}:** {line}\n" for title, line in lines
    )


# --- numbers in words ----------------------------------------------------------------------------


def percent(value: float) -> str:
    """A fraction as a percentage with one decimal."""
    return f"{value:.1%}".replace("%", " %")


def score(value: float) -> str:
    """A score with three decimals."""
    return f"{value:.3f}"


def change(value: float) -> str:
    """A change of a score with its sign; no change is +0.000."""
    return f"{round(value, 3) + 0.0:+.3f}"


def count(number: int, one: str, many: str = "") -> str:
    """A number of things."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def listed(words: list[str]) -> str:
    """Words as a list in a sentence."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def human(name: str) -> str:
    """A kind of retraining in words."""
    return theme.RETRAINING_NAMES.get(name, theme.human(name))


def named(row: Row) -> str:
    """A network in words."""
    method, kind = theme.human(row["method"]), human(row["retraining"])
    return f"{method}, {kind}, at rate {row['rate']:.0%}".replace("%", " %")


def interval(row: Row, style: Any = score) -> str:
    """An interval with its level; nothing if there is none."""
    if row["low"] is None:
        return ""
    return f" ({row['level']:.0%} interval {style(row['low'])} to {style(row['high'])})".replace(
        "% interval", " % interval"
    )


# --- what is looked up ---------------------------------------------------------------------------


def pruned(facts: Facts) -> pl.DataFrame:
    """Pruned networks, none of them twice."""
    return distinct(facts.networks.filter(pl.col("rate") > 0))


def retrained(facts: Facts) -> pl.DataFrame:
    """Pruned networks that were trained after pruning."""
    return pruned(facts).filter(pl.col("epochs") > 0)


def kinds(networks: pl.DataFrame, column: str) -> pl.DataFrame:
    """Means over seeds of a column, by kind of network."""
    scored = networks.filter(pl.col(column).is_finite().fill_null(False))
    return scored.group_by(OWN[:3], maintain_order=True).agg(pl.col(column).mean())


def estimate_of(facts: Facts, quantity: str, method: str, retraining: str) -> Row | None:
    """An estimate of networks that are not pruned: over seeds, or of the one seed."""
    rows = facts.statistics.filter(
        pl.col("variant").is_null(),
        quantity=quantity,
        pruning=method,
        retraining=retraining,
        rate=0.0,
    ).sort("seed", nulls_last=False, maintain_order=True)
    return rows.row(0, named=True) if rows.height else None


def guesses(facts: Facts) -> pl.DataFrame:
    """Pruned networks whose accuracy is not shown to be above chance."""
    low = facts.statistics.filter(
        pl.col("variant").is_null(), pl.col("seed").is_not_null(), quantity="top1"
    ).select(*OWN[1:], low="low", method="pruning")
    joined = pruned(facts).join(low, on=OWN, maintain_order="left")
    return joined.filter(pl.col("low") <= 1 / facts.classes)


def verdicts(facts: Facts) -> pl.DataFrame:
    """What is shown of each retrained pruned network, against the dense one.

    Returns
    -------
    polars.DataFrame
        Coordinates, `estimate`, `low`, `high` (95 %), and `verdict`: `SAME` if the equivalence
        test shows it after Holm's correction, `LESS` or `MORE` if the interval lies outside the
        margin, else `OPEN`.
    """
    against = pl.col("family").str.ends_with("against dense")
    rows = facts.statistics.filter(against, pl.col("seed").is_not_null()).with_columns(
        method="pruning"
    )
    same = rows.filter(quantity="mis_soft_equivalence").select(*OWN, same="p_holm")
    changed = rows.filter(quantity="mis_soft_change_clustered")
    verdict = (
        pl.when(pl.col("same") < ALPHA)
        .then(pl.lit(SAME))
        .when(pl.col("high") < -facts.margin)
        .then(pl.lit(LESS))
        .when(pl.col("low") > facts.margin)
        .then(pl.lit(MORE))
        .otherwise(pl.lit(OPEN))
    )
    return (
        changed.join(same, on=OWN, maintain_order="left")
        .join(retrained(facts), on=OWN, how="semi", maintain_order="left")
        .select(*OWN, "estimate", "low", "high", verdict=verdict)
    )


def of_verdicts(found: pl.DataFrame, margin: float) -> str:
    """How many changes are within the margin, beyond it, or undecided."""
    number = {kind: int((found["verdict"] == kind).sum()) for kind in (SAME, LESS, MORE, OPEN)}
    if number[SAME] == len(found):
        return f"equivalence within {margin} is shown for all of them"
    said = []
    if number[SAME]:
        said.append(f"equivalence within {margin} is shown for {number[SAME]}")
    for kind in (LESS, MORE):
        if number[kind]:
            said.append(f"{number[kind]} {'is' if number[kind] == 1 else 'are'} {kind} by more")
    if number[OPEN]:
        said.append(f"{number[OPEN]} {'is' if number[OPEN] == 1 else 'are'} undecided")
    return listed(said)


# --- the lines -----------------------------------------------------------------------------------


def what_was_run(facts: Facts) -> str:
    """Networks, seeds, dataset and images."""
    rows, less = facts.networks, facts.networks.filter(pl.col("rate") > 0)
    seeds = rows["seed"].n_unique()
    start = f"{count(len(rows), 'network')} on {facts.dataset} with {count(seeds, 'seed')}"
    if less.is_empty():
        start += ", none of them pruned"
    else:
        rates = [f"{rate:.0%}".replace("%", " %") for rate in sorted(set(less["rate"].to_list()))]
        words = [human(kind) for kind in theme.present(less["retraining"])]
        start += (
            f": {len(less):,} pruned by {count(less['method'].n_unique(), 'method')} at the "
            f"{'rate' if len(rates) == 1 else 'rates'} {listed(rates)} ({listed(words)}), "
            f"{len(rows) - len(less):,} not pruned"
        )
        twice = len(less) - len(pruned(facts))
        if twice:
            start += (
                f" ({twice:,} with iterative retraining are the same as with one-shot retraining, "
                "as the former begins: they are counted once below)"
            )
    return (
        f"{start}. Accuracy is measured on {max(rows['images'].to_list()):,} validation images, "
        f"interpretability by the Machine Interpretability Score (MIS) over "
        f"{facts.probe_images:,} probe images and the metric {facts.metric}."
    )


def dense_accuracy(facts: Facts) -> str:
    """Accuracy of the dense networks, as trained and retrained."""
    plain = estimate_of(facts, "top1", theme.DENSE, theme.NOT_RETRAINED)
    if plain is None:
        return "The study has no dense network."
    said = [f"The dense network has {percent(plain['estimate'])} top-1{interval(plain, percent)}"]
    for kind in _dense_retrainings(facts):
        again = estimate_of(facts, "top1", theme.DENSE, kind)
        if again is not None:
            said.append(
                f"retrained without pruning ({human(kind)}) it has {percent(again['estimate'])}"
                f"{interval(again, percent)}"
            )
    ending = " Compare pruned networks with those that were retrained alike."
    return f"{'; '.join(said)}.{ending if len(said) > 1 else ''}"


def _dense_retrainings(facts: Facts) -> list[str]:
    dense = facts.networks.filter(pl.col("retraining") != theme.NOT_RETRAINED, method=theme.DENSE)
    return theme.present(dense["retraining"])


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
    untrained = estimate_of(facts, "mis_soft_live", theme.UNTRAINED, theme.NOT_RETRAINED)
    if scores.is_empty():
        return f"{start}; they have no live unit to score."
    beside = "" if untrained is None else f" (untrained: {score(untrained['estimate'])})"
    low, high = _ends(scores)
    spread = f"is {low}" if low == high else f"is between {low} and {high}"
    return (
        f"{start}, yet their mean soft MIS {spread}{beside}: the score does not ask whether a "
        "network is right."
    )


def _ends(values: pl.Series) -> tuple[str, str]:
    found = values.to_list()
    return score(min(found)), score(max(found))


def same_units(facts: Facts) -> str:
    """The change of the score over the units that are live in both, and what is shown of it."""
    found = verdicts(facts)
    dense = estimate_of(facts, "mis_soft_live", theme.DENSE, theme.NOT_RETRAINED)
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
        spread = f"changes by {change(low['estimate'])} ({_bounds(low)})"
    else:
        spread = (
            f"changes by {change(low['estimate'])} ({_bounds(low)}; {named(low)}) to "
            f"{change(top['estimate'])} ({_bounds(top)}; {named(top)})"
        )
    number = count(len(found), "retrained pruned network")
    return (
        f"{start}Over the same units it {spread} in {number}: {of_verdicts(found, facts.margin)}."
    )


def _bounds(row: Row) -> str:
    return f"95 % interval {change(row['low'])} to {change(row['high'])}"


def relation(facts: Facts, quantity: str) -> Row | None:
    """A relation over the retrained pruned networks, or over all pruned ones if all are."""
    for group in (RETRAINED, "all pruned networks"):
        rows = facts.statistics.filter(quantity=quantity, comparison=group)
        if rows.height:
            return rows.row(0, named=True)
    return None


def shown_by(row: Row, margin: float) -> str:
    """What a test of equivalence shows of a change."""
    if row["p_holm"] < ALPHA:
        return f"it lies within the margin of {margin}: equivalence is shown"
    if row["p"] < ALPHA:
        return (
            f"the interval lies within the margin of {margin}, but after Holm's correction "
            f"(p = {row['p_holm']:.2f}) equivalence is not shown"
        )
    if row["low"] > margin or row["high"] < -margin:
        return f"it lies outside the margin of {margin}: a change that matters is shown"
    return f"neither equivalence within the margin of {margin} nor a change beyond it is shown"


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
    untrained = estimate_of(facts, "mis_soft_live", theme.UNTRAINED, theme.NOT_RETRAINED)
    if untrained is not None:
        said.append(f"an untrained network scores {score(untrained['estimate'])}")
    floor = facts.statistics.filter(
        pl.col("seed").is_not_null(), quantity="mis_soft_live", variant=theme.PERMUTED
    )["estimate"].to_list()
    if floor:
        said.append(f"images dealt at random score {score(sum(floor) / len(floor))} (the floor)")
    if not said:
        return "The study has no controls."
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def _retraining_alone(facts: Facts) -> Iterator[str]:
    for kind in _dense_retrainings(facts):
        row = estimate_of(facts, "mis_soft_change_clustered", theme.DENSE, kind)
        if row is not None:
            yield (
                f"retraining alone ({human(kind)}) changes the score of the same units by "
                f"{change(row['estimate'])} ({_bounds(row)})"
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
    again = pruned(facts).filter(retraining=theme.RECALIBRATED)
    plain = pruned(facts).filter(retraining=theme.NOT_RETRAINED)
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


def variants(facts: Facts) -> str:
    """Whether the verdict on pruned networks is the same under all variants of the score."""
    found = variant_verdicts(facts)
    varied = found.filter(pl.col("variant") != sensitivity.UNCHANGED)
    if varied.is_empty():
        return "No retrained pruned network was scored in several ways."
    networks = max(varied["networks"].to_list())
    decided, other = (sum(varied[name].to_list()) for name in ("decided", "other"))
    text = (
        f"Scored in {count(len(varied), 'other way')}, the changes of "
        f"{count(networks, 'network')} against dense lie below, within or above the margin of "
        f"{facts.margin} by their 95 % intervals, both so and under the study's own score, in "
        f"{decided} of {sum(varied['networks'].to_list())} comparisons (the others are undecided)"
    )
    if other:
        worst = varied.sort("other", descending=True, maintain_order=True).row(0, named=True)
        text += (
            f"; {other} of these contradict the study's own score, most often under "
            f"`{worst['variant']}` ({worst['other']} of {worst['networks']}): the conclusion "
            "depends on how the score is made."
        )
    else:
        text += ", never with another verdict."
    return " ".join([text, *_spread_of_variants(found, varied), *_order(facts)])


def _spread_of_variants(found: pl.DataFrame, varied: pl.DataFrame) -> Iterator[str]:
    own = found.filter(variant=sensitivity.UNCHANGED)
    ordered = varied.sort("mean", maintain_order=True)
    low, high = ordered.row(0, named=True), ordered.row(-1, named=True)
    if own.height:
        yield (
            f"Their mean change is {change(own['mean'][0])} under the study's own score, and "
            f"{change(low['mean'])} (`{low['variant']}`) to {change(high['mean'])} "
            f"(`{high['variant']}`) under the others."
        )


def _order(facts: Facts) -> Iterator[str]:
    ordered = facts.statistics.filter(
        pl.col("variant") != theme.PERMUTED, quantity="spearman(mis_soft_live, unchanged)"
    ).sort("estimate", maintain_order=True)
    if ordered.height:
        row = ordered.row(0, named=True)
        yield (
            f"The order of all {row['n']} networks that were scored so, controls among them, "
            f"correlates with that of the study's own score by at least "
            f"{change(row['estimate'])} (`{row['variant']}`)."
        )


def variant_verdicts(facts: Facts) -> pl.DataFrame:
    """For each variant but the floor: how many networks' changes contradict the study's own.

    Returns
    -------
    polars.DataFrame
        `variant`, `networks`, `mean` (change over the networks), `decided` (networks whose interval
        lies below, within or above the margin, and so does that of the study's own score), `other`
        (those of them that lie elsewhere; intervals across an end of the margin contradict
        nothing). The study's own score is the variant `sensitivity.UNCHANGED`.
    """
    rows = facts.statistics.filter(
        pl.col("seed").is_not_null(), quantity="mis_soft_shift"
    ).with_columns(method="pruning")
    low, high, margin = pl.col("low"), pl.col("high"), facts.margin
    side = (
        pl.when(high < -margin)
        .then(-1)
        .when(low > margin)
        .then(1)
        .when((low >= -margin) & (high <= margin))
        .then(0)
    )
    shifts = rows.join(retrained(facts), on=OWN, how="semi", maintain_order="left").select(
        *OWN, "variant", "estimate", side=side
    )
    own = shifts.filter(variant=sensitivity.UNCHANGED).select(*OWN, own="side")
    return (
        shifts.filter(pl.col("variant") != theme.PERMUTED)
        .join(own, on=OWN, maintain_order="left")
        .group_by("variant", maintain_order=True)
        .agg(
            networks=pl.len(),
            mean=pl.col("estimate").mean(),
            decided=(pl.col("side").is_not_null() & pl.col("own").is_not_null()).sum(),
            other=(pl.col("side") != pl.col("own")).sum(),
        )
    )


def measures(facts: Facts) -> str:
    """Whether other measures agree with the score, and whether any tells which units matter."""
    agree = facts.statistics.filter(
        family="measures", pruning=theme.DENSE, retraining=theme.NOT_RETRAINED
    )
    said = []
    if agree.height:
        values = agree["estimate"].to_list()
        said.append(
            f"over the units of the dense network the soft MIS correlates with other measures by "
            f"{change(min(values))} to {change(max(values))} (Spearman)"
        )
    ablated = facts.statistics.filter(family="ablation")
    if ablated.height:
        said.append(_which_units_matter(ablated))
    if not said:
        return "Too few units have several measures."
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."


def _which_units_matter(found: pl.DataFrame) -> str:
    cells = found.with_columns(
        pl.col("quantity")
        .str.extract_groups(r"^spearman\((?<measure>\w+), (?<outcome>\w+)\)$")
        .struct.unnest()
    )
    text = f"when one of {max(found['n'].to_list())} units is silenced"
    own = cells.filter(measure="mis_soft").group_by("outcome", maintain_order=True)
    said = [f"the {OUTCOMES[key]} by {_over_seeds(rows)}" for (key,), rows in own]
    if said:
        text += f", its soft MIS correlates with {listed(said)}"
    seeds = cells["seed"].n_unique()
    shown = [
        f"{SCORES.get(measure, theme.human(measure))} with the {OUTCOMES[outcome]} ("
        + (change(rows["estimate"][0]) if seeds == 1 else f"in {len(rows)} of {seeds} seeds")
        + ")"
        for (measure, outcome), rows in cells.filter(pl.col("p_holm") < ALPHA).group_by(
            "measure", "outcome", maintain_order=True
        )
    ]
    if not shown:
        return f"{text}; no measure is shown to tell which units matter"
    pairs = cells.select("measure", "outcome").n_unique()
    return (
        f"{text}; of {pairs} correlations of a measure with a loss, {len(shown)} "
        f"{'is' if len(shown) == 1 else 'are'} shown after Holm's correction, over units of all "
        f"depths: {listed(shown)}"
    )


def _over_seeds(rows: pl.DataFrame) -> str:
    if len(rows) == 1:
        return change(rows["estimate"][0]) + _tested(rows.row(0, named=True))
    values = [row["estimate"] for row in rows.iter_rows(named=True)]
    return f"{change(min(values))} to {change(max(values))} in {len(values)} seeds"


def _tested(row: Row) -> str:
    return f" (95 % interval {change(row['low'])} to {change(row['high'])})"


def limits(facts: Facts) -> str:
    """What the study is too small, or too narrow, to tell."""
    seeds = facts.networks["seed"].n_unique()
    if seeds == 1:
        varies = (
            "With one seed, nothing is known of how results vary between trainings; intervals are "
            "over units or images of the networks at hand"
        )
    else:
        varies = f"{seeds} seeds tell little of how results vary between trainings"
    return (
        f"{varies}. Networks of one seed share their dense network, so tests over networks are too "
        f"optimistic. Scores hold for {facts.dataset}, {facts.probe_images:,} probe images and "
        f"the metric {facts.metric}; whether people would find these units easier to understand "
        "was not asked."
    )
