"""What estimates are made from, and how."""

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class EstimationSettings:
    """How estimates are made.

    Attributes
    ----------
    resamples
        Of bootstraps and permutation tests.
    margin
        Change of the MIS that is too small to matter.
    seed
        Seeds both.
    """

    resamples: int
    margin: float
    seed: int


@dataclass(frozen=True)
class StudyTables:
    """The tables that estimates are made from, as `tables` declares them.

    `variants` and `ablations` are those of some networks, stacked, with coordinates.
    """

    networks: pl.DataFrame
    units: pl.DataFrame
    layers: pl.DataFrame
    classes: pl.DataFrame
    disagreements: pl.DataFrame
    variants: pl.DataFrame
    ablations: pl.DataFrame
