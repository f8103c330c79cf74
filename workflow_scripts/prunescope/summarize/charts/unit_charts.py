"""Charts of single units: how pruning changes them, at which depth, and by which measure."""

from dataclasses import replace

import altair as alt
import numpy as np
import polars as pl

from prunescope.networks.coordinates import (
    COORDINATES,
    DENSE,
    KIND,
    NOT_RETRAINED,
    ONE_SHOT,
    UNTRAINED,
)
from prunescope.summarize import selection
from prunescope.summarize.charts import chart_rows, panels, theme
from prunescope.summarize.charts.chart_rows import ChartData
from prunescope.summarize.charts.theme import ChartSettings
from prunescope.summarize.selection import UNIT

# The number of squares of a density along each axis, small enough that few hold a single unit.
BINS = 32
SCORE = theme.Axis("Soft MIS in the dense network", 0.2, 1, ".1f", (0.2, 0.4, 0.6, 0.8, 1))
# The axis where networks are compared with those of the lowest rate.
SCORE_AT_LOWEST = replace(SCORE, title="Soft MIS at the lowest rate")
MEASURE_LABELS = {
    "mis_soft": "MIS, soft",
    "mis_hard": "MIS, hard",
    "monosemanticity": "monosemanticity",
    "label_purity": "label purity",
    "class_selectivity": "class selectivity",
}
# The headings of the panels of `measures`: what the measures are correlated with.
AGREEMENT_HEADING = "with the soft MIS"
LOSS_HEADINGS = {
    "top1_drop": "with the accuracy lost when a unit is silenced",
    "loss_rise": "with the rise of the loss when a unit is silenced",
}


def unit_change(study: ChartData, settings: ChartSettings) -> alt.TopLevelMixin:
    """The score of the same unit in the dense and in another network, as a density.

    One panel for each method at its highest rate, retrained if there is such a network. One more
    for the dense network that was retrained without pruning: it shows what retraining alone
    changes.
    """
    heading = "The same unit before and after: soft MIS in the dense and in the pruned network"
    if not chart_rows.has_dense(study):
        heading = "The same unit at the lowest and at a higher rate: soft MIS"
    chosen = _compared(study)
    title = chart_rows.heading(
        heading,
        study,
        chosen,
        *chart_rows.mis_facts(study),
        "darker: more units",
        "line: no change",
        images=None,
        means=False,
    )
    counts = [(_name(study, row), _density(study, row)) for row in chosen.iter_rows(named=True)]
    counts = [(name, cells) for name, cells in counts if not cells.is_empty()]
    if not counts:
        return theme.nothing_to_show(
            title, settings, "no network has units that are live in the one it is compared with"
        )
    columns = min(3, len(counts))
    size = theme.panel_size(settings, columns, -(-len(counts) // columns))
    side = ChartSettings(min(size.width, size.height), min(size.width, size.height), size.png_scale)
    most = max(share for _, cells in counts for share in cells["share"].to_list())
    across = SCORE if chart_rows.has_dense(study) else SCORE_AT_LOWEST
    drawn = [
        _density_panel(name, cells, side, most, across, first=position % columns == 0)
        for position, (name, cells) in enumerate(counts)
    ]
    return theme.finish(alt.concat(*drawn, columns=columns, spacing=28), title)


def _compared(study: ChartData) -> pl.DataFrame:
    """One network of each method: the kind of retraining that is preferred, at the highest rate."""
    # All methods prefer the same kind of retraining, so that panels can be compared.
    order = pl.col("retraining").replace_strict(
        {ONE_SHOT: 0, NOT_RETRAINED: 2}, default=1, return_dtype=pl.Int32
    )
    shown = study.networks.filter(~selection.IS_DENSE).with_columns(order=order)
    best = shown.sort("order", -pl.col("rate"), maintain_order=True).unique(
        "method", keep="first", maintain_order=True
    )
    kinds = best.select(KIND)
    return (
        shown.join(kinds, on=KIND, how="semi", maintain_order="left")
        .sort(selection.IS_UNPRUNED, maintain_order=True)
        .unique(KIND, maintain_order=True)
    )


def _name(study: ChartData, row: dict[str, object]) -> str:
    method = chart_rows.names(study)[str(row["method"])]
    kind = chart_rows.retraining_names(study)[str(row["retraining"])]
    if row["method"] == UNTRAINED:
        return "untrained, with other weights"
    if row["method"] == DENSE:
        return f"{method}, {kind} (not pruned)"
    return f"{method}, {kind}, {row['rate']:.0%}"


def _density(study: ChartData, row: dict[str, object]) -> pl.DataFrame:
    """Shares of the units in squares of the score before and after, over all seeds."""
    live = selection.live(selection.channels(study.units))
    own = live.filter(*(pl.col(key) == row[key] for key in KIND))
    partners = selection.dense(live)
    if partners.is_empty():
        chain = live.filter(*(pl.col(key) == row[key] for key in ("method", "retraining")))
        lowest = pl.col("rate") == pl.col("rate").min()
        partners = chain.filter(lowest, pl.col("rate") < pl.lit(row["rate"]))
    pairs = partners.join(own, on=["seed", *UNIT], suffix="_after")
    edges = np.linspace(SCORE.low, SCORE.high, BINS + 1)
    before, after = (
        pairs[name].clip(SCORE.low, SCORE.high).to_numpy()
        for name in ("mis_soft", "mis_soft_after")
    )
    counts, _, _ = np.histogram2d(before, after, bins=[edges, edges])
    i, j = np.nonzero(counts)
    total = max(1, len(pairs))
    return pl.DataFrame(
        {
            "x": edges[i],
            "x2": edges[i + 1],
            "y": edges[j],
            "y2": edges[j + 1],
            "share": counts[i, j] / total,
            "units": counts[i, j].astype(np.int64),
            "mean": np.full(len(i), (after - before).mean() if len(pairs) else 0.0),
            "total": np.full(len(i), len(pairs)),
        }
    )


def _density_panel(
    name: str,
    cells: pl.DataFrame,
    size: ChartSettings,
    most: float,
    across: theme.Axis,
    *,
    first: bool,
) -> alt.LayerChart:
    # No change is +0.000.
    mean, total = round(cells["mean"][0], 3) + 0.0, cells["total"][0]
    heading = alt.TitleParams(
        name,
        subtitle=f"mean change {mean:+.3f} over {total:,} units live in both",
        anchor="start",
        fontSize=12,
        offset=8,
    )
    after = "Soft MIS after" if first else ""
    y = theme.Axis(after, SCORE.low, SCORE.high, SCORE.format, SCORE.ticks)
    colour = alt.Color(
        "share:Q",
        scale=alt.Scale(type="sqrt", domain=[0, most], scheme="blues"),
        legend=None,
    )
    squares = (
        theme.from_rows(cells.drop("mean", "total"))
        .mark_rect()
        .encode(
            x=across.encode(alt.X, "x"),
            x2="x2:Q",
            y=y.encode(alt.Y, "y"),
            y2="y2:Q",
            color=colour,
            tooltip=[alt.Tooltip("units:Q"), alt.Tooltip("share:Q", format=".2%")],
        )
    )
    ends = pl.DataFrame({"x": [SCORE.low, SCORE.high], "y": [SCORE.low, SCORE.high]})
    diagonal = (
        theme.from_rows(ends)
        .mark_line(color="#D55E00", strokeWidth=1)
        .encode(x=across.encode(alt.X, "x"), y=y.encode(alt.Y, "y"))
    )
    return alt.LayerChart(
        layer=[squares, diagonal], width=size.width, height=size.height, title=heading
    )


def mis_by_depth(study: ChartData, settings: ChartSettings) -> alt.TopLevelMixin:
    """Mean score of each block of layers, in the order of the network; dots are single layers.

    One panel for each method at its highest rate, with one line for each kind of retraining, and
    lines for the dense and the untrained network.
    """
    live = selection.live(selection.channels(study.units))
    pruned = selection.pruned(live)
    highest = pruned.filter(pl.col("rate") == pl.col("rate").max().over("method", "retraining"))
    references = live.filter(selection.IS_UNPRUNED, retraining=NOT_RETRAINED)
    shown = pl.concat([highest, references])
    rates = sorted({f"{rate:.0%}" for rate in highest["rate"].to_list()})
    title = chart_rows.heading(
        "Interpretability (mean soft MIS) by depth"
        + (f", networks at their highest rate ({', '.join(rates)})" if rates else ""),
        study,
        shown,
        *chart_rows.mis_facts(study),
        "lines: means of blocks, dots: single layers",
        images=None,
        means=False,
    )
    if highest.is_empty():
        return theme.nothing_to_show(title, settings, "no pruned network has live units")
    blocks = _by_block(study, shown)
    methods = selection.present(highest["method"])
    columns = min(2, len(methods))
    size = theme.panel_size(settings, 1, -(-len(methods) // columns))
    axis = theme.mis_axis(blocks["y"].to_list(), "Mean soft MIS")
    drawn = []
    for position, method in enumerate(methods):
        rows = blocks.filter((pl.col("method") == method) | selection.IS_UNPRUNED)
        own = axis if position % columns == 0 else theme.Axis("", axis.low, axis.high, axis.format,
                                                              axis.ticks)  # fmt: skip
        heading = theme.panel_title(chart_rows.names(study)[method])
        drawn.append(_depth_panel(rows, own, size, study).properties(title=heading))
    return theme.finish(alt.concat(*drawn, columns=columns, spacing=28), title)


def _by_block(study: ChartData, units: pl.DataFrame) -> pl.DataFrame:
    """Mean scores of blocks, and of layers (`single`); `place` counts the blocks from the input."""
    order = units["block"].unique(maintain_order=True)
    places = {block: place for place, block in enumerate(order)}
    retraining = chart_rows.retraining_label(study)
    named = units.with_columns(
        place=pl.col("block").replace_strict(places, return_dtype=pl.Int32),
        series=pl.when(pl.col("rate") > 0).then(retraining).otherwise("method"),
        ink=pl.when(pl.col("rate") == 0)
        .then("method")
        .when(pl.col("retraining") == NOT_RETRAINED)
        .then(retraining)
        .otherwise(chart_rows.method_label(study)),
        style=pl.when(pl.col("rate") == 0)
        .then(pl.lit("solid"))
        .otherwise(chart_rows.line_style(study)),
    )
    keys = ["method", "series", "ink", "style", "place", "block"]
    means = named.group_by(keys, maintain_order=True).agg(y=pl.col("mis_soft").mean())
    layers = named.group_by([*keys, "layer"], maintain_order=True).agg(y=pl.col("mis_soft").mean())
    return pl.concat(
        [means.with_columns(layer=pl.lit("")), layers.select(*means.columns, "layer")]
    ).with_columns(single=pl.col("layer") != "")


def _depth_panel(
    rows: pl.DataFrame, axis: theme.Axis, size: ChartSettings, study: ChartData
) -> alt.LayerChart:
    order = selection.present(rows.sort("place", maintain_order=True)["block"])
    across = theme.Axis(
        "Block of layers, from the input", 0, max(1, len(order) - 1), names=tuple(order)
    )
    x, y = across.encode(alt.X, "x"), axis.encode(alt.Y, "y")
    colour = chart_rows.colour(study, "ink", None)
    dash = panels.dashes()
    clipped = rows.with_columns(pl.col("y").clip(axis.low, axis.high), x="place")
    lines = clipped.filter(~pl.col("single")).sort("x", maintain_order=True)
    labels = panels.labels(lines, chart_rows.chance(None), (across, axis), size)
    return alt.LayerChart(
        layer=[
            theme.from_rows(clipped.filter("single").select("x", "y", "ink", "layer", "series"))
            .mark_point(filled=True, size=9, opacity=0.35)
            .encode(
                x=x,
                y=y,
                color=colour,
                tooltip=["series:N", "layer:N", alt.Tooltip("y:Q", format=".3f")],
            ),
            theme.from_rows(lines.select("x", "y", "ink", "style", "series"))
            .mark_line(strokeWidth=2)
            .encode(x=x, y=y, color=colour, strokeDash=dash, detail="series:N"),
            *panels.label_layers(labels, across, (x, y), colour),
        ],
        width=size.width,
        height=size.height,
    )


def measures(study: ChartData, settings: ChartSettings) -> alt.TopLevelMixin:
    """Rank correlations of measures of units with the score, and with the loss by silencing a unit.

    They tell whether the measures see the same units as interpretable, and whether these are the
    units that the network needs.
    """
    groups = {AGREEMENT_HEADING: _correlations(study, "measures", "second", "first")} | {
        words: _correlations(study, "ablation", "first", "second").filter(other=loss)
        for loss, words in LOSS_HEADINGS.items()
    }
    shown = {group: rows for group, rows in groups.items() if not rows.is_empty()}
    correlated = [rows.select(COORDINATES) for rows in shown.values()]
    networks = pl.concat([*correlated, study.networks.select(COORDINATES).clear()])
    title = chart_rows.heading(
        "Do measures see the same units, and the units that matter?",
        study,
        study.networks.join(networks.unique(), on=COORDINATES, how="semi"),
        "Spearman's correlation over live units",
        "bars: 95 % intervals",
        images=None,
        means=False,
    )
    if not shown:
        return theme.nothing_to_show(title, settings, "too few units have several measures")
    axis = theme.Axis("Spearman's correlation", -1, 1, "+.1f", (-1, -0.5, 0, 0.5, 1))
    drawn = []
    for group, rows in shown.items():
        heading = alt.TitleParams(
            f"{group} (n = {_range_of_n(rows)})", anchor="start", fontSize=12, offset=6
        )
        panel = panels.forest(rows, "measure", axis, settings.width, study=study)
        drawn.append(panel.properties(title=heading))
    return theme.finish(alt.vconcat(*drawn, spacing=20), title)


def _correlations(study: ChartData, family: str, measure: str, other: str) -> pl.DataFrame:
    """The correlations of a family of tests, by measure.

    Parameters
    ----------
    study
        Gives the statistics, whose quantities are `spearman(first, second)`.
    family
        The family of tests.
    measure, other
        Which of the two is the measure, and which the other variable: `first` or `second`.
    """
    found = study.statistics.filter(family=family).with_columns(
        pl.col("quantity").str.extract_groups(r"\((?<first>\w+), (?<second>\w+)\)").struct.unnest()
    )
    kinds = chart_rows.retraining_names(study)
    return found.select(
        *("retraining", "rate", "seed", "estimate", "low", "high", "n"),
        method="pruning",
        measure=pl.col(measure).replace_strict(
            MEASURE_LABELS, default=None, return_dtype=pl.String
        ),
        other=other,
        ink=pl.col("pruning").replace_strict(chart_rows.names(study), return_dtype=pl.String),
        kind=pl.col("retraining").replace_strict(kinds, return_dtype=pl.String),
    )


def _range_of_n(rows: pl.DataFrame) -> str:
    numbers = rows["n"].to_list()
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
