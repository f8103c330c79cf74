"""The tables of unit scores that were given to a study instead of measured by it."""

import polars as pl

from prunescope.foundation.tables import Column, Table

GIVEN_COORDINATES = {
    "method": Column(pl.String, "pruning method"),
    "retraining": Column(pl.String, "kind of retraining"),
    "rate": Column(pl.Float64, "pruning rate that was asked for", "fraction"),
    "seed": Column(pl.Int32, "number of the run"),
}
GIVEN_UNITS = Table(
    "results/{study}/given/units.parquet",
    "A unit of a network whose scores were given.",
    {
        **GIVEN_COORDINATES,
        "layer": Column(pl.String, "module name of the layer"),
        "layer_type": Column(pl.String, "`conv2d` or `linear`"),
        "unit": Column(pl.Int32, "output channel within the layer"),
        "constant": Column(pl.Boolean, "does not tell images apart, as a pruned filter does"),
        "mis_soft": Column(pl.Float64, "soft Machine Interpretability Score", "0..1, chance 0.5"),
        "mis_hard": Column(pl.Float64, "hard Machine Interpretability Score", "0..1, chance 0.5"),
    },
)
GIVEN_NETWORKS = Table(
    "results/{study}/given/networks.parquet",
    "A network whose scores were given.",
    {
        **GIVEN_COORDINATES,
        "top1": Column(pl.Float64, "top-1 accuracy, where it is known", "fraction", nullable=True),
        "images": Column(
            pl.Int64, "validation images behind the accuracy, where known", nullable=True
        ),
    },
)
