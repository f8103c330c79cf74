"""The tables of one network: its predictions, and its sparsity and size."""

import polars as pl

from prunescope.foundation.tables import Column, Table
from prunescope.networks.coordinates import NETWORK_FOLDER

ACCOUNTING_COLUMNS = {
    "sparsity_prunable": Column(
        pl.Float64, "zeros among the weights that may be pruned", "fraction"
    ),
    "sparsity_conv": Column(
        pl.Float64, "zeros among all convolution weights, auxiliary heads included", "fraction"
    ),
    "sparsity_all": Column(pl.Float64, "zeros among all parameters", "fraction"),
    "parameters": Column(pl.Int64, "parameters that count"),
    "nonzero_parameters": Column(pl.Int64, "those of them that are not zero"),
    "unreached_weights": Column(
        pl.Int64,
        "weights that no image reaches; they do not count in the columns before, nor in "
        "`effective_macs`, unless `pruning.unreached` says so",
    ),
    "macs": Column(pl.Int64, "multiply-accumulates, those with padding included", "per image"),
    "effective_macs": Column(
        pl.Int64, "multiply-accumulates with a weight that counts and is not zero", "per image"
    ),
    "bytes": Column(pl.Int64, "size of all tensors as stored", "B"),
}
ACCOUNTING = Table(
    f"{NETWORK_FOLDER}/accounting.parquet",
    "The network: its sparsity and cost.",
    ACCOUNTING_COLUMNS,
)
PREDICTIONS = Table(
    f"{NETWORK_FOLDER}/predictions.parquet",
    "An image of the validation split.",
    {
        "image": Column(pl.Int32, "index in the validation split"),
        "label": Column(pl.Int16, "class index"),
        "top5": Column(pl.List(pl.Int16), "most probable classes, best first"),
        "loss": Column(pl.Float32, "cross-entropy", "nats"),
        "p_label": Column(pl.Float32, "probability given to the label", "0..1"),
    },
)
