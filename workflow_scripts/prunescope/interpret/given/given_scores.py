"""The tables of scores that were made elsewhere, as a study reads them, wherever they come from."""

import polars as pl

from prunescope.foundation.tables import Column, Table

COORDINATE_COLUMNS = {
    "method": Column(pl.String, "pruning method, or `dense`, or `untrained`"),
    "retraining": Column(pl.String, "kind of retraining; `none` without"),
    "rate": Column(pl.Float64, "pruning rate", "fraction"),
    "seed": Column(pl.Int32, "number of the run"),
}
GIVEN_UNITS = Table(
    "results/{study}/given/units.parquet",
    "A unit of a network, with a score that was made elsewhere. Only made if the config has "
    "`unit_scores`.",
    {
        **COORDINATE_COLUMNS,
        "layer": Column(pl.String, "name of the layer; layers stand in the order of the network"),
        "layer_type": Column(
            pl.String,
            "`conv2d`; `linear`, the classifier, whose units are the class logits; or `hidden`, "
            "another fully connected layer",
        ),
        "unit": Column(pl.Int32, "output channel within the layer"),
        "constant": Column(pl.Boolean, "responds alike to all images; false where nobody tells"),
        "mis_soft": Column(pl.Float64, "soft Machine Interpretability Score", "0..1, chance 0.5"),
        "mis_hard": Column(pl.Float64, "hard Machine Interpretability Score", "0..1, chance 0.5"),
    },
)
GIVEN_NETWORKS = Table(
    "results/{study}/given/networks.parquet",
    "A network whose scores were made elsewhere. Only made if the config has `unit_scores`.",
    {
        **COORDINATE_COLUMNS,
        "top1": Column(pl.Float64, "top-1 accuracy, where it is told", "fraction", nullable=True),
        "images": Column(
            pl.Int64, "images on which it was measured, where that is told", nullable=True
        ),
    },
)
