"""Read all published files into the tables of scores that were made elsewhere."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from prunescope.interpret.given.given_scores import GIVEN_NETWORKS, GIVEN_UNITS
from prunescope.interpret.published_scores import dead_units, files, frames

_NETWORK = ["method", "retraining", "rate", "seed"]


def read(paths: Sequence[str]) -> pl.DataFrame:
    """The units of all networks, with what is shown to be constant.

    Parameters
    ----------
    paths
        The files of `files.published_files`, in its order.

    Returns
    -------
    polars.DataFrame
        A table `GIVEN_UNITS`: by arm, rate, layer and unit.

    Raises
    ------
    InputError
        A file is not the one that it should be.
    ValueError
        The recovered filters are not those of structured pruning.
    """
    listed = list(files.published_files())
    tables = [
        frames.read(path, file.sha256, file.advice(path))
        for file, path in zip(listed, paths, strict=True)
    ]
    scores = np.stack([table["mis_soft"].to_numpy() for table in tables])
    constant = dead_units.shown_constant(scores)
    is_structured = np.array([file.arm.method == files.STRUCTURED for file in listed])
    by_arm = constant[is_structured].reshape(-1, len(files.RATES), scores.shape[1])
    layers = tables[0]["layer"].to_numpy().astype(str)
    dead_units.check_pruned(dead_units.pruned_filters(by_arm), layers, np.array(files.RATES))
    return pl.concat(
        GIVEN_UNITS.conform(
            table.with_columns(
                method=pl.lit(file.arm.method),
                retraining=pl.lit(file.arm.retraining),
                rate=pl.lit(file.rate),
                # The source trained one network of each kind.
                seed=pl.lit(0),
                constant=pl.Series(dead),
            )
        )
        for file, table, dead in zip(listed, tables, constant, strict=True)
    )


def networks(units: pl.DataFrame, accuracies: pl.DataFrame | None) -> pl.DataFrame:
    """The networks of a table of units, with their published accuracy.

    Parameters
    ----------
    units
        From `read`.
    accuracies
        `method`, `retraining`, `rate`, `value`; None if they are not known.

    Returns
    -------
    polars.DataFrame
        A table `GIVEN_NETWORKS`. How many images are behind an accuracy was not published.
    """
    found = units.select(_NETWORK).unique(maintain_order=True)
    known = pl.DataFrame(schema={"method": pl.String, "retraining": pl.String,
                                 "rate": pl.Float64, "value": pl.Float64})  # fmt: skip
    joined = found.join(
        known if accuracies is None else accuracies,
        on=["method", "retraining", "rate"],
        how="left",
        maintain_order="left",
    )
    return GIVEN_NETWORKS.conform(
        joined.with_columns(top1=pl.col("value"), images=pl.lit(None, dtype=pl.Int64))
    )
