"""The table of the training history: a row for each epoch."""

import polars as pl

from prunescope.foundation.tables import Column, Table
from prunescope.networks.coordinates import NETWORK_FOLDER

EPOCH_COLUMNS = {
    "epoch": Column(pl.Int32, "epochs done; 0 is before training"),
    "step": Column(pl.Int64, "optimizer steps done"),
    "lr": Column(pl.Float64, "learning rate of the last step", nullable=True),
    "train_images": Column(pl.Int64, "images of the epoch", nullable=True),
    "replaced_images": Column(
        pl.Int64,
        "those of them that stand in for another one of their class, whose file is damaged",
        nullable=True,
    ),
    "train_loss": Column(pl.Float64, "mean cross-entropy of the epoch", "nats", nullable=True),
    "train_top1": Column(pl.Float64, "training accuracy of the epoch", "fraction", nullable=True),
    "validation_images": Column(
        pl.Int32, "images of the class-balanced part that is classified after each epoch"
    ),
    "validation_top1": Column(
        pl.Float64, "accuracy on this part of the validation split", "fraction"
    ),
    "validation_loss": Column(pl.Float64, "mean cross-entropy on the same images", "nats"),
    "sparsity": Column(pl.Float64, "zeros among the masked parameters that count", "fraction"),
}
HISTORY = Table(
    f"{NETWORK_FOLDER}/history.parquet", "An epoch of training or retraining.", EPOCH_COLUMNS
)
