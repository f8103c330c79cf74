"""Write the summary of a study: the answer, a table of verdicts, and what cannot be concluded.

The wording follows from the numbers of the tables. Something is only called shown where a test over
runs shows it. What is neither shown to change nor shown to stay within the margin is undecided.
"""

import polars as pl

from prunescope.summarize import image_counts, selection
from prunescope.summarize.estimates.runs import margin
from prunescope.summarize.findings import (
    on_accuracy,
    on_robustness,
    on_scores,
    on_trivial_units,
)
from prunescope.summarize.findings.answer import answer
from prunescope.summarize.findings.facts import Facts
from prunescope.summarize.findings.removal import removal_words
from prunescope.summarize.findings.verdicts import table_of_kinds
from prunescope.summarize.findings.wording import change, count, listed, percent, score
from prunescope.summarize.words import describe_retraining, human, kept_masked

# The titles of the lines after the table.
NO_EXPLORER = "There is none, because the scores were given without the images of the units."
LINES = (
    "What cannot be concluded",
    "The margin",
    "Images",
    "Dense networks",
    "Guessing networks",
    "Score and rate",
    "Controls",
    "Sensitivity",
    "Other measures",
)


def to_markdown(facts: Facts, sizes: pl.DataFrame | None = None) -> str:
    """The summary as a page.

    Without its heading and without the table, whose lines begin with a bar, it is also valid
    reStructuredText.

    Parameters
    ----------
    facts
        What the study found.
    sizes
        `study_tables.STUDY_SIZES`, if networks were to be made compact.
    """
    name = facts.networks["study"][0]
    lines = [*zip(LINES, details(facts), strict=True)]
    if removed := removal_words.which_units_go(facts):
        lines.append(("Which units go", removed))
    if survived := removal_words.survivorship(facts):
        lines.append(("Survivorship", survived))
    if sizes is not None and (kept := kept_masked(sizes)):
        lines.append(("Compact networks", kept))
    if warning := on_trivial_units.warning(facts):
        lines.append(("Warning", warning))
    if facts.given:
        lines.append(("Unit explorer", NO_EXPLORER))
    return f"# What the study {name} found\n\n{answer(facts)}\n\n{verdict_table(facts)}" + "".join(
        f"- **{title}:** {line}\n" for title, line in lines
    )


def details(facts: Facts) -> list[str]:
    """The lines after the table, in the order of `LINES`."""
    return [
        limits(facts),
        margin_in_units(facts),
        images(facts),
        on_accuracy.dense_accuracy(facts),
        on_accuracy.guessing(facts),
        on_scores.rates(facts),
        on_scores.controls(facts),
        on_robustness.variants(facts),
        on_robustness.measures(facts),
    ]


def verdict_table(facts: Facts) -> str:
    """One row for each kind of pruned network, and what is compared; empty if none was pruned."""
    kinds = table_of_kinds(facts)
    if kinds.is_empty():
        return ""
    head = ("Method", "Retraining", "Rate", "Runs", "Top-1", "Change of top-1 in points",
            "Soft MIS", "Change of the score", "Verdict")  # fmt: skip
    rows = [_row(row) for row in kinds.to_dicts()]
    lines = [head, ["---"] * len(head), *rows]
    table = "".join(f"| {' | '.join(cells)} |\n" for cells in lines)
    single = "units" if facts.given else "images and units"
    over = (
        "95 % intervals over runs"
        if facts.runs > 1
        else f"one run: 95 % intervals over {single}, which say nothing of other runs"
    )
    partner = (
        "the dense network, for retrained networks against the dense network retrained as often"
        if facts.has_dense
        else "the network of the lowest rate of the same method and retraining"
    )
    return f"{table}\nChanges are against {partner} ({over}).\n\n"


def _row(row: dict) -> list[str]:
    top1 = [row[f"top1_{name}"] for name in ("change", "low", "high")]
    moved = [row[f"mis_{name}"] for name in ("change", "low", "high")]
    return [
        human(row["method"]),
        describe_retraining(row["retraining"]),
        percent(row["rate"], 0),
        str(row["runs"]),
        "" if row["top1"] is None else percent(row["top1"]),
        _with_interval([None if value is None else f"{100 * value:+.1f}" for value in top1]),
        "" if row["mis"] is None else score(row["mis"]),
        _with_interval([None if value is None else change(value) for value in moved]),
        row["verdict"] or "not tested",
    ]


def _with_interval(said: list[str | None]) -> str:
    """An estimate with the ends of its interval, as far as they are known."""
    value, low, high = said
    return value or "" if low is None else f"{value} ({low} to {high})"


def images(facts: Facts) -> str:
    """The images behind the numbers, and those that could not be read."""
    if facts.given:
        return _images_elsewhere(facts)
    validation = int(facts.images.filter(split="validation")["images"].sum())
    said = [
        f"Accuracy is measured on {validation:,} validation images.",
        f"Scores are made from {facts.probe_images:,} probe images and the metric {facts.metric}.",
    ]
    said += [
        f"Of the {split} split, {lost}."
        for split in ("validation", "probe")
        if (lost := image_counts.left_out(facts.images.filter(split=split)))
    ]
    if facts.replaced:
        said.append(
            f"In training, up to {percent(facts.replaced)} of the images of an epoch stood in for "
            "others of their class, whose files are damaged."
        )
    return " ".join(said)


def _images_elsewhere(facts: Facts) -> str:
    """What is known of images that were looked at elsewhere."""
    told = sorted(set(facts.networks["images"].drop_nulls().to_list()))
    said = (
        f"Scores were made elsewhere, by the metric {facts.metric}; from how many images is not "
        "told."
    )
    if not told:
        return said
    return f"Accuracy was measured on {listed([f'{number:,}' for number in told])} images. {said}"


def margin_in_units(facts: Facts) -> str:
    """The margin beside what training gives, and beside how much runs differ."""
    said = [f"A change of the score within {facts.margin:.3g} counts as too small to matter."]
    training, spread = (facts.unit_of_margin(name) for name in (margin.TRAINING, margin.SPREAD))
    if training is not None:
        said.append(
            f"Training raises the score by {change(training)}"
            + (f": the margin is {percent(facts.margin / training, 0)} of that." if training > 0
               else ", so the margin cannot be compared with it.")
        )  # fmt: skip
    if spread:
        said.append(
            f"Runs of one kind of network differ by a standard deviation of {score(spread)}: the "
            f"margin is {facts.margin / spread:.1f} of them."
        )
    return " ".join(said)


def limits(facts: Facts) -> str:
    """What the study is too small, or too narrow, to tell."""
    said = []
    if facts.runs == 1:
        said.append(
            "With one run, no verdict is given: two runs of the same kind of network differ too."
        )
    else:
        said.append(
            f"{count(facts.runs, 'run')} tell little of how much runs differ: wide intervals are "
            "part of the answer."
        )
    if not facts.has_dense:
        said.append(
            "Without a dense network, each network is compared with the one of the lowest rate of "
            "its method and retraining: what pruning to that rate changed is not seen."
        )
    without = selection.present(
        facts.pruned.filter(~pl.col("retraining").is_in(facts.kinds_with_partner))["retraining"]
    )
    said += [
        f"Networks retrained like this have no dense partner, so they get no verdict: "
        f"{describe_retraining(kind)}."
        for kind in without
    ]
    said.append(
        f"Scores hold for {facts.dataset}, these images and this metric. Whether people would find "
        "these units easier to understand was not asked."
    )
    return " ".join(said)
