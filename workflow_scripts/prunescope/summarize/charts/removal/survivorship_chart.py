"""The chart of survivorship: what the change of a mean over live units is the sum of."""

from math import ceil

import altair as alt
import polars as pl

from prunescope.networks.coordinates import KIND
from prunescope.summarize import selection
from prunescope.summarize.charts import chart_rows, theme
from prunescope.summarize.charts.chart_rows import ChartData
from prunescope.summarize.charts.theme import ChartSettings

# The height of a line in pixels.
LINE = 18
# An interval is cut where it is so many times as wide as the longest bar.
WIDEST = 3
# The parts of a change: their names and inks, in the order in which they are stacked.
PARTS = {
    "same": ("the same channels change", "#0072B2"),
    "lost": ("others are lost", "#E69F00"),
    "new": ("others came alive", "#009E73"),
}


def survivorship(study: ChartData, settings: ChartSettings) -> alt.TopLevelMixin:
    """The change of the mean score over live units as a sum: a line for each kind of network."""
    # Imported here because scipy, which it needs, is slow to import, and the rules import this
    # module too, to know the names of the charts.
    from prunescope.summarize.findings.removal import removal_rows

    rows = removal_rows.parts(study.networks, study.statistics)
    networks = study.networks.join(rows, on=KIND, how="semi", maintain_order="left")
    text = "Survivorship: why the mean score over live channels changes"
    if rows.is_empty():
        title = chart_rows.heading(text, study, networks, images=None)
        reason = "no pruned network has a partner with live channels in common"
        return theme.nothing_to_show(title, settings, reason)
    several = networks["seed"].n_unique() > 1
    pieces = _pieces(rows)
    longest = max(abs(value) for value in (*pieces["end"], *rows["change"]))
    intervals = [abs(end) for name in ("low", "high") for end in rows[name].drop_nulls()]
    cut = any(end > WIDEST * longest for end in intervals)
    reach = WIDEST * longest if cut else max([longest, *intervals])
    title = chart_rows.heading(
        text,
        study,
        networks,
        *chart_rows.mis_facts(study),
        "pruned minus dense, retrained as often (soft MIS)"
        if chart_rows.has_dense(study)
        else "against the network of the lowest rate (soft MIS)",
        "the parts add up to the black marks",
        *(["lines: 95 % intervals over runs"] if several else []),
        *(["cut at the ends of the axis"] if cut else []),
        images=None,
        means=False,
    )
    labels = pl.concat_str(
        chart_rows.method_label(study),
        chart_rows.retraining_label(study),
        (100 * pl.col("rate")).round().cast(pl.Int64).cast(pl.String) + "%",
        separator=", ",
    )
    names = tuple(rows.select(labels).to_series())
    ends = max(0.01, ceil(100 * reach) / 100)
    across = theme.Axis("Change of the mean soft MIS over live channels", -ends, ends, "+.3f")
    return theme.finish(_stack(rows, pieces, names, across, settings.width), title)


def _stack(
    rows: pl.DataFrame, pieces: pl.DataFrame, names: tuple[str, ...], across: theme.Axis, width: int
) -> alt.LayerChart:
    """The parts as bars, from zero to either side, and their sum as a mark with its interval."""
    lines = theme.Axis("", len(names) - 0.5, -0.5, names=names)
    y = lines.encode(alt.Y, "line")
    height = LINE * len(names)
    present = selection.present(pieces.filter(pl.col("value") != 0)["part"])
    inks = {words: ink for words, ink in PARTS.values() if words in present}
    colour = alt.Color(
        "part:N",
        scale=alt.Scale(domain=list(inks), range=list(inks.values())),
        legend=alt.Legend(title=None, orient="top", direction="horizontal", labelLimit=260),
    )
    sums = theme.from_rows(
        rows.select(
            "change",
            pl.col("low", "high").clip(across.low, across.high),
            line=pl.int_range(pl.len()).cast(pl.Float64),
            name=pl.Series(names),
        )
    )
    return alt.LayerChart(
        layer=[
            theme.from_rows(pieces.filter(pl.col("part").is_in(present)))
            .mark_bar(height=LINE - 7)
            .encode(
                x=across.encode(alt.X, "start"),
                x2="end:Q",
                y=y,
                color=colour,
                tooltip=[
                    alt.Tooltip("part:N"),
                    alt.Tooltip("value:Q", format="+.4f"),
                ],
            ),
            theme.from_rows(pl.DataFrame({"change": [0.0]}))
            .mark_rule(color="#888888")
            .encode(x=across.encode(alt.X, "change"), y=alt.value(0), y2=alt.value(height)),
            sums.mark_rule(color="#222222", strokeWidth=1.3).encode(
                x=across.encode(alt.X, "low"), x2="high:Q", y=y
            ),
            sums.mark_tick(thickness=2.5, size=LINE - 4, color="#222222").encode(
                x=across.encode(alt.X, "change"),
                y=y,
                tooltip=[alt.Tooltip("name:N"), alt.Tooltip("change:Q", format="+.4f")],
            ),
        ],
        width=width,
        height=height,
    )


def _pieces(rows: pl.DataFrame) -> pl.DataFrame:
    """The ends of the bars: parts above zero follow each other to the right, others to the left."""
    found = []
    for line, row in enumerate(rows.iter_rows(named=True)):
        reached = {True: 0.0, False: 0.0}
        for part, (words, _) in PARTS.items():
            side = row[part] > 0
            start, reached[side] = reached[side], reached[side] + row[part]
            found.append({"line": float(line), "part": words, "value": row[part],
                          "start": start, "end": reached[side]})  # fmt: skip
    return pl.DataFrame(found)
