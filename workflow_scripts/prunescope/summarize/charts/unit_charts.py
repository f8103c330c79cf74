"""Charts of single units: what pruning does to them, where, and by which measure."""

import altair as alt
import numpy as np
import polars as pl

from prunescope.networks import coordinates
from prunescope.summarize import selection
from prunescope.summarize.charts import chart_rows, panels, theme
from prunescope.summarize.charts.chart_rows import ChartData
from prunescope.summarize.charts.theme import ChartSettings

# Squares of the density along each axis: coarse enough that few hold a single unit.
BINS = 32
SCORE = theme.Axis("Soft MIS in the dense network", 0.2, 1, ".1f", (0.2, 0.4, 0.6, 0.8, 1))
MEASURES = {
    "mis_soft": "MIS, soft",
    "mis_hard": "MIS, hard",
    "monosemanticity": "monosemanticity",
    "label_purity": "label purity",
    "class_selectivity": "class selectivity",
}
AGREE = "with the soft MIS"
LOSSES = {
    "top1_drop": "with the accuracy lost when a unit is silenced",
    "loss_rise": "with the rise of the loss when a unit is silenced",
}


def unit_change(study: ChartData, settings: ChartSettings) -> alt.TopLevelMixin:
    """The score of the same unit in the dense and in another network, as a density.

    One panel for each method at its highest rate, retrained if it was, and one for the dense
    network that was retrained without pruning: the change that retraining alone brings.
    """
    heading = "The same unit before and after: soft MIS in the dense and in the pruned network"
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
        return theme.nothing(title, settings, "no network has units that are live in the dense one")
    columns = min(3, len(counts))
    size = theme.share(settings, columns, -(-len(counts) // columns))
    side = ChartSettings(min(size.width, size.height), min(size.width, size.height), size.png_scale)
    most = max(share for _, cells in counts for share in cells["share"].to_list())
    drawn = [
        _density_panel(name, cells, side, most, first=position % columns == 0)
        for position, (name, cells) in enumerate(counts)
    ]
    return theme.finish(alt.concat(*drawn, columns=columns, spacing=28), title)


def _compared(study: ChartData) -> pl.DataFrame:
    """Of each method, the networks of the highest rate and of the kind with most retraining."""
    # The same kind of retraining for all methods that have it, so that panels compare.
    order = pl.col("retraining").replace_strict(
        {coordinates.ONE_SHOT: 0, coordinates.NOT_RETRAINED: 2}, default=1, return_dtype=pl.Int32
    )
    plain = (pl.col("method") == coordinates.DENSE) & (
        pl.col("retraining") == coordinates.NOT_RETRAINED
    )
    shown = study.networks.filter(~plain).with_columns(order=order)
    best = shown.sort("order", -pl.col("rate"), maintain_order=True).unique(
        "method", keep="first", maintain_order=True
    )
    kinds = best.select(coordinates.KIND)
    controls = pl.col("method").is_in([coordinates.DENSE, coordinates.UNTRAINED])
    return (
        shown.join(kinds, on=coordinates.KIND, how="semi", maintain_order="left")
        .sort(controls, maintain_order=True)
        .unique(coordinates.KIND, maintain_order=True)
    )


def _name(study: ChartData, row: dict[str, object]) -> str:
    method = chart_rows.names(study)[str(row["method"])]
    kind = chart_rows.retraining_names(study)[str(row["retraining"])]
    if row["method"] == coordinates.UNTRAINED:
        return "untrained, with other weights"
    if row["method"] == coordinates.DENSE:
        return f"{method}, {kind} (not pruned)"
    return f"{method}, {kind}, {row['rate']:.0%}"


def _density(study: ChartData, row: dict[str, object]) -> pl.DataFrame:
    """Share of the units in squares of the score before and after, over all seeds."""
    live = study.units.filter(~pl.col("constant"))
    own = live.filter(*(pl.col(key) == row[key] for key in coordinates.KIND))
    dense = live.filter(method=coordinates.DENSE, retraining=coordinates.NOT_RETRAINED)
    pairs = dense.join(own, on=["seed", *selection.UNIT], suffix="_after")
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
    name: str, cells: pl.DataFrame, size: ChartSettings, most: float, *, first: bool
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
            x=SCORE.encode(alt.X, "x"),
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
        .encode(x=SCORE.encode(alt.X, "x"), y=y.encode(alt.Y, "y"))
    )
    return alt.LayerChart(
        layer=[squares, diagonal], width=size.width, height=size.height, title=heading
    )


def mis_by_depth(study: ChartData, settings: ChartSettings) -> alt.TopLevelMixin:
    """Mean score of each block of layers, in the order of the network; dots are single layers.

    One panel for each method at its highest rate, one line for each kind of retraining, over the
    dense network and the untrained one.
    """
    live = study.units.filter(~pl.col("constant"))
    pruned = live.filter(pl.col("rate") > 0)
    highest = pruned.filter(pl.col("rate") == pl.col("rate").max().over("method", "retraining"))
    references = live.filter(
        pl.col("method").is_in([coordinates.DENSE, coordinates.UNTRAINED]),
        retraining=coordinates.NOT_RETRAINED,
    )
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
        return theme.nothing(title, settings, "no pruned network has live units")
    blocks = _by_block(study, shown)
    methods = selection.present(highest["method"])
    columns = min(2, len(methods))
    size = theme.share(settings, 1, -(-len(methods) // columns))
    axis = theme.mis_axis(blocks["y"].to_list(), "Mean soft MIS")
    drawn = []
    for position, method in enumerate(methods):
        rows = blocks.filter(
            pl.col("method").is_in([method, coordinates.DENSE, coordinates.UNTRAINED])
        )
        own = axis if position % columns == 0 else theme.Axis("", axis.low, axis.high, axis.format,
                                                              axis.ticks)  # fmt: skip
        heading = theme.panel_title(chart_rows.names(study)[method])
        drawn.append(_depth_panel(rows, own, size, study).properties(title=heading))
    return theme.finish(alt.concat(*drawn, columns=columns, spacing=28), title)


def _by_block(study: ChartData, units: pl.DataFrame) -> pl.DataFrame:
    """Mean score by block, and by layer (`single`); `place` counts blocks from the input."""
    order = units["layer"].str.split(".").list.first().unique(maintain_order=True)
    places = {block: place for place, block in enumerate(order)}
    names = pl.col("retraining").replace_strict(chart_rows.retraining_names(study),
                                                return_dtype=pl.String)  # fmt: skip
    named = units.with_columns(block=pl.col("layer").str.split(".").list.first()).with_columns(
        place=pl.col("block").replace_strict(places, return_dtype=pl.Int32),
        series=pl.when(pl.col("rate") > 0).then(names).otherwise("method"),
        ink=pl.when(pl.col("rate") == 0)
        .then("method")
        .when(pl.col("retraining") == coordinates.NOT_RETRAINED)
        .then(names)
        .otherwise(pl.col("method").replace_strict(chart_rows.names(study))),
        style=pl.when(pl.col("rate") == 0)
        .then(pl.lit("solid"))
        .otherwise(
            pl.col("retraining").replace_strict(chart_rows.styles(study), return_dtype=pl.String)
        ),
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
    """Rank correlations between measures of units, and of each with the loss of a silenced unit.

    Whether measures see the same units as interpretable, and whether these are the ones that the
    network needs.
    """
    groups = {AGREE: _correlations(study, "measures", "second", "first")} | {
        words: _correlations(study, "ablation", "first", "second").filter(other=loss)
        for loss, words in LOSSES.items()
    }
    shown = {group: rows for group, rows in groups.items() if not rows.is_empty()}
    drawn_of = [rows.select(*coordinates.KIND, "seed") for rows in shown.values()]
    networks = pl.concat([*drawn_of, study.networks.select(*coordinates.KIND, "seed").clear()])
    title = chart_rows.heading(
        "Do measures see the same units, and the units that matter?",
        study,
        study.networks.join(networks.unique(), on=[*coordinates.KIND, "seed"], how="semi"),
        "Spearman's correlation over live units",
        "bars: 95 % intervals",
        images=None,
        means=False,
    )
    if not shown:
        return theme.nothing(title, settings, "too few units have several measures")
    axis = theme.Axis("Spearman's correlation", -1, 1, "+.1f", (-1, -0.5, 0, 0.5, 1))
    panels_of = []
    for group, rows in shown.items():
        heading = alt.TitleParams(
            f"{group} (n = {_numbers(rows)})", anchor="start", fontSize=12, offset=6
        )
        panel = panels.forest(rows, "measure", axis, settings.width, study=study)
        panels_of.append(panel.properties(title=heading))
    return theme.finish(alt.vconcat(*panels_of, spacing=20), title)


def _correlations(study: ChartData, family: str, measure: str, other: str) -> pl.DataFrame:
    """Correlations of a family, `spearman(first, second)`, by the measure that they are of."""
    found = study.statistics.filter(family=family).with_columns(
        pl.col("quantity").str.extract_groups(r"\((?<first>\w+), (?<second>\w+)\)").struct.unnest()
    )
    kinds = chart_rows.retraining_names(study)
    return found.select(
        *("retraining", "rate", "seed", "estimate", "low", "high", "n"),
        method="pruning",
        measure=pl.col(measure).replace_strict(MEASURES, default=None, return_dtype=pl.String),
        other=other,
        ink=pl.col("pruning").replace_strict(chart_rows.names(study), return_dtype=pl.String),
        kind=pl.col("retraining").replace_strict(kinds, return_dtype=pl.String),
    )


def _numbers(rows: pl.DataFrame) -> str:
    numbers = rows["n"].to_list()
    low, high = min(numbers), max(numbers)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"
