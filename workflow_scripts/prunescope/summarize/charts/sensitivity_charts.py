"""The chart of whether the conclusion depends on how the score is made."""

import altair as alt
import polars as pl

from prunescope.interpret import score_variants
from prunescope.networks.coordinates import COORDINATES, NOT_RETRAINED
from prunescope.summarize import selection, study_tables
from prunescope.summarize.charts import chart_rows, panels, theme
from prunescope.summarize.charts.chart_rows import ChartData
from prunescope.summarize.charts.theme import ChartSettings

# The label of the study's own score.
UNCHANGED_LABEL = "as in the study"


def sensitivity(study: ChartData, settings: ChartSettings) -> alt.TopLevelMixin:
    """Change of the score against the dense network retrained alike, under every variant.

    One line for each variant, one point for each retrained pruned network. The conclusion holds
    under a variant if its points lie where those of the study's own score lie, on the first line.
    """
    shifts = (
        selection.pruned(study.statistics)
        .filter(pl.col("retraining") != NOT_RETRAINED, quantity="mis_soft_shift")
        .select(
            "variant", "retraining", "rate", "seed", "estimate", "low", "high", method="pruning"
        )
    )
    networks = study.networks.join(shifts, on=COORDINATES, how="semi", maintain_order="left")
    text = "Change of the score by pruning, under every variant of the score"
    if shifts.is_empty():
        return theme.nothing_to_show(
            chart_rows.heading(text, study, networks, images=None),
            settings,
            "no retrained pruned network was scored in variants",
        )
    title = chart_rows.heading(
        text,
        study,
        networks,
        "the same units, pruned minus dense retrained as often (soft MIS)",
        "bars: 95 % intervals, layers as clusters",
        *([] if study.margin is None else [f"band: \u00b1 {study.margin:.3g}, the margin"]),
        "right: order of all networks, rank correlation with the study's own score",
        images=None,
        means=False,
    )
    order = study.statistics.filter(quantity=study_tables.ORDER_UNDER_VARIANT).select(
        "variant", order="estimate"
    )
    variants = shifts.select(pl.col("variant").unique(maintain_order=True))
    rows = (
        variants.join(networks.select(COORDINATES), how="cross", maintain_order="left_right")
        .join(shifts, on=["variant", *COORDINATES], maintain_order="left")
        .join(order, on="variant", how="left", maintain_order="left")
        .with_columns(
            row=_label(pl.col("variant")),
            ink=chart_rows.method_label(study),
            kind=chart_rows.retraining_label(study),
            link=chart_rows.explorer_link(),
        )
    )
    ends = [abs(value) for name in ("low", "high") for value in rows[name].to_list()]
    reach = max(0.05, -(-max(ends) // 0.05) * 0.05)
    axis = theme.Axis("Mean change of the soft MIS", -reach, reach, "+.2f")
    band = None if study.margin is None else (-study.margin, study.margin)
    panel = panels.forest(rows, "row", axis, settings.width, study=study, band=band, remark="order")
    return theme.finish(panel, title)


def _label(variant: pl.Expr) -> pl.Expr:
    return (
        pl.when(variant == score_variants.UNCHANGED)
        .then(pl.lit(UNCHANGED_LABEL))
        .when(variant == score_variants.PERMUTED)
        .then(pl.lit(theme.FLOOR))
        .otherwise(variant.str.replace_all("_", " "))
    )
