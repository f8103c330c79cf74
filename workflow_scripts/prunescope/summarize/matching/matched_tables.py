"""Declare the tables of methods at equal accuracy."""

import polars as pl

from prunescope.foundation.tables import Column, Table
from prunescope.summarize.study_tables import COORDINATE_COLUMNS

_WHICH = {name: COORDINATE_COLUMNS[name] for name in ("study", "method", "retraining")}
_DROP = Column(
    pl.Float64, "accuracy that is given up: one of `statistics.accuracy_drops`", "fraction"
)
_OVER_RUNS = "of the 95 % interval over runs; null in a run"
EQUAL_ACCURACY = Table(
    "results/{study}/tables/equal_accuracy.parquet",
    "A method at an accuracy, interpolated between its networks of neighbouring rates: in a run, "
    "or over runs where it is matched in all of them.",
    {
        **_WHICH,
        "drop": _DROP,
        "seed": Column(pl.Int64, "seed of the run; null over runs", nullable=True),
        "runs": Column(pl.Int64, "runs behind the row"),
        "top1": Column(
            pl.Float64,
            "the accuracy: that of the dense network of the run, less `drop`",
            "fraction",
        ),
        "rate": Column(pl.Float64, "pruning rate at that accuracy", "fraction"),
        "rate_below": Column(
            pl.Float64,
            "rate of the network before it, 0 for the dense one; over runs the lowest",
            "fraction",
        ),
        "rate_above": Column(
            pl.Float64, "rate of the network after it; over runs the highest", "fraction"
        ),
        "sparsity": Column(pl.Float64, "`sparsity_prunable` at that accuracy", "fraction"),
        "sparsity_low": Column(pl.Float64, f"lower end {_OVER_RUNS}", "fraction", nullable=True),
        "sparsity_high": Column(pl.Float64, f"upper end {_OVER_RUNS}", "fraction", nullable=True),
        "mis_soft": Column(pl.Float64, "`mis_soft_live` at that accuracy", "0..1, chance 0.5"),
        "mis_soft_low": Column(pl.Float64, f"lower end {_OVER_RUNS}", nullable=True),
        "mis_soft_high": Column(pl.Float64, f"upper end {_OVER_RUNS}", nullable=True),
        "mis_soft_change": Column(
            pl.Float64,
            "mean change of the channels that live in both, from the partner of the verdict, at "
            "that accuracy; null where it is not known of all networks that are needed",
            nullable=True,
        ),
        "mis_soft_change_low": Column(pl.Float64, f"lower end {_OVER_RUNS}", nullable=True),
        "mis_soft_change_high": Column(pl.Float64, f"upper end {_OVER_RUNS}", nullable=True),
    },
)
UNMATCHED = Table(
    "results/{study}/tables/unmatched.parquet",
    "A method that has no place at an accuracy in a run, and why: nothing is extrapolated.",
    {
        **_WHICH,
        "drop": _DROP,
        "seed": COORDINATE_COLUMNS["seed"],
        "top1": Column(
            pl.Float64, "the accuracy; null where that of the dense network is not known",
            "fraction", nullable=True,
        ),
        "nearest_rate": Column(
            pl.Float64, "pruning rate of its network whose accuracy is nearest", "fraction",
            nullable=True,
        ),
        "nearest_top1": Column(pl.Float64, "accuracy of that network", "fraction", nullable=True),
        "reason": Column(pl.String, "why it is not matched"),
    },
)  # fmt: skip
