"""Charts of accuracy: figures 1 to 4 of von Rad & Seuffert, arXiv 2409.19727."""

import altair as alt
import polars as pl

from prunescope.networks.coordinates import DENSE, ITERATIVE, NOT_RETRAINED, ONE_SHOT, UNTRAINED
from prunescope.summarize import selection
from prunescope.summarize.charts import chart_rows, panels, theme
from prunescope.summarize.charts.chart_rows import ChartData
from prunescope.summarize.charts.theme import ChartSettings
from prunescope.summarize.words import human


def accuracy_without_retraining(study: ChartData, settings: ChartSettings) -> alt.TopLevelMixin:
    """Top-1 accuracy over the pruning rate, right after pruning (figure 1 of the source).

    Every method is drawn, `theme.EMPHASISED` with a thicker line. The dense network is a line of
    reference.
    """
    networks = chart_rows.scored(study, "top1").filter(retraining=NOT_RETRAINED)
    published = chart_rows.published_values(study, "top1").filter(retraining=NOT_RETRAINED)
    points = chart_rows.lines(study, networks, "rate", "top1", by_retraining=False, quantity="top1")
    title = chart_rows.heading(
        "Accuracy after pruning, without retraining",
        study,
        networks.filter(pl.col("method") != UNTRAINED),
        *chart_rows.interval_facts(points, "images"),
        *chart_rows.source(published),
    )
    if points.is_empty():
        return theme.nothing_to_show(
            title,
            settings,
            chart_rows.why_no_accuracy(study, "no network was pruned and left without retraining"),
        )
    theirs = chart_rows.published_lines(study, published, "rate", by_retraining=False)
    panel = panels.draw(
        points,
        chart_rows.references(study, networks, "top1", study.classes),
        (theme.rate_axis(points, theirs), theme.ACCURACY),
        settings,
        study,
        theirs,
        emphasised=human(theme.EMPHASISED),
    )
    return theme.finish(panel, title)


def accuracy_during_retraining(study: ChartData, settings: ChartSettings) -> alt.TopLevelMixin:
    """Validation accuracy over the epochs of one-shot retraining (figure 2 of the source).

    Shown for the highest rate that was retrained in one shot. Epoch 0 is before retraining. The
    dense network that was retrained with the same recipe is the control. If there are published
    curves of networks of the study, the kind of retraining of the first one is shown instead.
    """
    published = chart_rows.published_values(study, "top1_after_epoch").join(
        study.history, on=("method", "retraining", "rate"), how="semi", maintain_order="left"
    )
    kind = ONE_SHOT if published.is_empty() else published["retraining"][0]
    history = study.history.filter(retraining=kind)
    rates = history.filter(pl.col("method") != DENSE)["rate"].to_list()
    highest = max(rates, default=None)
    heading = "Validation accuracy while retraining in one shot"
    if highest is None:
        title = chart_rows.heading(heading, study, history)
        retrained = selection.pruned(study.networks).filter(retraining=kind)
        reason = "no pruned network was retrained in one shot"
        if retrained.height:
            reason = "accuracy during retraining is not known"
        return theme.nothing_to_show(title, settings, reason)
    shown = history.filter((pl.col("method") == DENSE) | (pl.col("rate") == highest))
    beside = published.filter(retraining=kind, rate=highest)
    watched = chart_rows.span(shown["validation_images"])
    title = chart_rows.heading(
        f"{heading}, after pruning at rate {highest:.0%}",
        study,
        shown,
        *chart_rows.source(beside),
        images=f"measured on {watched} of {{}} validation images",
    )
    points = chart_rows.lines(
        study, shown, "epoch", "validation_top1", by_retraining=False, dense=True
    )
    theirs = chart_rows.published_lines(study, beside, "epoch", by_retraining=False)
    last = max(1, *points["x"].to_list(), *theirs["x"].to_list())
    epochs = theme.Axis(
        "Epochs of retraining (0: before)", 0, last, format="d", ticks=theme.whole_ticks(last, 10)
    )
    panel = panels.draw(
        points, chart_rows.chance(study.classes), (epochs, theme.ACCURACY), settings, study, theirs
    )
    return theme.finish(panel, title)


def iterative_vs_one_shot(study: ChartData, settings: ChartSettings) -> alt.TopLevelMixin:
    """Top-1 accuracy over the pruning rate, iterative against one-shot (figure 3).

    One panel for each method that was retrained in both ways; also for one that was retrained
    iteratively only, if there are published numbers for that.
    """
    ways = pl.col("retraining").is_in([ONE_SHOT, ITERATIVE])
    networks = chart_rows.scored(study, "top1").filter(ways)
    published = chart_rows.published_values(study, "top1")
    kinds = networks.group_by("method").agg("retraining")
    source = published.filter(retraining=ITERATIVE)["method"].to_list()
    compared = kinds.filter(
        pl.col("retraining").list.contains(ITERATIVE),
        pl.col("retraining").list.contains(ONE_SHOT) | pl.col("method").is_in(source),
    )["method"].to_list()
    shown = networks.filter(pl.col("method").is_in([*compared, DENSE]))
    beside = published.filter(ways, pl.col("method").is_in(compared))
    points = chart_rows.lines(study, shown, "rate", "top1", by_retraining=True, quantity="top1")
    title = chart_rows.heading(
        "Accuracy after iterative and after one-shot retraining",
        study,
        shown,
        *chart_rows.interval_facts(points, "images"),
        *chart_rows.source(beside),
    )
    if points.is_empty():
        return theme.nothing_to_show(
            title,
            settings,
            chart_rows.why_no_accuracy(
                study, "no method was retrained both iteratively and in one shot"
            ),
        )
    references = chart_rows.references(study, shown, "top1", study.classes)
    theirs = chart_rows.published_lines(study, beside, "rate", by_retraining=True)
    return theme.finish(
        panels.small_multiples(
            points, references, theme.ACCURACY, settings, study, theirs, by="method"
        ),
        title,
    )


def accuracy_by_method(study: ChartData, settings: ChartSettings) -> alt.TopLevelMixin:
    """Top-1 accuracy of every method over the pruning rate (figure 4 of the source).

    One panel for each kind of retraining, with the dense network that was retrained alike as
    reference.
    """
    networks = chart_rows.scored(study, "top1")
    published = chart_rows.published_values(study, "top1")
    points = chart_rows.lines(study, networks, "rate", "top1", by_retraining=False, quantity="top1")
    title = chart_rows.heading(
        "Accuracy of every pruning method, by rate and retraining",
        study,
        networks.filter(pl.col("method") != UNTRAINED),
        *chart_rows.interval_facts(points, "images"),
        *chart_rows.source(published),
    )
    if points.is_empty():
        reason = chart_rows.why_no_accuracy(study, "no network was pruned")
        return theme.nothing_to_show(title, settings, reason)
    references = chart_rows.references(study, networks, "top1", study.classes)
    theirs = chart_rows.published_lines(study, published, "rate", by_retraining=False)
    return theme.finish(
        panels.small_multiples(
            points, references, theme.ACCURACY, settings, study, theirs, by="retraining"
        ),
        title,
    )
