"""Draw panels: lines over points with levels of reference and labels, and forest plots.

`spread` places the labels. All functions expect rows of `chart_rows`.
"""

from collections.abc import Sequence

import altair as alt
import numpy as np
import polars as pl

from prunescope.summarize import selection
from prunescope.summarize.charts import chart_rows, theme
from prunescope.summarize.charts.chart_rows import ChartData
from prunescope.summarize.charts.theme import ChartSettings


def small_multiples(
    points: pl.DataFrame,
    references: pl.DataFrame,
    axis: theme.Axis,
    settings: ChartSettings,
    study: ChartData,
    published: pl.DataFrame,
    *,
    by: str,
    band: tuple[float, float] | None = None,
) -> alt.ConcatChart:
    """Panels over the rate, one for each method or for each kind of retraining.

    Parameters
    ----------
    points
        The networks, from `chart_rows.lines`.
    references
        Levels to compare with, from `chart_rows.references`.
    axis
        Of `y`.
    settings
        The size of all panels together.
    study
        Gives labels and colours.
    published
        Published values, from `chart_rows.published_lines`.
    by
        `method`: one panel for each method, one line for each kind of retraining. `retraining`: the
        other way round.
    band
        The lowest and the highest value within the margin.
    """
    other = "retraining" if by == "method" else "method"
    words = {"method": chart_rows.names(study), "retraining": chart_rows.retraining_names(study)}
    kinds = selection.present(pl.concat([points[by], published[by]]))
    columns = 2 if len(kinds) == 4 else min(3, len(kinds))
    size = theme.panel_size(settings, columns, -(-len(kinds) // columns))
    rates = theme.rate_axis(points, published)
    drawn = []
    for position, kind in enumerate(kinds):
        # The title of the panel says one of the two, so the labels only say the other one.
        name = pl.col(other).replace_strict(words[other], return_dtype=pl.String)
        rows = points.filter(pl.col(by) == kind).with_columns(series=name)
        theirs = published.filter(pl.col(by) == kind).with_columns(
            series=pl.concat_str(name, pl.lit(theme.PUBLISHED), separator=", ")
        )
        levels = references
        if by == "retraining":
            levels = references.filter(pl.col("panel").is_null() | (pl.col("panel") == kind))
            levels = levels.with_columns(
                series=pl.when(pl.col("panel") == kind)
                .then(pl.lit("dense, retrained alike"))
                .otherwise("series")
            )
        first = position % columns == 0
        own = axis if first else theme.Axis("", axis.low, axis.high, axis.format, axis.ticks)
        panel = draw(rows, levels, (rates, own), size, study, theirs, band=band)
        heading = theme.panel_title(words[by][kind])
        drawn.append(panel.properties(title=heading))
    return alt.concat(*drawn, columns=columns, spacing=24)


def draw(
    points: pl.DataFrame,
    references: pl.DataFrame,
    axes: tuple[theme.Axis, theme.Axis],
    size: ChartSettings,
    study: ChartData,
    published: pl.DataFrame | None = None,
    emphasised: str = "",
    band: tuple[float, float] | None = None,
) -> alt.LayerChart:
    """One panel: lines of means over points of seeds, levels of reference, labels in the margin.

    Bars are the intervals of the points. Published values have thin lines and hollow points.

    Parameters
    ----------
    points
        The networks, from `chart_rows.lines`.
    references
        Levels to compare with, from `chart_rows.references`.
    axes
        Of `x` and of `y`.
    size
        The size of the panel.
    study
        Gives the colours.
    published
        Published values, from `chart_rows.published_lines`.
    emphasised
        The label of a line that is drawn thicker than the others.
    band
        The lowest and the highest value within the margin.
    """
    across, up = axes
    x, y = across.encode(alt.X, "x"), up.encode(alt.Y, "y")
    colour = chart_rows.colour(study, "ink", None)
    dash = dashes()
    means = points.group_by("series", "ink", "style", "x", maintain_order=True).agg(
        pl.col("low", "high").first(), y=pl.col("y").mean(), seeds=pl.col("seed").n_unique()
    )
    bars = means.drop_nulls("low").with_columns(pl.col("low", "high").clip(up.low, up.high))
    thick = emphasised in means["series"]
    weight = pl.lit(2.0)
    if thick:
        weight = pl.when(pl.col("series") == emphasised).then(4.0).otherwise(1.5)
    theirs = points.clear() if published is None else published
    curve = ("series", "ink", "x", "y")
    curves = pl.concat([means.select(curve), theirs.select(curve)], how="vertical_relaxed")
    margin = labels(curves, references, axes, size)
    tooltip = [
        alt.Tooltip("series:N"),
        alt.Tooltip("x:Q", title=theme.one_line(across.title), format=across.format),
        alt.Tooltip("y:Q", title=theme.one_line(up.title), format=".3f"),
    ]
    layers = [
        *([] if band is None else [band_layer(band, up, size)]),
        theme.from_rows(references)
        .mark_rule(strokeWidth=1.5)
        .encode(x=alt.value(0), x2=alt.value(size.width), y=y, color=colour, strokeDash=dash),
        theme.from_rows(means.with_columns(weight=weight))
        .mark_line()
        .encode(
            x=x,
            y=y,
            color=colour,
            strokeDash=dash,
            strokeWidth=alt.StrokeWidth("weight:N", scale=None, legend=None),
            detail="series:N",
        ),
        theme.from_rows(bars.select("series", "ink", "x", "low", "high"))
        .mark_rule(strokeWidth=1.2)
        .encode(x=x, y=up.encode(alt.Y, "low"), y2="high:Q", color=colour),
        theme.from_rows(points.select("x", "y", "series", "ink", "seed", "link"))
        .mark_point(filled=True, size=_point_size(means), opacity=0.75)
        .encode(x=x, y=y, color=colour, tooltip=[*tooltip, alt.Tooltip("seed:Q")], href="link:N"),
        *_published_layers(theirs, (x, y, colour), tooltip),
        *label_layers(margin, across, (x, y), colour),
    ]
    return alt.LayerChart(layer=layers, width=size.width, height=size.height)


def dashes() -> alt.StrokeDash:
    """The styles of lines as a channel. All charts share one scale."""
    scale = alt.Scale(domain=list(theme.DASHES), range=list(theme.DASHES.values()))
    return alt.StrokeDash("style:N", scale=scale, legend=None)


def band_layer(levels: tuple[float, float], up: theme.Axis, size: ChartSettings) -> alt.Chart:
    """The values within the margin, as a horizontal band."""
    low, high = levels
    return (
        theme.from_rows(pl.DataFrame({"y": [low], "high": [high]}))
        .mark_rect(color=theme.BAND)
        .encode(x=alt.value(0), x2=alt.value(size.width), y=up.encode(alt.Y, "y"), y2="high:Q")
    )


def _published_layers(
    published: pl.DataFrame,
    encoding: tuple[alt.X | alt.Y, alt.X | alt.Y, alt.Color],
    tooltip: list[alt.Tooltip],
) -> list[alt.Chart]:
    if published.is_empty():
        return []
    x, y, colour = encoding
    base = theme.from_rows(published)
    more = [alt.Tooltip("source:N"), alt.Tooltip("note:N")]
    return [
        base.mark_line(strokeWidth=1, strokeDash=[3, 2]).encode(
            x=x, y=y, color=colour, detail="series:N"
        ),
        base.mark_point(
            filled=False, fill="white", size=_point_size(published), strokeWidth=1.2, opacity=1
        ).encode(x=x, y=y, color=colour, tooltip=[*tooltip, *more]),
    ]


def _point_size(curves: pl.DataFrame) -> int:
    return 34 if curves["x"].n_unique() <= 20 else 8


def labels(
    means: pl.DataFrame,
    references: pl.DataFrame,
    axes: tuple[theme.Axis, theme.Axis],
    size: ChartSettings,
) -> pl.DataFrame:
    """Place the label of each line in the right margin, so that no two overlap.

    Returns
    -------
    polars.DataFrame
        `series`, `ink`, the end of the line (`x`, `y`) and the place of the label (`label_x`,
        `label_y`).
    """
    across, up = axes
    last = pl.col("x") == pl.col("x").max().over("series")
    ends = means.filter(last).select("series", "ink", pl.col("x").cast(pl.Float64), "y")
    levels = references.select("series", "ink", pl.lit(float(across.high)).alias("x"), "y")
    labels = pl.concat([ends, levels])
    gap = theme.LABEL_SPACING / size.height * (up.high - up.low)
    margin = theme.LEADER / size.width * (across.high - across.low)
    return labels.with_columns(
        label_x=pl.lit(across.high + margin),
        label_y=pl.Series(spread(labels["y"].to_list(), gap, up.low, up.high), dtype=pl.Float64),
    )


def label_layers(
    margin: pl.DataFrame,
    across: theme.Axis,
    place: tuple[alt.X | alt.Y, alt.X | alt.Y],
    colour: alt.Color,
) -> list[alt.Chart]:
    """The labels that `labels` placed, each with a thin line that leads to it from its line."""
    x, y = place
    return [
        theme.from_rows(_leaders(margin, across))
        # Dotted, so that nobody mistakes it for a part of the measured line.
        .mark_line(strokeWidth=1, opacity=0.8, strokeDash=[1, 2])
        .encode(x=x, y=y, color=colour, detail="series:N", order="step:O"),
        theme.from_rows(margin.select("series", "ink", x="label_x", y="label_y"))
        .mark_text(align="left", baseline="middle", dx=3, fontSize=theme.LABEL_SIZE)
        .encode(x=x, y=y, text="series:N", color=alt.value("#222222")),
    ]


def _leaders(labels: pl.DataFrame, across: theme.Axis) -> pl.DataFrame:
    """The points of the thin lines: the end of the line, the edge of the panel, the label."""
    edge = pl.lit(float(across.high))
    at, level = pl.col("x"), pl.col("y")
    stops = [(at, level), (edge, level), (pl.col("label_x"), pl.col("label_y"))]
    return pl.concat(
        labels.select("series", "ink", step=pl.lit(step), x=x, y=y)
        for step, (x, y) in enumerate(stops)
    )


def forest(
    rows: pl.DataFrame,
    label: str,
    axis: theme.Axis,
    width: int,
    *,
    study: ChartData,
    band: tuple[float, float] | None = None,
    remark: str | None = None,
) -> alt.LayerChart:
    """Estimates with their intervals, one below the other.

    Parameters
    ----------
    rows
        `estimate`, `low`, `high`; `ink`, the label of the colour; `kind`, the label of the shape.
        `link` leads from each point to a network, where the points are networks.
    label
        The column that names the lines. Lines stand in the order in which their names appear.
        Rows with the same name share a line, side by side.
    axis
        Of the estimates.
    width
        The width of the panel in pixels.
    study
        Gives the colours and shapes.
    band
        The lowest and the highest estimate within the margin.
    remark
        The column of a number that is written at the right end of a line.
    """
    names = selection.present(rows[label])
    places = {name: place for place, name in enumerate(names)}
    number, rank = pl.len().over(label), pl.int_range(pl.len()).over(label)
    offset = (rank - (number - 1) / 2) / number * 0.7
    placed = rows.with_columns(
        line=pl.col(label).replace_strict(places, return_dtype=pl.Float64) + offset,
    )
    most = int(rows.group_by(label).len()["len"].max())  # type: ignore[arg-type]
    height = max(20, 5 * most + 8) * len(names)
    x = axis.encode(alt.X, "estimate")
    lines = theme.Axis("", len(names) - 0.5, -0.5, names=tuple(names))
    y = lines.encode(alt.Y, "line")
    # The offset keeps the legends clear of the remarks: Vega leaves no room for text outside the
    # panel.
    legend = alt.Legend(title="Method", values=selection.present(placed["ink"]), offset=50)
    colour = chart_rows.colour(study, "ink", legend)
    kinds = list(chart_rows.retraining_names(study).values())
    shape = alt.Shape(
        "kind:N",
        scale=alt.Scale(domain=kinds, range=theme.take(theme.SHAPES, len(kinds))),
        legend=alt.Legend(title="Retraining", values=selection.present(placed["kind"]), offset=50),
    )
    of_network = ["link"] if "link" in placed.columns else []
    base = theme.from_rows(
        placed.select(
            "line", "estimate", "low", "high", "ink", "kind", *of_network, name=pl.col(label)
        )
    )
    href = alt.Href("link:N") if of_network else alt.Undefined
    zero = theme.from_rows(pl.DataFrame({"estimate": [0.0]}))
    tooltip = [
        alt.Tooltip("name:N"),
        alt.Tooltip("ink:N", title="method"),
        alt.Tooltip("kind:N", title="retraining"),
        alt.Tooltip("estimate:Q", format="+.3f"),
        alt.Tooltip("low:Q", format="+.3f"),
        alt.Tooltip("high:Q", format="+.3f"),
    ]
    layers = [
        *([] if band is None else [_vertical_band(band, axis, height)]),
        zero.mark_rule(color="#888888").encode(x=x, y=alt.value(0), y2=alt.value(height)),
        base.mark_rule(strokeWidth=1.3).encode(
            x=axis.encode(alt.X, "low"), x2="high:Q", y=y, color=colour
        ),
        base.mark_point(filled=True, size=36, opacity=1).encode(
            x=x, y=y, color=colour, shape=shape, tooltip=tooltip, href=href
        ),
    ]
    if remark is not None:
        remarks = rows.group_by(label, maintain_order=True).agg(pl.col(remark).first())
        written = remarks.drop_nulls(remark).select(
            line=pl.col(label).replace_strict(places, return_dtype=pl.Float64),
            text=pl.col(remark),
        )
        layers.append(
            theme.from_rows(written)
            .mark_text(align="left", dx=6, fontSize=theme.LABEL_SIZE, color="#555555")
            .encode(x=alt.value(width), y=y, text=alt.Text("text:Q", format="+.2f"))
        )
    return alt.LayerChart(layer=layers, width=width, height=height)


def _vertical_band(levels: tuple[float, float], axis: theme.Axis, height: int) -> alt.Chart:
    low, high = levels
    return (
        theme.from_rows(pl.DataFrame({"estimate": [low], "high": [high]}))
        .mark_rect(color=theme.BAND)
        .encode(x=axis.encode(alt.X, "estimate"), x2="high:Q", y=alt.value(0), y2=alt.value(height))
    )


def spread(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move positions as little as possible until neighbours are `gap` apart, in [low, high].

    The sum of squared moves is minimal, and the order is kept. Of equal values, the first one gets
    the highest position. If the room is too small for the gap, the positions fill it evenly.

    Parameters
    ----------
    values
        The wanted positions, in any order.
    gap
        The least distance between two positions.
    low, high
        The ends of the room.
    """
    if not values:
        return []
    # Imported here because scipy is slow to import, and the rules import this module too, to know
    # the names of the charts.
    from scipy.optimize import isotonic_regression

    gap = min(gap, (high - low) / max(1, len(values) - 1))
    order = sorted(range(len(values)), key=lambda index: (values[index], -index))
    # Without the gaps that precede them, the positions must only not decrease.
    gaps = gap * np.arange(len(values))
    fitted = isotonic_regression([values[index] for index in order] - gaps).x
    positions = np.empty(len(values))
    positions[order] = np.clip(fitted, low, high - (len(values) - 1) * gap) + gaps
    return positions.tolist()
