"""Charts of the score of networks (figures 5 and 6 of von Rad & Seuffert, arXiv 2409.19727)."""

from math import ceil, floor

import altair as alt
import polars as pl

from prunescope.interpret import trivial_units
from prunescope.networks.coordinates import COORDINATES, DENSE, NOT_RETRAINED, UNTRAINED
from prunescope.summarize import selection
from prunescope.summarize.charts import chart_rows, panels, theme
from prunescope.summarize.charts.chart_rows import ChartData
from prunescope.summarize.charts.theme import ChartSettings

# Networks whose accuracy is within this of the best one are shown in a second, larger panel.
CLOSE = 0.1
# The axes of that panel begin and end at multiples of this.
STEP = 0.02


def mis_by_rate(study: ChartData, settings: ChartSettings) -> alt.TopLevelMixin:
    """Mean soft MIS of the live units over the pruning rate (figure 5 of the source).

    One panel for each kind of retraining, one line for each method.
    """
    networks = chart_rows.scored(study, "mis_soft_live")
    published = chart_rows.published_values(study, "mis_soft")
    points = chart_rows.lines(
        study, networks, "rate", "mis_soft_live", by_retraining=False, quantity="mis_soft_live"
    )
    band = _margin(study, networks)
    best = trivial_units.best(study.trivial)
    title = chart_rows.heading(
        "Interpretability (mean soft MIS) by pruning rate",
        study,
        networks,
        *chart_rows.mis_facts(study),
        *chart_rows.interval_facts(points, "units"),
        *([] if band is None else [f"band: dense \u00b1 {study.margin:.3g}, the margin"]),
        *([] if best is None else [f"{best['unit']}: the best trivial unit"]),
        *chart_rows.source(published),
    )
    if points.is_empty():
        return theme.nothing_to_show(title, settings, "no pruned network has a score")
    trivial = [] if best is None else [best["mis_soft"]]
    axis = theme.mis_axis([*networks["mis_soft_live"], *published["value"], *trivial])
    # The score is the probability of telling two images apart, so chance is 1 in 2. It needs a line
    # unless the axis starts there.
    references = chart_rows.score_references(study, networks, None if axis.low else 2)
    theirs = chart_rows.published_lines(study, published, "rate", by_retraining=False)
    return theme.finish(
        panels.small_multiples(
            points, references, axis, settings, study, theirs, by="retraining", band=band
        ),
        title,
    )


def _margin(study: ChartData, networks: pl.DataFrame) -> tuple[float, float] | None:
    """The scores within the margin around that of the dense network: lowest and highest."""
    dense = selection.dense(networks)
    if study.margin is None or dense.is_empty():
        return None
    level = float(dense["mis_soft_live"].mean())  # type: ignore[arg-type]
    return level - study.margin, level + study.margin


def mis_vs_accuracy(study: ChartData, settings: ChartSettings) -> alt.TopLevelMixin:
    """Mean soft MIS of the live units against top-1 accuracy, a point per network (figure 6).

    Where at least half of the networks are about as accurate as the best one, a second panel shows
    these on larger scales.
    """
    networks = chart_rows.scored(study, "mis_soft_live").drop_nulls("top1")
    published = chart_rows.published_pairs(study)
    points = _points(study, networks)
    band = _margin(study, networks)
    bars = _bars(points)
    title = chart_rows.heading(
        "Interpretability (mean soft MIS) against accuracy",
        study,
        networks,
        *chart_rows.mis_facts(study),
        *([f"bars: 95 % intervals over {' and '.join(bars)}"] if bars else []),
        *([] if band is None else [f"band: dense \u00b1 {study.margin:.3g}, the margin"]),
        *chart_rows.source(published, "small, grey, filled"),
        means=False,
    )
    if networks.is_empty():
        reason = chart_rows.why_no_accuracy(study, "no network has a score")
        return theme.nothing_to_show(title, settings, reason)
    whole = theme.ACCURACY, theme.mis_axis([*points["mis_soft_live"], *published["mis_soft_live"]])
    is_close = pl.col("top1") > max(points["top1"].to_list()) - CLOSE
    close = points.filter(is_close)
    if not len(points) / 2 <= len(close) < len(points):
        return theme.finish(_cloud(study, points, published, whole, band, settings), title)
    near = published.filter(is_close)
    size = theme.panel_size(settings, 2, 1)
    panel = _cloud(study, points, published, whole, band, size)
    larger = _cloud(
        study, close, near, _close_axes(pl.concat([close, near], how="diagonal")), band, size
    )
    closer = f"within {100 * CLOSE:.0f} points of the best accuracy (axes cut)"
    return theme.finish(
        alt.concat(
            panel.properties(title=theme.panel_title("all networks")),
            larger.properties(title=theme.panel_title(closer)),
            columns=2,
        ),
        title,
    )


def _bars(points: pl.DataFrame) -> list[str]:
    """What the intervals of the points are over, as far as there are any."""
    over = {"low": "units", "top1_low": "images"}
    return [what for end, what in over.items() if points[end].null_count() < len(points)]


def _close_axes(points: pl.DataFrame) -> tuple[theme.Axis, theme.Axis]:
    """The smallest axes that hold the points and their intervals."""
    ends = [
        [value for name in names for value in points[name].drop_nulls().to_list()]
        for names in (("top1", "top1_low", "top1_high"), ("mis_soft_live", "low", "high"))
    ]
    (left, right), (bottom, top) = (
        (floor(min(values) / STEP) * STEP, min(ceil(max(values) / STEP) * STEP, 1.0))
        for values in ends
    )
    return theme.Axis("Top-1 accuracy (%)", left, right), theme.Axis("", bottom, top, ".2f")


def _cloud(
    study: ChartData,
    points: pl.DataFrame,
    published: pl.DataFrame,
    axes: tuple[theme.Axis, theme.Axis],
    band: tuple[float, float] | None,
    settings: ChartSettings,
) -> alt.LayerChart:
    """One panel of `mis_vs_accuracy`."""
    right, up = axes
    across, upwards = right.encode(alt.X, "top1"), up.encode(alt.Y, "mis_soft_live")
    kinds = list(chart_rows.retraining_names(study).values())
    encoding = {
        "x": across,
        "y": upwards,
        "shape": alt.Shape(
            "retraining:N",
            scale=alt.Scale(domain=kinds, range=theme.take(theme.SHAPES, len(kinds))),
            legend=alt.Legend(title="Retraining", values=selection.present(points["retraining"])),
        ),
    }
    known = [
        *selection.present(points["method"]),
        *([] if published.is_empty() else [theme.PUBLISHED]),
    ]
    legend = alt.Legend(title="Method", values=known)
    tooltip = [
        alt.Tooltip("method:N"),
        alt.Tooltip("retraining:N"),
        alt.Tooltip("rate:Q", format=".0%"),
        alt.Tooltip("top1:Q", title="top-1 accuracy", format=".1%"),
        alt.Tooltip("mis_soft_live:Q", title="mean soft MIS", format=".3f"),
    ]
    colour = chart_rows.colour(study, "method", legend)
    upright, level = (
        theme.from_rows(points.drop_nulls(end)).mark_rule(opacity=0.45)
        for end in ("low", "top1_low")
    )
    layers = [
        *([] if band is None else [panels.band_layer(band, up, settings)]),
        upright.encode(x=across, y=up.encode(alt.Y, "low"), y2="high:Q", color=colour),
        level.encode(x=right.encode(alt.X, "top1_low"), x2="top1_high:Q", y=upwards, color=colour),
        theme.from_rows(points.drop("low", "high", "top1_low", "top1_high"))
        .mark_point(size=70, strokeWidth=1.8)
        .encode(**encoding, color=colour, tooltip=[*tooltip, alt.Tooltip("seed:Q")], href="link:N"),
        _control_labels(study, points, (across, upwards)),
    ]
    if not published.is_empty():
        layers.append(
            theme.from_rows(published)
            .mark_point(size=22, filled=True, opacity=1)
            .encode(
                **encoding,
                color=chart_rows.colour(study, "ink", legend),
                tooltip=[*tooltip, alt.Tooltip("source:N")],
            )
        )
    return alt.LayerChart(layer=layers, width=settings.width, height=settings.height)


def _points(study: ChartData, networks: pl.DataFrame) -> pl.DataFrame:
    """Networks with the intervals of their score and accuracy; the controls last, drawn on top."""
    score, accuracy = (
        study.statistics.filter(pl.col("variant").is_null(), quantity=quantity).select(
            "retraining", "rate", "seed", "low", "high", method="pruning"
        )
        for quantity in ("mis_soft_live", "top1")
    )
    joined = networks.join(score, on=COORDINATES, how="left", maintain_order="left").join(
        accuracy.rename({"low": "top1_low", "high": "top1_high"}),
        on=COORDINATES,
        how="left",
        maintain_order="left",
    )
    return joined.sort(selection.IS_UNPRUNED, maintain_order=True).select(
        *("rate", "seed", "top1", "mis_soft_live", "low", "high", "top1_low", "top1_high"),
        method=chart_rows.method_label(study),
        retraining=chart_rows.retraining_label(study),
        link=chart_rows.explorer_link(),
    )


def _control_labels(
    study: ChartData, points: pl.DataFrame, place: tuple[alt.X | alt.Y, alt.X | alt.Y]
) -> alt.Chart:
    """The names of the dense and the untrained network; with several seeds, at their mean."""
    x, y = place
    plain = chart_rows.retraining_names(study)[NOT_RETRAINED]
    named = (
        points.filter(
            pl.col("method").is_in([DENSE, UNTRAINED]),
            pl.col("retraining") == plain,
        )
        .group_by("method", maintain_order=True)
        .agg(pl.col("top1", "mis_soft_live").mean())
    )
    text = theme.from_rows(named).mark_text(
        align="left", baseline="middle", dx=11, fontSize=theme.LABEL_SIZE
    )
    return text.encode(x=x, y=y, text="method:N")
