"""Panels of dots: what a name on the left has, under each reading of dead units."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from prunescope.interpret.published_scores import dead_units
from prunescope.summarize.charts import theme
from prunescope.summarize.charts.theme import ChartSettings
from prunescope.summarize.published_scores.readings import (
    CONSTANT,
    COUNTED,
    LIVE,
    PRUNED,
    SUSPECTED,
)

ANY = "the same under all four"
READING_NAMES = {
    COUNTED: "every unit counted",
    PRUNED: "pruned filters out",
    CONSTANT: "all constant units out",
    SUSPECTED: f"all above {dead_units.LOOKS_CONSTANT} out too",
}
# Not those of the arms: dark for the main reading.
INKS = {COUNTED: "#E69F00", PRUNED: "#CC79A7", CONSTANT: "#222222", SUSPECTED: "#56B4E9"}
SHAPES = {COUNTED: "square", PRUNED: "diamond", CONSTANT: "circle", SUSPECTED: "triangle-up"}
_LABELS = [*READING_NAMES.values(), ANY]


def panel(
    rows: pl.DataFrame,
    heading: Sequence[str],
    axis: theme.Axis,
    size: ChartSettings,
    *,
    names: Sequence[str],
    named: bool,
    legend: bool = False,
    band: float | None = None,
) -> alt.LayerChart:
    """The estimates of each name, under each reading below each other.

    Parameters
    ----------
    rows
        `name`, `reading`, `units`, `estimate`, and `low`, `high` of its interval or null; where
        `same` is true a sign of equality stands beside the interval. Points of units that are live
        in all networks are hollow if the panel has others too.
    heading
        Its title, and the lines below it.
    axis
        Of the estimates.
    size
        Of the panel.
    names
        All names, from the top.
    named
        Whether they are written at the left.
    legend
        Whether the panel has the legend of readings.
    band
        Half the width of the shaded band around 0; None draws none.
    """
    alike = rows.group_by("name").agg(pl.col("estimate").n_unique())["estimate"].max() == 1
    shown = rows.unique("name", keep="first", maintain_order=True) if alike else rows
    ways = shown.select("reading", "units").unique(maintain_order=True).rows()
    step = 0.8 / len(ways)
    heights = {name: float(place) for place, name in enumerate(names)}
    offsets = {way: (place - (len(ways) - 1) / 2) * step for place, way in enumerate(ways)}
    placed = shown.with_columns(
        line=pl.col("name").replace_strict(heights, return_dtype=pl.Float64)
        + pl.Series([offsets[way] for way in shown.select("reading", "units").rows()]),
        reading=pl.lit(ANY)
        if alike
        else pl.col("reading").replace_strict(READING_NAMES, return_dtype=pl.String),
    )
    labels = tuple(names) if named else ("",) * len(names)
    y = theme.Axis("", len(names) - 0.5, -0.5, names=labels).encode(alt.Y, "line")
    x = axis.encode(alt.X, "estimate")
    drawn = [
        *_behind(axis, size, band),
        theme.from_rows(placed.drop_nulls("low"))
        .mark_rule(strokeWidth=1.2)
        .encode(x=axis.encode(alt.X, "low"), x2="high:Q", y=y, color=_colour(legend)),
    ]
    hollow = (pl.col("units") != LIVE) & pl.lit(shown["units"].n_unique() > 1)
    for is_hollow in (False, True):
        points = theme.from_rows(placed.filter(hollow == is_hollow))
        drawn.append(
            points.mark_point(**point(hollow=is_hollow)).encode(
                x=x, y=y, color=_colour(legend), shape=_shape(legend),
                tooltip=[alt.Tooltip("name:N"), alt.Tooltip("reading:N"), alt.Tooltip("units:N"),
                         alt.Tooltip("estimate:Q", format="+.3f")],
            )
        )  # fmt: skip
    same = theme.from_rows(placed.filter("same"))
    drawn.append(
        same.mark_text(text="=", align="left", dx=5, fontSize=13, fontWeight="bold").encode(
            x=axis.encode(alt.X, "high"), y=y
        )
    )
    return alt.LayerChart(layer=drawn, width=size.width, height=size.height).properties(
        title=titled(heading)
    )


def point(*, hollow: bool) -> dict[str, Any]:
    """How a point looks."""
    if hollow:
        return {"filled": False, "fill": "white", "size": 22, "opacity": 1}
    return {"filled": True, "size": 32, "opacity": 1}


def titled(heading: Sequence[str]) -> alt.TitleParams:
    """The title of a panel, with the lines below it."""
    return alt.TitleParams(
        heading[0], subtitle=list(heading[1:]), anchor="start", fontSize=12, subtitleFontSize=11,
        offset=8,
    )  # fmt: skip


def _behind(axis: theme.Axis, size: ChartSettings, band: float | None) -> list[alt.Chart]:
    """The line at 0, and the band around it."""
    x = axis.encode(alt.X, "estimate")
    across = {"x": x, "y": alt.value(0), "y2": alt.value(size.height)}
    zero = theme.from_rows(pl.DataFrame({"estimate": [0.0]}))
    drawn = [zero.mark_rule(color="#888888").encode(**across)]
    if band is not None:
        ends = theme.from_rows(pl.DataFrame({"estimate": [-band], "high": [band]}))
        drawn.insert(0, ends.mark_rect(color=theme.BAND).encode(**across, x2="high:Q"))
    return drawn


def _legend(wanted: bool) -> alt.Legend | None:
    return alt.Legend(title="Dead units", symbolSize=60) if wanted else None


def _colour(legend: bool) -> alt.Color:
    inks = alt.Scale(domain=_LABELS, range=[*INKS.values(), "#777777"])
    return alt.Color("reading:N", scale=inks, legend=_legend(legend))


def _shape(legend: bool) -> alt.Shape:
    shapes = alt.Scale(domain=_LABELS, range=[*SHAPES.values(), "cross"])
    return alt.Shape("reading:N", scale=shapes, legend=_legend(legend))
