"""The table of how the units that networks lost differ from those that they kept."""

import polars as pl

from prunescope.foundation.tables import Column, Table
from prunescope.summarize.study_tables import COORDINATE_COLUMNS

SCALE, DEPTH = "activation_scale", "depth"
# What units are compared by within their layers, and what the whole network is compared by.
WITHIN = ("mis_soft", "monosemanticity", "label_purity", "class_selectivity", SCALE)
MEASURES = (*WITHIN, DEPTH)
_UNITS = "of units that are live in the dense network"
UNITS_PRUNED = Table(
    "results/{study}/tables/units_pruned.parquet",
    "A measure of the dense network by which the units that a network lost are compared with those "
    "that it kept. Only of methods that remove whole units.",
    {
        **COORDINATE_COLUMNS,
        "measure": Column(
            pl.String,
            "`mis_soft`, `monosemanticity`, `label_purity`, `class_selectivity`; "
            f"`{SCALE}`: how far the strongest and the weakest exemplars of a unit are apart in "
            "mean activation, relative to the mean of its layer; "
            f"`{DEPTH}`: place of the layer, 0 the first and 1 the last that may lose units (only "
            "where layers compete)",
        ),
        "chosen_as": Column(
            pl.String,
            "the first kind of retraining whose network at this rate, of this seed, lost the same "
            "units",
        ),
        "removed": Column(pl.Int64, f"number removed, {_UNITS}, in layers with some of both"),
        "kept": Column(pl.Int64, f"number kept, {_UNITS}, in layers with some of both"),
        "mean_removed": Column(pl.Float64, "their mean before they were removed", nullable=True),
        "mean_kept": Column(pl.Float64, "mean of those kept, likewise", nullable=True),
        "difference": Column(
            pl.Float64, "removed minus kept, within layers; for `depth` over all", nullable=True
        ),
        "standardized": Column(
            pl.Float64, "`difference` in standard deviations within layers", nullable=True
        ),
        "spread": Column(
            pl.Float64, "that standard deviation, in units of the measure", nullable=True
        ),
        "random_low": Column(
            pl.Float64, "2.5 % of random choices have a lower difference", nullable=True
        ),
        "random_high": Column(
            pl.Float64, "2.5 % of random choices have a higher difference", nullable=True
        ),
        "p": Column(
            pl.Float64,
            "p value that as many were chosen at random in each layer, uncorrected",
            nullable=True,
        ),
    },
)
