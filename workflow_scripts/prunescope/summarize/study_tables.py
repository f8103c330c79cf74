"""Declare the tables of a whole study.

The descriptions are printed in `docs/artifacts.md` and on the pages of the report: after a change
of one, make that file again. All schemas are part of the digest of the rules that write them.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import polars as pl

from prunescope.compact.cost_tables import COST_COLUMNS, SIZE_COLUMNS
from prunescope.evaluate.network_tables import ACCOUNTING_COLUMNS
from prunescope.foundation.tables import Column, Table
from prunescope.interpret.unit_tables import (
    ALIGNMENT_COLUMNS,
    MEASURE_COLUMNS,
    SCORE_COLUMNS,
    UNIT_COLUMNS,
)
from prunescope.networks.coordinates import KIND
from prunescope.train.history_table import EPOCH_COLUMNS

# A row of any table, by the names of its columns.
Row = dict[str, Any]

COORDINATE_COLUMNS = {
    "study": Column(pl.String, "name of the study"),
    "method": Column(pl.String, "pruning method, a key of `pruning.methods`, or `dense`"),
    "retraining": Column(pl.String, "kind of retraining, a key of `retraining`"),
    "rate": Column(pl.Float64, "pruning rate that was asked for", "fraction"),
    "seed": Column(pl.Int64, "seed of training, pruning and retraining"),
}


def _unknown_where_scores_are_given(columns: Mapping[str, Column]) -> dict[str, Column]:
    """Columns that only networks or images tell: null in a study of given scores."""
    return {name: replace(column, nullable=True) for name, column in columns.items()}


# The sets of units over which mean scores are taken (`gathering.unit_scopes`), in words. Channels
# stand for all units before the classifier.
UNIT_SCOPES = {
    "live": "live channels of convolutions and units of hidden layers",
    "all": "all channels of convolutions and units of hidden layers",
    "matched": "those that are live in every network of the run",
    "logits": "live class logits",
}
NETWORKS = Table(
    "results/{study}/tables/networks.parquet",
    "A network of the study. What a study of given scores does not know of it is null.",
    {
        **COORDINATE_COLUMNS,
        **_unknown_where_scores_are_given(
            {
                "top1": Column(pl.Float64, "top-1 accuracy on the validation split", "fraction"),
                "top5": Column(pl.Float64, "top-5 accuracy on the validation split", "fraction"),
                "loss": Column(pl.Float64, "mean cross-entropy on the validation split", "nats"),
                "images": Column(pl.Int64, "images in the validation split"),
                "agreement": Column(
                    pl.Float64, "images given the same class as by the dense network", "fraction"
                ),
                **ACCOUNTING_COLUMNS,
                "epochs": Column(pl.Int32, "epochs of retraining (of training, for `dense/none`)"),
            }
        ),
        "units": Column(
            pl.Int64, "units: convolution channels, units of hidden layers, class logits"
        ),
        "live_units": Column(pl.Int64, "units that are not constant"),
        **{
            f"mis_{kind}_{scope}": Column(
                pl.Float64, f"mean {kind} MIS over {which}", "0..1, chance 0.5", nullable=True
            )
            for scope, which in UNIT_SCOPES.items()
            for kind in ("soft", "hard")
        },
    },
)
UNITS = Table(
    "results/{study}/tables/units.parquet",
    "A unit of a network.",
    {
        **COORDINATE_COLUMNS,
        **UNIT_COLUMNS,
        **SCORE_COLUMNS,
        **_unknown_where_scores_are_given(
            {
                "tied_fraction": UNIT_COLUMNS["tied_fraction"],
                "mean_delta": SCORE_COLUMNS["mean_delta"],
            }
        ),
        **MEASURE_COLUMNS,
    },
)
LAYERS = Table(
    "results/{study}/tables/layers.parquet",
    "A measured layer of a network.",
    {**COORDINATE_COLUMNS, **ALIGNMENT_COLUMNS},
)
STUDY_SIZES = Table(
    "results/{study}/tables/sizes.parquet",
    "A variant of a network that was made compact: how large it is, counted.",
    {**COORDINATE_COLUMNS, **SIZE_COLUMNS},
)
STUDY_COSTS = Table(
    "results/{study}/tables/costs.parquet",
    "A variant of a network that was made compact, in a runtime, with a size of batches: what it "
    "costs, measured. Differs from run to run.",
    {**COORDINATE_COLUMNS, **COST_COLUMNS},
)
DISAGREEMENTS = Table(
    "results/{study}/tables/disagreements.parquet",
    "A validation image on which pruned networks of one kind disagree with the dense ones: their "
    "most frequent predictions over seeds differ (Hooker et al. 2019).",
    {
        **{name: COORDINATE_COLUMNS[name] for name in ("study", *KIND)},
        "image": Column(pl.Int32, "index in the validation split"),
        "label": Column(pl.Int16, "class index"),
        "dense": Column(pl.Int16, "class that dense networks predict most often"),
        "pruned": Column(pl.Int16, "class that the pruned networks predict most often"),
        "seeds": Column(pl.Int64, "pruned networks asked"),
    },
)
CLASSES = Table(
    "results/{study}/tables/classes.parquet",
    "A class of the dataset, for one network.",
    {
        **COORDINATE_COLUMNS,
        "class": Column(pl.Int16, "class index"),
        "images": Column(pl.Int64, "images of the class in the validation split"),
        "top1": Column(pl.Float64, "top-1 accuracy on them", "fraction"),
        "top1_change": Column(pl.Float64, "`top1` minus that of the dense network", "fraction"),
        "loss": Column(pl.Float64, "mean cross-entropy on them", "nats"),
    },
)
HISTORIES = Table(
    "results/{study}/tables/history.parquet",
    "An epoch of training or retraining of one network.",
    {**COORDINATE_COLUMNS, **EPOCH_COLUMNS},
)
STATISTICS = Table(
    "results/{study}/tables/statistics.parquet",
    "An estimate.",
    {
        "study": COORDINATE_COLUMNS["study"],
        "quantity": Column(pl.String, "what is estimated"),
        "comparison": Column(pl.String, "over which networks or units, in words"),
        "estimate": Column(pl.Float64, "the estimate"),
        "low": Column(pl.Float64, "lower end of the interval", nullable=True),
        "high": Column(pl.Float64, "upper end of the interval", nullable=True),
        "level": Column(pl.Float64, "confidence level of the interval", "fraction", nullable=True),
        "effect_size": Column(
            pl.Float64, "paired changes: mean over standard deviation (d_z)", nullable=True
        ),
        "p": Column(pl.Float64, "p value, uncorrected", nullable=True),
        "p_holm": Column(
            pl.Float64, "p value after Holm's correction over its family", nullable=True
        ),
        "family": Column(pl.String, "the tests that are corrected together", nullable=True),
        "n": Column(pl.Int64, "networks, units, layers, images or runs behind it"),
        "method": Column(pl.String, "statistical method"),
        "pruning": Column(pl.String, "pruning method of the network or networks", nullable=True),
        "retraining": Column(pl.String, "their kind of retraining", nullable=True),
        "rate": Column(pl.Float64, "their pruning rate", "fraction", nullable=True),
        "seed": Column(pl.Int64, "seed of the network; null over seeds", nullable=True),
        "layer": Column(pl.String, "module name of the layer", nullable=True),
        "variant": Column(pl.String, "variant of the score", nullable=True),
    },
)
# Values of its columns by which findings and charts look estimates up.
ALL_PRUNED = "all pruned networks"
ALL_RETRAINED = "all retrained pruned networks"
ORDER_UNDER_VARIANT = "spearman(mis_soft_live, unchanged)"
PUBLISHED = Table(
    "results/{study}/tables/published.parquet",
    "A published number beside that of the study. Only made if the config names `published`.",
    {
        "study": COORDINATE_COLUMNS["study"],
        "figure": Column(pl.Int32, "figure of the source"),
        "method": Column(pl.String, "method as in the source"),
        "retraining": Column(pl.String, "retraining as in the source"),
        "optimizer": Column(pl.String, "optimizer of retraining in the source", nullable=True),
        "rate": Column(
            pl.Float64,
            "pruning rate that the source asked for, or else the sparsity that it reached",
            "fraction",
        ),
        "epoch": Column(pl.Int32, "epochs of retraining, for `top1_after_epoch`", nullable=True),
        "quantity": Column(
            pl.String,
            "`top1`; `mis_soft`, `mis_hard` (ours: over live units); `top1_after_epoch` and "
            "`top1_before_retraining` (ours: from the history)",
        ),
        "published": Column(pl.Float64, "the published value", "fraction"),
        "our_method": Column(pl.String, "method of the counterpart", nullable=True),
        "our_retraining": Column(pl.String, "retraining of the counterpart", nullable=True),
        "our_rate": Column(pl.Float64, "rate of the counterpart", "fraction", nullable=True),
        "ours": Column(
            pl.Float64,
            "mean over seeds of the counterpart; null if the study has none",
            "fraction",
            nullable=True,
        ),
        "difference": Column(pl.Float64, "`ours` minus `published`", "fraction", nullable=True),
        "seeds": Column(pl.Int64, "networks behind `ours`"),
        "note": Column(pl.String, "how exact the published value is, and what it is of"),
    },
)
