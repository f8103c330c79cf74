"""Whether the conclusion depends on how the score is made: one chart."""

import altair as alt
import polars as pl

from prunescope.interpret import score_variants
from prunescope.interpret import score_variants as sensitivity_of
from prunescope.networks import coordinates
from prunescope.summarize.charts import chart_rows, panels, theme
from prunescope.summarize.charts.chart_rows import ChartData
from prunescope.summarize.charts.theme import ChartSettings

OWN = "as in the study"


def sensitivity(study: ChartData, settings: ChartSettings) -> alt.TopLevelMixin:
    """Change of the score against the dense network, under every variant of the score.

    One row for each variant, one point for each retrained pruned network. The conclusion survives
    a variant if its points lie as those of the study's own score do, on the first row.
    """
    shifts = study.statistics.filter(
        pl.col("rate") > 0,
        pl.col("retraining") != coordinates.NOT_RETRAINED,
        quantity="mis_soft_shift",
    ).select("variant", "retraining", "rate", "seed", "estimate", "low", "high", method="pruning")
    networks = study.networks.join(
        shifts, on=["method", "retraining", "rate", "seed"], how="semi", maintain_order="left"
    )
    title = chart_rows.heading(
        "Change of the score by pruning, under every variant of the score",
        study,
        networks,
        "the same units, pruned minus dense (soft MIS)",
        "bars: 95 % intervals, layers as clusters",
        *([] if study.margin is None else [f"band: \u00b1 {study.margin}, the margin"]),
        "right: order of all networks, rank correlation with the study's own score",
        images=None,
        means=False,
    )
    if shifts.is_empty():
        return theme.nothing(title, settings, "no retrained pruned network was scored in variants")
    order = study.statistics.filter(quantity="spearman(mis_soft_live, unchanged)").select(
        "variant", order="estimate"
    )
    own = ["method", "retraining", "rate", "seed"]
    kinds = chart_rows.retraining_names(study)
    variants = shifts.select(pl.col("variant").unique(maintain_order=True))
    rows = (
        variants.join(networks.select(own), how="cross", maintain_order="left_right")
        .join(shifts, on=["variant", *own], maintain_order="left")
        .join(order, on="variant", how="left", maintain_order="left")
        .with_columns(
            row=_words(pl.col("variant")),
            ink=pl.col("method").replace_strict(chart_rows.names(study), return_dtype=pl.String),
            kind=pl.col("retraining").replace_strict(kinds, return_dtype=pl.String),
        )
    )
    ends = [abs(value) for name in ("low", "high") for value in rows[name].to_list()]
    reach = max(0.05, -(-max(ends) // 0.05) * 0.05)
    axis = theme.Axis("Mean change of the soft MIS", -reach, reach, "+.2f")
    band = None if study.margin is None else (-study.margin, study.margin)
    panel = panels.forest(rows, "row", axis, settings.width, study=study, band=band, remark="order")
    return theme.finish(panel, title)


def _words(variant: pl.Expr) -> pl.Expr:
    return (
        pl.when(variant == sensitivity_of.UNCHANGED)
        .then(pl.lit(OWN))
        .when(variant == score_variants.PERMUTED)
        .then(pl.lit(theme.FLOOR))
        .otherwise(variant.str.replace_all("_", " "))
    )
