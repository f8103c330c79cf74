"""Which whole units the masks of a network remove, and how these differ from the units it keeps.

A unit is removed if the mask of its filter keeps no weight. All is measured in the dense network of
the same run, before anything went.
"""

import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from prunescope.foundation import tables
from prunescope.networks.architecture_files import OUT
from prunescope.networks.coordinates import Coordinates
from prunescope.networks.description import Network
from prunescope.summarize import selection
from prunescope.summarize.removal import choice
from prunescope.summarize.removal.choice import Units
from prunescope.summarize.removal.removal_tables import DEPTH, MEASURES, SCALE, WITHIN
from prunescope.summarize.selection import UNIT

_UNIT_OF_MODULE = {"module": pl.String, "unit": pl.Int32}
_PIECES = {**_UNIT_OF_MODULE, "pool": pl.Int64, "piece": pl.Int64}


def removed(network: Network) -> dict[str, np.ndarray]:
    """Which units of each layer its masks remove: booleans `(units,)`, by the layer's name."""
    return {
        layer.name: np.logical_not(network.masks[layer.weight].reshape(layer.units, -1).any(axis=1))
        for layer in network.description.layers
        if layer.weight in network.masks
    }


def activation_scales(exemplars: pl.DataFrame) -> pl.DataFrame:
    """How far the strongest and the weakest exemplars of each unit are apart, on average.

    Parameters
    ----------
    exemplars
        `unit_tables.EXEMPLARS` of one network.

    Returns
    -------
    polars.DataFrame
        `layer`, `unit` and `activation_scale`: relative to the mean over the live units of the
        layer, null where there are none or where it is 0.
    """
    strongest, weakest = (
        tables.matrix(exemplars[f"{side}_activation"]).astype(np.float64).mean(axis=1)
        for side in ("strongest", "weakest")
    )
    apart = exemplars.select(*UNIT, "constant", apart=pl.Series(strongest - weakest))
    mean = pl.col("apart").filter(~pl.col("constant")).mean().over("layer")
    scale = pl.when(mean > 0).then(pl.col("apart") / mean)
    return apart.select(*UNIT, scale.alias(SCALE))


def pieces_of_filters(gone: Mapping[str, np.ndarray]) -> pl.DataFrame:
    """What can go by itself where filters are pruned: every filter, of its layer.

    Parameters
    ----------
    gone
        As `removed` returns it: the layers that may lose filters.

    Returns
    -------
    polars.DataFrame
        `module`, `unit`, and the `pool` and `piece` that the unit belongs to. As many pieces of a
        pool as went are drawn at random.
    """
    rows = [
        (name, unit, pool, unit)
        for pool, (name, lost) in enumerate(gone.items())
        for unit in range(len(lost))
    ]
    return pl.DataFrame(rows, schema=_PIECES, orient="row")


def pieces_of_groups(groups: pl.DataFrame, kinds: Collection[str]) -> pl.DataFrame:
    """What can go by itself where groups of channels are pruned: a channel, a head, and so on.

    Parameters
    ----------
    groups
        `group_tables.CHANNEL_GROUPS`.
    kinds
        The kinds of layers that the method prunes. Groups that others make too are left whole.

    Returns
    -------
    polars.DataFrame
        As `pieces_of_filters`. A pool is a group. Layers of which nothing can go have no rows.
    """
    rows = [
        (row["name"], row["first"] + row["step"] * piece + channel, row["group"],
         row["first_piece"] + piece)
        for row in groups.filter(side=OUT, left_whole="").iter_rows(named=True)
        if set(row["kinds"].split(", ")) <= set(kinds)
        for piece in range(row["row_pieces"])
        for channel in range(row["size"])
    ]  # fmt: skip
    return pl.DataFrame(rows, schema=_PIECES, orient="row")


def compare(
    dense: pl.DataFrame,
    gone: Mapping[str, np.ndarray],
    pieces: pl.DataFrame,
    network: Coordinates,
    resamples: int,
    seed: int,
    *,
    layers_compete: bool,
) -> pl.DataFrame:
    """Compare the units that a network lost with those that it kept.

    Parameters
    ----------
    dense
        The units of the dense network of the run: columns `UNIT`, `layer_type`, `constant`, the
        measures and `activation_scale`, in the order of the layers.
    gone
        As `removed` returns it.
    pieces
        What can go by itself, as `pieces_of_filters` or `pieces_of_groups` returns it.
    network
        The network. Its method, rate and seed seed the random choices too, so that other networks
        of the study do not change them.
    resamples
        Number of random choices.
    seed
        Seeds them.
    layers_compete
        Whether the budget leaves open how many units each layer loses.

    Returns
    -------
    polars.DataFrame
        `removal_tables.UNITS_PRUNED` without `study` and `chosen_as`.
    """
    known = _with_fate(selection.channels(dense), gone, pieces)
    layers = known["layer"].unique(maintain_order=True).to_list()
    places = {name: place for place, name in enumerate(layers)}
    frame = known.with_columns(
        stratum=pl.col("layer").replace_strict(places).cast(pl.Int64)
    ).with_columns(depth=pl.col("stratum") / max(len(layers) - 1, 1))
    frame = frame.with_columns(
        pl.when(~pl.col("constant")).then(pl.col(name)).alias(name) for name in MEASURES
    )
    # A piece without a live unit is no choice.
    frame = frame.filter((~pl.col("constant")).any().over("pool", "piece"))
    source = f"{network.method}/{network.rate}/{network.seed}"
    rng = np.random.default_rng([seed, zlib.crc32(source.encode())])
    strata, pools, numbers, chosen = (
        frame[name].to_numpy() for name in ("stratum", "pool", "piece", "gone")
    )
    found = choice.compare(
        _matrix(frame, WITHIN), Units(strata, pools, numbers, chosen), resamples, rng
    )
    names = list(WITHIN)
    if layers_compete:
        whole = np.zeros(len(frame), dtype=np.int64)
        in_all = pools * (1 + int(numbers.max(initial=0))) + numbers
        found += choice.compare(
            _matrix(frame, (DEPTH,)), Units(whole, whole, in_all, chosen), resamples, rng
        )
        names.append(DEPTH)
    return pl.DataFrame(
        [
            {
                **network.as_row(),
                "measure": name,
                "removed": one.chosen,
                "kept": one.left,
                "mean_removed": one.mean_chosen,
                "mean_kept": one.mean_left,
                "difference": one.estimate,
                "standardized": one.standardized,
                "spread": one.spread,
                "random_low": one.low,
                "random_high": one.high,
                "p": one.p,
            }
            for name, one in zip(names, found, strict=True)
        ]
    ).with_columns(pl.col(pl.Float64).exclude("rate").fill_nan(None))


def _with_fate(
    units: pl.DataFrame, gone: Mapping[str, np.ndarray], pieces: pl.DataFrame
) -> pl.DataFrame:
    """The units that belong to pieces, with `pool`, `piece` and `gone`: whether the piece is.

    A layer that runs several times lost its units in every run.
    """
    fates = pl.DataFrame(
        {
            "module": [name for name, lost in gone.items() for _ in lost],
            "unit": [unit for lost in gone.values() for unit in range(len(lost))],
            "gone": [bool(one) for lost in gone.values() for one in lost],
        },
        schema={**_UNIT_OF_MODULE, "gone": pl.Boolean},
    )
    named = units.with_columns(module=pl.col("layer").str.replace(r"@\d+$", ""))
    joined = named.join(fates, on=list(_UNIT_OF_MODULE), maintain_order="left").join(
        pieces, on=list(_UNIT_OF_MODULE), maintain_order="left"
    )
    return joined.with_columns(pl.col("gone").all().over("pool", "piece"))


def _matrix(frame: pl.DataFrame, names: tuple[str, ...]) -> np.ndarray:
    return frame.select(pl.col(name).cast(pl.Float64) for name in names).to_numpy()


def chosen_as(
    networks: Sequence[Coordinates], gone: Sequence[Mapping[str, np.ndarray]]
) -> list[str]:
    """For each network, the first kind of retraining under which the same units went.

    Parameters
    ----------
    networks
        The networks.
    gone
        What each of them lost, as `removed` returns it.
    """
    names: list[str] = []
    for place, network in enumerate(networks):
        same = (
            names[before]
            for before in range(place)
            if replace(networks[before], retraining=network.retraining) == network
            and _same(gone[before], gone[place])
        )
        names.append(next(same, network.retraining))
    return names


def _same(one: Mapping[str, np.ndarray], other: Mapping[str, np.ndarray]) -> bool:
    return one.keys() == other.keys() and all(np.array_equal(one[k], other[k]) for k in one)
