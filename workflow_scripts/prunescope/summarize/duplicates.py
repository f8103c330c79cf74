"""Networks that are one although they have two names."""

import polars as pl

from prunescope.networks.coordinates import ITERATIVE


def distinct(networks: pl.DataFrame) -> pl.DataFrame:
    """Every network of a `tables.NETWORKS` once.

    Iterative retraining begins as one-shot retraining does: where the recipe is the same, so is the
    network at the lowest rate, under two names. Networks of one method, rate and seed are taken for
    the same if all that was measured of them is equal; the one that is not iterative stays.
    """
    same = ["method", "rate", "seed", "epochs", "top1", "loss", "mis_soft_all", "mis_hard_all"]
    place = "place"
    return (
        networks.with_row_index(place)
        .sort(pl.col("retraining") == ITERATIVE, maintain_order=True)
        .unique(same, keep="first", maintain_order=True)
        .sort(place)
        .drop(place)
    )
