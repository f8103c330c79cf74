"""The margin: the largest change of the score that is too small to matter, and what it amounts to.

A number alone says little. So the margin is stated relative to what training gives, and to how much
runs differ, and it can be given in these units.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import polars as pl

from prunescope.foundation.errors import InputError
from prunescope.networks.coordinates import KIND, NOT_RETRAINED
from prunescope.summarize import estimators, selection
from prunescope.summarize.estimates.paired_changes import CONTROL, LOWEST, Pair
from prunescope.summarize.estimates.rows import statistic
from prunescope.summarize.estimates.runs import over_runs
from prunescope.summarize.estimators import Estimate
from prunescope.summarize.study_tables import Row

# The quantities of the table of statistics: the margin, and its two units.
MARGIN, TRAINING, SPREAD = "margin", "mis_soft_given_by_training", "mis_soft_spread_of_runs"
# The units in which `statistics.margin` may be given, as keys of the config.
OF_TRAINING, OF_RUNS = "of_training", "of_runs"
KEY = "statistics.margin"


@dataclass(frozen=True)
class Units:
    """The units of the margin; None where the study cannot tell.

    Attributes
    ----------
    training
        What training gives: the mean score of the dense networks minus that of the untrained ones.
    spread
        How much runs differ: the standard deviation over runs of the change of a kind of network
        from its partner. The variance is the mean over kinds.
    """

    training: Estimate | None
    spread: Estimate | None


def units_of(networks: pl.DataFrame, pairs: Sequence[Pair]) -> Units:
    """The units of the margin in a study.

    Parameters
    ----------
    networks
        As `study_tables.NETWORKS`.
    pairs
        The pairs of networks and their partners.
    """
    return Units(_given_by_training(networks), _spread_of_runs(pairs))


def _given_by_training(networks: pl.DataFrame) -> Estimate | None:
    untrained = selection.untrained(networks).select("seed", before="mis_soft_live")
    dense = selection.dense(networks).select("seed", "mis_soft_live")
    gained = dense.join(untrained, on="seed", maintain_order="left").select(
        gain=pl.col("mis_soft_live") - pl.col("before")
    )["gain"].drop_nulls().to_numpy()  # fmt: skip
    if len(gained) == 0:
        return None
    if len(gained) == 1:
        return Estimate(float(gained[0]), None, None, None, 1, level=None)
    # That training gives something is no question of the study, so it is not tested.
    return replace(estimators.mean_t(gained), p=None)


def _spread_of_runs(pairs: Sequence[Pair]) -> Estimate | None:
    """Of retrained networks; where there are none, of the others."""
    for retrained in (True, False):
        rows = [
            {
                **over_runs.kind_of(pair.network),
                "seed": pair.network.seed,
                "value": pair.changes["mis_soft"].mean(),
            }
            for pair in pairs
            if (pair.network.retraining != NOT_RETRAINED) == retrained
            and (not retrained or pair.partner in (CONTROL, LOWEST))
            and len(pair.changes)
        ]
        if not rows:
            continue
        frame = pl.DataFrame(rows, infer_schema_length=None)
        layout = over_runs.Layout.of(frame.select(*KIND, "seed", "value"))
        if layout is not None:
            values = layout.model.values
            spread = float(np.sqrt(values.var(axis=1, ddof=1).mean()))
            return Estimate(spread, None, None, None, layout.model.runs, level=None)
    return None


def resolve(margin: float | Mapping[str, float], units: Units) -> float:
    """The margin as a change of the score.

    Parameters
    ----------
    margin
        As in the config: a change of the score, or a factor of one of its units.
    units
        The units of the study.

    Raises
    ------
    InputError
        The study cannot tell the unit, or training gives nothing.
    """
    if not isinstance(margin, Mapping):
        return margin
    ((name, factor),) = margin.items()
    unit = {OF_TRAINING: units.training, OF_RUNS: units.spread}[name]
    if unit is None or unit.estimate <= 0:
        found = "the study has too few networks to tell" if unit is None else f"{unit.estimate:.3f}"
        what = "dense minus untrained" if name == OF_TRAINING else "the spread of runs"
        raise InputError(
            f"`{KEY}`: {dict(margin)} cannot be used, because {what} is: {found}. Give the margin "
            "as a change of the score, such as 0.02."
        )
    return factor * unit.estimate


def rows(margin: float | Mapping[str, float], value: float, units: Units) -> Iterator[Row]:
    """The margin and its units as rows of the table of statistics.

    Parameters
    ----------
    margin
        As in the config.
    value
        As `resolve` returns it.
    units
        The units of the study.
    """
    how = "a change of the score, given"
    if isinstance(margin, Mapping):
        ((name, factor),) = margin.items()
        how = f"{factor} of {TRAINING if name == OF_TRAINING else SPREAD}, given"
    yield statistic(MARGIN, "the study", Estimate(value, None, None, None, 1, level=None), how)
    if units.training is not None:
        yield statistic(
            TRAINING,
            "dense minus untrained, over runs",
            units.training,
            "difference of means over live units, mean over runs, Student's t",
        )
    if units.spread is not None:
        yield statistic(
            SPREAD,
            "changes of kinds of networks from their partners, over runs",
            units.spread,
            "standard deviation between runs, variances averaged over kinds",
        )
