"""Estimates of single networks: means over units, shares of images, alignment of layers."""

from collections.abc import Iterator, Sequence

import numpy as np
import polars as pl

from prunescope.networks.coordinates import KIND, Coordinates, name_kind
from prunescope.summarize import estimators, gathering, selection
from prunescope.summarize.estimates.inputs import EstimationSettings, StudyTables
from prunescope.summarize.estimates.rows import MEASURES, SCORES, statistic
from prunescope.summarize.estimators import Estimate
from prunescope.summarize.study_tables import Row

BOOTSTRAP = "mean over units, percentile bootstrap within layers"


def network_means(
    units: pl.DataFrame, settings: EstimationSettings, rng: np.random.Generator
) -> Iterator[Row]:
    """Mean scores over live, all and matched units, and mean measures over live ones."""
    scopes = gathering.unit_scopes()
    for network, rows in selection.by_network(gathering.mark_matched(units)):
        measured = selection.live(selection.channels(rows))
        for scope, chosen in scopes.items():
            units_of_scope = rows.filter(chosen)
            yield from _means(network, units_of_scope, SCORES, f"_{scope}", settings, rng)
        yield from _means(network, measured, MEASURES, "", settings, rng)


def _means(
    network: Coordinates,
    units: pl.DataFrame,
    columns: Sequence[str],
    suffix: str,
    settings: EstimationSettings,
    rng: np.random.Generator,
) -> Iterator[Row]:
    # A unit that is live may lack a measure: it may be constant on the images that were recorded.
    whole = units.drop_nulls(columns)
    if len(whole) < 2:
        return
    found = estimators.stratified_means(
        whole.select(columns).to_numpy(), whole["layer"].to_numpy(), settings.resamples, rng
    )
    for column, mean in zip(columns, found, strict=True):
        yield statistic(f"{column}{suffix}", network.name, mean, BOOTSTRAP, network)


def shares(study: StudyTables) -> Iterator[Row]:
    """Accuracy, agreement with dense, the class that loses most, and images in disagreement."""
    for row in study.networks.iter_rows(named=True):
        network = Coordinates.from_row(row)
        for quantity in ("top1", "agreement"):
            if row[quantity] is not None:
                yield _share(quantity, network, row[quantity], row["images"])
    for network, rows in selection.by_network(study.classes):
        worst = rows.sort("top1_change", "class").row(0, named=True)
        found = Estimate(worst["top1_change"], None, None, None, worst["images"], level=None)
        comparison = f"{network.name}, class {worst['class']}"
        method = "largest loss of accuracy of a class"
        yield statistic("worst_class_change", comparison, found, method, network)
    yield from _disagreements(study)


def _share(quantity: str, network: Coordinates, share: float, images: int | None) -> Row:
    """A share of images. Where nobody tells their number, there is no interval."""
    if images is None:
        found = Estimate(share, None, None, None, 1, level=None)
        return statistic(quantity, network.name, found, "as given", network)
    found = estimators.proportion(round(share * images), images)
    return statistic(quantity, network.name, found, "share of images, Wilson", network)


def _disagreements(study: StudyTables) -> Iterator[Row]:
    images = study.networks["images"][0]
    # Without answers, nobody knows on which images networks disagree.
    if study.answers.is_empty():
        return
    kinds = selection.pruned(study.networks).select(KIND).unique(maintain_order=True)
    counted = study.disagreements.group_by(KIND).agg(count=pl.len())
    joined = kinds.join(counted, on=KIND, how="left", maintain_order="left")
    for method, retraining, rate, count in joined.iter_rows():
        yield statistic(
            "disagreement",
            name_kind(method, retraining, rate),
            estimators.proportion(count or 0, images),
            "images whose most frequent class over seeds is not that of dense, Wilson",
            pruning=method,
            retraining=retraining,
            rate=rate,
        )


def alignments(layers: pl.DataFrame) -> Iterator[Row]:
    """Mean alignment of the layers with those of the dense network."""
    for network, rows in selection.by_network(layers):
        values = rows["cka"].drop_nulls()
        if len(values) and not network.is_dense:
            found = Estimate(float(values.mean()), None, None, None, len(values), level=None)  # type: ignore[arg-type]
            yield statistic("cka", network.name, found, "mean over layers", network)
