"""Tables to charts: one theme, one palette, one function per figure.

A chart is aggregated in polars first, so that its specification holds the few rows that are
drawn. The figures are those of von Rad & Seuffert, arXiv 2409.19727, from our own results.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

from prunescope import artifacts, provenance

DENSE = "dense"
UNTRAINED = "none"
ONE_SHOT = "one_shot"
ITERATIVE = "iterative"
RECALIBRATED = "recalibrated"
CHANCE = "chance"
EMPHASISED = "global_unstructured"

# Okabe & Ito (2008), without the yellow and the black: one is too pale for a line on white,
# the other is kept for the dense network.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
INKS = {"dense": "#222222", "not retrained": "#777777", CHANCE: "#AAAAAA"}
DASHES = {
    "dashed": [5, 3],
    "dotted": [2, 3],
    "dash-dotted": [9, 3, 2, 3],
    "solid": [1, 0],
    "long dashes": [12, 3],
    "dash-dot-dotted": [9, 3, 2, 3, 2, 3],
}
# Kept for what trains nothing, and for chance; other kinds of retraining take the rest in turn.
FIXED_STYLES = {UNTRAINED: "dashed", RECALIBRATED: "dash-dotted", CHANCE: "dotted"}
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")
RETRAINING_NAMES = {UNTRAINED: "not retrained", ONE_SHOT: "one-shot"}

FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
LABEL_SIZE = 11
LABEL_SPACING = 13
LEADER = 18
SMALLEST_PANEL = 180
COORDINATES = ("study", "method", "retraining", "rate", "seed")


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
class Study:
    """What the charts are drawn from.

    Attributes
    ----------
    networks
        One row per network, as in `tables.NETWORKS`. Methods and kinds of retraining take
        their colours and line styles in the order in which they first appear here.
    history
        One row per network and epoch, as in `tables.HISTORIES`.
    dataset
        Name of the dataset.
    probe_images
        Images among which the exemplars of the units were looked for.
    classes
        Classes of the dataset, equally frequent: gives the level of chance. Not drawn if None.
    """

    networks: pl.DataFrame
    history: pl.DataFrame
    dataset: str
    probe_images: int
    classes: int | None = None


@dataclass(frozen=True)
class _Axis:
    title: str | list[str]
    low: float
    high: float
    format: str = ".0%"
    ticks: tuple[float, ...] = ()

    def encode(self, channel: type[alt.X] | type[alt.Y], field: str) -> alt.X | alt.Y:
        return channel(
            field,
            type="quantitative",
            title=self.title,
            scale=alt.Scale(domain=[self.low, self.high], nice=False, zero=False),
            axis=alt.Axis(format=self.format, values=list(self.ticks) or alt.Undefined),
        )


ACCURACY = _Axis("Top-1 accuracy (%)", 0, 1, ticks=(0, 0.2, 0.4, 0.6, 0.8, 1))


def accuracy_without_retraining(study: Study, settings: Settings) -> alt.TopLevelMixin:
    """Top-1 accuracy over the pruning rate, right after pruning (figure 1 of the source).

    Every method is drawn, global unstructured pruning with a thicker line; the dense network
    is a line of reference.
    """
    networks = _scored(study, "top1").filter(retraining=UNTRAINED)
    title = _title("Accuracy after pruning, without retraining", study, networks)
    points = _lines(study, networks, "rate", "top1", by_retraining=False)
    if points.is_empty():
        return _nothing(title, settings, "no network was pruned and left without retraining")
    panel = _panel(
        points,
        _references(study, networks, "top1", study.classes),
        (_rate_axis(points), ACCURACY),
        settings,
        study,
        emphasised=_human(EMPHASISED),
    )
    return _finish(panel, title)


def accuracy_during_retraining(study: Study, settings: Settings) -> alt.TopLevelMixin:
    """Validation accuracy over the epochs of one-shot retraining (figure 2 of the source).

    Shown for the highest rate that was retrained in one shot; epoch 0 is before retraining.
    The dense network retrained with the same recipe is the control.
    """
    history = study.history.filter(retraining=ONE_SHOT)
    rates = history.filter(pl.col("method") != DENSE)["rate"].to_list()
    highest = max(rates, default=None)
    heading = "Validation accuracy while retraining in one shot"
    if highest is None:
        nothing = _title(heading, study, history)
        return _nothing(nothing, settings, "no pruned network was retrained in one shot")
    shown = history.filter((pl.col("method") == DENSE) | (pl.col("rate") == highest))
    title = _title(
        f"{heading}, after pruning at rate {highest:.0%}",
        study,
        shown,
        images="measured on the first of {} validation images",
    )
    points = _lines(study, shown, "epoch", "validation_top1", by_retraining=False, dense=True)
    last = max(1, *points["x"].to_list())
    epochs = _Axis("Epochs of retraining (0: before)", 0, last, format="d", ticks=_whole(last))
    panel = _panel(points, _chance(study.classes), (epochs, ACCURACY), settings, study)
    return _finish(panel, title)


def iterative_vs_one_shot(study: Study, settings: Settings) -> alt.TopLevelMixin:
    """Top-1 accuracy over the pruning rate, iterative against one-shot (figure 3).

    One panel per method that was retrained in both ways.
    """
    networks = _scored(study, "top1").filter(pl.col("retraining").is_in([ONE_SHOT, ITERATIVE]))
    kinds = networks.group_by("method").agg(pl.col("retraining").n_unique())
    both = kinds.filter(pl.col("retraining") == 2)["method"].to_list()
    shown = networks.filter(pl.col("method").is_in([*both, DENSE]))
    title = _title("Accuracy after iterative and after one-shot retraining", study, shown)
    points = _lines(study, shown, "rate", "top1", by_retraining=True)
    if points.is_empty():
        return _nothing(title, settings, "no method was retrained both iteratively and in one shot")
    references = _references(study, shown, "top1", study.classes)
    return _finish(_small_multiples(points, references, ACCURACY, settings, study), title)


def accuracy_by_method(study: Study, settings: Settings) -> alt.TopLevelMixin:
    """Top-1 accuracy of every method and kind of retraining over the pruning rate (figure 4).

    Colour tells the method, the style of the line the retraining; networks that were not
    retrained are grey.
    """
    networks = _scored(study, "top1")
    title = _title("Accuracy of every pruning method, by rate and retraining", study, networks)
    points = _lines(study, networks, "rate", "top1", by_retraining=True)
    if points.is_empty():
        return _nothing(title, settings, "no network was pruned")
    references = _references(study, networks, "top1", study.classes)
    panel = _panel(points, references, (_rate_axis(points), ACCURACY), settings, study)
    return _finish(panel, title)


def mis_by_rate(study: Study, settings: Settings) -> alt.TopLevelMixin:
    """Mean soft MIS of the live units over the pruning rate (figure 5 of the source).

    One panel per method; the style of the line tells the retraining.
    """
    networks = _scored(study, "mis_soft_live")
    title = _title(
        "Interpretability (mean soft MIS) by pruning rate", study, networks, *_mis_facts(study)
    )
    points = _lines(study, networks, "rate", "mis_soft_live", by_retraining=True)
    if points.is_empty():
        return _nothing(title, settings, "no pruned network has a score")
    axis = _mis_axis(networks)
    # The score asks which of two images is which. Chance needs a line where it is no edge.
    references = _references(study, networks, "mis_soft_live", None if axis.low else 2)
    return _finish(_small_multiples(points, references, axis, settings, study), title)


def mis_vs_accuracy(study: Study, settings: Settings) -> alt.TopLevelMixin:
    """Mean soft MIS of the live units against top-1 accuracy, a point per network (figure 6)."""
    networks = _scored(study, "mis_soft_live")
    facts = _mis_facts(study)
    title = _title(
        "Interpretability (mean soft MIS) against accuracy", study, networks, *facts, means=False
    )
    if networks.is_empty():
        return _nothing(title, settings, "no network has a score")
    # The dense networks last: they are drawn on top.
    points = networks.sort(pl.col("method") == DENSE, maintain_order=True).select(
        method=pl.col("method").replace_strict(_names(study)),
        retraining=pl.col("retraining").replace_strict(_retraining_names(study)),
        rate="rate",
        seed="seed",
        top1="top1",
        mis_soft_live="mis_soft_live",
    )
    kinds = list(_retraining_names(study).values())
    shapes = _take(SHAPES, len(kinds))
    chart = (
        _chart(points)
        .mark_point(size=70, strokeWidth=1.8)
        .encode(
            x=ACCURACY.encode(alt.X, "top1"),
            y=_mis_axis(networks).encode(alt.Y, "mis_soft_live"),
            color=_colour(
                study, "method", alt.Legend(title="Method", values=_present(points["method"]))
            ),
            shape=alt.Shape(
                "retraining:N",
                scale=alt.Scale(domain=kinds, range=shapes),
                legend=alt.Legend(title="Retraining", values=_present(points["retraining"])),
            ),
            tooltip=[
                alt.Tooltip("method:N"),
                alt.Tooltip("retraining:N"),
                alt.Tooltip("rate:Q", format=".0%"),
                alt.Tooltip("seed:Q"),
                alt.Tooltip("top1:Q", title="top-1 accuracy", format=".1%"),
                alt.Tooltip("mis_soft_live:Q", title="mean soft MIS", format=".3f"),
            ],
        )
        .properties(width=settings.width, height=settings.height)
    )
    return _finish(chart, title)


CHARTS: Mapping[str, Callable[[Study, Settings], alt.TopLevelMixin]] = {
    "accuracy_without_retraining": accuracy_without_retraining,
    "accuracy_during_retraining": accuracy_during_retraining,
    "iterative_vs_one_shot": iterative_vs_one_shot,
    "accuracy_by_method": accuracy_by_method,
    "mis_by_rate": mis_by_rate,
    "mis_vs_accuracy": mis_vs_accuracy,
}


def save(chart: alt.TopLevelMixin, outputs: Mapping[str, str | Path], settings: Settings) -> None:
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

    Raises
    ------
    ValueError
        A format is not one of the four.
    """
    stamped: Any = chart
    stamped = stamped.copy(deep=False)
    stamped.usermeta = {provenance.KEY: provenance.current()}
    for kind, path in outputs.items():
        if kind not in _SAVE_OPTIONS:
            raise ValueError(f"{kind}: charts are saved as {', '.join(_SAVE_OPTIONS)}")
        options = dict(_SAVE_OPTIONS[kind])
        if kind == "png":
            options["scale_factor"] = settings.png_scale
        with artifacts.atomic(path) as temporary:
            stamped.save(str(temporary), format=kind, **options)


_SAVE_OPTIONS: Mapping[str, Mapping[str, Any]] = {
    "html": {
        "inline": True,
        # Only what works without a network: no link to the online editor.
        "embed_options": {"actions": {"export": True, "source": True, "editor": False}},
        "json_kwds": {"sort_keys": True},
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
    gap = min(gap, (high - low) / max(1, len(values) - 1))
    order = sorted(range(len(values)), key=lambda index: (values[index], -index))
    # Without the gaps that precede them, the positions must only not decrease: isotonic
    # regression, solved by pooling neighbours that are out of order.
    pools: list[tuple[float, int]] = []
    for rank, index in enumerate(order):
        mean, size = values[index] - rank * gap, 1
        while pools and pools[-1][0] > mean:
            before, count = pools.pop()
            mean, size = (mean * size + before * count) / (size + count), size + count
        pools.append((mean, size))
    fitted = [mean for mean, size in pools for _ in range(size)]
    ceiling = high - (len(values) - 1) * gap
    placed = [min(max(value, low), ceiling) + rank * gap for rank, value in enumerate(fitted)]
    positions = [0.0] * len(values)
    for index, position in zip(order, placed, strict=True):
        positions[index] = position
    return positions


# --- what is drawn: canonical rows -----------------------------------------------------------


def _scored(study: Study, column: str) -> pl.DataFrame:
    """The networks with a value in `column` (it may be missing, or not a number)."""
    return study.networks.filter(pl.col(column).is_finite().fill_null(False))


def _lines(
    study: Study,
    frame: pl.DataFrame,
    x: str,
    y: str,
    *,
    by_retraining: bool,
    dense: bool = False,
) -> pl.DataFrame:
    """Rows to draw as lines: x, y, seed, series (the label), ink (the colour) and style."""
    if not dense:
        frame = frame.filter(pl.col("method") != DENSE)
    method = pl.col("method").replace_strict(_names(study), return_dtype=pl.String)
    series, ink, style = method, method, pl.lit("solid")
    if by_retraining:
        retraining = pl.col("retraining").replace_strict(
            _retraining_names(study), return_dtype=pl.String
        )
        series = pl.concat_str(method, retraining, separator=", ")
        ink = pl.when(pl.col("retraining") == UNTRAINED).then(retraining).otherwise(method)
        style = pl.col("retraining").replace_strict(_styles(study), return_dtype=pl.String)
    return frame.select(
        "method",
        "retraining",
        "seed",
        x=pl.col(x),
        y=pl.col(y),
        series=series,
        ink=ink,
        style=style,
    )


def _references(
    study: Study, networks: pl.DataFrame, column: str, classes: int | None
) -> pl.DataFrame:
    """Levels to compare with: the dense networks (mean over seeds) and chance."""
    names = _retraining_names(study)
    levels = (
        networks.filter(method=DENSE)
        .group_by("retraining", maintain_order=True)
        .agg(y=pl.col(column).mean())
        .select(
            "y",
            series=pl.when(pl.col("retraining") == UNTRAINED)
            .then(pl.lit("dense"))
            .otherwise(pl.lit("dense, ") + pl.col("retraining").replace_strict(names)),
            ink=pl.lit("dense"),
            style=pl.col("retraining").replace_strict(_styles(study), return_dtype=pl.String),
        )
    )
    return pl.concat([levels, _chance(classes)])


def _chance(classes: int | None) -> pl.DataFrame:
    rows = [] if classes is None else [(1 / classes, CHANCE, CHANCE, FIXED_STYLES[CHANCE])]
    columns = {"y": pl.Float64, "series": pl.String, "ink": pl.String, "style": pl.String}
    return pl.DataFrame(rows, schema=columns, orient="row")


# --- how it is drawn -------------------------------------------------------------------------


def _small_multiples(
    points: pl.DataFrame, references: pl.DataFrame, axis: _Axis, settings: Settings, study: Study
) -> alt.ConcatChart:
    """One panel per method, over the rate, one line per kind of retraining."""
    methods = points["method"].unique(maintain_order=True).to_list()
    columns = 2 if len(methods) == 4 else min(3, len(methods))
    size = _share(settings, columns, -(-len(methods) // columns))
    rates = _rate_axis(points)
    panels = []
    for position, method in enumerate(methods):
        # Within a panel the method is known: the label need only say the retraining.
        rows = points.filter(method=method).with_columns(
            series=pl.col("retraining").replace_strict(_retraining_names(study))
        )
        first = position % columns == 0
        own = axis if first else _Axis("", axis.low, axis.high, axis.format, axis.ticks)
        panel = _panel(rows, references, (rates, own), size, study)
        heading = alt.TitleParams(_human(method), anchor="start", fontSize=12, offset=8)
        panels.append(panel.properties(title=heading))
    return alt.concat(*panels, columns=columns, spacing=24)


def _panel(
    points: pl.DataFrame,
    references: pl.DataFrame,
    axes: tuple[_Axis, _Axis],
    size: Settings,
    study: Study,
    emphasised: str = "",
) -> alt.LayerChart:
    """Mean lines over points of single seeds, levels of reference, labels in the margin."""
    across, up = axes
    x, y = across.encode(alt.X, "x"), up.encode(alt.Y, "y")
    colour = _colour(study, "ink", None)
    dash = alt.StrokeDash(
        "style:N",
        scale=alt.Scale(domain=list(DASHES), range=list(DASHES.values())),
        legend=None,
    )
    means = points.group_by("series", "ink", "style", "x", maintain_order=True).agg(
        y=pl.col("y").mean(), seeds=pl.col("seed").n_unique()
    )
    thick = emphasised in means["series"]
    weight = pl.lit(2.0)
    if thick:
        weight = pl.when(pl.col("series") == emphasised).then(4.0).otherwise(1.5)
    labels = _labels(means, references, axes, size)
    tooltip = [
        alt.Tooltip("series:N"),
        alt.Tooltip("x:Q", title=_one_line(across.title), format=across.format),
        alt.Tooltip("y:Q", title=_one_line(up.title), format=".3f"),
    ]
    layers = [
        _chart(references)
        .mark_rule(strokeWidth=1.5)
        .encode(x=alt.value(0), x2=alt.value(size.width), y=y, color=colour, strokeDash=dash),
        _chart(means.with_columns(weight=weight))
        .mark_line()
        .encode(
            x=x,
            y=y,
            color=colour,
            strokeDash=dash,
            strokeWidth=alt.StrokeWidth("weight:N", scale=None, legend=None),
            detail="series:N",
        ),
        _chart(points.select("x", "y", "series", "ink", "seed"))
        .mark_point(filled=True, size=34 if means["x"].n_unique() <= 20 else 8, opacity=0.75)
        .encode(x=x, y=y, color=colour, tooltip=[*tooltip, alt.Tooltip("seed:Q")]),
        _chart(_leaders(labels, across))
        # Dotted, so that no one takes the way to a label for a measurement.
        .mark_line(strokeWidth=1, opacity=0.8, strokeDash=[1, 2])
        .encode(x=x, y=y, color=colour, detail="series:N", order="step:O"),
        _chart(labels.select("series", "ink", x="label_x", y="label_y"))
        .mark_text(align="left", baseline="middle", dx=3, fontSize=LABEL_SIZE)
        .encode(x=x, y=y, text="series:N", color=alt.value("#222222")),
    ]
    return alt.LayerChart(layer=layers, width=size.width, height=size.height)


def _labels(
    means: pl.DataFrame,
    references: pl.DataFrame,
    axes: tuple[_Axis, _Axis],
    size: Settings,
) -> pl.DataFrame:
    """Where the label of each line stands: in the right margin, clear of the others."""
    across, up = axes
    last = pl.col("x") == pl.col("x").max().over("series")
    ends = means.filter(last).select("series", "ink", pl.col("x").cast(pl.Float64), "y")
    levels = references.select("series", "ink", pl.lit(float(across.high)).alias("x"), "y")
    labels = pl.concat([ends, levels])
    gap = LABEL_SPACING / size.height * (up.high - up.low)
    margin = LEADER / size.width * (across.high - across.low)
    return labels.with_columns(
        label_x=pl.lit(across.high + margin),
        label_y=pl.Series(spread(labels["y"].to_list(), gap, up.low, up.high), dtype=pl.Float64),
    )


def _leaders(labels: pl.DataFrame, across: _Axis) -> pl.DataFrame:
    """The thin lines from the ends of the lines, by the edge of the panel, to the labels."""
    edge = pl.lit(float(across.high))
    at, level = pl.col("x"), pl.col("y")
    stops = [(at, level), (edge, level), (pl.col("label_x"), pl.col("label_y"))]
    return pl.concat(
        labels.select("series", "ink", step=pl.lit(step), x=x, y=y)
        for step, (x, y) in enumerate(stops)
    )


def _chart(frame: pl.DataFrame) -> alt.Chart:
    # Values in the specification, whatever their number: Altair refuses frames of many rows.
    return alt.Chart(alt.InlineData(values=frame.to_dicts()))


def _nothing(title: alt.TitleParams, settings: Settings, reason: str) -> alt.TopLevelMixin:
    """A chart that says why there is nothing to see."""
    text = alt.Chart(alt.InlineData(values=[{}])).mark_text(
        text=f"Nothing to show: {reason}.", fontSize=13, color="#555555"
    )
    panel = alt.layer(text).properties(width=settings.width, height=settings.height)
    return _finish(panel, title)


def _finish(chart: Any, title: alt.TitleParams) -> alt.TopLevelMixin:
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


# --- names, colours, axes --------------------------------------------------------------------


def _human(name: str) -> str:
    return name.replace("_", " ")


def _names(study: Study) -> dict[str, str]:
    """Label of every method, the dense network last."""
    keys = pl.concat([study.networks["method"], study.history["method"]])
    methods = [key for key in keys.unique(maintain_order=True) if key != DENSE]
    return {key: _human(key) for key in [*methods, DENSE]}


def _retraining_names(study: Study) -> dict[str, str]:
    """Label of every kind of retraining, none of it first."""
    keys = pl.concat([study.networks["retraining"], study.history["retraining"]])
    kinds = [key for key in keys.unique(maintain_order=True) if key != UNTRAINED]
    return {key: RETRAINING_NAMES.get(key, _human(key)) for key in [UNTRAINED, *kinds]}


def _styles(study: Study) -> dict[str, str]:
    """Style of line of every kind of retraining."""
    free = [style for style in DASHES if style not in FIXED_STYLES.values()]
    kinds = [kind for kind in _retraining_names(study) if kind not in FIXED_STYLES]
    return {**FIXED_STYLES, **dict(zip(kinds, cycle(free), strict=False))}


def _colour(study: Study, field: str, legend: alt.Legend | None) -> alt.Color:
    """The one scale of colours: methods in order of appearance, then the fixed inks."""
    methods = [name for key, name in _names(study).items() if key != DENSE]
    colours = dict(zip(methods, cycle(PALETTE), strict=False)) | INKS
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    return alt.Color(field, type="nominal", scale=scale, legend=legend)


def _present(names: pl.Series) -> list[str]:
    return names.unique(maintain_order=True).to_list()


def _take(values: Sequence[str], count: int) -> list[str]:
    return [values[index % len(values)] for index in range(count)]


def _rate_axis(points: pl.DataFrame) -> _Axis:
    """From 0, where every network is the dense one, to the highest rate."""
    rates = sorted({0.0, *points["x"].to_list()})
    ticks = tuple(rates) if len(rates) <= 8 else ()
    return _Axis("Pruning rate (%)", 0, rates[-1] or 1, ticks=ticks)


def _mis_axis(networks: pl.DataFrame) -> _Axis:
    """From chance, or from 0 if a network scores below it; the title says which."""
    title = "Mean soft MIS of live units"
    lowest = networks["mis_soft_live"].min()
    if isinstance(lowest, float) and lowest < 0.5:
        return _Axis([title, "(0 to 1, chance 0.5)"], 0, 1, ".1f", (0, 0.2, 0.4, 0.6, 0.8, 1))
    return _Axis(
        [title, "(axis starts at chance, 0.5)"], 0.5, 1, ".1f", (0.5, 0.6, 0.7, 0.8, 0.9, 1)
    )


def _one_line(title: str | list[str]) -> str:
    return title if isinstance(title, str) else " ".join(title)


def _whole(last: float) -> tuple[float, ...]:
    """Ticks at about ten whole epochs."""
    step = max(1, round(last / 10))
    return tuple(float(epoch) for epoch in range(0, int(last) + 1, step))


def _share(settings: Settings, columns: int, rows: int) -> Settings:
    return Settings(
        max(SMALLEST_PANEL, settings.width // columns),
        max(SMALLEST_PANEL, settings.height // rows),
        settings.png_scale,
    )


# --- titles ----------------------------------------------------------------------------------


def _title(
    text: str,
    study: Study,
    shown: pl.DataFrame,
    *facts: str,
    images: str = "{} validation images",
    means: bool = True,
) -> alt.TitleParams:
    """What is shown; below it the study, the dataset and the numbers behind it."""
    names = pl.concat([study.networks["study"], study.history["study"]]).unique(maintain_order=True)
    networks = shown.select(COORDINATES).n_unique() if shown.height else 0
    seeds = shown["seed"].n_unique()
    subtitle = [
        f"Study {', '.join(names) or '(empty)'}",
        f"dataset {study.dataset}",
        images.format(_span(study.networks["images"])),
        f"{networks} network{'s' * (networks != 1)}",
        f"{seeds} seed{'s' * (seeds != 1)}",
    ]
    more = [*facts, *(["lines: mean over seeds, points: single seeds"] if means else [])]
    lines = [subtitle, more] if seeds > 1 else [subtitle, facts]
    return alt.TitleParams(text, subtitle=[" · ".join(line) for line in lines if line])


def _span(counts: pl.Series) -> str:
    values = sorted(set(counts.drop_nulls().to_list()))
    if not values:
        return "0"
    return f"{values[0]:,}" if len(values) == 1 else f"{values[0]:,} to {values[-1]:,}"


def _mis_facts(study: Study) -> list[str]:
    missing = study.networks.height - _scored(study, "mis_soft_live").height
    facts = [f"Machine Interpretability Score over {study.probe_images:,} probe images"]
    if missing:
        facts.append(f"{missing} network{'s' * (missing != 1)} without a score left out")
    return facts
