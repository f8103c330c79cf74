"""How charts look: palette, styles of lines, axes, fonts, files."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from prunescope import artifacts, distinct, provenance

DENSE = "dense"
UNTRAINED = "untrained"
NOT_RETRAINED = "none"
ONE_SHOT = "one_shot"
ITERATIVE = distinct.ITERATIVE
RECALIBRATED = "recalibrated"
CHANCE = "chance"
PERMUTED = "permuted"
FLOOR = "permuted (floor)"
EMPHASISED = "global_unstructured"

# Okabe & Ito (2008), without the yellow and the black: one is too pale for a line on white,
# the other is kept for the dense network.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
INKS = {
    DENSE: "#222222",
    "not retrained": "#777777",
    UNTRAINED: "#8C6D46",
    FLOOR: "#999999",
    CHANCE: "#AAAAAA",
}
# Changes within the margin of the equivalence tests.
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
# Kept for what trains nothing, and for chance; other kinds of retraining take the rest in turn.
FIXED_STYLES = {NOT_RETRAINED: "dashed", RECALIBRATED: "dash-dotted", CHANCE: "dotted"}
PUBLISHED = "published"
PUBLISHED_INK = "#8A8A8A"
SOURCE = "von Rad & Seuffert, arXiv 2409.19727"
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")
RETRAINING_NAMES = {
    NOT_RETRAINED: "not retrained",
    ONE_SHOT: "one-shot",
    "one_shot_adam": "one-shot, Adam",
    "one_shot_60": "one-shot, 60 epochs",
}

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
LABEL_SIZE = 11
LABEL_SPACING = 13
LEADER = 18
# Characters of a line below the title: about the width of a chart with its labels.
SUBTITLE_LENGTH = 105
SMALLEST_PANEL = 200


@dataclass(frozen=True)
class Settings:
    """How large a chart is.

    Attributes
    ----------
    width, height
        Of the plotting area, in pixels. Small multiples share it; titles, axes and labels
        come on top.
    png_scale
        Pixels of the PNG per pixel of the chart.
    """

    width: int
    height: int
    png_scale: float


@dataclass(frozen=True)
class Axis:
    """A linear axis.

    Attributes
    ----------
    title, low, high, format
        Its title, its ends, the format of its labels.
    ticks
        Where they stand; as Vega chooses if empty.
    names
        Words at 0, 1, 2, ... instead of numbers.
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
            # Words below an axis need less room if they are turned; those beside it need none.
            labelAngle=-45 if across else 0,
            grid=across,
            ticks=across,
            domain=across,
        )


ACCURACY = Axis("Top-1 accuracy (%)", 0, 1, ticks=(0, 0.2, 0.4, 0.6, 0.8, 1))


def from_rows(frame: pl.DataFrame) -> alt.Chart:
    """A chart, without marks yet, of the rows of a frame."""
    # Values in the specification, whatever their number: Altair refuses frames of many rows.
    return alt.Chart(alt.InlineData(values=frame.to_dicts()))


def nothing(title: alt.TitleParams, settings: Settings, reason: str) -> alt.TopLevelMixin:
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


def save(
    chart: alt.TopLevelMixin,
    outputs: Mapping[str, str | Path],
    settings: Settings,
    caption: str = "",
) -> None:
    """Write a chart to files, each whole or not at all, with the running job's provenance.

    The same chart gives the same bytes in every run on one machine. The HTML page carries
    the code that draws it and opens without a network. The provenance stands in the
    specification (JSON and HTML), under `usermeta.prunescope`.

    Parameters
    ----------
    chart
        What a function of `CHARTS` returned.
    outputs
        Path of the file by its format: `html`, `svg`, `png` or `json` (Vega-Lite).
    settings
        Gives the resolution of the PNG.
    caption
        What the chart shows in words: follows its title in the description, which screen readers
        read.

    Raises
    ------
    ValueError
        A format is not one of the four.
    """
    stamped: Any = chart
    stamped = stamped.copy(deep=False)
    if caption:
        stamped.description = f"{stamped.description}. {caption}"
    stamped.usermeta = {provenance.KEY: provenance.current()}
    for kind, path in outputs.items():
        if kind not in _SAVE_OPTIONS:
            raise ValueError(f"{kind}: charts are saved as {', '.join(_SAVE_OPTIONS)}")
        options = dict(_SAVE_OPTIONS[kind])
        if kind == "png":
            options["scale_factor"] = settings.png_scale
        with artifacts.atomic(path) as temporary:
            stamped.save(str(temporary), format=kind, **options)


class _InPage(json.JSONEncoder):
    """JSON that stands in a page: no text in it can end the script around it."""

    def encode(self, o: Any) -> str:
        return super().encode(o).replace("<", "\\u003c")


_SAVE_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "html": {
        "inline": True,
        # Only what works without a network: no link to the online editor.
        "embed_options": {"actions": {"export": True, "source": True, "editor": False}},
        "json_kwds": {"sort_keys": True, "cls": _InPage},
    },
    "svg": {},
    "png": {},
    "json": {"json_kwds": {"sort_keys": True, "indent": 2}},
}


def spread(values: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Move positions as little as possible until neighbours are `gap` apart, in [low, high].

    Minimises the sum of squared moves and keeps the order; of equal values, the first comes
    out highest. Where the room is too small for the gap, the positions fill it evenly.

    Parameters
    ----------
    values
        Positions that are wanted, in any order.
    gap
        Least distance between two of them.
    low, high
        Room that there is.
    """
    if not values:
        return []
    from scipy.optimize import isotonic_regression  # slow to import, and not always needed

    gap = min(gap, (high - low) / max(1, len(values) - 1))
    order = sorted(range(len(values)), key=lambda index: (values[index], -index))
    # Without the gaps that precede them, the positions must only not decrease.
    gaps = gap * np.arange(len(values))
    fitted = isotonic_regression([values[index] for index in order] - gaps).x
    positions = np.empty(len(values))
    positions[order] = np.clip(fitted, low, high - (len(values) - 1) * gap) + gaps
    return positions.tolist()


def human(name: str) -> str:
    """A key of the config in words."""
    return name.replace("_", " ")


def panel_title(text: str) -> alt.TitleParams:
    """The title of one of several panels."""
    return alt.TitleParams(text, anchor="start", fontSize=12, offset=8)


def present(names: pl.Series) -> list[str]:
    """Each name once, in order of appearance."""
    return names.unique(maintain_order=True).to_list()


def take(values: Sequence[str], count: int) -> list[str]:
    """So many of the values, from the start again after the last."""
    return [values[index % len(values)] for index in range(count)]


def rate_axis(*lines: pl.DataFrame) -> Axis:
    """From 0, where every network is the dense one, to the highest rate."""
    rates = sorted({0.0, *(rate for frame in lines for rate in frame["x"].to_list())})
    ticks = tuple(rates) if len(rates) <= 8 else ()
    return Axis("Pruning rate (%)", 0, rates[-1] or 1, ticks=ticks)


def mis_axis(scores: Sequence[float], title: str = "Mean soft MIS of live units") -> Axis:
    """From chance, or from 0 if a network scores below it; the title says which."""
    if min(scores, default=1.0) < 0.5:
        return Axis([title, "(0 to 1, chance 0.5)"], 0, 1, ".1f", (0, 0.2, 0.4, 0.6, 0.8, 1))
    # Room for labels and intervals above the highest score.
    top = min(1.0, ceil(max(scores, default=0.8) * 10 + 0.3) / 10)
    ticks = tuple(tick for tick in (0.5, 0.6, 0.7, 0.8, 0.9, 1) if tick <= top)
    return Axis([title, "(axis starts at chance, 0.5)"], 0.5, top, ".1f", ticks)


def one_line(title: str | list[str]) -> str:
    """A title of several lines in one."""
    return title if isinstance(title, str) else " ".join(title)


def whole(last: float) -> tuple[float, ...]:
    """Ticks at about ten whole epochs."""
    step = max(1, round(last / 10))
    return tuple(float(epoch) for epoch in range(0, int(last) + 1, step))


def share(settings: Settings, columns: int, rows: int) -> Settings:
    """The size of one of many panels."""
    return Settings(
        max(SMALLEST_PANEL, settings.width // columns),
        max(SMALLEST_PANEL, settings.height // rows),
        settings.png_scale,
    )
