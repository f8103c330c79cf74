"""The tables of a network's units and layers: exemplars, scores, measures, variants, ablation."""

from dataclasses import replace

import polars as pl

from prunescope.foundation.tables import Column, Table
from prunescope.networks.coordinates import NETWORK_FOLDER

SCORE_COLUMNS = {
    "mis_soft": Column(pl.Float64, "soft Machine Interpretability Score", "0..1, chance 0.5"),
    "mis_hard": Column(pl.Float64, "hard Machine Interpretability Score", "0..1, chance 0.5"),
    "mean_delta": Column(pl.Float64, "mean delta of the unit's tasks", "similarity"),
}
# The types of layers beside `conv2d`: the classifier, and other fully connected layers.
LOGITS, HIDDEN = "linear", "hidden"
UNIT_COLUMNS = {
    "layer": Column(
        pl.String,
        "module name of the layer; `layer@2` is the second run of a layer that runs several times",
    ),
    "layer_type": Column(
        pl.String,
        "`conv2d`; `linear`, the classifier, whose units are the class logits (in some networks "
        "a convolution); or `hidden`, another fully connected layer",
    ),
    "block": Column(pl.String, "part of the network that the layer belongs to"),
    "unit": Column(pl.Int32, "output channel within the layer"),
    "constant": Column(
        pl.Boolean,
        "does not tell the probe images apart: its spread is below 1e-8, or below 1e-5 of the "
        "largest activation of the layer, or more than half of its exemplars are tied",
    ),
    "tied_fraction": Column(
        pl.Float64, "exemplars that share their activation with a neighbour", "fraction"
    ),
}
EXEMPLARS = Table(
    f"{NETWORK_FOLDER}/exemplars.parquet",
    "A unit: the probe images that excite it most and least, most extreme first.",
    {
        **UNIT_COLUMNS,
        "strongest": Column(pl.List(pl.Int32), "indices in the probe split"),
        "strongest_activation": Column(pl.List(pl.Float32), "their activations"),
        "weakest": Column(pl.List(pl.Int32), "indices in the probe split"),
        "weakest_activation": Column(pl.List(pl.Float32), "their activations"),
    },
)
EXEMPLARS_ELSEWHERE = replace(
    EXEMPLARS,
    path=f"{NETWORK_FOLDER}/exemplars_{{probe}}.parquet",
    description="A unit: its exemplars in the probe set of a variant, by their indices there.",
)
MIS = Table(
    f"{NETWORK_FOLDER}/mis.parquet",
    "A unit: how well a perceptual metric tells its strong images from its weak ones.",
    {**UNIT_COLUMNS, **SCORE_COLUMNS},
)
MEASURE_COLUMNS = {
    "monosemanticity": Column(
        pl.Float64,
        "activation-weighted similarity of all pairs of the images with recorded activations",
        "similarity",
        nullable=True,
    ),
    "label_purity": Column(
        pl.Float64,
        "share of the most frequent class among the strongest images (as many as the smallest "
        "class has)",
        "fraction",
        nullable=True,
    ),
    "class_selectivity": Column(
        pl.Float64,
        "how far the mean activation of the preferred class stands out from that of the others",
        "0..1",
        nullable=True,
    ),
}
ALIGNMENT_COLUMNS = {
    "layer": UNIT_COLUMNS["layer"],
    "cka": Column(
        pl.Float64,
        "linear centred kernel alignment with the layer of the dense network, unbiased",
        "1: alike up to rotation and scale",
        nullable=True,
    ),
}
MEASURES = Table(
    f"{NETWORK_FOLDER}/measures.parquet",
    "A unit, in the order of `exemplars.parquet`; constant units have no measures.",
    {"layer": UNIT_COLUMNS["layer"], "unit": UNIT_COLUMNS["unit"], **MEASURE_COLUMNS},
)
ALIGNMENT = Table(
    f"{NETWORK_FOLDER}/alignment.parquet",
    "A measured layer.",
    ALIGNMENT_COLUMNS,
)
VARIANTS = Table(
    f"{NETWORK_FOLDER}/variants.parquet",
    "A unit, scored in one of the ways that `sensitivity.variants` lists.",
    {
        "variant": Column(
            pl.String, "key of `sensitivity.variants`; `unchanged` is the study's own way"
        ),
        "layer": UNIT_COLUMNS["layer"],
        "unit": UNIT_COLUMNS["unit"],
        "constant": UNIT_COLUMNS["constant"],
        "mis_soft": SCORE_COLUMNS["mis_soft"],
        "mis_hard": SCORE_COLUMNS["mis_hard"],
    },
)
ABLATION = Table(
    f"{NETWORK_FOLDER}/ablation.parquet",
    "A unit of the dense network, drawn at random, that was silenced.",
    {
        "layer": UNIT_COLUMNS["layer"],
        "unit": UNIT_COLUMNS["unit"],
        "top1_drop": Column(pl.Float64, "top-1 accuracy that is lost without it", "fraction"),
        "loss_rise": Column(pl.Float64, "rise of the mean cross-entropy without it", "nats"),
    },
)
