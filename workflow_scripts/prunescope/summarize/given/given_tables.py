"""Make the tables of a study from scores that were made elsewhere.

What only networks or images tell is null.
"""

import polars as pl

from prunescope.foundation.tables import Table
from prunescope.networks.coordinates import COORDINATES
from prunescope.summarize import gathering, study_tables


def units_table(given: pl.DataFrame, study: str) -> pl.DataFrame:
    """All units of a study.

    Parameters
    ----------
    given
        `given_scores.GIVEN_UNITS`.
    study
        The name of the study.

    Returns
    -------
    polars.DataFrame
        `study_tables.UNITS`, in the same order.
    """
    # Nobody describes these networks: the first part of a layer's name is its block.
    block = pl.col("layer").str.split(".").list.first()
    return _completed(given.with_columns(block=block), study_tables.UNITS, study)


def networks_table(given: pl.DataFrame, units: pl.DataFrame, study: str) -> pl.DataFrame:
    """All networks of a study, with the means of their scores.

    Parameters
    ----------
    given
        `given_scores.GIVEN_NETWORKS`.
    units
        `study_tables.UNITS` of the same networks.
    study
        The name of the study.

    Returns
    -------
    polars.DataFrame
        `study_tables.NETWORKS`, in the order of `given`.
    """
    seeded = given.with_columns(pl.col("seed").cast(pl.Int64))
    scores = gathering.score_networks(units).drop("study")
    joined = seeded.join(scores, on=COORDINATES, maintain_order="left")
    return _completed(joined, study_tables.NETWORKS, study)


def _completed(frame: pl.DataFrame, table: Table, study: str) -> pl.DataFrame:
    """The frame with all columns of a table; those that it lacks are null."""
    lacking = [pl.lit(None).alias(name) for name in table.columns if name not in frame.columns]
    return table.conform(frame.with_columns(lacking).with_columns(study=pl.lit(study)))
