"""The chart of criteria at equal sparsity."""

from math import ceil, floor

import altair as alt
import polars as pl

from prunescope.networks.coordinates import KIND
from prunescope.summarize import selection, words
from prunescope.summarize.charts import chart_rows, panels, theme
from prunescope.summarize.charts.chart_rows import ChartData
from prunescope.summarize.charts.theme import ChartSettings

MEASURED = "sparsity_prunable"
ALIKE = "dense, retrained alike"
# Axes begin and end at ticks, which are as close as so many steps allow.
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2)
MOST_STEPS = 8
# A tenth times three is not exactly 0.3.
DIGITS = 6


def criteria_by_sparsity(study: ChartData, settings: ChartSettings) -> alt.TopLevelMixin:
    """Accuracy, and below it the score, against the sparsity that was measured.

    One column of panels for each granularity and kind of retraining of which the study has several
    methods.
    """
    networks = chart_rows.scored(study, "top1").filter(
        pl.col(MEASURED).is_not_null(), pl.col("mis_soft_live").is_not_null()
    )
    compared = _compared(study, networks)
    shown = networks.join(compared, on=["method", "retraining"], how="semi", maintain_order="left")
    title = chart_rows.heading(
        "Accuracy and interpretability by criterion, at equal sparsity",
        study,
        shown,
        *chart_rows.mis_facts(study),
        "sparsity: zeros among the weights that may be pruned, measured",
    )
    if shown.is_empty():
        reason = chart_rows.why_no_accuracy(
            study, "no two methods remove the same kind of pieces and are retrained alike"
        )
        return theme.nothing_to_show(title, settings, reason)
    groups = compared.unique(["pieces", "retraining"], maintain_order=True)
    size = theme.panel_size(settings, min(2, groups.height), 1)
    columns = []
    for place, (pieces, retraining) in enumerate(groups.select("pieces", "retraining").rows()):
        members = compared.filter(pieces=pieces, retraining=retraining)["method"]
        rows = shown.filter(pl.col("method").is_in(members.implode()), retraining=retraining)
        heading = f"{words.describe_pieces(pieces)}, {words.describe_retraining(retraining)}"
        columns.append(
            _column(study, rows, size, titled=place % 3 == 0).properties(
                title=theme.panel_title(heading)
            )
        )
    return theme.finish(alt.concat(*columns, columns=3, spacing=24), title)


def _compared(study: ChartData, networks: pl.DataFrame) -> pl.DataFrame:
    """The methods that remove the same kind of pieces as others and are retrained alike.

    Columns: `method`, `retraining`, `pieces`.
    """
    pieces = pl.col("method").replace_strict(
        study.granularities, default=None, return_dtype=pl.String
    )
    methods = (
        selection.pruned(networks)
        .select("method", "retraining", pieces=pieces)
        .drop_nulls()
        .unique(maintain_order=True)
    )
    return methods.filter(pl.len().over("pieces", "retraining") > 1)


def _column(
    study: ChartData, rows: pl.DataFrame, size: ChartSettings, *, titled: bool
) -> alt.VConcatChart:
    """Accuracy above the score, on axes that are cut to what is shown."""
    (retraining,) = rows["retraining"].unique()
    across = _cut("Sparsity (%)", rows[MEASURED], ".0%")
    drawn = []
    for column, title, style in (
        ("top1", ["Top-1 accuracy (%)", "(axis cut)"], ".0%"),
        ("mis_soft_live", ["Mean soft MIS of live units", "(axis cut)"], ".2f"),
    ):
        levels = _dense(study, column, retraining)
        up = _cut(title if titled else "", pl.concat([rows[column], levels["y"]]), style)
        # Each kind of network stands at its mean sparsity over seeds.
        placed = rows.with_columns(place=pl.col(MEASURED).mean().over(KIND))
        points = chart_rows.lines(study, placed, "place", column, by_retraining=False)
        drawn.append(panels.draw(points, levels, (across, up), size, study))
    return alt.vconcat(*drawn, spacing=24)


def _dense(study: ChartData, column: str, retraining: str) -> pl.DataFrame:
    """The level of the dense network that was retrained alike; else of the dense network."""
    levels = chart_rows.references(study, study.networks, column, None).drop_nulls("y")
    alike = levels.filter(panel=retraining).with_columns(series=pl.lit(ALIKE))
    return levels.filter(pl.col("panel").is_null()) if alike.is_empty() else alike


def _cut(title: str | list[str], values: pl.Series, style: str) -> theme.Axis:
    """The smallest axis between ticks that holds all values."""
    for step in STEPS:
        first, last = floor(min(values.to_list()) / step), ceil(max(values.to_list()) / step)
        if last - first <= MOST_STEPS:
            break
    last = max(last, first + 1)
    ticks = tuple(round(number * step, DIGITS) for number in range(first, last + 1))
    return theme.Axis(title, ticks[0], ticks[-1], style, ticks)
