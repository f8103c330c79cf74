"""The chart of the published scores: the published figure, and what it becomes."""

from typing import Any

import altair as alt
import polars as pl

from prunescope.summarize.charts import theme
from prunescope.summarize.charts.theme import ChartSettings
from prunescope.summarize.published_scores import readings, relations
from prunescope.summarize.published_scores.analysis_words import describe_arm, describe_method
from prunescope.summarize.published_scores.readings import BOTH, CONSTANT, COUNTED, LIVE, PRUNED

OTHERS, OTHERS_INK = "without published units", "#BBBBBB"
NOT_RETRAINED = "not retrained"
LOW, HIGH, COUNTED_HIGH = 0.64, 0.76, 0.96
CHANNELS_NAME, LOGITS_NAME = "convolution channels", "class logits"
DASHES = {"50 epochs": [1, 0], "10 epochs": [5, 3], NOT_RETRAINED: [1, 3]}
READING_NAMES = {CONSTANT: "all constant units out", PRUNED: "pruned filters out"}


def chart(table: pl.DataFrame, margin: float | None, settings: ChartSettings) -> alt.TopLevelMixin:
    """Mean scores by rate in five ways, and the changes from the lowest to the highest rate.

    Parameters
    ----------
    table
        A table `analysis_rows.ANALYSIS`.
    margin
        A change that is too small to matter; None draws no band.
    settings
        The size of all panels together.
    """
    size = theme.panel_size(settings, 3, 2)
    kinds = _arms(table.filter(quantity="mis_soft"))["ink"].unique(maintain_order=True).to_list()
    colours = alt.Scale(domain=[*kinds, OTHERS], range=[*theme.PALETTE[: len(kinds)], OTHERS_INK])
    ways = ((COUNTED, LIVE), (PRUNED, LIVE), (CONSTANT, LIVE), (CONSTANT, readings.MATCHED))
    # In the order in which a reader should take them: the published figure first.
    published = _published(table, size, colours)
    counted, pruned, constant, matched = (
        _means(table, *way, size, colours, legend=way == (PRUNED, LIVE)) for way in ways
    )
    rows = (published, counted, pruned), (constant, matched, _changes(table, margin, size))
    title = alt.TitleParams(
        "What the published scores of units say, by how dead units are read",
        subtitle=[
            f"scores of units: {theme.SOURCE}; 24 GoogLeNets on ImageNet, DreamSim, one run each",
            "r: Pearson's correlation of mean score and rate over the points of a panel",
            "last panel: the same units, highest against lowest rate; bars: 95 % intervals over "
            "layers or classes of one pair of networks",
        ],
    )
    lines = [_apart(alt.hconcat(*row, spacing=24)) for row in rows]
    return theme.finish(_apart(alt.vconcat(*lines, spacing=28)), title)


def _apart(panels: Any) -> Any:
    """The panels share no scale: the last one shows other things."""
    return panels.resolve_scale(color="independent", strokeDash="independent", shape="independent")


def _arms(rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of arms with the label of their colour and of their line."""
    known = rows.drop_nulls(["pruning", "retraining"])
    return known.with_columns(
        ink=pl.struct("pruning", "retraining").map_elements(
            lambda arm: describe_method(arm["pruning"], arm["retraining"]), pl.String
        ),
        arm=pl.struct("pruning", "retraining").map_elements(
            lambda arm: describe_arm(arm["pruning"], arm["retraining"]), pl.String
        ),
        epochs=(pl.col("retraining").str.extract(r"_(\d+)$") + " epochs").fill_null(NOT_RETRAINED),
    )


def _published(table: pl.DataFrame, size: ChartSettings, colours: alt.Scale) -> alt.LayerChart:
    """Figure 5 of the source: all curves begin at the value that is of another network."""
    scored = _arms(table.filter(quantity="mis_soft"))["arm"].unique()
    points = _arms(table.filter(quantity=relations.PUBLISHED_SCORE)).with_columns(
        ink=pl.when(pl.col("arm").is_in(scored.implode())).then("ink").otherwise(pl.lit(OTHERS))
    )
    borrowed = table.filter(quantity=relations.BORROWED_SCORE)["estimate"]
    start = points.unique("arm", maintain_order=True).with_columns(
        rate=pl.lit(0.0), estimate=pl.lit(borrowed[0] if len(borrowed) else None, dtype=pl.Float64)
    )
    whole = pl.concat([start.drop_nulls("estimate"), points])
    heading = [
        "As published, with a borrowed dense value",
        f"({_r(table, relations.BORROWED, PRUNED)})",
    ]
    return _lines(whole, heading, size, colours, HIGH)


def _means(
    table: pl.DataFrame,
    reading: str,
    units: str,
    size: ChartSettings,
    colours: alt.Scale,
    *,
    legend: bool,
) -> alt.LayerChart:
    """Means of the 24 networks under one reading."""
    rows = table.filter(quantity="mis_soft", reading=reading, units=units, layer_type=BOTH)
    words = {
        (COUNTED, LIVE): "Every unit counted, dead or not",
        (PRUNED, LIVE): "Pruned filters out (the source's means)",
        (CONSTANT, LIVE): "All constant units out",
        (CONSTANT, readings.MATCHED): f"The {rows['n'][0]:,} units that live in all",
    }
    found = table.filter(
        quantity="pearson(mis_soft, rate)", reading=reading, units=units, layer_type=BOTH
    )["estimate"][0]
    # Counted, dead filters lift the means out of the range of the other panels.
    counted = reading == COUNTED
    more = "; other axis" if counted else ""
    heading = [words[reading, units], f"(r = {found:.2f}, {len(rows)} networks{more})"]
    high = COUNTED_HIGH if counted else HIGH
    return _lines(_arms(rows), heading, size, colours, high, legend=legend)


def _r(table: pl.DataFrame, group: str, reading: str) -> str:
    found = table.filter(quantity=relations.AS_TESTED, group=group, reading=reading)
    if found.is_empty():
        return "not given"
    return f"r = {found['estimate'][0]:.2f}, {found['n'][0]} points"


def _lines(
    rows: pl.DataFrame,
    heading: list[str],
    size: ChartSettings,
    colours: alt.Scale,
    high: float,
    *,
    legend: bool = False,
) -> alt.LayerChart:
    rates = (0.0, 0.2, 0.4, 0.6, 0.8)
    x = theme.Axis("Pruning rate (%)", -0.03, 0.83, ticks=rates).encode(alt.X, "rate")
    y = theme.Axis("Mean soft MIS (axis cut)", LOW, high, ".2f").encode(alt.Y, "estimate")
    # One legend for all panels.
    colour = alt.Color("ink:N", scale=colours, legend=alt.Legend(title=None) if legend else None)
    dash = alt.StrokeDash(
        "epochs:N",
        scale=alt.Scale(domain=list(DASHES), range=list(DASHES.values())),
        legend=alt.Legend(title="Retrained for") if legend else None,
    )
    base = theme.from_rows(rows.select("rate", "estimate", "ink", "arm", "epochs"))
    tooltip = [
        alt.Tooltip("arm:N"),
        alt.Tooltip("rate:Q", format=".0%"),
        alt.Tooltip("estimate:Q", title="mean soft MIS", format=".4f"),
    ]
    layers = [
        base.mark_line(strokeWidth=1.8, clip=True).encode(
            x=x, y=y, color=colour, strokeDash=dash, detail="arm:N"
        ),
        base.mark_point(filled=True, size=30, opacity=0.9).encode(
            x=x, y=y, color=colour, tooltip=tooltip
        ),
    ]
    panel = alt.LayerChart(layer=layers, width=size.width, height=size.height)
    return panel.properties(
        title=alt.TitleParams(heading[0], subtitle=heading[1:], anchor="start", fontSize=12,
                              subtitleFontSize=11, offset=8)
    )  # fmt: skip


def _changes(table: pl.DataFrame, margin: float | None, size: ChartSettings) -> alt.LayerChart:
    """Changes of each arm, channels and logits apart, under two readings."""
    rows = _arms(
        table.filter(pl.col("reading").is_in(list(READING_NAMES)), quantity="mis_soft_change",
                     units=LIVE)
    )  # fmt: skip
    names = rows["arm"].unique(maintain_order=True).to_list()
    rank = pl.int_range(pl.len()).over("arm")
    placed = rows.with_columns(
        line=pl.col("arm").replace_strict({name: i for i, name in enumerate(names)},
                                          return_dtype=pl.Float64) + (rank - 1.5) * 0.17,
        kind=pl.col("layer_type").replace_strict(
            {"conv2d": CHANNELS_NAME, "linear": LOGITS_NAME}, return_dtype=pl.String),
        reading=pl.col("reading").replace_strict(READING_NAMES, return_dtype=pl.String),
    )  # fmt: skip
    axis = theme.Axis("Change of the soft MIS", -max(0.02, margin or 0), 0.2, "+.2f")
    x = axis.encode(alt.X, "estimate")
    y = theme.Axis("", len(names) - 0.5, -0.5, names=tuple(names)).encode(alt.Y, "line")
    colour = alt.Color(
        "kind:N",
        scale=alt.Scale(domain=[CHANNELS_NAME, LOGITS_NAME], range=["#222222", "#CC79A7"]),
        legend=alt.Legend(title=None, orient="bottom", direction="vertical", offset=10),
    )
    shape = alt.Shape(
        "reading:N",
        scale=alt.Scale(domain=list(READING_NAMES.values()), range=["circle", "diamond"]),
        legend=alt.Legend(title=None, orient="bottom", direction="vertical", offset=10),
    )
    base = theme.from_rows(
        placed.select("line", "estimate", "low", "high", "kind", "reading", "arm")
    )
    zero = theme.from_rows(pl.DataFrame({"estimate": [0.0]}))
    layers = [
        zero.mark_rule(color="#888888").encode(x=x, y=alt.value(0), y2=alt.value(size.height)),
        base.mark_rule(strokeWidth=1.2).encode(
            x=axis.encode(alt.X, "low"),
            x2="high:Q", y=y, color=colour,
        ),
        base.mark_point(filled=True, size=30, opacity=1).encode(
            x=x, y=y, color=colour, shape=shape,
            tooltip=[alt.Tooltip("arm:N"), alt.Tooltip("kind:N"), alt.Tooltip("reading:N"),
                     alt.Tooltip("estimate:Q", format="+.3f")],
        ),
    ]  # fmt: skip
    if margin is not None:
        band = theme.from_rows(pl.DataFrame({"estimate": [-margin], "high": [margin]}))
        layers.insert(
            0,
            band.mark_rect(color=theme.BAND).encode(
                x=x, x2="high:Q", y=alt.value(0), y2=alt.value(size.height)
            ),
        )
    panel = alt.LayerChart(layer=layers, width=size.width, height=size.height)
    note = "" if margin is None else f"band: within {margin:.3g}"
    return panel.properties(
        title=alt.TitleParams("Change from the lowest to the highest rate", subtitle=note,
                              anchor="start", fontSize=12, subtitleFontSize=11, offset=8)
    )  # fmt: skip
