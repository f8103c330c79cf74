"""Findings on whether the conclusion depends on how the score is made."""

from collections.abc import Iterator

import polars as pl

from prunescope.interpret import score_variants
from prunescope.networks.coordinates import DENSE, NOT_RETRAINED
from prunescope.summarize import study_tables
from prunescope.summarize.findings.facts import ALPHA, Facts
from prunescope.summarize.findings.verdicts import variant_verdicts
from prunescope.summarize.findings.wording import (
    be,
    capitalised,
    change,
    change_interval,
    count,
    listed,
)
from prunescope.summarize.words import human

# What a network loses when a unit is silenced (`unit_tables.ABLATION`), in words.
LOSS_NAMES = {"top1_drop": "accuracy lost", "loss_rise": "rise of the loss"}
SCORE_NAMES = {"mis_soft": "soft MIS", "mis_hard": "hard MIS"}


def variants(facts: Facts) -> str:
    """Whether the verdict on pruned networks is the same under all variants of the score."""
    found = variant_verdicts(facts)
    varied = found.filter(pl.col("variant") != score_variants.UNCHANGED)
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
    own = found.filter(variant=score_variants.UNCHANGED)
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
        pl.col("variant") != score_variants.PERMUTED,
        quantity=study_tables.ORDER_UNDER_VARIANT,
    ).sort("estimate", maintain_order=True)
    if ordered.height:
        row = ordered.row(0, named=True)
        yield (
            f"The order of all {row['n']} networks that were scored so, controls among them, "
            f"correlates with that of the study's own score by at least "
            f"{change(row['estimate'])} (`{row['variant']}`)."
        )


def measures(facts: Facts) -> str:
    """Whether other measures agree with the score, and whether any tells which units matter."""
    agree = facts.statistics.filter(family="measures", pruning=DENSE, retraining=NOT_RETRAINED)
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
    return capitalised("; ".join(said)) if said else "Too few units have several measures."


def _which_units_matter(found: pl.DataFrame) -> str:
    cells = found.with_columns(
        pl.col("quantity")
        .str.extract_groups(r"^spearman\((?<measure>\w+), (?<loss>\w+)\)$")
        .struct.unnest()
    )
    text = f"when one of {max(found['n'].to_list())} units is silenced"
    own = cells.filter(measure="mis_soft").group_by("loss", maintain_order=True)
    said = [f"the {LOSS_NAMES[loss]} by {_over_seeds(rows)}" for (loss,), rows in own]
    if said:
        text += f", its soft MIS correlates with {listed(said)}"
    seeds = cells["seed"].n_unique()
    shown = [
        f"{SCORE_NAMES.get(measure, human(measure))} with the {LOSS_NAMES[loss]} ("
        + (change(rows["estimate"][0]) if seeds == 1 else f"in {len(rows)} of {seeds} seeds")
        + ")"
        for (measure, loss), rows in cells.filter(pl.col("p_holm") < ALPHA).group_by(
            "measure", "loss", maintain_order=True
        )
    ]
    if not shown:
        return f"{text}; no measure is shown to tell which units matter"
    pairs = cells.select("measure", "loss").n_unique()
    return (
        f"{text}; of {pairs} correlations of a measure with a loss, {len(shown)} "
        f"{be(len(shown))} shown after Holm's correction, over units of all depths: "
        f"{listed(shown)}"
    )


def _over_seeds(rows: pl.DataFrame) -> str:
    if len(rows) == 1:
        row = rows.row(0, named=True)
        return f"{change(row['estimate'])} ({change_interval(row)})"
    values = rows["estimate"].to_list()
    return f"{change(min(values))} to {change(max(values))} in {len(values)} seeds"
