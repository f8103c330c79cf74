"""The published scores as a matrix, and which units count as dead under each reading."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import polars as pl

from prunescope.interpret.published_scores import dead_units
from prunescope.interpret.published_scores.files import STRUCTURED
from prunescope.summarize.selection import CHANNELS

# How units may be read as dead, and what that means. The third is the main one: it is what this
# study calls constant. The second is what the source left out. The first and the last are ends.
COUNTED, PRUNED, CONSTANT, SUSPECTED = "counted", "pruned", "constant", "suspected"
READINGS = {
    COUNTED: "no unit is left out",
    PRUNED: "pruned filters are left out, as in the source",
    CONSTANT: "all units that are shown to be constant are left out",
    SUSPECTED: f"so are all channels that score above {dead_units.LOOKS_CONSTANT}",
}
LIVE, MATCHED = "live", "live in all"
BOTH, LOGITS = "both", "linear"
LAYER_TYPES = (BOTH, CHANNELS, LOGITS)
# The readings with the units that means are over. Where none is left out, all are live in all.
WAYS = [(name, units) for name in READINGS for units in (LIVE, MATCHED)
        if (name, units) != (COUNTED, MATCHED)]  # fmt: skip


@dataclass(frozen=True)
class Scores:
    """The soft scores of the same units in several networks.

    Attributes
    ----------
    networks
        One row for each network: `method`, `retraining`, `rate`, `top1` (null if unknown). The
        networks of an arm follow each other, at rising rates that are the same in all arms.
    soft
        `(networks, units)` float64.
    constant
        `(networks, units)` bool: shown to be constant.
    layers, types
        `(units,)` names of layers, and `conv2d` or `linear`.
    """

    networks: pl.DataFrame
    soft: np.ndarray
    constant: np.ndarray
    layers: np.ndarray
    types: np.ndarray

    @classmethod
    def of_tables(cls, units: pl.DataFrame, networks: pl.DataFrame) -> "Scores":
        """The scores of tables `GIVEN_UNITS` and `GIVEN_NETWORKS`, whose rows are in one order.

        Raises
        ------
        ValueError
            Two networks have other units, or two arms other rates.
        """
        size = len(units) // len(networks)
        first = units.head(size)
        names = first.select("layer", "layer_type", "unit")
        repeated = pl.concat([names] * len(networks))
        if not units.select(names.columns).equals(repeated):
            raise ValueError("the networks have other units, or the same in another order")
        key = ["method", "retraining", "rate"]
        if not units.select(key)[::size].equals(networks.select(key)):
            raise ValueError("the two tables have other networks, or the same in another order")
        rates = networks.group_by("method", "retraining", maintain_order=True).agg("rate")["rate"]
        if any(found.to_list() != sorted(rates[0]) for found in rates):
            raise ValueError("the arms have other rates")
        shape = len(networks), size
        return cls(
            networks.select(*key, "top1"),
            units["mis_soft"].to_numpy().reshape(shape),
            units["constant"].to_numpy().reshape(shape),
            first["layer"].to_numpy().astype(str),
            first["layer_type"].to_numpy().astype(str),
        )

    @property
    def rates(self) -> np.ndarray:
        """`(networks,)` float64."""
        return self.networks["rate"].to_numpy()

    @property
    def top1(self) -> np.ndarray:
        """`(networks,)` float64, NaN where it is not known."""
        return self.networks["top1"].cast(pl.Float64).fill_null(np.nan).to_numpy()

    @cached_property
    def arms(self) -> Mapping[tuple[str, str], np.ndarray]:
        """The rows of each arm, `(rates,)` int, by method and kind of retraining."""
        grouped = self.networks.with_row_index("row").group_by(
            "method", "retraining", maintain_order=True
        )
        return {(str(a), str(b)): rows["row"].to_numpy() for (a, b), rows in grouped}

    @cached_property
    def pruned(self) -> np.ndarray:
        """`(networks, units)` bool: filters that structured pruning removed."""
        rows = [found for (method, _), found in self.arms.items() if method == STRUCTURED]
        result = np.zeros_like(self.constant)
        if rows:
            filters = dead_units.pruned_filters(self.constant[np.stack(rows)])
            for found in rows:
                result[found] = filters
        return result

    def dead(self, reading: str) -> np.ndarray:
        """`(networks, units)` bool: the units that a reading leaves out."""
        if reading == COUNTED:
            return np.zeros_like(self.constant)
        if reading == PRUNED:
            return self.pruned
        if reading == CONSTANT:
            return self.constant
        looks = (self.soft > dead_units.LOOKS_CONSTANT) & (self.types == CHANNELS)
        return self.constant | looks

    def used(self, reading: str, units: str, layer_type: str) -> np.ndarray:
        """`(networks, units)` bool: the units that a mean is over.

        Parameters
        ----------
        reading
            A key of `READINGS`.
        units
            `LIVE`: those of each network that are not dead; `MATCHED`: those dead in no network.
        layer_type
            One of `LAYER_TYPES`.
        """
        dead = self.dead(reading)
        if units == MATCHED:
            dead = np.broadcast_to(dead.any(axis=0), dead.shape)
        return ~dead & ((self.types == layer_type) | (layer_type == BOTH))

    def means(self, reading: str, units: str, layer_type: str) -> np.ndarray:
        """`(networks,)` float64: mean soft scores; see `used`."""
        used = self.used(reading, units, layer_type)
        return np.array([row[kept].mean() for row, kept in zip(self.soft, used, strict=True)])
