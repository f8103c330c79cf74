"""Tables to charts: one theme, one palette, one function per figure.

A chart is aggregated in polars first, so that its specification holds the few rows that are
drawn. The figures are those of von Rad & Seuffert, arXiv 2409.19727, from our own results; a
study that has published numbers shows these beside its own.
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
    "uneven dashes": [14, 3, 5, 3],
}
# Kept for what trains nothing, and for chance; other kinds of retraining take the rest in turn.
FIXED_STYLES = {UNTRAINED: "dashed", RECALIBRATED: "dash-dotted", CHANCE: "dotted"}
PUBLISHED = "published"
PUBLISHED_INK = "#8A8A8A"
SOURCE = "von Rad & Seuffert, arXiv 2409.19727"
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right")
RETRAINING_NAMES = {
    UNTRAINED: "not retrained",
    ONE_SHOT: "one-shot",
    "one_shot_adam": "one-shot, Adam",
    "one_shot_60": "one-shot, 60 epochs",
}

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
    published
        Published numbers as from `published.read`, drawn beside those of the study. None if
        there is nothing to compare with.
    """

    networks: pl.DataFrame
    history: pl.DataFrame
    dataset: str
    probe_images: int
    classes: int | None = None
    published: pl.DataFrame | None = None


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
            axis=alt.Axis(
                format=self.format,
                values=list(self.ticks) or alt.Undefined,
                labelOverlap="greedy",
            ),
        )


ACCURACY = _Axis("Top-1 accuracy (%)", 0, 1, ticks=(0, 0.2, 0.4, 0.6, 0.8, 1))


def accuracy_without_retraining(study: Study, settings: Settings) -> alt.TopLevelMixin:
    """Top-1 accuracy over the pruning rate, right after pruning (figure 1 of the source).

    Every method is drawn, global unstructured pruning with a thicker line; the dense network
    is a line of reference.
    """
    networks = _scored(study, "top1").filter(retraining=UNTRAINED)
    published = _published(study, "top1").filter(retraining=UNTRAINED)
    title = _title(
        "Accuracy after pruning, without retraining", study, networks, *_source(published)
    )
    points = _lines(study, networks, "rate", "top1", by_retraining=False)
    if points.is_empty():
        return _nothing(title, settings, "no network was pruned and left without retraining")
    theirs = _published_lines(study, published, "rate", by_retraining=False)
    panel = _panel(
        points,
        _references(study, networks, "top1", study.classes),
        (_rate_axis(points, theirs), ACCURACY),
        settings,
        study,
        theirs,
        emphasised=_human(EMPHASISED),
    )
    return _finish(panel, title)


def accuracy_during_retraining(study: Study, settings: Settings) -> alt.TopLevelMixin:
    """Validation accuracy over the epochs of one-shot retraining (figure 2 of the source).

    Shown for the highest rate that was retrained in one shot; epoch 0 is before retraining.
    The dense network retrained with the same recipe is the control. Where there is a published
    curve of one of the study's networks, its kind of retraining is shown.
    """
    published = _published(study, "top1_after_epoch").join(
        study.history, on=("method", "retraining", "rate"), how="semi", maintain_order="left"
    )
    kind = ONE_SHOT if published.is_empty() else published["retraining"][0]
    history = study.history.filter(retraining=kind)
    rates = history.filter(pl.col("method") != DENSE)["rate"].to_list()
    highest = max(rates, default=None)
    heading = "Validation accuracy while retraining in one shot"
    if highest is None:
        nothing = _title(heading, study, history)
        return _nothing(nothing, settings, "no pruned network was retrained in one shot")
    shown = history.filter((pl.col("method") == DENSE) | (pl.col("rate") == highest))
    beside = published.filter(retraining=kind, rate=highest)
    title = _title(
        f"{heading}, after pruning at rate {highest:.0%}",
        study,
        shown,
        *_source(beside),
        images="measured on the first of {} validation images",
    )
    points = _lines(study, shown, "epoch", "validation_top1", by_retraining=False, dense=True)
    theirs = _published_lines(study, beside, "epoch", by_retraining=False)
    last = max(1, *points["x"].to_list(), *theirs["x"].to_list())
    epochs = _Axis("Epochs of retraining (0: before)", 0, last, format="d", ticks=_whole(last))
    panel = _panel(points, _chance(study.classes), (epochs, ACCURACY), settings, study, theirs)
    return _finish(panel, title)


def iterative_vs_one_shot(study: Study, settings: Settings) -> alt.TopLevelMixin:
    """Top-1 accuracy over the pruning rate, iterative against one-shot (figure 3).

    One panel per method that was retrained in both ways, or iteratively both in the study and
    in the source of its published numbers.
    """
    ways = pl.col("retraining").is_in([ONE_SHOT, ITERATIVE])
    networks, published = _scored(study, "top1").filter(ways), _published(study, "top1")
    kinds = networks.group_by("method").agg("retraining")
    source = published.filter(retraining=ITERATIVE)["method"].to_list()
    compared = kinds.filter(
        pl.col("retraining").list.contains(ITERATIVE),
        pl.col("retraining").list.contains(ONE_SHOT) | pl.col("method").is_in(source),
    )["method"].to_list()
    shown = networks.filter(pl.col("method").is_in([*compared, DENSE]))
    beside = published.filter(ways, pl.col("method").is_in(compared))
    title = _title(
        "Accuracy after iterative and after one-shot retraining", study, shown, *_source(beside)
    )
    points = _lines(study, shown, "rate", "top1", by_retraining=True)
    if points.is_empty():
        return _nothing(title, settings, "no method was retrained both iteratively and in one shot")
    references = _references(study, shown, "top1", study.classes)
    theirs = _published_lines(study, beside, "rate", by_retraining=True)
    return _finish(_small_multiples(points, references, ACCURACY, settings, study, theirs), title)


def accuracy_by_method(study: Study, settings: Settings) -> alt.TopLevelMixin:
    """Top-1 accuracy of every method and kind of retraining over the pruning rate (figure 4).

    Colour tells the method, the style of the line the retraining; networks that were not
    retrained are grey. Beside published curves, every method has a panel of its own.
    """
    networks, published = _scored(study, "top1"), _published(study, "top1")
    title = _title(
        "Accuracy of every pruning method, by rate and retraining",
        study,
        networks,
        *_source(published),
    )
    points = _lines(study, networks, "rate", "top1", by_retraining=True)
    if points.is_empty():
        return _nothing(title, settings, "no network was pruned")
    references = _references(study, networks, "top1", study.classes)
    theirs = _published_lines(study, published, "rate", by_retraining=True)
    if theirs.is_empty():
        panel = _panel(points, references, (_rate_axis(points), ACCURACY), settings, study)
        return _finish(panel, title)
    return _finish(_small_multiples(points, references, ACCURACY, settings, study, theirs), title)


def mis_by_rate(study: Study, settings: Settings) -> alt.TopLevelMixin:
    """Mean soft MIS of the live units over the pruning rate (figure 5 of the source).

    One panel per method; the style of the line tells the retraining.
    """
    networks, published = _scored(study, "mis_soft_live"), _published(study, "mis_soft")
    title = _title(
        "Interpretability (mean soft MIS) by pruning rate",
        study,
        networks,
        *_mis_facts(study),
        *_source(published),
    )
    points = _lines(study, networks, "rate", "mis_soft_live", by_retraining=True)
    if points.is_empty():
        return _nothing(title, settings, "no pruned network has a score")
    axis = _mis_axis([*networks["mis_soft_live"], *published["value"]])
    # The score asks which of two images is which. Chance needs a line where it is no edge.
    references = _references(study, networks, "mis_soft_live", None if axis.low else 2)
    theirs = _published_lines(study, published, "rate", by_retraining=True)
    return _finish(_small_multiples(points, references, axis, settings, study, theirs), title)


def mis_vs_accuracy(study: Study, settings: Settings) -> alt.TopLevelMixin:
    """Mean soft MIS of the live units against top-1 accuracy, a point per network (figure 6)."""
    networks, published = _scored(study, "mis_soft_live"), _published_pairs(study)
    facts = [*_mis_facts(study), *_source(published, "small, grey, filled")]
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
    axis = _mis_axis([*networks["mis_soft_live"], *published["mis_soft_live"]])
    known = [*_present(points["method"]), *([] if published.is_empty() else [PUBLISHED])]
    encoding = {
        "x": ACCURACY.encode(alt.X, "top1"),
        "y": axis.encode(alt.Y, "mis_soft_live"),
        "shape": alt.Shape(
            "retraining:N",
            scale=alt.Scale(domain=kinds, range=shapes),
            legend=alt.Legend(title="Retraining", values=_present(points["retraining"])),
        ),
    }
    legend = alt.Legend(title="Method", values=known)
    tooltip = [
        alt.Tooltip("method:N"),
        alt.Tooltip("retraining:N"),
        alt.Tooltip("rate:Q", format=".0%"),
        alt.Tooltip("top1:Q", title="top-1 accuracy", format=".1%"),
        alt.Tooltip("mis_soft_live:Q", title="mean soft MIS", format=".3f"),
    ]
    chart = (
        _chart(points)
        .mark_point(size=70, strokeWidth=1.8)
        .encode(
            **encoding,
            color=_colour(study, "method", legend),
            tooltip=[*tooltip, alt.Tooltip("seed:Q")],
        )
        .properties(width=settings.width, height=settings.height)
    )
    if published.is_empty():
        return _finish(chart, title)
    beside = (
        _chart(published)
        .mark_point(size=22, filled=True, opacity=1)
        .encode(
            **encoding,
            color=_colour(study, "ink", legend),
            tooltip=[*tooltip, alt.Tooltip("source:N")],
        )
    )
    return _finish(alt.layer(chart, beside), title)


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


def _published(study: Study, quantity: str) -> pl.DataFrame:
    """Published values of a quantity for pruned methods and retraining that the study has."""
    known = {
        "our_method": [key for key in _names(study) if key != DENSE],
        "our_retraining": list(_retraining_names(study)),
    }
    if study.published is None:
        return pl.DataFrame(schema=_PUBLISHED)
    rows = study.published.filter(pl.col(name).is_in(keys) for name, keys in known.items())
    return (
        rows.filter(quantity=quantity)
        .select(pl.exclude("method", "retraining", "rate"))
        .rename({"our_method": "method", "our_retraining": "retraining", "our_rate": "rate"})
        .select(list(_PUBLISHED))
    )


_PUBLISHED = {
    "method": pl.String,
    "retraining": pl.String,
    "rate": pl.Float64,
    "epoch": pl.Int32,
    "value": pl.Float64,
    "note": pl.String,
}


def _published_lines(
    study: Study, published: pl.DataFrame, x: str, *, by_retraining: bool
) -> pl.DataFrame:
    """Rows as of `_lines` for published values, with their source and what is noted on them."""
    numbered = published.with_columns(seed=pl.lit(0))
    lines = _lines(study, numbered, x, "value", by_retraining=by_retraining)
    return lines.with_columns(
        published["note"],
        series=pl.concat_str("series", pl.lit(PUBLISHED), separator=", "),
        source=pl.lit(SOURCE),
    )


def _published_pairs(study: Study) -> pl.DataFrame:
    """Published networks of which both accuracy and score are known."""
    key = ("method", "retraining", "rate")
    scores = _published(study, "mis_soft").select(*key, mis_soft_live="value")
    pairs = _published(study, "top1").join(scores, on=key, maintain_order="left")
    return pairs.select(
        method=pl.col("method").replace_strict(_names(study), return_dtype=pl.String),
        retraining=pl.col("retraining").replace_strict(
            _retraining_names(study), return_dtype=pl.String
        ),
        rate="rate",
        top1="value",
        mis_soft_live="mis_soft_live",
        ink=pl.lit(PUBLISHED),
        source=pl.lit(SOURCE),
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
    points: pl.DataFrame,
    references: pl.DataFrame,
    axis: _Axis,
    settings: Settings,
    study: Study,
    published: pl.DataFrame,
) -> alt.ConcatChart:
    """One panel per method, over the rate, one line per kind of retraining."""
    methods = points["method"].unique(maintain_order=True).to_list()
    columns = 2 if len(methods) == 4 else min(3, len(methods))
    size = _share(settings, columns, -(-len(methods) // columns))
    rates = _rate_axis(points, published)
    panels = []
    for position, method in enumerate(methods):
        # Within a panel the method is known: the label need only say the retraining.
        name = pl.col("retraining").replace_strict(_retraining_names(study), return_dtype=pl.String)
        rows = points.filter(method=method).with_columns(series=name)
        theirs = published.filter(method=method).with_columns(
            series=pl.concat_str(name, pl.lit(PUBLISHED), separator=", ")
        )
        first = position % columns == 0
        own = axis if first else _Axis("", axis.low, axis.high, axis.format, axis.ticks)
        panel = _panel(rows, references, (rates, own), size, study, theirs)
        heading = alt.TitleParams(_human(method), anchor="start", fontSize=12, offset=8)
        panels.append(panel.properties(title=heading))
    return alt.concat(*panels, columns=columns, spacing=24)


def _panel(
    points: pl.DataFrame,
    references: pl.DataFrame,
    axes: tuple[_Axis, _Axis],
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
    theirs = points.clear() if published is None else published
    curve = ("series", "ink", "x", "y")
    curves = pl.concat([means.select(curve), theirs.select(curve)], how="vertical_relaxed")
    labels = _labels(curves, references, axes, size)
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
        .mark_point(filled=True, size=_point_size(means), opacity=0.75)
        .encode(x=x, y=y, color=colour, tooltip=[*tooltip, alt.Tooltip("seed:Q")]),
        *_published_layers(theirs, (x, y, colour), tooltip),
        _chart(_leaders(labels, across))
        # Dotted, so that no one takes the way to a label for a measurement.
        .mark_line(strokeWidth=1, opacity=0.8, strokeDash=[1, 2])
        .encode(x=x, y=y, color=colour, detail="series:N", order="step:O"),
        _chart(labels.select("series", "ink", x="label_x", y="label_y"))
        .mark_text(align="left", baseline="middle", dx=3, fontSize=LABEL_SIZE)
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
    base = _chart(published)
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
    if study.published is not None:
        colours |= {PUBLISHED: PUBLISHED_INK}
    scale = alt.Scale(domain=list(colours), range=list(colours.values()))
    return alt.Color(field, type="nominal", scale=scale, legend=legend)


def _present(names: pl.Series) -> list[str]:
    return names.unique(maintain_order=True).to_list()


def _take(values: Sequence[str], count: int) -> list[str]:
    return [values[index % len(values)] for index in range(count)]


def _rate_axis(*lines: pl.DataFrame) -> _Axis:
    """From 0, where every network is the dense one, to the highest rate."""
    rates = sorted({0.0, *(rate for frame in lines for rate in frame["x"].to_list())})
    ticks = tuple(rates) if len(rates) <= 8 else ()
    return _Axis("Pruning rate (%)", 0, rates[-1] or 1, ticks=ticks)


def _mis_axis(scores: Sequence[float]) -> _Axis:
    """From chance, or from 0 if a network scores below it; the title says which."""
    title = "Mean soft MIS of live units"
    if min(scores, default=1.0) < 0.5:
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


def _source(published: pl.DataFrame, looks: str = "hollow, thin") -> list[str]:
    return [] if published.is_empty() else [f"{looks}: published by {SOURCE}"]


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
