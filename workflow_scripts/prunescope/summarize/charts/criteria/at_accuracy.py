"""The chart of methods at equal accuracy."""

from math import ceil, floor

import altair as alt
import polars as pl

from prunescope.networks.coordinates import DENSE
from prunescope.summarize import selection, words
from prunescope.summarize.charts import chart_rows, panels, theme
from prunescope.summarize.charts.chart_rows import ChartData
from prunescope.summarize.charts.theme import ChartSettings

# The axes begin and end at multiples of these.
STEP, SHARE = 0.02, 0.1


def equal_accuracy(study: ChartData, settings: ChartSettings) -> alt.TopLevelMixin:
    """Change of the score against sparsity, where methods have lost the same accuracy.

    One panel for each loss of accuracy, one point for each method and kind of retraining that is
    matched in every run.
    """
    rows = _rows(study)
    chains = selection.pruned(study.networks).select("method", "retraining").unique()
    used = selection.pruned(study.networks).join(
        rows, on=["method", "retraining"], how="semi", maintain_order="left"
    )
    bars = [] if rows["low"].null_count() == rows.height else ["bars: 95 % intervals over runs"]
    title = chart_rows.heading(
        "Interpretability against sparsity, at equal accuracy",
        study,
        used,
        "interpolated between networks of neighbouring rates, within runs",
        *bars,
        *([] if study.margin is None else [f"band: \u00b1 {study.margin:.3g}, the margin"]),
        means=False,
    )
    if rows.is_empty():
        reason = chart_rows.why_no_accuracy(study, "no method could be matched in every run")
        return theme.nothing_to_show(title, settings, reason)
    drops = sorted(study.equal_accuracy["drop"].unique())
    axes = _axes(rows)
    size = theme.panel_size(settings, min(3, len(drops)), 1)
    drawn = [
        _panel(study, rows.filter(drop=drop), axes if place % 3 == 0 else _untitled(axes), size)
        .properties(title=_panel_title(drop, rows.filter(drop=drop).height, chains.height))
        for place, drop in enumerate(drops)
    ]  # fmt: skip
    return theme.finish(alt.concat(*drawn, columns=3, spacing=24), title)


def _rows(study: ChartData) -> pl.DataFrame:
    """A row for each method that is matched in every run: over runs, or of the only one."""
    several = study.networks["seed"].n_unique() > 1
    matched = study.equal_accuracy.filter(pl.col("seed").is_null() == several)
    kinds = matched["retraining"].n_unique() > 1
    series = [chart_rows.method_label(study), *([chart_rows.retraining_label(study)] * kinds)]
    return matched.drop_nulls("mis_soft_change").select(
        "method",
        "retraining",
        "drop",
        series=pl.concat_str(series, separator=", "),
        ink=chart_rows.method_label(study),
        x="sparsity",
        left="sparsity_low",
        right="sparsity_high",
        y="mis_soft_change",
        low="mis_soft_change_low",
        high="mis_soft_change_high",
    )


def _panel_title(drop: float, matched: int, chains: int) -> alt.TitleParams:
    points = f"{100 * drop:.3g} point{'s' * (drop != 0.01)}"
    level = f"{points} below {DENSE}" if drop else f"as accurate as {DENSE}"
    return theme.panel_title(f"{level} ({matched} of {chains} matched)")


def _axes(rows: pl.DataFrame) -> tuple[theme.Axis, theme.Axis]:
    """Of sparsity and of changes, the same in all panels: zero and all points lie within.

    Intervals that reach further beyond the points than these are apart are cut at the edge.
    """
    ends = []
    for point, low, high, step in (("x", "left", "right", SHARE), ("y", "low", "high", STEP)):
        points = [0.0, *rows[point].to_list()]
        bounds = [*points, *rows[low].drop_nulls(), *rows[high].drop_nulls()]
        apart = max(max(points) - min(points), step)
        lowest = max(min(bounds), min(points) - apart)
        highest = min(max(bounds), max(points) + apart)
        ends.append([round(step * end, 6) for end in (floor(lowest / step), ceil(highest / step))])
    (_, right), (bottom, top) = ends
    across = theme.Axis("Sparsity (%)", 0.0, min(1.0, max(right, SHARE)))
    up = theme.Axis(["Change of the soft MIS from the", f"{DENSE} network retrained alike"],
                    min(bottom, -STEP), max(top, STEP), "+.2f")  # fmt: skip
    return across, up


def _untitled(axes: tuple[theme.Axis, theme.Axis]) -> tuple[theme.Axis, theme.Axis]:
    across, up = axes
    return across, theme.Axis("", up.low, up.high, up.format, up.ticks)


def _panel(
    study: ChartData,
    rows: pl.DataFrame,
    axes: tuple[theme.Axis, theme.Axis],
    size: ChartSettings,
) -> alt.LayerChart:
    across, up = axes
    x, y = across.encode(alt.X, "x"), up.encode(alt.Y, "y")
    colour = chart_rows.colour(study, "ink", None)
    nothing = pl.DataFrame(schema={"series": pl.String, "ink": pl.String, "y": pl.Float64})
    margin = panels.labels(rows.select("series", "ink", "x", "y"), nothing, axes, size)
    bars = rows.drop_nulls("low").with_columns(
        pl.col("left", "right").clip(across.low, across.high),
        pl.col("low", "high").clip(up.low, up.high),
    )
    band = [] if study.margin is None else [
        panels.band_layer((max(-study.margin, up.low), min(study.margin, up.high)), up, size)
    ]  # fmt: skip
    tooltip = [
        alt.Tooltip("series:N", title="method"),
        alt.Tooltip("x:Q", title="sparsity", format=".1%"),
        alt.Tooltip("y:Q", title=words.human("mis_soft_change"), format="+.3f"),
    ]
    layers = [
        *band,
        theme.from_rows(pl.DataFrame({"y": [0.0]}))
        .mark_rule(color="#888888")
        .encode(x=alt.value(0), x2=alt.value(size.width), y=y),
        theme.from_rows(bars)
        .mark_rule(strokeWidth=1.2)
        .encode(x=x, y=up.encode(alt.Y, "low"), y2="high:Q", color=colour),
        theme.from_rows(bars)
        .mark_rule(strokeWidth=1.2)
        .encode(x=across.encode(alt.X, "left"), x2="right:Q", y=y, color=colour),
        theme.from_rows(rows)
        .mark_point(filled=True, size=46, opacity=1)
        .encode(x=x, y=y, color=colour, tooltip=tooltip),
        *panels.label_layers(margin, across, (x, y), colour),
    ]
    return alt.LayerChart(layer=layers, width=size.width, height=size.height)
