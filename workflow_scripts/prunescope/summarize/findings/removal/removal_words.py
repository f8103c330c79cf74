"""Say which units go, and how far survivorship explains the change of a mean."""

from collections.abc import Iterator, Sequence

import polars as pl

from prunescope.summarize import selection
from prunescope.summarize.findings.facts import ALPHA, Facts
from prunescope.summarize.findings.removal import removal_rows
from prunescope.summarize.findings.wording import be, capitalised, change, count, listed, named
from prunescope.summarize.removal.removal_tables import DEPTH, SCALE
from prunescope.summarize.words import human

SCORE = "mis_soft"
# The other measures within layers, in the order in which they are told.
OTHERS = ("monosemanticity", "label_purity", "class_selectivity", SCALE)


def which_units_go(facts: Facts) -> str:
    """Whether criteria take the channels that score high, or leave them; empty if none removes any.

    Only what a test over runs shows after Holm's correction is called shown. Of a single run the
    tests against random choices are told, which say nothing of other runs.
    """
    found = removal_rows.choices(facts.statistics)
    is_random = pl.col("method").is_in(facts.random_methods)
    chosen, drawn = found.filter(~is_random), found.filter(is_random)
    scored = chosen.filter(measure=SCORE)
    if scored.is_empty():
        return ""
    said = [_of_one_run(scored) if facts.runs == 1 else _answer(scored), _sizes(chosen)]
    at_random = drawn.filter(measure=SCORE)
    if at_random.height:
        said.append(f"Pruning at random differs in the score by {_range(at_random['estimate'])}.")
    return " ".join(said)


def _answer(scored: pl.DataFrame) -> str:
    """What is shown over runs."""
    lower, higher = _shown(scored)
    number = len(scored)
    if not lower and not higher:
        return (
            "Whether criteria take the channels that score high or leave them is undecided in "
            f"{'all ' if number > 1 else ''}{count(number, 'choice')} of channels."
        )
    said = [
        f"in {shown} of {count(number, 'choice')} of channels criteria are shown to {do} those "
        f"that score high ({_methods(scored.filter('shown', side))})"
        for shown, do, side in (
            (lower, "leave", pl.col("estimate") < 0),
            (higher, "take", pl.col("estimate") > 0),
        )
        if shown
    ]
    rest = number - lower - higher
    said += [f"{rest} {be(rest)} undecided"] if rest else []
    return capitalised("; ".join(said))


def _methods(rows: pl.DataFrame) -> str:
    return listed([human(name) for name in selection.present(rows["method"])])


def _of_one_run(scored: pl.DataFrame) -> str:
    """What a run tells against random choices, which is no verdict."""
    lower, higher = _shown(scored)
    smallest = min(scored["p_holm"].drop_nulls(), default=1.0)
    return (
        "What criteria take in other runs, one run cannot tell. In this one, removed channels "
        f"score lower than random choices would in {lower} and higher in {higher} of "
        f"{count(len(scored), 'choice')} of channels (permutation tests, smallest p after Holm's "
        f"correction {smallest:.3f})."
    )


def _shown(rows: pl.DataFrame) -> tuple[int, int]:
    """How many differences are shown to be below zero, and above it."""
    shown = rows.filter("shown")["estimate"]
    return int((shown < 0).sum()), int((shown > 0).sum())


def _sizes(chosen: pl.DataFrame) -> str:
    """The differences by every measure, with what is shown of them."""
    said = "; ".join(_by_measure(chosen, (SCORE, *OTHERS), ("lower", "higher")))
    depth = "".join(_by_measure(chosen, (DEPTH,), ("nearer the input", "deeper")))
    return (
        "Removed minus kept channels of the same layers of the dense network, in standard "
        f"deviations: {said}."
        + (f" Where layers compete, over the whole network: {depth}." if depth else "")
    )


def _by_measure(
    chosen: pl.DataFrame, measures: Sequence[str], words: tuple[str, str]
) -> Iterator[str]:
    for measure in measures:
        rows = chosen.filter(measure=measure)
        if rows.is_empty():
            continue
        name = "score" if measure == SCORE else measure.replace("_", " ")
        text = f"{name} {_range(rows['estimate'])}"
        shown = [
            f"shown to be {word} in {number}"
            for number, word in zip(_shown(rows), words, strict=True)
            if number and measure != SCORE
        ]
        yield text + (f" ({', '.join(shown)} of {len(rows)})" if shown else "")


def _range(values: pl.Series) -> str:
    low, high = (change(value) for value in (min(values), max(values)))
    return low if low == high else f"{low} to {high}"


def survivorship(facts: Facts) -> str:
    """How far lost channels explain the change of the mean score; empty if none were lost."""
    found = removal_rows.parts(facts.networks, facts.statistics)
    some = found.filter((pl.col("lost") != 0) | (pl.col("new") != 0))
    if some.is_empty():
        return ""
    shown = some.filter(pl.col("lost_p") < ALPHA).height
    tested = "which one run cannot test" if facts.runs == 1 else (
        f"shown not to be chance in {shown} of {count(len(some), 'kind')} of network"
    )  # fmt: skip
    row = some.sort(pl.col("change").abs(), maintain_order=True).row(-1, named=True)
    new = "" if not (some["new"] != 0).any() else f", and what came alive by {_range(some['new'])}"
    return (
        "That other channels are live moves the mean score over live channels by "
        f"{_range(some['lost'])} ({tested}); what becomes of the same channels moves it by "
        f"{_range(some['same'])}{new}. Of the largest change, {change(row['change'])} "
        f"({named(row)}), {change(row['lost'])} is owed to lost channels and "
        f"{change(row['same'])} to those that stay live."
    )
