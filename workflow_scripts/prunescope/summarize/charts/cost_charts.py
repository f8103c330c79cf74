"""Charts of what pruned networks cost to run, from measured times, and their captions.

Times differ from run to run, so these charts have a rule of their own.
"""

from collections.abc import Callable, Mapping

import altair as alt
import polars as pl

from prunescope.networks.coordinates import COLUMNS, DENSE
from prunescope.summarize import selection, words
from prunescope.summarize.charts import chart_rows, theme
from prunescope.summarize.charts.chart_rows import ChartData
from prunescope.summarize.charts.theme import ChartSettings

# The variants of a network that are timed: column `variant` of `study_tables.STUDY_COSTS`. Times
# are relative to `REFERENCE`, the dense network as it is.
REFERENCE = "dense"
FOLDED, MASKED, COMPACT = "dense_folded", "masked", "compact"
# The label and the colour of each variant that is drawn.
VARIANTS = {
    FOLDED: ("dense, batch norms folded", "#222222"),
    MASKED: ("masked: zeros in place", "#D55E00"),
    COMPACT: ("compact: zeros removed", "#0072B2"),
}
RUNTIMES = {"pytorch": "PyTorch", "onnxruntime": "onnxruntime"}
LARGEST_BATCH = pl.col("batch") == pl.col("batch").max()
ROW_HEIGHT = 34


def speed_by_network(
    study: ChartData, costs: pl.DataFrame, settings: ChartSettings
) -> alt.TopLevelMixin:
    """How many times as fast as the dense network each variant of a network is.

    One panel for each runtime and batch size. Bars span the quartiles of the rounds.
    """
    shown = costs.filter(pl.col("variant") != REFERENCE)
    title = chart_rows.heading(
        "Speed of pruned networks, measured against the dense one",
        study,
        shown,
        *_facts(shown),
        "bars: quartiles",
        images="timed on the CPU",
        means=False,
    )
    if shown.is_empty():
        return theme.nothing_to_show(title, settings, "no network was made compact")
    rows = _with_labels(study, shown).select(
        "network",
        "runtime",
        "batch",
        variant=pl.col("variant").replace_strict(
            {key: name for key, (name, *_) in VARIANTS.items()}
        ),
        faster=1 / pl.col("relative_time"),
        low=1 / pl.col("relative_time_high"),
        high=1 / pl.col("relative_time_low"),
        milliseconds=1000 * pl.col("seconds"),
        link=chart_rows.explorer_link(),
    )
    batches = sorted(set(rows["batch"]))
    labels = selection.present(rows["network"])
    # The axis ends at the next whole number above the fastest network.
    fastest = float(int(max(rows["high"])) + 1)
    axis = theme.Axis(
        "Times as fast as the dense network", 0, fastest, ".0f", theme.whole_ticks(fastest, 8)
    )
    size = ChartSettings(
        max(theme.SMALLEST_PANEL, settings.width // len(batches)),
        ROW_HEIGHT * len(labels),
        settings.png_scale,
    )
    panels = [
        _speed_panel(
            rows.filter(runtime=runtime, batch=batch),
            f"{name}, {batch} image{'s' * (batch > 1)} at a time",
            axis,
            labels if batch == batches[0] else [],
            size,
        )
        for runtime, name in _runtimes(rows).items()
        for batch in batches
    ]
    return theme.finish(alt.concat(*panels, columns=len(batches), spacing=28), title)


def accuracy_vs_time(
    study: ChartData, costs: pl.DataFrame, settings: ChartSettings
) -> alt.TopLevelMixin:
    """Top-1 accuracy against the time of a batch, relative to the dense network.

    One panel for each runtime, for the largest batch size. A line joins each masked network with
    its compact form, which gives the same answers.
    """
    shown = costs.filter(LARGEST_BATCH, pl.col("variant").is_in([MASKED, COMPACT]))
    accuracy = study.networks.select(*COLUMNS, "top1")
    rows = _with_labels(study, shown.join(accuracy, on=COLUMNS, maintain_order="left"))
    batch = max(shown["batch"], default=0)
    title = chart_rows.heading(
        "Accuracy against measured time",
        study,
        shown,
        *_facts(shown),
        "filled: compact, hollow: the same network with its zeros in place, dashes: dense",
        means=False,
    )
    if rows.is_empty():
        return theme.nothing_to_show(title, settings, "no network was made compact")
    rows = rows.select(
        "network",
        "runtime",
        "variant",
        "seed",
        "relative_time",
        "top1",
        method=chart_rows.method_label(study),
        retraining=chart_rows.retraining_label(study),
        milliseconds=1000 * pl.col("seconds"),
        link=chart_rows.explorer_link(),
    )
    last = max(1.2, float(max(rows["relative_time"])) * 1.05)
    across = theme.Axis(
        f"Time of {batch} images, relative to the dense network", 0, last, ".1f",
        tuple(step / 5 for step in range(int(last * 5) + 1)),
    )  # fmt: skip
    size = ChartSettings(
        max(theme.SMALLEST_PANEL, settings.width // 2 + 60), settings.height, settings.png_scale
    )
    dense = selection.controls(study.networks).select(
        "top1",
        relative_time=pl.lit(1.0),
        method=pl.lit(DENSE),
        network=pl.lit(f"{DENSE}, ") + chart_rows.retraining_label(study),
    )
    panels = [
        _accuracy_panel(study, rows.filter(runtime=runtime), dense, across, size).properties(
            title=theme.panel_title(name)
        )
        for runtime, name in _runtimes(rows).items()
    ]
    return theme.finish(alt.hconcat(*panels, spacing=28), title)


COST_CHARTS: Mapping[str, Callable[[ChartData, pl.DataFrame, ChartSettings], alt.TopLevelMixin]] = {
    "speed_by_network": speed_by_network,
    "accuracy_vs_time": accuracy_vs_time,
}


def caption(name: str, study: ChartData, costs: pl.DataFrame) -> str:
    """What a chart shows of a study, in sentences with its numbers.

    Parameters
    ----------
    name
        The chart's name in `COST_CHARTS`.
    study
        Gives the accuracies and the labels.
    costs
        `study_tables.STUDY_COSTS`.
    """
    accuracy = study.networks.select(*COLUMNS, "top1")
    compact = costs.filter(LARGEST_BATCH, variant=COMPACT)
    rows = _with_labels(study, compact.join(accuracy, on=COLUMNS, maintain_order="left"))
    kept = words.kept_masked(costs)
    if rows.is_empty():
        return kept or "No network was made compact."
    say, start = {
        "speed_by_network": (_say_speed, "compact networks are "),
        "accuracy_vs_time": (_say_accuracy, "the most accurate compact network has "),
    }[name]
    parts = [say(rows.filter(runtime=runtime), called) for runtime, called in RUNTIMES.items()]
    text = f"With {rows['batch'][0]} images at a time, {start}{'; '.join(parts)}."
    text = " ".join(filter(None, (text, kept)))
    folded = costs.filter(LARGEST_BATCH, variant=FOLDED)["relative_time"].to_list()
    if not folded:
        return text
    return (
        f"{text} In PyTorch {len(folded) / sum(folded):.1f} times are owed to folded batch norms, "
        "without any pruning; onnxruntime folds those of all networks."
    )


def _runtimes(rows: pl.DataFrame) -> dict[str, str]:
    """The names of the runtimes in which something was timed."""
    return {key: name for key, name in RUNTIMES.items() if key in set(rows["runtime"])}


def _say_speed(rows: pl.DataFrame, runtime: str) -> str:
    slowest, fastest = (
        f"{1 / row['relative_time']:.1f} times as fast as the dense one ({row['network']})"
        for row in rows.sort("relative_time", maintain_order=True)[[-1, 0]].iter_rows(named=True)
    )
    return f"in {runtime} between {slowest} and {fastest}"


def _say_accuracy(rows: pl.DataFrame, runtime: str) -> str:
    best = rows.sort("top1", descending=True, maintain_order=True).row(0, named=True)
    return (
        f"{best['top1']:.1%} at {best['relative_time']:.2f} of the dense network's time in "
        f"{runtime} ({best['network']})"
    )


def _facts(costs: pl.DataFrame) -> list[str]:
    """What a reader of times must know, as facts of a heading."""
    if costs.is_empty():
        return []
    rounds, threads = min(costs["rounds"]), sorted(set(costs["threads"]))
    kept = sorted(set(costs["kept_masked"]) - {""})
    return [
        f"median of {rounds} interleaved rounds",
        f"{' or '.join(map(str, threads))} thread{'s' * (threads != [1])}",
        *(f"kept masked because of {operation}" for operation in kept),
    ]


def _with_labels(study: ChartData, frame: pl.DataFrame) -> pl.DataFrame:
    """Name each network in words, with its seed if there are several."""
    parts = [
        chart_rows.method_label(study),
        chart_rows.retraining_label(study),
        (pl.col("rate") * 100).round().cast(pl.Int64).cast(pl.String) + "%",
    ]
    if frame["seed"].n_unique() > 1:
        parts.append(pl.lit("seed ") + pl.col("seed").cast(pl.String))
    return frame.with_columns(network=pl.concat_str(parts, separator=", "))


def _speed_panel(
    rows: pl.DataFrame, title: str, axis: theme.Axis, labels: list[str], size: ChartSettings
) -> alt.LayerChart:
    y = alt.Y(
        "network:N",
        sort=None,
        title=None,
        axis=alt.Axis(labelLimit=260, ticks=False, labels=bool(labels), domain=False, grid=True),
    )
    names = [name for name, _ in VARIANTS.values()]
    offset = alt.YOffset("variant:N", sort=names, scale=alt.Scale(paddingOuter=0.9))
    colour = alt.Color(
        "variant:N",
        scale=alt.Scale(domain=names, range=[ink for _, ink in VARIANTS.values()]),
        legend=alt.Legend(title=None, orient="top", direction="horizontal", labelLimit=260),
    )
    base = theme.from_rows(rows).encode(y=y, yOffset=offset, color=colour)
    layers = [
        alt.Chart(alt.InlineData(values=[{"one": 1}]))
        .mark_rule(strokeWidth=1.5, color="#222222")
        .encode(x=axis.encode(alt.X, "one")),
        base.mark_rule(strokeWidth=2, opacity=0.6).encode(
            x=axis.encode(alt.X, "low"), x2=alt.X2("high")
        ),
        base.mark_point(filled=True, size=48, opacity=1).encode(
            x=axis.encode(alt.X, "faster"),
            href="link:N",
            tooltip=[
                alt.Tooltip("network:N"),
                alt.Tooltip("variant:N"),
                alt.Tooltip("faster:Q", title="times as fast", format=".2f"),
                alt.Tooltip("milliseconds:Q", title="ms for a batch", format=".1f"),
            ],
        ),
    ]
    return alt.LayerChart(layer=layers, width=size.width, height=size.height).properties(
        title=theme.panel_title(title)
    )


def _accuracy_panel(
    study: ChartData,
    rows: pl.DataFrame,
    dense: pl.DataFrame,
    across: theme.Axis,
    size: ChartSettings,
) -> alt.LayerChart:
    x, y = across.encode(alt.X, "relative_time"), theme.ACCURACY.encode(alt.Y, "top1")
    legend = alt.Legend(title="Method", values=[*selection.present(rows["method"]), DENSE])
    colour = chart_rows.colour(study, "method", legend)
    kinds = list(chart_rows.retraining_names(study).values())
    shape = alt.Shape(
        "retraining:N",
        scale=alt.Scale(domain=kinds, range=theme.take(theme.SHAPES, len(kinds))),
        legend=alt.Legend(title="Retraining", values=selection.present(rows["retraining"])),
    )
    tooltip = [
        alt.Tooltip("network:N"),
        alt.Tooltip("variant:N"),
        alt.Tooltip("relative_time:Q", title="time relative to dense", format=".2f"),
        alt.Tooltip("milliseconds:Q", title="ms for a batch", format=".1f"),
        alt.Tooltip("top1:Q", title="top-1 accuracy", format=".1%"),
        alt.Tooltip("seed:Q"),
    ]
    layers = [
        theme.from_rows(dense)
        .mark_point(shape="stroke", size=400, strokeWidth=2.5)
        .encode(x=x, y=y, color=colour, tooltip=[alt.Tooltip("network:N"), alt.Tooltip("top1:Q")]),
        theme.from_rows(rows)
        .mark_line(strokeWidth=1, opacity=0.6)
        .encode(x=x, y=y, color=colour, detail=["network:N", "seed:N"]),
        theme.from_rows(rows.filter(variant=MASKED))
        .mark_point(filled=False, size=50, strokeWidth=1.2, opacity=1)
        .encode(x=x, y=y, color=colour, shape=shape, tooltip=tooltip, href="link:N"),
        theme.from_rows(rows.filter(variant=COMPACT))
        .mark_point(filled=True, size=80, opacity=1)
        .encode(x=x, y=y, color=colour, shape=shape, tooltip=tooltip, href="link:N"),
    ]
    return alt.LayerChart(layer=layers, width=size.width, height=size.height)
