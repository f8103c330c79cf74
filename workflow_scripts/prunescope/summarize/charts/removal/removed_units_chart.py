"""The chart of which units go: how those that choices remove differ from those that stay."""

from math import ceil

import altair as alt
import polars as pl

from prunescope.networks.coordinates import KIND
from prunescope.summarize import selection
from prunescope.summarize.charts import chart_rows, theme
from prunescope.summarize.charts.chart_rows import ChartData
from prunescope.summarize.charts.theme import ChartSettings
from prunescope.summarize.removal.removal_tables import DEPTH, SCALE

HEADINGS = {
    "mis_soft": "soft MIS",
    "monosemanticity": "monosemanticity",
    "label_purity": "label purity",
    "class_selectivity": "class selectivity",
    SCALE: "activation scale",
    DEPTH: "depth, where layers compete",
}
# The height of a line in pixels, and the number of panels beside each other.
LINE, COLUMNS = 18, 3
# Axes end here at the latest. Intervals of two runs may be far wider than all differences.
FURTHEST = 2.0


def removed_units(study: ChartData, settings: ChartSettings) -> alt.TopLevelMixin:
    """Removed minus kept units, in the dense network: a panel a measure, a line a choice."""
    # Imported here because scipy, which it needs, is slow to import, and the rules import this
    # module too, to know the names of the charts.
    from prunescope.summarize.findings.removal import removal_rows

    rows = removal_rows.choices(study.statistics)
    networks = study.networks.join(rows, on=KIND, how="semi", maintain_order="left")
    runs = networks["seed"].n_unique()
    text = "Which units go: removed minus kept channels"
    facts = [
        "in the dense network, within layers, in standard deviations",
        "0: as choices at random, on average",
        "bars: 95 % intervals over runs" if runs > 1 else "bars: beyond 95 % of random choices",
        "filled: shown after Holm's correction",
    ]
    ends = [abs(value) for name in ("low", "high") for value in rows[name].drop_nulls()]
    if any(end > FURTHEST for end in ends):
        facts.append(f"bars are cut at {FURTHEST:g}")
    if rows.is_empty():
        title = chart_rows.heading(text, study, networks, images=None)
        return theme.nothing_to_show(title, settings, "no method removes whole units")
    title = chart_rows.heading(text, study, networks, *facts, images=None, means=False)
    measures = [name for name in HEADINGS if name in set(rows["measure"])]
    names = tuple(selection.present(rows["choice"]))
    width = theme.panel_size(settings, COLUMNS, 1).width
    drawn = []
    for position, measure in enumerate(measures):
        own = rows.filter(measure=measure)
        # Depth has an axis of its own: it is compared over the whole network.
        if measure == DEPTH:
            axis = _axis(own, "removed nearer the input \u2190 \u2192 deeper")
        else:
            within = rows.filter(pl.col("measure") != DEPTH)
            axis = _axis(within, "removed lower \u2190 \u2192 higher")
        panel = _panel(own, axis, names, width, study, first=position % COLUMNS == 0)
        drawn.append(panel.properties(title=theme.panel_title(HEADINGS[measure])))
    return theme.finish(alt.concat(*drawn, columns=COLUMNS, spacing=20), title)


def _axis(rows: pl.DataFrame, title: str) -> theme.Axis:
    ends = [abs(value) for name in ("low", "high", "estimate") for value in rows[name].drop_nulls()]
    # Of even tenths the half is a whole tenth, as ticks are written.
    reach = min(FURTHEST, max(1, ceil(5 * max(ends))) / 5)
    ticks = (-reach, -reach / 2, 0, reach / 2, reach)
    return theme.Axis(title, -reach, reach, "+.1f", ticks)


def _panel(
    rows: pl.DataFrame,
    axis: theme.Axis,
    names: tuple[str, ...],
    width: int,
    study: ChartData,
    *,
    first: bool,
) -> alt.LayerChart:
    """Differences with their intervals, in the lines of `names`."""
    places = {name: place for place, name in enumerate(names)}
    shown = rows.select(
        "choice",
        "p_holm",
        "shown",
        pl.col("low", "high").clip(axis.low, axis.high),
        pl.col("estimate").clip(axis.low, axis.high),
        line=pl.col("choice").replace_strict(places, return_dtype=pl.Float64),
        ink=chart_rows.method_label(study),
    )
    height = LINE * len(names)
    lines = theme.Axis("", len(names) - 0.5, -0.5, names=names if first else ("",) * len(names))
    x, y = axis.encode(alt.X, "estimate"), lines.encode(alt.Y, "line")
    colour = chart_rows.colour(study, "ink", None)
    fill = alt.condition("datum.shown", colour, alt.value("white"))
    tooltip = [
        alt.Tooltip("choice:N"),
        *(alt.Tooltip(f"{name}:Q", format="+.3f") for name in ("estimate", "low", "high")),
        alt.Tooltip("p_holm:Q", format=".3f"),
    ]
    zero = theme.from_rows(pl.DataFrame({"estimate": [0.0]}))
    base = theme.from_rows(shown)
    return alt.LayerChart(
        layer=[
            zero.mark_rule(color="#888888").encode(x=x, y=alt.value(0), y2=alt.value(height)),
            base.mark_rule(strokeWidth=1.3).encode(
                x=axis.encode(alt.X, "low"), x2="high:Q", y=y, color=colour
            ),
            base.mark_point(size=42, opacity=1, strokeWidth=1.5).encode(
                x=x, y=y, color=colour, fill=fill, tooltip=tooltip
            ),
        ],
        width=width,
        height=height,
    )
