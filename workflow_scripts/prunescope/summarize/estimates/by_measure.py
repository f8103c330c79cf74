"""How the score agrees with other measures of a unit, and with what silencing the unit costs."""

from collections.abc import Iterator

import numpy as np
import polars as pl

from prunescope.networks.coordinates import COORDINATES, NOT_RETRAINED, Coordinates
from prunescope.summarize import estimators, selection
from prunescope.summarize.estimates.rows import FEWEST, MEASURES, SCORES, statistic
from prunescope.summarize.selection import UNIT
from prunescope.summarize.study_tables import Row

# What a network loses when a unit is silenced: columns of `unit_tables.ABLATION`.
LOSSES = ("top1_drop", "loss_rise")


def ablations(losses: pl.DataFrame, units: pl.DataFrame) -> Iterator[Row]:
    """Does the score of a unit tell how much the network needs it? Do other measures?"""
    joined = losses.join(units, on=[*COORDINATES, *UNIT], maintain_order="left")
    for network, rows in selection.by_network(selection.live(joined)):
        for loss in LOSSES:
            for measure in (*SCORES, *MEASURES):
                yield from _over_units(network, rows, measure, loss, "ablation")


def agreements_of_measures(units: pl.DataFrame) -> Iterator[Row]:
    """Do the measures see the same units as interpretable?

    Over the live units of the dense and of the untrained networks.
    """
    unpruned = selection.live(units).filter(rate=0, retraining=NOT_RETRAINED)
    for network, rows in selection.by_network(unpruned):
        for measure in MEASURES:
            yield from _over_units(network, rows, "mis_soft", measure, "measures")


def _over_units(
    network: Coordinates, units: pl.DataFrame, first: str, second: str, family: str
) -> Iterator[Row]:
    whole = units.drop_nulls([first, second])
    x, y = whole[first].to_numpy(), whole[second].to_numpy()
    if len(whole) < FEWEST or np.ptp(x) == 0 or np.ptp(y) == 0:
        return
    yield statistic(
        f"spearman({first}, {second})",
        f"units of {network.name}",
        estimators.correlation(x, y, ranks=True),
        "over units, Fisher's interval",
        network,
        family=family,
    )
