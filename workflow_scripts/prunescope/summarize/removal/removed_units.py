"""Which whole units the masks of a network remove, and how these differ from the units it keeps.

A unit is removed if the mask of its filter keeps no weight. All is measured in the dense network of
the same run, before anything went.
"""

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import polars as pl

from prunescope.foundation import tables
from prunescope.networks.coordinates import Coordinates
from prunescope.networks.description import Network
from prunescope.summarize import selection
from prunescope.summarize.removal import choice
from prunescope.summarize.removal.choice import Units
from prunescope.summarize.removal.removal_tables import DEPTH, MEASURES, SCALE, WITHIN
from prunescope.summarize.selection import UNIT


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


def compare(
    dense: pl.DataFrame,
    gone: Mapping[str, np.ndarray],
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
    known = _with_fate(selection.channels(dense), gone)
    layers = known["layer"].unique(maintain_order=True).to_list()
    places = {name: place for place, name in enumerate(layers)}
    frame = known.with_columns(
        stratum=pl.col("layer").replace_strict(places).cast(pl.Int64),
        block=pl.col("layer").replace_strict(_blocks(known)).cast(pl.Int64),
    ).with_columns(depth=pl.col("stratum") / max(len(layers) - 1, 1))
    frame = frame.with_columns(
        pl.when(~pl.col("constant")).then(pl.col(name)).alias(name) for name in MEASURES
    )
    # A piece without a live unit is no choice.
    frame = frame.filter((~pl.col("constant")).any().over("block", "unit"))
    source = f"{network.method}/{network.rate}/{network.seed}"
    rng = np.random.default_rng([seed, zlib.crc32(source.encode())])
    strata, blocks_of, units, chosen = (
        frame[name].to_numpy() for name in ("stratum", "block", "unit", "gone")
    )
    found = choice.compare(
        _matrix(frame, WITHIN), Units(strata, blocks_of, units, chosen), resamples, rng
    )
    names = list(WITHIN)
    if layers_compete:
        whole = np.zeros(len(frame), dtype=np.int64)
        pieces = blocks_of * (1 + int(units.max(initial=0))) + units
        found += choice.compare(
            _matrix(frame, (DEPTH,)), Units(whole, whole, pieces, chosen), resamples, rng
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


def _with_fate(units: pl.DataFrame, gone: Mapping[str, np.ndarray]) -> pl.DataFrame:
    """The units of the layers that could lose some, with the column `gone`.

    A layer that runs several times lost its units in every run.
    """
    fates = pl.DataFrame(
        {
            "module": [name for name, lost in gone.items() for _ in lost],
            "unit": [unit for lost in gone.values() for unit in range(len(lost))],
            "gone": [bool(one) for lost in gone.values() for one in lost],
        },
        schema={"module": pl.String, "unit": pl.Int32, "gone": pl.Boolean},
    )
    named = units.with_columns(module=pl.col("layer").str.replace(r"@\d+$", ""))
    return named.join(fates, on=["module", "unit"], maintain_order="left")


def _blocks(units: pl.DataFrame) -> dict[str, int]:
    """The block of each layer: layers that lose exactly the same channels are one block.

    Such channels go together, or the same layer runs twice. Layers that lose nothing are alone.
    """
    known: dict[bytes, int] = {}
    blocks = {}
    parts = units.group_by("layer", maintain_order=True)
    for place, ((name,), part) in enumerate(parts):
        pattern = part["gone"].to_numpy()
        key = pattern.tobytes() if pattern.any() else str(place).encode()
        blocks[str(name)] = known.setdefault(key, place)
    return blocks


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
