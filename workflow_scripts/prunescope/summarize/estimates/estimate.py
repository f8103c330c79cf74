"""Estimate all that the table of statistics holds: rows of `study_tables.STATISTICS`.

The order of the estimates matters: all draw from one generator, so that a new estimate in between
changes the random intervals of those after it.

How to read the intervals: the units of a network are no random sample, and networks that come from
one dense network are not independent. An interval over units tells how well a network's mean is
known from its units. How a method would do on another network, only several seeds can tell.
"""

import numpy as np
import polars as pl

from prunescope.summarize import estimators, study_tables
from prunescope.summarize.estimates.across_networks import over_seeds, relations
from prunescope.summarize.estimates.by_measure import ablations, agreements_of_measures
from prunescope.summarize.estimates.inputs import EstimationSettings, StudyTables
from prunescope.summarize.estimates.paired_changes import (
    changes,
    changes_by_depth,
    changes_by_layer,
)
from prunescope.summarize.estimates.rows import BLANK
from prunescope.summarize.estimates.single_networks import alignments, network_means, shares
from prunescope.summarize.estimates.under_variants import conclusions, variants


def estimate(study: StudyTables, settings: EstimationSettings) -> pl.DataFrame:
    """All estimates of a study, as `study_tables.STATISTICS`.

    Parameters
    ----------
    study
        The tables of one study.
    settings
        How estimates are made.
    """
    rng = np.random.default_rng(settings.seed)
    rows = [
        *network_means(study.units, settings, rng),
        *shares(study),
        *alignments(study.layers),
        *changes(study.units, settings, rng),
        *changes_by_layer(study.units),
        *changes_by_depth(study.units),
        *relations(study.networks, settings),
        *variants(study.variants),
        *conclusions(study.variants),
        *ablations(study.ablations, study.units),
        *agreements_of_measures(study.units),
    ]
    rows += list(over_seeds(rows))
    name = study.networks["study"][0]
    frame = pl.DataFrame(
        [{**BLANK, **row, "study": name} for row in rows],
        schema={key: column.dtype for key, column in study_tables.STATISTICS.columns.items()},
    )
    return _correct(frame)


def _correct(frame: pl.DataFrame) -> pl.DataFrame:
    """Fill in `p_holm`: Holm's correction within each family of tests."""
    corrected = frame["p_holm"].to_numpy().copy()
    p = frame["p"].to_numpy()
    family = frame["family"].to_numpy()
    for name in frame["family"].drop_nulls().unique():
        members = np.flatnonzero((family == name) & ~np.isnan(p))
        corrected[members] = estimators.holm(p[members])
    return frame.with_columns(p_holm=pl.Series(corrected, dtype=pl.Float64).fill_nan(None))
