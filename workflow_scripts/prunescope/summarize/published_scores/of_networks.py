"""What is told of each network: its dead units, and its mean score under each reading."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from prunescope.interpret.published_scores import dead_units
from prunescope.interpret.published_scores.files import STRUCTURED
from prunescope.summarize.published_scores import readings
from prunescope.summarize.published_scores.analysis_rows import number, row
from prunescope.summarize.published_scores.readings import CONSTANT, LIVE, PRUNED, Scores
from prunescope.summarize.study_tables import Row

ACCURACY = "top1"
COUNT = "counted, no estimate"
MEAN = "mean over units; nothing is known of other runs"


def places(scores: Scores) -> Iterator[tuple[int, str, dict]]:
    """Each network: its row, its name in words, its columns."""
    for index, network in enumerate(scores.networks.iter_rows(named=True)):
        place = {
            "pruning": network["method"],
            "retraining": network["retraining"],
            "rate": network["rate"],
        }
        name = f"{network['method']}, {network['retraining']}, rate {network['rate']:.2f}"
        yield index, name, place


def counts(scores: Scores) -> Iterator[Row]:
    """How many units are dead in each network, and how that is known.

    `expected_pruned_filters` follows from the sizes of the layers alone. `unshown_above_0.99` are
    units that look dead and are not shown to be: some are live, some may be constant in this
    network and in no other.
    """
    units = scores.soft.shape[1]
    sizes = [
        np.sum(scores.layers == name)
        for name in np.unique(scores.layers)
        if name not in dead_units.NOT_PRUNED
    ]
    suspected = scores.dead(readings.SUSPECTED)
    for index, name, place in places(scores):
        constant, pruned = scores.constant[index], scores.pruned[index]
        is_structured = place["pruning"] == STRUCTURED
        expected = sum(round(place["rate"] * float(size)) for size in sizes) * is_structured
        found = {
            "expected_pruned_filters": expected,
            "pruned_filters": pruned.sum(),
            "constant_units": constant.sum(),
            "further_constant_units": (constant & ~pruned).sum(),
            f"unshown_above_{dead_units.LOOKS_CONSTANT}": (suspected[index] & ~constant).sum(),
        }
        for quantity, value in found.items():
            yield row(quantity, name, number(float(value), units), COUNT, **place)


def accuracies(scores: Scores) -> Iterator[Row]:
    """The accuracy of the networks of which it is known."""
    for index, name, place in places(scores):
        value = float(scores.top1[index])
        if not np.isnan(value):
            yield row(ACCURACY, name, number(value, 1), "as published", **place)


def means(scores: Scores) -> Iterator[Row]:
    """Mean soft scores of each network."""
    for reading, units in readings.WAYS:
        for layer_type in readings.LAYER_TYPES:
            used = scores.used(reading, units, layer_type).sum(axis=1)
            found = scores.means(reading, units, layer_type)
            for index, name, place in places(scores):
                yield row(
                    "mis_soft",
                    name,
                    number(found[index], int(used[index])),
                    MEAN,
                    layer_type=layer_type,
                    units=units,
                    reading=reading,
                    **place,
                )


def differences(scores: Scores, published: pl.DataFrame) -> Iterator[Row]:
    """Mean scores minus the published ones, with pruned filters out and with all constant ones out.

    Parameters
    ----------
    scores
        The scores.
    published
        From `published_values.of_networks`, of the soft score.
    """
    key = ["method", "retraining", "rate"]
    known = scores.networks.join(published, on=key, how="left", maintain_order="left")["value"]
    for reading in (PRUNED, CONSTANT):
        used = scores.used(reading, LIVE, readings.BOTH).sum(axis=1)
        found = scores.means(reading, LIVE, readings.BOTH)
        for index, name, place in places(scores):
            if known[index] is not None:
                yield row(
                    "mis_soft_minus_published",
                    name,
                    number(found[index] - known[index], int(used[index])),
                    "difference of two means; the published one has six decimals",
                    layer_type=readings.BOTH,
                    units=LIVE,
                    reading=reading,
                    **place,
                )
