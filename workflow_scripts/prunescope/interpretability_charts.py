"""Charts of the score of networks (figures 5 and 6 of von Rad & Seuffert, arXiv 2409.19727)."""

import altair as alt
import polars as pl

from prunescope import chart_rows, panels, theme
from prunescope.chart_rows import Study
from prunescope.theme import Settings


def mis_by_rate(study: Study, settings: Settings) -> alt.TopLevelMixin:
    """Mean soft MIS of the live units over the pruning rate (figure 5 of the source).

    One panel per method; the style of the line tells the retraining.
    """
    networks, published = (
        chart_rows.scored(study, "mis_soft_live"),
        chart_rows.published_values(study, "mis_soft"),
    )
    title = chart_rows.heading(
        "Interpretability (mean soft MIS) by pruning rate",
        study,
        networks,
        *chart_rows.mis_facts(study),
        *chart_rows.source(published),
    )
    points = chart_rows.lines(study, networks, "rate", "mis_soft_live", by_retraining=True)
    if points.is_empty():
        return theme.nothing(title, settings, "no pruned network has a score")
    axis = theme.mis_axis([*networks["mis_soft_live"], *published["value"]])
    # The score asks which of two images is which. Chance needs a line where it is no edge.
    references = chart_rows.references(study, networks, "mis_soft_live", None if axis.low else 2)
    theirs = chart_rows.published_lines(study, published, "rate", by_retraining=True)
    return theme.finish(
        panels.small_multiples(points, references, axis, settings, study, theirs), title
    )


def mis_vs_accuracy(study: Study, settings: Settings) -> alt.TopLevelMixin:
    """Mean soft MIS of the live units against top-1 accuracy, a point per network (figure 6)."""
    networks, published = (
        chart_rows.scored(study, "mis_soft_live"),
        chart_rows.published_pairs(study),
    )
    facts = [*chart_rows.mis_facts(study), *chart_rows.source(published, "small, grey, filled")]
    title = chart_rows.heading(
        "Interpretability (mean soft MIS) against accuracy", study, networks, *facts, means=False
    )
    if networks.is_empty():
        return theme.nothing(title, settings, "no network has a score")
    # The dense networks last: they are drawn on top.
    points = networks.sort(pl.col("method") == theme.DENSE, maintain_order=True).select(
        method=pl.col("method").replace_strict(chart_rows.names(study)),
        retraining=pl.col("retraining").replace_strict(chart_rows.retraining_names(study)),
        rate="rate",
        seed="seed",
        top1="top1",
        mis_soft_live="mis_soft_live",
    )
    kinds = list(chart_rows.retraining_names(study).values())
    shapes = theme.take(theme.SHAPES, len(kinds))
    axis = theme.mis_axis([*networks["mis_soft_live"], *published["mis_soft_live"]])
    known = [*theme.present(points["method"]), *([] if published.is_empty() else [theme.PUBLISHED])]
    encoding = {
        "x": theme.ACCURACY.encode(alt.X, "top1"),
        "y": axis.encode(alt.Y, "mis_soft_live"),
        "shape": alt.Shape(
            "retraining:N",
            scale=alt.Scale(domain=kinds, range=shapes),
            legend=alt.Legend(title="Retraining", values=theme.present(points["retraining"])),
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
        theme.from_rows(points)
        .mark_point(size=70, strokeWidth=1.8)
        .encode(
            **encoding,
            color=chart_rows.colour(study, "method", legend),
            tooltip=[*tooltip, alt.Tooltip("seed:Q")],
        )
        .properties(width=settings.width, height=settings.height)
    )
    if published.is_empty():
        return theme.finish(chart, title)
    beside = (
        theme.from_rows(published)
        .mark_point(size=22, filled=True, opacity=1)
        .encode(
            **encoding,
            color=chart_rows.colour(study, "ink", legend),
            tooltip=[*tooltip, alt.Tooltip("source:N")],
        )
    )
    return theme.finish(alt.layer(chart, beside), title)
