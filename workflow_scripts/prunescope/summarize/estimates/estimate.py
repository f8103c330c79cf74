"""Estimate all that the table of statistics holds: rows of `study_tables.STATISTICS`.

The order of the estimates matters: all draw from one generator, so that a new estimate in between
changes the random intervals of those after it.

How to read the intervals: the units of a network are no random sample, and networks that come from
one dense network are not independent. An interval over units tells how evenly a number is spread
over the units of one run. How another run would turn out, only estimates over runs tell.
"""

import numpy as np
import polars as pl

from prunescope.summarize import estimators, selection, study_tables
from prunescope.summarize.estimates.by_measure import ablations, agreements_of_measures
from prunescope.summarize.estimates.inputs import EstimationSettings, StudyTables
from prunescope.summarize.estimates.paired_changes import (
    changes,
    changes_by_depth,
    changes_by_layer,
    pairs,
)
from prunescope.summarize.estimates.rows import BLANK
from prunescope.summarize.estimates.runs import margin
from prunescope.summarize.estimates.runs.accuracy_changes import accuracy_changes, changes_as_given
from prunescope.summarize.estimates.runs.choices import choices
from prunescope.summarize.estimates.runs.means_over_runs import means_over_runs
from prunescope.summarize.estimates.runs.over_runs import (
    changes_over_runs,
    correlations_over_runs,
    slopes_over_runs,
)
from prunescope.summarize.estimates.runs.survivorship import survivorship
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
    channels = selection.channels(study.units)
    layers = channels["layer"].unique(maintain_order=True)
    varied = study.variants.filter(pl.col("layer").is_in(layers.implode()))
    paired = list(pairs(channels))
    units = margin.units_of(study.networks, paired)
    limit = margin.resolve(settings.margin, units)
    rows = [
        *margin.rows(settings.margin, limit, units),
        *network_means(study.units, settings, rng),
        *shares(study),
        *alignments(study.layers),
        *changes(paired, settings, rng),
        *changes_by_layer(paired),
        *changes_by_depth(paired, layers.to_list()),
        *changes_over_runs(paired, limit),
        *(
            changes_as_given(study.networks)
            if study.answers.is_empty()
            else accuracy_changes(study.answers)
        ),
        *slopes_over_runs(study.networks, limit),
        *correlations_over_runs(study.networks),
        *variants(varied),
        *conclusions(varied),
        *ablations(study.ablations, channels),
        *agreements_of_measures(channels),
        *choices(study.removals),
        *survivorship(channels),
    ]
    rows += list(means_over_runs(rows))
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
