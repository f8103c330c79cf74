"""Lines over points in panels: means, seeds, levels of reference, labels in the margin."""

import altair as alt
import polars as pl

from prunescope import chart_rows, theme
from prunescope.chart_rows import Study
from prunescope.theme import Settings


def small_multiples(
    points: pl.DataFrame,
    references: pl.DataFrame,
    axis: theme.Axis,
    settings: Settings,
    study: Study,
    published: pl.DataFrame,
) -> alt.ConcatChart:
    """One panel per method, over the rate, one line per kind of retraining."""
    methods = points["method"].unique(maintain_order=True).to_list()
    columns = 2 if len(methods) == 4 else min(3, len(methods))
    size = theme.share(settings, columns, -(-len(methods) // columns))
    rates = theme.rate_axis(points, published)
    drawn = []
    for position, method in enumerate(methods):
        # Within a panel the method is known: the label need only say the retraining.
        name = pl.col("retraining").replace_strict(
            chart_rows.retraining_names(study), return_dtype=pl.String
        )
        rows = points.filter(method=method).with_columns(series=name)
        theirs = published.filter(method=method).with_columns(
            series=pl.concat_str(name, pl.lit(theme.PUBLISHED), separator=", ")
        )
        first = position % columns == 0
        own = axis if first else theme.Axis("", axis.low, axis.high, axis.format, axis.ticks)
        panel = draw(rows, references, (rates, own), size, study, theirs)
        heading = alt.TitleParams(theme.human(method), anchor="start", fontSize=12, offset=8)
        drawn.append(panel.properties(title=heading))
    return alt.concat(*drawn, columns=columns, spacing=24)


def draw(
    points: pl.DataFrame,
    references: pl.DataFrame,
    axes: tuple[theme.Axis, theme.Axis],
    size: Settings,
    study: Study,
    published: pl.DataFrame | None = None,
    emphasised: str = "",
) -> alt.LayerChart:
    """Mean lines over points of single seeds, levels of reference, labels in the margin.

    Published values have thin lines and hollow points.
    """
    across, up = axes
    x, y = across.encode(alt.X, "x"), up.encode(alt.Y, "y")
    colour = chart_rows.colour(study, "ink", None)
    dash = alt.StrokeDash(
        "style:N",
        scale=alt.Scale(domain=list(theme.DASHES), range=list(theme.DASHES.values())),
        legend=None,
    )
    means = points.group_by("series", "ink", "style", "x", maintain_order=True).agg(
        y=pl.col("y").mean(), seeds=pl.col("seed").n_unique()
    )
    thick = emphasised in means["series"]
    weight = pl.lit(2.0)
    if thick:
        weight = pl.when(pl.col("series") == emphasised).then(4.0).otherwise(1.5)
    theirs = points.clear() if published is None else published
    curve = ("series", "ink", "x", "y")
    curves = pl.concat([means.select(curve), theirs.select(curve)], how="vertical_relaxed")
    labels = _labels(curves, references, axes, size)
    tooltip = [
        alt.Tooltip("series:N"),
        alt.Tooltip("x:Q", title=theme.one_line(across.title), format=across.format),
        alt.Tooltip("y:Q", title=theme.one_line(up.title), format=".3f"),
    ]
    layers = [
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
        theme.from_rows(points.select("x", "y", "series", "ink", "seed"))
        .mark_point(filled=True, size=_point_size(means), opacity=0.75)
        .encode(x=x, y=y, color=colour, tooltip=[*tooltip, alt.Tooltip("seed:Q")]),
        *_published_layers(theirs, (x, y, colour), tooltip),
        theme.from_rows(_leaders(labels, across))
        # Dotted, so that no one takes the way to a label for a measurement.
        .mark_line(strokeWidth=1, opacity=0.8, strokeDash=[1, 2])
        .encode(x=x, y=y, color=colour, detail="series:N", order="step:O"),
        theme.from_rows(labels.select("series", "ink", x="label_x", y="label_y"))
        .mark_text(align="left", baseline="middle", dx=3, fontSize=theme.LABEL_SIZE)
        .encode(x=x, y=y, text="series:N", color=alt.value("#222222")),
    ]
    return alt.LayerChart(layer=layers, width=size.width, height=size.height)


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


def _labels(
    means: pl.DataFrame,
    references: pl.DataFrame,
    axes: tuple[theme.Axis, theme.Axis],
    size: Settings,
) -> pl.DataFrame:
    """Where the label of each line stands: in the right margin, clear of the others."""
    across, up = axes
    last = pl.col("x") == pl.col("x").max().over("series")
    ends = means.filter(last).select("series", "ink", pl.col("x").cast(pl.Float64), "y")
    levels = references.select("series", "ink", pl.lit(float(across.high)).alias("x"), "y")
    labels = pl.concat([ends, levels])
    gap = theme.LABEL_SPACING / size.height * (up.high - up.low)
    margin = theme.LEADER / size.width * (across.high - across.low)
    return labels.with_columns(
        label_x=pl.lit(across.high + margin),
        label_y=pl.Series(
            theme.spread(labels["y"].to_list(), gap, up.low, up.high), dtype=pl.Float64
        ),
    )


def _leaders(labels: pl.DataFrame, across: theme.Axis) -> pl.DataFrame:
    """The thin lines from the ends of the lines, by the edge of the panel, to the labels."""
    edge = pl.lit(float(across.high))
    at, level = pl.col("x"), pl.col("y")
    stops = [(at, level), (edge, level), (pl.col("label_x"), pl.col("label_y"))]
    return pl.concat(
        labels.select("series", "ink", step=pl.lit(step), x=x, y=y)
        for step, (x, y) in enumerate(stops)
    )
