"""What the published scores say, in words. Every number comes from the table of the analysis."""

import polars as pl

from prunescope.summarize.findings.wording import change, count, listed, score
from prunescope.summarize.published_scores import readings, relations
from prunescope.summarize.published_scores.analysis_rows import MARGIN
from prunescope.summarize.published_scores.readings import (
    BOTH,
    CONSTANT,
    COUNTED,
    LIVE,
    LOGITS,
    MATCHED,
    PRUNED,
    READINGS,
)
from prunescope.summarize.selection import CHANNELS

OPTIMIZERS = {"sgd": "SGD", "adam": "Adam"}
SHOWN = 0.05
LIMITS = (
    "There is one run of each kind. Intervals over layers and classes tell how evenly a change is "
    "spread over one pair of networks, not how another pair would turn out.",
    "All networks start from the same trained weights, and structured arms prune the same filters. "
    "What is said holds for networks made of this one dense network.",
    "The permutation test takes trainings at different rates for independent of each other. How "
    "they were started is not known in full.",
    "No dense network was scored. The lowest rate is the partner, so what the first pruning does "
    "stays unknown; the dense value of the source is of another network and is not used.",
    "The masks of connection sparsity were not held (inferred from the source's code): what was "
    "pruned could grow again, so its rate may say little about the network that was scored.",
    "Accuracy and rate go together, and accuracy is known for the longer retraining only: which of "
    "the two the score follows is a matter of few points.",
)


def describe_method(pruning: str, retraining: str) -> str:
    """The method and the optimizer of an arm."""
    optimizer = next((word for key, word in OPTIMIZERS.items() if f"_{key}_" in retraining), "")
    words = pruning.replace("_", " ").replace("connection sparsity random", "random connections")
    return f"{words}, {optimizer}" if optimizer else f"{words}, not retrained"


def describe_arm(pruning: str, retraining: str) -> str:
    """An arm with the length of its retraining."""
    epochs = retraining.rpartition("_")[2]
    words = describe_method(pruning, retraining)
    return f"{words}, {epochs} epochs" if epochs.isdigit() else words


class _Numbers:
    """Looks numbers up in the table of the analysis."""

    def __init__(self, table: pl.DataFrame) -> None:
        self.table = table

    def rows(self, quantity: str, **where: str) -> pl.DataFrame:
        return self.table.filter(pl.col("quantity") == quantity, **where)

    def one(self, quantity: str, **where: str) -> dict:
        return self.rows(quantity, **where).row(0, named=True)

    def span(self, quantity: str, **where: str) -> tuple[float, float]:
        """The lowest and the highest estimate."""
        values = self.rows(quantity, **where)["estimate"].to_list()
        return min(values), max(values)


def paragraph(table: pl.DataFrame) -> str:
    """What the scores say, how sure that is, and what stands against it.

    Parameters
    ----------
    table
        A table `analysis_rows.ANALYSIS` with what compares with published numbers.
    """
    numbers = _Numbers(table)
    sentences = [
        _answer(numbers),
        _changes(numbers),
        _accuracy(numbers),
        "Against it stands that there is one run of each kind, and that no dense network was "
        "scored. All networks share their first weights, and pruned connections could grow again. "
        "The test takes trainings at different rates for independent of each other.",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def details(table: pl.DataFrame) -> list[str]:
    """What is known of dead units, and how the published numbers come about."""
    numbers = _Numbers(table)
    found = (_dead(numbers), _published(numbers), _readings(numbers), _figure(numbers))
    return [text for text in found if text]


def caption(table: pl.DataFrame) -> str:
    """What the chart shows, in words."""
    numbers = _Numbers(table)
    return " ".join(
        text
        for text in (
            "The first six panels show the mean score of networks by pruning rate, as published "
            "and by how dead units are read. The next three show what the score goes with: "
            "accuracy, and the rate with accuracy held. The last three show how the same units "
            "change from the lowest to the highest rate.",
            _answer(numbers),
            _changes(numbers),
            _accuracy(numbers),
        )
        if text
    )


def _dead(numbers: _Numbers) -> str:
    networks = numbers.rows("constant_units")
    pruned = numbers.rows("pruned_filters").filter(pl.col("estimate") > 0)
    low, high = int(pruned["estimate"].min()), int(pruned["estimate"].max())  # type: ignore[arg-type]
    further = numbers.rows("further_constant_units").filter(pl.col("estimate") > 0)
    text = (
        f"Of the {count(len(networks), 'network')} with {networks['n'][0]:,} scored units each, "
        f"those pruned by filters hold {low:,} to {high:,} pruned filters. Their scores are equal "
        "to the bit in all structured arms, so they are found without a threshold."
    )
    if further.is_empty():
        return text
    ends = int(further["estimate"].min()), int(further["estimate"].max())  # type: ignore[arg-type]
    names = sorted({describe_method(*arm) for arm in further[["pruning", "retraining"]].rows()})
    return (
        f"{text} {ends[0]:,} to {ends[1]:,} further units are constant in each network of "
        f"{listed(names)}."
    )


def _published(numbers: _Numbers) -> str:
    pruned = numbers.rows("mis_soft_minus_published", reading=PRUNED)
    if pruned.is_empty():
        return ""
    worst = float(pruned["estimate"].abs().max())  # type: ignore[arg-type]
    off = float(numbers.rows("mis_soft_minus_published", reading=CONSTANT)["estimate"].min())  # type: ignore[arg-type]
    same = (
        f"With pruned filters left out all {len(pruned)} published means come out to six decimals"
        if worst < 1e-6
        else f"With pruned filters left out the {len(pruned)} published means differ by up to "
        f"{worst:.6f}"
    )
    if off > -0.0005:
        return f"{same}."
    return f"{same}. They count the further ones, which lifts them by up to {score(-off)}."


def _answer(numbers: _Numbers) -> str:
    """Whether the score goes with the rate, over the same units in all networks."""
    where = {"reading": CONSTANT, "units": MATCHED, "layer_type": BOTH}
    means = numbers.rows("mis_soft", **where)
    within = numbers.one(relations.WITHIN, group=relations.ALL, **where)
    rising = numbers.one("arms_that_rise", **where)
    # A reading under which the score goes the other way does not support what is said.
    readings_of = numbers.rows(relations.WITHIN, group=relations.ALL)
    same_way = pl.col("estimate") * within["estimate"] > 0
    worst = max(readings_of.select(pl.when(same_way).then("p").otherwise(1.0)).to_series())
    seen = (
        f"Over the {means['n'][0]:,} channels and logits that live in all {len(means)} networks "
        f"the mean score is higher at the highest rate than at the lowest in "
        f"{rising['estimate']:.0f} of {rising['n']} arms."
    )
    if within["p"] >= SHOWN:
        return (
            f"That the score goes with the rate is not shown (exact permutation "
            f"p = {within['p']:.2g}). {seen}"
        )
    way = "rises" if within["estimate"] > 0 else "falls"
    firm = (
        f"p is at most {worst:.2g} under every reading of dead units, for channels and logits too."
        if worst < SHOWN
        else f"Under other readings of dead units, or for channels or logits alone, p is up to "
        f"{worst:.2g} for the same direction."
    )
    return (
        f"Among the pruned networks that were made of one dense network the score {way} with the "
        f"rate. {seen} Dealt at random, rates would seldom fit so well (exact permutation "
        f"p = {within['p']:.2g}). {firm}{_by_method(numbers)}"
    )


def _readings(numbers: _Numbers) -> str:
    """The correlation over all networks, by how dead units are read."""
    pearson = {
        (reading, units): numbers.one(
            "pearson(mis_soft, rate)", reading=reading, units=units, layer_type=BOTH
        )
        for reading, units in readings.WAYS
    }
    return (
        f"Over all {pearson[CONSTANT, LIVE]['n']} networks Pearson's correlation of score and rate "
        f"is {change(pearson[COUNTED, LIVE]['estimate'])} if dead units are counted. It is "
        f"{change(pearson[PRUNED, LIVE]['estimate'])} with pruned filters out, and "
        f"{change(pearson[CONSTANT, LIVE]['estimate'])} with all constant units out. Over the "
        f"units that live in all it is {change(pearson[CONSTANT, MATCHED]['estimate'])}."
    )


def _figure(numbers: _Numbers) -> str:
    """The correlation over the points of the published figure, with and without what is wrong."""
    figure = numbers.rows(relations.AS_TESTED, group=relations.BORROWED)
    without = numbers.rows(relations.AS_TESTED, group=relations.FIGURE)
    if figure.is_empty() or without.is_empty():
        return ""
    return (
        f"In the published figure, which takes the value of another network for the dense score, "
        f"score and rate correlate with {change(figure['estimate'][0])} "
        f"(p = {figure['p'][0]:.2g}, as if points were independent). Without that value it is "
        f"{change(without['estimate'][0])} (p = {without['p'][0]:.2g})."
    )


def _by_method(numbers: _Numbers) -> str:
    """For which methods too few networks were made to show it of them alone."""
    rows = numbers.table.filter(
        pl.col("pruning").is_not_null() & (pl.col("p") >= SHOWN), quantity=relations.WITHIN,
        reading=CONSTANT, units=MATCHED, layer_type=BOTH,
    )  # fmt: skip
    words = [
        f"{describe_method(row['pruning'], '').partition(',')[0]} (p = {row['p']:.2g})"
        for row in rows.iter_rows(named=True)
    ]
    if not words:
        return ""
    return (
        f" It is not shown of {listed(words)} alone, whose networks are too few for this test to "
        "show anything."
    )


def _changes(numbers: _Numbers) -> str:
    where = {"reading": CONSTANT, "units": LIVE}
    margin = numbers.rows(MARGIN)["estimate"].to_list()
    channels = numbers.span("mis_soft_change", layer_type=CHANNELS, **where)
    logits = numbers.span("mis_soft_change", layer_type=LOGITS, **where)
    tests = numbers.rows("mis_soft_equivalence", **where)
    less = numbers.span("mis_soft_change", layer_type=CHANNELS, reading=PRUNED, units=LIVE)
    rows = numbers.rows("mis_soft_change", layer_type=CHANNELS, **where)
    apart = rows.filter((pl.col("low") > 0) | (pl.col("high") < 0))
    text = (
        "With all constant units left out, the same convolution channels change from the lowest to "
        f"the highest rate by {change(channels[0])} to {change(channels[1])}, by arm. In "
        f"{len(apart)} of {len(rows)} arms the interval over the layers of that pair excludes "
        f"zero. With pruned filters alone left out they change by {change(less[0])} to "
        f"{change(less[1])}, and the logits in any case by {change(logits[0])} to "
        f"{change(logits[1])}."
    )
    if not margin:
        return text
    within = tests.filter(pl.col("p_holm") < SHOWN)
    parts = [
        f"{describe_arm(row['pruning'], row['retraining'])} "
        f"({'channels' if row['layer_type'] == CHANNELS else 'logits'})"
        for row in within.iter_rows(named=True)
    ]
    found = listed(parts) if parts else "none of them"
    return (
        f"{text} Shown to stay within {margin[0]:.3g}, for these pairs of networks alone: {found}."
    )


def _accuracy(numbers: _Numbers) -> str:
    if numbers.rows("spearman(mis_soft, top1)").is_empty():
        return ""
    # Under all readings, over live units and over those that live in all.
    plain = numbers.span("spearman(mis_soft, top1)", layer_type=CHANNELS)
    rate = numbers.span("spearman(mis_soft, rate | top1)", layer_type=CHANNELS)
    known = numbers.rows("spearman(mis_soft, top1)")["n"][0]
    either = rate[0] < 0 < rate[1]
    unclear = ": which way depends on how dead units are read" if either else ""
    return (
        f"Over the {known} networks with a published accuracy, the score of channels and accuracy "
        f"correlate with {change(plain[0])} to {change(plain[1])} (Spearman, by how dead units are "
        f"read). With accuracy held, their score and the rate correlate with {change(rate[0])} to "
        f"{change(rate[1])}{unclear}."
    )


# --- the page ------------------------------------------------------------------------------------


def page(table: pl.DataFrame) -> str:
    """The paragraph, the numbers under each reading beside each other, and the limits."""
    meanings = "".join(f"- `{name}`: {meaning}\n" for name, meaning in READINGS.items())
    limits = "".join(f"- {limit}\n" for limit in LIMITS)
    listing = "".join(f"- {text}\n" for text in details(table))
    return (
        f"# What the published scores of units say\n\n{paragraph(table)}\n\n{listing}\n"
        f"## How units are read as dead\n\n{meanings}\n{_dead_table(table)}\n"
        f"## Changes from the lowest to the highest rate\n\n"
        "Mean over the same units, those that are live in both networks (soft MIS, 95 % interval "
        f"over layers or classes of this pair alone).\n\n{_change_table(table)}\n"
        f"## Score, rate and accuracy\n\n"
        "Spearman's correlation over networks. They share their first weights, so there are no "
        f"intervals.\n\n{_relation_table(table)}\n"
        f"## What stands against it\n\n{limits}"
    )


def _markdown(header: list[str], rows: list[list[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def _dead_table(table: pl.DataFrame) -> str:
    names = table.filter(quantity="constant_units")
    header = ["Network", "Pruned", "Further constant", "Look constant, not shown",
              *(f"Mean, `{name}`" for name in READINGS)]  # fmt: skip
    rows = []
    for place in names.iter_rows(named=True):
        of_network = table.filter(pl.col("group") == place["group"])
        counts = {row["quantity"]: row["estimate"] for row in of_network.iter_rows(named=True)}
        unshown = next(value for name, value in counts.items() if name.startswith("unshown"))
        means = [
            score(of_network.filter(quantity="mis_soft", reading=name, units=LIVE, layer_type=BOTH)
                  ["estimate"].item())
            for name in READINGS
        ]  # fmt: skip
        rows.append(
            [
                f"{describe_arm(place['pruning'], place['retraining'])}, {place['rate']:.0%}",
                f"{counts['pruned_filters']:.0f}",
                f"{counts['further_constant_units']:.0f}",
                f"{unshown:.0f}",
                *means,
            ]
        )
    return _markdown(header, rows)


def _change_table(table: pl.DataFrame) -> str:
    changes = table.filter(quantity="mis_soft_change", units=LIVE)
    rows = []
    for key, group in changes.group_by("pruning", "retraining", "layer_type", maintain_order=True):
        cells = {
            row["reading"]: f"{change(row['estimate'])} ({change(row['low'])} to "
            f"{change(row['high'])})"
            for row in group.iter_rows(named=True)
        }
        kind = "channels" if key[2] == CHANNELS else "logits"
        rows.append(
            [describe_arm(str(key[0]), str(key[1])), kind, *(cells[name] for name in READINGS)]
        )
    return _markdown(["Arm", "Units", *(f"`{name}`" for name in READINGS)], rows)


def _relation_table(table: pl.DataFrame) -> str:
    quantities = [
        "spearman(mis_soft, rate)",
        relations.WITHIN,
        "spearman(mis_soft, top1)",
        "spearman(mis_soft, rate | top1)",
        "spearman(mis_soft, top1 | rate)",
    ]
    kinds = {BOTH: "all units", CHANNELS: "channels", LOGITS: "logits"}
    rows = []
    for quantity in quantities:
        for layer_type, kind in kinds.items():
            found = table.filter(
                pl.col("pruning").is_null(), quantity=quantity, layer_type=layer_type
            )
            if found.is_empty():
                continue
            cells = {
                (row["reading"], row["units"]): change(row["estimate"])
                + ("" if row["p"] is None else f" (p = {row['p']:.2g})")
                for row in found.iter_rows(named=True)
            }
            rows.append(
                [quantity.replace("|", r"\|"), kind, *(cells[way] for way in readings.WAYS)]
            )
    header = ["Correlation", "Units", *(f"`{name}`, {units}" for name, units in readings.WAYS)]
    return _markdown(header, rows)
