"""The settings and the tables that estimates are made from."""

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class EstimationSettings:
    """How estimates are made: the section `statistics` of the config.

    Attributes
    ----------
    resamples
        Samples of each bootstrap and of each permutation test.
    margin
        The largest change of the MIS that is too small to matter: a number, or a factor of one of
        the units of `runs.margin`, such as `{"of_training": 0.25}`.
    seed
        Seed of the bootstraps and of the permutation tests.
    """

    resamples: int
    margin: float | Mapping[str, float]
    seed: int


@dataclass(frozen=True)
class StudyTables:
    """The tables that estimates are made from.

    Attributes
    ----------
    networks, units, layers, classes, disagreements
        As `study_tables` declares them.
    answers
        `accuracy.answers` of all networks, stacked, with coordinates.
    variants
        The live units of `unit_tables.VARIANTS` of those networks that have them, stacked, with
        coordinates.
    ablations
        `unit_tables.ABLATION` of those networks that have them, stacked, with coordinates.
    removals
        `removal_tables.UNITS_PRUNED`; without rows where no method removes whole units.
    """

    networks: pl.DataFrame
    units: pl.DataFrame
    layers: pl.DataFrame
    classes: pl.DataFrame
    disagreements: pl.DataFrame
    answers: pl.DataFrame
    variants: pl.DataFrame
    ablations: pl.DataFrame
    removals: pl.DataFrame
