"""How charts look: palette, line styles, axes, fonts, titles, sizes of panels."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

import altair as alt
import polars as pl

from prunescope.networks.coordinates import DENSE, NOT_RETRAINED, RECALIBRATED, UNTRAINED
from prunescope.summarize.words import RETRAINING_NAMES

CHANCE = "chance"
FLOOR = "permuted (floor)"
DETECTORS = "ideal class detectors"
TRIVIAL = "trivial unit"
EMPHASISED = "global_unstructured"

# The colours of Okabe & Ito (2008), safe for colour-blind readers. Yellow is left out because it is
# too pale for a line on white, and black because it is kept for the dense network.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
# The colours of lines that are not those of a pruning method, by the label in the chart.
INKS = {
    DENSE: "#222222",
    RETRAINING_NAMES[NOT_RETRAINED]: "#777777",
    UNTRAINED: "#8C6D46",
    FLOOR: "#999999",
    DETECTORS: "#7A5195",
    TRIVIAL: "#A63D40",
    CHANCE: "#AAAAAA",
}
# The colour of the band of values within the margin of the equivalence tests.
BAND = "#F1EDE4"
DASHES = {
    "dashed": [5, 3],
    "dotted": [2, 3],
    "dash-dotted": [9, 3, 2, 3],
    "solid": [1, 0],
    "long dashes": [12, 3],
    "dash-dot-dotted": [9, 3, 2, 3, 2, 3],
    "uneven dashes": [14, 3, 5, 3],
}
# The styles of chance and of the kinds of retraining that train nothing. Other kinds of retraining
# take the other styles in turn.
FIXED_STYLES = {NOT_RETRAINED: "dashed", RECALIBRATED: "dash-dotted", CHANCE: "dotted"}
PUBLISHED = "published"
PUBLISHED_INK = "#8A8A8A"
SOURCE = "von Rad & Seuffert, arXiv 2409.19727"
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
LABEL_SIZE = 11
LABEL_SPACING = 13
LEADER = 18
# The length of a line of the subtitle, in characters: about the width of a chart with its labels.
SUBTITLE_LENGTH = 105
SMALLEST_PANEL = 200


@dataclass(frozen=True)
class ChartSettings:
    """The size of charts: the section `charts` of the config.

    Attributes
    ----------
    width, height
        Size of the plotting area in pixels. Panels share it. Titles, axes and labels need more
        room around it.
    png_scale
        Pixels of the PNG for each pixel of the chart.
    """

    width: int
    height: int
    png_scale: float


@dataclass(frozen=True)
class Axis:
    """A linear axis.

    Attributes
    ----------
    title
        Its title; a list for several lines.
    low, high
        Its ends.
    format
        The d3 format of the labels.
    ticks
        The positions of the ticks. If empty, Vega chooses them.
    names
        Labels for the positions 0, 1, 2, ... instead of numbers.
    """

    title: str | list[str]
    low: float
    high: float
    format: str = ".0%"
    ticks: tuple[float, ...] = ()
    names: tuple[str, ...] = ()

    def encode(self, channel: type[alt.X] | type[alt.Y], field: str) -> alt.X | alt.Y:
        """The axis as a channel of a chart, for a column of its rows."""
        return channel(
            field,
            type="quantitative",
            title=self.title,
            scale=alt.Scale(domain=[self.low, self.high], nice=False, zero=False),
            axis=self._named() if self.names else self._numbered(),
        )

    def _numbered(self) -> alt.Axis:
        return alt.Axis(
            format=self.format, values=list(self.ticks) or alt.Undefined, labelOverlap="greedy"
        )

    def _named(self) -> alt.Axis:
        across = self.low < self.high
        return alt.Axis(
            values=list(range(len(self.names))),
            labelExpr=f"{json.dumps(self.names)}[datum.value]",
            labelLimit=260,
            labelOverlap=False,
            # Words below an axis overlap less if they are turned. Beside an axis they fit.
            labelAngle=-45 if across else 0,
            grid=across,
            ticks=across,
            domain=across,
        )


ACCURACY = Axis("Top-1 accuracy (%)", 0, 1, ticks=(0, 0.2, 0.4, 0.6, 0.8, 1))


def from_rows(frame: pl.DataFrame) -> alt.Chart:
    """A chart of the rows of a frame, still without marks."""
    # Inline values, because Altair refuses frames with more than 5,000 rows.
    return alt.Chart(alt.InlineData(values=frame.to_dicts()))


def nothing_to_show(
    title: alt.TitleParams, settings: ChartSettings, reason: str
) -> alt.TopLevelMixin:
    """A chart that says why there is nothing to see."""
    text = alt.Chart(alt.InlineData(values=[{}])).mark_text(
        text=f"Nothing to show: {reason}.", fontSize=13, color="#555555"
    )
    panel = alt.layer(text).properties(width=settings.width, height=settings.height)
    return finish(panel, title)


def finish(chart: Any, title: alt.TitleParams) -> alt.TopLevelMixin:
    """Give a chart its title and the theme."""
    finished: alt.TopLevelMixin = (
        chart.properties(title=title, description=title.text, background="white", padding=12)
        .configure(font=FONT)
        .configure_view(stroke=None)
        .configure_concat(spacing=24)
        .configure_title(
            anchor="start",
            frame="group",
            fontSize=16,
            subtitleFontSize=11,
            subtitleColor="#555555",
            subtitlePadding=6,
            offset=16,
        )
        .configure_axis(
            labelFontSize=11,
            titleFontSize=12,
            titleFontWeight="normal",
            titlePadding=10,
            labelFlush=False,
            gridColor="#EBEBEB",
            domainColor="#888888",
            tickColor="#888888",
        )
        .configure_legend(labelFontSize=11, titleFontSize=12, symbolStrokeWidth=1.8)
    )
    return finished


def panel_title(text: str) -> alt.TitleParams:
    """The title of one of several panels."""
    return alt.TitleParams(text, anchor="start", fontSize=12, offset=8)


def take(values: Sequence[str], count: int) -> list[str]:
    """The first `count` values, from the start again after the last one."""
    return [values[index % len(values)] for index in range(count)]


def rate_axis(*lines: pl.DataFrame) -> Axis:
    """The axis of pruning rates, from 0 (the dense network) to the highest rate of the lines."""
    rates = sorted({0.0, *(rate for frame in lines for rate in frame["x"].to_list())})
    ticks = tuple(rates) if len(rates) <= 8 else ()
    return Axis("Pruning rate (%)", 0, rates[-1] or 1, ticks=ticks)


def mis_axis(scores: Sequence[float], title: str = "Mean soft MIS of live units") -> Axis:
    """The axis of scores: from chance, or from 0 if a score is lower, as its title says."""
    if min(scores, default=1.0) < 0.5:
        return Axis([title, "(0 to 1, chance 0.5)"], 0, 1, ".1f", (0, 0.2, 0.4, 0.6, 0.8, 1))
    # Room for labels and intervals above the highest score.
    top = min(1.0, ceil(max(scores, default=0.8) * 10 + 0.3) / 10)
    ticks = tuple(tick for tick in (0.5, 0.6, 0.7, 0.8, 0.9, 1) if tick <= top)
    return Axis([title, "(axis starts at chance, 0.5)"], 0.5, top, ".1f", ticks)


def one_line(title: str | list[str]) -> str:
    """A title of one or several lines as one line."""
    return title if isinstance(title, str) else " ".join(title)


def whole_ticks(last: float, number: int) -> tuple[float, ...]:
    """About `number` ticks at whole numbers, from 0 to `last`."""
    step = max(1, round(last / number))
    return tuple(float(value) for value in range(0, int(last) + 1, step))


def panel_size(settings: ChartSettings, columns: int, rows: int) -> ChartSettings:
    """The size of each panel of a grid."""
    return ChartSettings(
        max(SMALLEST_PANEL, settings.width // columns),
        max(SMALLEST_PANEL, settings.height // rows),
        settings.png_scale,
    )
