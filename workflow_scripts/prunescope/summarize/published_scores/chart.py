"""The chart of the published scores: the published figure, what it becomes, what goes with it."""

from typing import Any

import altair as alt
import polars as pl

from prunescope.summarize.charts import theme
from prunescope.summarize.charts.theme import ChartSettings
from prunescope.summarize.published_scores import of_networks, readings_panels, relations
from prunescope.summarize.published_scores.analysis_words import (
    SHOWN,
    describe_arm,
    describe_method,
)
from prunescope.summarize.published_scores.readings import (
    BOTH,
    CONSTANT,
    COUNTED,
    LIVE,
    LOGITS,
    MATCHED,
    PRUNED,
)
from prunescope.summarize.selection import CHANNELS

OTHERS, OTHERS_INK = "without published units", "#BBBBBB"
NOT_RETRAINED = "not retrained"
# The ends of the axes of means. Counted, dead filters lift the means out of the range of others.
MEANS, COUNTED_MEANS = (0.64, 0.76), (0.65, 0.95)
TENTHS = tuple(tenth / 10 for tenth in range(11))
DASHES = {"50 epochs": [1, 0], "10 epochs": [5, 3], NOT_RETRAINED: [1, 3]}
HEADINGS = {
    (COUNTED, LIVE): "Every unit counted, dead or not",
    (PRUNED, LIVE): "Pruned filters out (as the source)",
    (CONSTANT, LIVE): "All constant units out",
    (CONSTANT, MATCHED): "The {:,} units that live in all",
}
# The correlations of the panels with what they are called there.
CORRELATIONS = {
    "spearman(mis_soft, rate)": "rate ({} networks)",
    relations.WITHIN: "rate within arms ({} arms)",
    "spearman(mis_soft, rate | top1)": "rate, accuracy held ({})",
    "spearman(mis_soft, top1)": "accuracy ({} networks)",
    "spearman(mis_soft, top1 | rate)": "accuracy, rate held ({})",
}


def chart(table: pl.DataFrame, margin: float | None, settings: ChartSettings) -> alt.TopLevelMixin:
    """Mean scores by rate, what they correlate with, and changes from the lowest to the highest.

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
    tall = ChartSettings(size.width, size.height * 5 // 4, size.png_scale)
    kinds = _arms(table.filter(quantity="mis_soft"))["ink"].unique(maintain_order=True).to_list()
    colours = alt.Scale(domain=[*kinds, OTHERS], range=[*theme.PALETTE[: len(kinds)], OTHERS_INK])
    pruned, counted, constant, matched = (
        _means(table, *way, size, colours, legend=way == (PRUNED, LIVE))
        for way in ((PRUNED, LIVE), (COUNTED, LIVE), (CONSTANT, LIVE), (CONSTANT, MATCHED))
    )
    # In the order in which a reader should take them: the published figure first.
    rows = (
        (_published(table, size, colours), _with_borrowed(table, size, colours), pruned),
        (counted, constant, matched),
        (_accuracies(table, tall, colours), *_correlations(table, tall)),
        _changes(table, margin, tall),
    )
    title = alt.TitleParams(
        "What the published scores of units say, by how dead units are read",
        subtitle=[
            f"scores of units: {theme.SOURCE}; 24 GoogLeNets on ImageNet, DreamSim, one run each",
            "r: Pearson's correlation of mean score and rate over the points of a panel; borrowed: "
            "the dense value of the",
            "source, which is of another network. Bars: 95 % intervals over layers or classes of "
            "one pair of networks",
        ],
    )
    lines = [_apart(alt.hconcat(*row, spacing=24)) for row in rows]
    return theme.finish(_apart(alt.vconcat(*lines, spacing=28)), title)


def _apart(panels: Any) -> Any:
    """The panels share no scale: they show several things."""
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
    heading = [
        "As published, with a borrowed dense value",
        *_r(table, (relations.BORROWED, relations.FIGURE)),
    ]
    return _lines(_begun(points, table), heading, size, colours, MEANS)


def _with_borrowed(table: pl.DataFrame, size: ChartSettings, colours: alt.Scale) -> alt.LayerChart:
    """The means of the source again, of all arms with published units: all begin alike."""
    rows = _arms(table.filter(quantity="mis_soft", reading=PRUNED, units=LIVE, layer_type=BOTH))
    heading = [
        "Our means, with that borrowed value",
        *_r(table, (relations.OURS_BORROWED, relations.ALL)),
    ]
    return _lines(_begun(rows, table), heading, size, colours, MEANS)


def _begun(rows: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """Rows of arms with the borrowed value at rate 0 of each, if it is known."""
    borrowed = table.filter(quantity=relations.BORROWED_SCORE)["estimate"]
    start = rows.unique("arm", maintain_order=True).with_columns(
        rate=pl.lit(0.0), estimate=pl.lit(borrowed[0] if len(borrowed) else None, dtype=pl.Float64)
    )
    return pl.concat([start.drop_nulls("estimate"), rows])


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
    found = table.filter(
        quantity="pearson(mis_soft, rate)", reading=reading, units=units, layer_type=BOTH
    )["estimate"][0]
    spoilt = table.filter(
        quantity=relations.AS_TESTED, group=relations.OURS_BORROWED, reading=reading
    )["estimate"]
    counted = reading == COUNTED
    # It was asked of live units alone.
    asked = units == LIVE and len(spoilt)
    heading = [
        HEADINGS[reading, units].format(rows["n"][0]),
        f"r = {found:.2f} ({len(rows)} networks){'; another axis' if counted else ''}",
        f"r = {spoilt[0]:.2f} with the borrowed value" if asked else " ",
    ]
    ends = COUNTED_MEANS if counted else MEANS
    return _lines(_arms(rows), heading, size, colours, ends, legend=legend)


def _r(table: pl.DataFrame, groups: tuple[str, str]) -> list[str]:
    """The correlation over the points of a panel, and what it is without the borrowed value."""
    found = [
        table.filter(quantity=relations.AS_TESTED, group=group, reading=PRUNED) for group in groups
    ]
    if any(row.is_empty() for row in found):
        return ["not given", " "]
    (whole, n), (without, fewer) = ((row["estimate"][0], row["n"][0]) for row in found)
    return [f"r = {whole:.2f} ({n} points)", f"r = {without:.2f} without that value ({fewer})"]


def _lines(
    rows: pl.DataFrame,
    heading: list[str],
    size: ChartSettings,
    colours: alt.Scale,
    ends: tuple[float, float],
    *,
    legend: bool = False,
) -> alt.LayerChart:
    rates = (0.0, 0.2, 0.4, 0.6, 0.8)
    x = theme.Axis("Pruning rate (%)", -0.03, 0.83, ticks=rates).encode(alt.X, "rate")
    y = theme.Axis("Mean soft MIS (axis cut)", *ends, ".2f").encode(alt.Y, "estimate")
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
    return panel.properties(title=readings_panels.titled(heading))


def _accuracies(table: pl.DataFrame, size: ChartSettings, colours: alt.Scale) -> alt.LayerChart:
    """Means against published accuracies, over live units and over those that live in all."""
    key = ["pruning", "retraining", "rate"]
    accuracy = table.filter(quantity=of_networks.ACCURACY).select(*key, top1="estimate")
    means = table.filter(quantity="mis_soft", reading=CONSTANT, layer_type=CHANNELS)
    rows = _arms(means.join(accuracy, on=key, how="inner", maintain_order="left"))
    heading = [
        "Score of channels against accuracy",
        "all constant units out; colours as above",
        "filled: live units, hollow: live in all",
    ]
    ends = _ends(rows["top1"])
    x = theme.Axis("Published top-1 accuracy (%)", *ends, ticks=TENTHS).encode(alt.X, "top1")
    y = theme.Axis("Mean soft MIS (axis cut)", *MEANS, ".2f").encode(alt.Y, "estimate")
    colour = alt.Color("ink:N", scale=colours, legend=None)
    drawn = []
    for units in (LIVE, MATCHED):
        base = theme.from_rows(
            rows.filter(units=units).select("top1", "estimate", "ink", "arm", "units", "rate")
        )
        drawn += [
            base.mark_line(strokeWidth=1.2, opacity=0.6).encode(
                x=x, y=y, color=colour, detail="arm:N", order="rate:Q"
            ),
            base.mark_point(**readings_panels.point(hollow=units != LIVE)).encode(
                x=x, y=y, color=colour,
                tooltip=[alt.Tooltip("arm:N"), alt.Tooltip("rate:Q", format=".0%"),
                         alt.Tooltip("units:N"), alt.Tooltip("top1:Q", format=".1%"),
                         alt.Tooltip("estimate:Q", title="mean soft MIS", format=".4f")],
            ),
        ]  # fmt: skip
    panel = alt.LayerChart(layer=drawn, width=size.width, height=size.height)
    return panel.properties(title=readings_panels.titled(heading))


def _correlations(table: pl.DataFrame, size: ChartSettings) -> list[alt.LayerChart]:
    """What the score of channels and that of logits go with, each given the other."""
    named = {}
    for quantity, words in CORRELATIONS.items():
        found = table.filter(pl.col("pruning").is_null(), quantity=quantity)
        if len(found):
            named[quantity] = words.format(found["n"][0])
    rows = table.filter(
        pl.col("pruning").is_null() & pl.col("quantity").is_in(list(named))
    ).with_columns(
        name=pl.col("quantity").replace_strict(named, return_dtype=pl.String), same=pl.lit(False)
    )
    axis = theme.Axis("Spearman's correlation", -1.05, 1.05, "+.1f", (-1, -0.5, 0, 0.5, 1))
    panels = []
    for layer_type, word in ((CHANNELS, "channels"), (LOGITS, "logits")):
        first = layer_type == CHANNELS
        heading = [
            f"What the score of {word} goes with",
            "networks share weights: no intervals",
            "filled: live units, hollow: live in all" if first else "the same units in all",
        ]
        panels.append(
            readings_panels.panel(
                rows.filter(layer_type=layer_type), heading, axis, size,
                names=list(named.values()), named=first, legend=not first,
            )
        )  # fmt: skip
    return panels


def _changes(
    table: pl.DataFrame, margin: float | None, size: ChartSettings
) -> list[alt.LayerChart]:
    """Changes of each arm, channels and logits apart, and whether they lie within the margin."""
    key = ["pruning", "retraining", "layer_type", "units", "reading"]
    tested = table.filter(quantity="mis_soft_equivalence").select(*key, same="p_holm")
    rows = _arms(table.filter(quantity="mis_soft_change")).join(
        tested, on=key, how="left", maintain_order="left"
    )
    rows = rows.with_columns(name="arm", same=(pl.col("same") < SHOWN).fill_null(value=False))
    names = rows["arm"].unique(maintain_order=True).to_list()
    axis = theme.Axis(
        "Change of the soft MIS", -max(0.03, margin or 0), 0.22, "+.2f", (0, 0.05, 0.1, 0.15, 0.2)
    )
    notes = [] if margin is None else [f"band: within {margin:.3g}; =: shown to stay within it"]
    panels = []
    for layer_type, units, words in (
        (CHANNELS, LIVE, "channels live in the pair"),
        (CHANNELS, MATCHED, "channels live in all"),
        (LOGITS, LIVE, "class logits"),
    ):
        heading = ["Change from lowest to highest rate", words, *notes]
        panels.append(
            readings_panels.panel(
                rows.filter(layer_type=layer_type, units=units), heading, axis, size,
                names=names, named=layer_type == CHANNELS and units == LIVE, band=margin,
                legend=layer_type == LOGITS,
            )
        )  # fmt: skip
    return panels


def _ends(values: pl.Series) -> tuple[float, float]:
    """Ends of an axis, at multiples of 0.05 beyond all values."""
    if values.is_empty():
        return 0.0, 1.0
    low, high = float(values.min()), float(values.max())  # type: ignore[arg-type]
    return (low * 20 - 0.2) // 1 / 20, -((-high * 20 - 0.2) // 1) / 20
