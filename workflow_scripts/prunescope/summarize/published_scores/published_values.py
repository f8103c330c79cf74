"""The published accuracies and mean scores that belong to the networks with published unit scores.

They stand in the table that the config names as `published` (`resources/published_results.csv`).
"""

from pathlib import Path

import polars as pl

from prunescope.networks.coordinates import DENSE
from prunescope.summarize import published

TOP1, MIS_SOFT = "top1", "mis_soft"
# The figure of the source that shows the mean score by rate.
FIGURE = 5
# A kind of retraining with its optimizer and epochs, if it has any.
_RETRAINING = pl.concat_str(
    "retraining", "optimizer", "epochs", separator="_", ignore_nulls=True
).alias("retraining")


def _rows(path: str | Path, metric: str) -> pl.DataFrame:
    published.read(path)  # says what is wrong with the file, if anything is
    return pl.read_csv(path, schema=published.SCHEMA).filter(metric=metric)


def of_networks(path: str | Path, metric: str) -> pl.DataFrame:
    """Published values of networks that were retrained in one shot.

    Parameters
    ----------
    path
        The table of published numbers.
    metric
        `TOP1` or `MIS_SOFT`.

    Returns
    -------
    polars.DataFrame
        `method`, `retraining` (with optimizer and epochs, such as `one_shot_sgd_50`), `rate`,
        `value`.

    Raises
    ------
    InputError
        The file is no table of published numbers.
    """
    rows = _rows(path, metric).filter(pl.col("retraining") == "one_shot")
    return rows.select("method", _RETRAINING, "value", rate="rate_requested")


def figure(path: str | Path) -> pl.DataFrame:
    """The points of the published figure, without the dense one that is of another network.

    Returns
    -------
    polars.DataFrame
        `method`, `retraining` (`none`, or with optimizer and epochs), `rate`, `value`; in the order
        of the file.

    Raises
    ------
    InputError
        The file is no table of published numbers.
    """
    rows = _rows(path, MIS_SOFT).filter(pl.col("method") != DENSE, figure=FIGURE)
    return rows.select("method", _RETRAINING, "value", rate="rate_requested")


def borrowed(path: str | Path) -> float | None:
    """The published score of the dense network, which is of another network; None if not there.

    Raises
    ------
    InputError
        The file is no table of published numbers.
    """
    values = _rows(path, MIS_SOFT).filter(method=DENSE, figure=FIGURE)["value"]
    return float(values[0]) if len(values) else None
