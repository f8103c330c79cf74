"""Findings on whether the conclusion depends on how the score is made."""

from collections.abc import Iterator

import polars as pl

from prunescope.interpret import score_variants
from prunescope.networks.coordinates import COORDINATES, DENSE, NOT_RETRAINED
from prunescope.summarize import study_tables
from prunescope.summarize.findings.facts import ALPHA, Facts
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
    """How the change of the score depends on how the score is made."""
    found = _changes_by_variant(facts)
    varied = found.filter(pl.col("variant") != score_variants.UNCHANGED)
    own = found.filter(variant=score_variants.UNCHANGED)
    if varied.is_empty() or own.is_empty():
        return "No retrained pruned network that has a partner was scored in several ways."
    ordered = varied.sort("mean", maintain_order=True)
    low, high = ordered.row(0, named=True), ordered.row(-1, named=True)
    text = (
        f"Over {count(own['networks'][0], 'retrained pruned network')}, the mean change against "
        f"dense networks retrained as often is {change(own['mean'][0])} under the study's own "
        f"score. Under {count(len(varied), 'other way')} to score it lies between "
        f"{change(low['mean'])} (`{low['variant']}`) and "
        f"{change(high['mean'])} (`{high['variant']}`)."
    )
    within = [abs(mean) <= facts.margin for mean in found["mean"].to_list()]
    if any(within) and not all(within):
        text += f" So whether the change lies within {facts.margin:.3g} depends on the way."
    return " ".join([text, *_order(facts)])


def _changes_by_variant(facts: Facts) -> pl.DataFrame:
    """`variant`, `networks`, and the `mean` change of retrained networks from their partners."""
    rows = facts.statistics.filter(
        pl.col("seed").is_not_null(), quantity="mis_soft_shift"
    ).with_columns(method="pruning")
    return (
        rows.join(facts.retrained, on=COORDINATES, how="semi", maintain_order="left")
        .filter(pl.col("variant") != score_variants.PERMUTED)
        .group_by("variant", maintain_order=True)
        .agg(networks=pl.len(), mean=pl.col("estimate").mean())
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
