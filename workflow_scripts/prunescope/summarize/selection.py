"""Pick the rows of a table that are about certain networks: dense, pruned, or each one once.

Networks are named by `Coordinates`; the columns that hold them are `coordinates.COORDINATES`.
"""

from collections.abc import Iterator

import polars as pl

from prunescope.interpret.unit_tables import LOGITS
from prunescope.networks.coordinates import (
    COORDINATES,
    DENSE,
    ITERATIVE,
    NOT_RETRAINED,
    RECALIBRATED,
    UNTRAINED,
    Coordinates,
)

# The kind of layer whose units are channels.
CHANNELS = "conv2d"
# Units of the network's inside: channels of convolutions, and units of hidden layers.
IS_INNER = pl.col("layer_type") != LOGITS
# The columns that name a unit within its network.
UNIT = ("layer", "unit")

IS_DENSE = (pl.col("method") == DENSE) & (pl.col("retraining") == NOT_RETRAINED)
# Dense and untrained networks, retrained or not.
IS_UNPRUNED = pl.col("method").is_in([DENSE, UNTRAINED])
# Networks that were trained after pruning. Where nobody tells the epochs, their name tells.
IS_TRAINED = (pl.col("epochs") > 0).fill_null(
    ~pl.col("retraining").is_in([NOT_RETRAINED, RECALIBRATED])
)


def by_network(frame: pl.DataFrame) -> Iterator[tuple[Coordinates, pl.DataFrame]]:
    """Each network of a table with its rows, in the order of the table."""
    for key, rows in frame.group_by(COORDINATES, maintain_order=True):
        yield Coordinates.from_row(dict(zip(COORDINATES, key, strict=True))), rows


def dense(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of the dense networks, without the retrained controls."""
    return frame.filter(IS_DENSE)


def untrained(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of the networks that were never trained."""
    return frame.filter(pl.col("method") == UNTRAINED)


def controls(networks: pl.DataFrame) -> pl.DataFrame:
    """The rows of the dense networks; of a chain of retraining only the last one."""
    last = pl.col("rate") == pl.col("rate").max().over("retraining")
    return networks.filter(pl.col("method") == DENSE).filter(last)


def pruned(frame: pl.DataFrame) -> pl.DataFrame:
    """The rows of the pruned networks."""
    return frame.filter(~IS_UNPRUNED)


def trained(networks: pl.DataFrame) -> pl.DataFrame:
    """The rows of the networks that were trained after pruning."""
    return networks.filter(IS_TRAINED)


def live(units: pl.DataFrame) -> pl.DataFrame:
    """The rows of the units that are not constant."""
    return units.filter(~pl.col("constant"))


def channels(units: pl.DataFrame) -> pl.DataFrame:
    """The rows of all units but the class logits of the classifier."""
    return units.filter(IS_INNER)


def distinct(networks: pl.DataFrame) -> pl.DataFrame:
    """Every network of a `study_tables.NETWORKS` once.

    Iterative retraining begins like one-shot retraining. Where both have the same recipe, the
    networks at the lowest rate are the same network under two names. Networks of one method, rate
    and seed count as the same if all that was measured of them is equal. Of the two, the one that
    is not iterative is kept.
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


def present(names: pl.Series) -> list[str]:
    """Each name once, in order of appearance."""
    return names.unique(maintain_order=True).to_list()
