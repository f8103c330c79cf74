"""The schema of every Parquet file, declared once: checked on write and on read, and documented."""

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl

from prunescope import artifacts, provenance


@dataclass(frozen=True)
class Column:
    """A column: its type, what it holds, its unit, and whether it may be missing."""

    dtype: pl.DataType | type[pl.DataType]
    description: str
    unit: str = ""
    nullable: bool = False


@dataclass(frozen=True)
class Table:
    """A Parquet file of the study.

    Attributes
    ----------
    path
        Where it lies, with the wildcards of the workflow.
    description
        What one row is.
    columns
        The columns in order.
    """

    path: str
    description: str
    columns: Mapping[str, Column]

    def write(self, frame: pl.DataFrame, path: str | Path) -> None:
        """Check `frame` against the schema and write it, whole or not at all.

        Raises
        ------
        ValueError
            Columns, types or missing values are not as declared: a fault in our code.
        """
        self._check(frame, str(path))
        # By way of memory: polars reports a full disk as an error of its own, Python as OSError.
        content = io.BytesIO()
        frame.write_parquet(
            content, compression="zstd", metadata={provenance.KEY: provenance.dumps()}
        )
        with artifacts.atomic(path) as temporary:
            temporary.write_bytes(content.getbuffer())

    def read(self, path: str | Path) -> pl.DataFrame:
        """Read and check a file.

        Raises
        ------
        InputError
            The file is damaged, or not of this schema.
        """
        with artifacts.reading(path, "file of this schema"):
            frame = pl.read_parquet(path, use_pyarrow=False)
            self._check(frame, str(path))
        return frame

    def empty(self) -> pl.DataFrame:
        """A table without rows."""
        return pl.DataFrame(schema={name: column.dtype for name, column in self.columns.items()})

    def _check(self, frame: pl.DataFrame, name: str) -> None:
        declared = {key: column.dtype for key, column in self.columns.items()}
        if dict(frame.schema) != declared:
            raise ValueError(f"{name}: columns {dict(frame.schema)} instead of {declared}")
        required = [key for key, column in self.columns.items() if not column.nullable]
        missing = [key for key in required if frame[key].null_count()]
        if missing:
            raise ValueError(f"{name}: missing values in {', '.join(missing)}")

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Select the declared columns of `frame` in order and cast them."""
        return frame.select(pl.col(key).cast(column.dtype) for key, column in self.columns.items())


def read_provenance(path: str | Path) -> str:
    """The provenance of a Parquet file, as JSON.

    Raises
    ------
    InputError
        The file is damaged.
    """
    with artifacts.reading(path, "Parquet file"):
        stored = pl.read_parquet_metadata(path).get(provenance.KEY, "{}")
        json.loads(stored)
    return stored


_COORDINATES = {
    "study": Column(pl.String, "name of the study"),
    "method": Column(pl.String, "pruning method, a key of `pruning.methods`, or `dense`"),
    "retraining": Column(pl.String, "kind of retraining, a key of `retraining`"),
    "rate": Column(pl.Float64, "pruning rate that was asked for", "fraction"),
    "seed": Column(pl.Int64, "seed of training, pruning and retraining"),
}
_SCORES = {
    "mis_soft": Column(pl.Float64, "soft Machine Interpretability Score", "0..1, chance 0.5"),
    "mis_hard": Column(pl.Float64, "hard Machine Interpretability Score", "0..1, chance 0.5"),
    "mean_delta": Column(pl.Float64, "mean delta of the unit's tasks", "similarity"),
}
_UNIT = {
    "layer": Column(pl.String, "module name of the layer"),
    "layer_type": Column(pl.String, "`conv2d` or `linear`"),
    "unit": Column(pl.Int32, "output channel within the layer"),
    "constant": Column(pl.Boolean, "activation spread over the probe images is below 1e-8"),
    "tied_fraction": Column(
        pl.Float64, "exemplars that share their activation with a neighbour", "fraction"
    ),
}
_ACCOUNTING = {
    "sparsity_prunable": Column(
        pl.Float64, "zeros among the weights that may be pruned", "fraction"
    ),
    "sparsity_conv": Column(
        pl.Float64, "zeros among all convolution weights, auxiliary heads included", "fraction"
    ),
    "sparsity_all": Column(pl.Float64, "zeros among all parameters", "fraction"),
    "parameters": Column(pl.Int64, "parameters"),
    "nonzero_parameters": Column(pl.Int64, "parameters that are not zero"),
    "macs": Column(pl.Int64, "multiply-accumulates", "per image"),
    "effective_macs": Column(
        pl.Int64, "multiply-accumulates with a weight that is not zero", "per image"
    ),
    "bytes": Column(pl.Int64, "size of all tensors as stored", "B"),
}
_EPOCH = {
    "epoch": Column(pl.Int32, "epochs done; 0 is before training"),
    "step": Column(pl.Int64, "optimizer steps done"),
    "lr": Column(pl.Float64, "learning rate of the last step", nullable=True),
    "train_loss": Column(pl.Float64, "mean cross-entropy of the epoch", "nats", nullable=True),
    "train_top1": Column(pl.Float64, "training accuracy of the epoch", "fraction", nullable=True),
    "validation_top1": Column(
        pl.Float64, "accuracy on the first images of the validation split", "fraction"
    ),
    "validation_loss": Column(pl.Float64, "mean cross-entropy on the same images", "nats"),
    "sparsity": Column(pl.Float64, "zeros among the masked parameters", "fraction"),
}

_VARIANT = Column(
    pl.String,
    "`dense`; `masked`, the pruned network with its zeros; `compact`, without them, its batch "
    "norms folded into the convolutions",
)
_SIZES = {
    "variant": _VARIANT,
    "parameters": Column(pl.Int64, "parameters, auxiliary heads left out"),
    "nonzero_parameters": Column(pl.Int64, "parameters that are not zero"),
    "macs": Column(pl.Int64, "multiply-accumulates", "per image"),
    "bytes": Column(pl.Int64, "size of all tensors as stored", "B"),
    "bytes_compressed": Column(pl.Int64, "size of all tensors after deflate (zip, gzip)", "B"),
}
_COSTS = {
    "variant": Column(
        pl.String,
        f"{_VARIANT.description}; `dense_folded`, the dense one with its batch norms folded (only "
        "in PyTorch: onnxruntime folds those of every network)",
    ),
    "runtime": Column(pl.String, "`pytorch` or `onnxruntime`, on the CPU"),
    "batch": Column(pl.Int32, "images in one batch"),
    "threads": Column(pl.Int32, "threads that the runtime used"),
    "rounds": Column(pl.Int32, "timed rounds; all variants take their turn in each"),
    "seconds": Column(pl.Float64, "median time of one batch", "s"),
    "relative_time": Column(
        pl.Float64, "median over rounds of the time divided by that of `dense` in the same round"
    ),
    "relative_time_low": Column(pl.Float64, "its lower quartile"),
    "relative_time_high": Column(pl.Float64, "its upper quartile"),
    "peak_memory": Column(
        pl.Int64, "memory that loading the network and running one batch took at its peak", "B"
    ),
    "relative_memory": Column(pl.Float64, "`peak_memory` divided by that of `dense`"),
}

NETWORK_FOLDER = "results/{study}/networks/{method}/{retraining}/rate{rate}/seed{seed}"

INDEX = Table(
    "results/datasets/{dataset}/{split}/index.parquet",
    "An image of a split, in the order of `images.npy` (where there is one).",
    {
        "image": Column(pl.Int32, "index in the split, and in `images.npy`"),
        "label": Column(pl.Int16, "class index"),
        "class": Column(pl.String, "class name"),
        "source_split": Column(pl.String, "split of the dataset that it was taken from"),
        "source_index": Column(pl.Int32, "index in that split"),
        "file": Column(
            pl.String, "file below the dataset's `folder`; none for Fashion-MNIST", nullable=True
        ),
    },
)
REPORT = Table(
    "results/datasets/{dataset}/{split}/report.parquet",
    "A peculiarity of an image file of the split `validation` or `probe`.",
    {
        "file": Column(pl.String, "file below the dataset's `folder`"),
        "kind": Column(
            pl.String,
            "`corrupt`, `truncated`, `greyscale`, `cmyk`, `palette`, `alpha`, `exif_rotated`, "
            "`tiny`",
        ),
        "action": Column(pl.String, "`skipped`, `converted`, `rotated`, `enlarged`"),
        "message": Column(pl.String, "what exactly"),
    },
)
HISTORY = Table(f"{NETWORK_FOLDER}/history.parquet", "An epoch of training or retraining.", _EPOCH)
ACCOUNTING = Table(
    f"{NETWORK_FOLDER}/accounting.parquet", "The network: its sparsity and cost.", _ACCOUNTING
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
EXEMPLARS = Table(
    f"{NETWORK_FOLDER}/exemplars.parquet",
    "A unit: the probe images that excite it most and least, most extreme first.",
    {
        **_UNIT,
        "strongest": Column(pl.List(pl.Int32), "indices in the probe split"),
        "strongest_activation": Column(pl.List(pl.Float32), "their activations"),
        "weakest": Column(pl.List(pl.Int32), "indices in the probe split"),
        "weakest_activation": Column(pl.List(pl.Float32), "their activations"),
    },
)
MIS = Table(
    f"{NETWORK_FOLDER}/mis.parquet",
    "A unit: how well a perceptual metric tells its strong images from its weak ones.",
    {**_UNIT, **_SCORES},
)
_MEASURES = {
    "monosemanticity": Column(
        pl.Float64,
        "activation-weighted similarity of pairs of the strongest images",
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
_ALIGNMENT = {
    "layer": _UNIT["layer"],
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
    {"layer": _UNIT["layer"], "unit": _UNIT["unit"], **_MEASURES},
)
ALIGNMENT = Table(
    f"{NETWORK_FOLDER}/alignment.parquet",
    "A measured layer.",
    _ALIGNMENT,
)
VARIANTS = Table(
    f"{NETWORK_FOLDER}/variants.parquet",
    "A unit, scored in one of the ways that `sensitivity.variants` lists.",
    {
        "variant": Column(
            pl.String, "key of `sensitivity.variants`; `unchanged` is the study's own way"
        ),
        "layer": _UNIT["layer"],
        "unit": _UNIT["unit"],
        "constant": _UNIT["constant"],
        "mis_soft": _SCORES["mis_soft"],
        "mis_hard": _SCORES["mis_hard"],
    },
)
ABLATION = Table(
    f"{NETWORK_FOLDER}/ablation.parquet",
    "A unit of the dense network, drawn at random, that was silenced.",
    {
        "layer": _UNIT["layer"],
        "unit": _UNIT["unit"],
        "top1_drop": Column(pl.Float64, "top-1 accuracy that is lost without it", "fraction"),
        "loss_rise": Column(pl.Float64, "rise of the mean cross-entropy without it", "nats"),
    },
)
COMPACTION = Table(
    f"{NETWORK_FOLDER}/compaction.parquet",
    "A layer: what became of it in the compact network.",
    {
        "layer": _UNIT["layer"],
        "layer_type": _UNIT["layer_type"],
        "filters": Column(pl.Int32, "output channels in the masked network"),
        "filters_kept": Column(pl.Int32, "those in the compact network"),
        "filters_zero": Column(pl.Int32, "removed: always zero behind batch norm and ReLU"),
        "filters_folded": Column(
            pl.Int32, "removed: always the same number, which all readers have in their bias now"
        ),
        "filters_unread": Column(pl.Int32, "removed: every reader multiplies them by zero"),
        "inputs": Column(pl.Int32, "input channels in the masked network"),
        "inputs_kept": Column(pl.Int32, "those in the compact network"),
        "inputs_gathered": Column(
            pl.Int32, "input channels that are picked out of a value which others read too, else 0"
        ),
        "constants_folded": Column(
            pl.Int32, "input channels that were numbers and are in the bias now"
        ),
        "weights": Column(pl.Int64, "weights in the masked network"),
        "weights_kept": Column(pl.Int64, "weights in the compact network"),
        "zeros_filters": Column(pl.Int64, "zeros that stay: in whole filters"),
        "zeros_inputs": Column(pl.Int64, "zeros that stay: in whole input channels"),
        "zeros_kernels": Column(pl.Int64, "zeros that stay: in whole kernels"),
        "zeros_weights": Column(pl.Int64, "zeros that stay: single weights"),
        "why": Column(pl.String, "why zeros stay; empty if none do"),
    },
)
SIZES = Table(
    f"{NETWORK_FOLDER}/sizes.parquet",
    "A variant of the network: how large it is, counted.",
    _SIZES,
)
COSTS = Table(
    f"{NETWORK_FOLDER}/costs.parquet",
    "A variant of the network in a runtime, with a size of batches: what it costs, measured. "
    "Differs from run to run.",
    _COSTS,
)
NETWORKS = Table(
    "results/{study}/tables/networks.parquet",
    "A network of the study.",
    {
        **_COORDINATES,
        "top1": Column(pl.Float64, "top-1 accuracy on the validation split", "fraction"),
        "top5": Column(pl.Float64, "top-5 accuracy on the validation split", "fraction"),
        "loss": Column(pl.Float64, "mean cross-entropy on the validation split", "nats"),
        "images": Column(pl.Int64, "images in the validation split"),
        "agreement": Column(
            pl.Float64, "images given the same class as by the dense network", "fraction"
        ),
        **_ACCOUNTING,
        "epochs": Column(pl.Int32, "epochs of retraining (of training, for `dense/none`)"),
        "units": Column(pl.Int64, "units: convolution channels and class logits"),
        "live_units": Column(pl.Int64, "units that are not constant"),
        **{
            f"mis_{kind}_{scope}": Column(
                pl.Float64, f"mean {kind} MIS over {scope} units", "0..1, chance 0.5", nullable=True
            )
            for scope in ("live", "all", "matched")
            for kind in ("soft", "hard")
        },
    },
)
UNITS = Table(
    "results/{study}/tables/units.parquet",
    "A unit of a network.",
    {**_COORDINATES, **_UNIT, **_SCORES, **_MEASURES},
)
LAYERS = Table(
    "results/{study}/tables/layers.parquet",
    "A measured layer of a network.",
    {**_COORDINATES, **_ALIGNMENT},
)
STUDY_SIZES = Table(
    "results/{study}/tables/sizes.parquet",
    "A variant of a network that was made compact: how large it is, counted.",
    {**_COORDINATES, **_SIZES},
)
STUDY_COSTS = Table(
    "results/{study}/tables/costs.parquet",
    "A variant of a network that was made compact, in a runtime, with a size of batches: what it "
    "costs, measured. Differs from run to run.",
    {**_COORDINATES, **_COSTS},
)
DISAGREEMENTS = Table(
    "results/{study}/tables/disagreements.parquet",
    "A validation image on which pruned networks of one kind disagree with the dense ones: their "
    "most frequent predictions over seeds differ (Hooker et al. 2019).",
    {
        "study": _COORDINATES["study"],
        "method": _COORDINATES["method"],
        "retraining": _COORDINATES["retraining"],
        "rate": _COORDINATES["rate"],
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
        **_COORDINATES,
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
    {**_COORDINATES, **_EPOCH},
)
STATISTICS = Table(
    "results/{study}/tables/statistics.parquet",
    "An estimate.",
    {
        "study": _COORDINATES["study"],
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
        "n": Column(pl.Int64, "networks, units, layers, images or seeds behind it"),
        "method": Column(pl.String, "statistical method"),
        "pruning": Column(pl.String, "pruning method of the network or networks", nullable=True),
        "retraining": Column(pl.String, "their kind of retraining", nullable=True),
        "rate": Column(pl.Float64, "their pruning rate", "fraction", nullable=True),
        "seed": Column(pl.Int64, "seed of the network; null over seeds", nullable=True),
        "layer": Column(pl.String, "module name of the layer", nullable=True),
        "variant": Column(pl.String, "variant of the score", nullable=True),
    },
)
PUBLISHED = Table(
    "results/{study}/tables/published.parquet",
    "A published number beside that of the study. Only made if the config names `published`.",
    {
        "study": _COORDINATES["study"],
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

ALL: Mapping[str, Table] = {
    "index": INDEX,
    "report": REPORT,
    "history": HISTORY,
    "accounting": ACCOUNTING,
    "predictions": PREDICTIONS,
    "exemplars": EXEMPLARS,
    "mis": MIS,
    "measures": MEASURES,
    "alignment": ALIGNMENT,
    "variants": VARIANTS,
    "ablation": ABLATION,
    "compaction": COMPACTION,
    "sizes": SIZES,
    "costs": COSTS,
    "networks": NETWORKS,
    "units": UNITS,
    "layers": LAYERS,
    "study_sizes": STUDY_SIZES,
    "study_costs": STUDY_COSTS,
    "disagreements": DISAGREEMENTS,
    "classes": CLASSES,
    "histories": HISTORIES,
    "statistics": STATISTICS,
    "published": PUBLISHED,
}


def table_of(path: str | Path) -> Table | None:
    """The table whose files lie at paths like `path`, if there is one."""
    for table in ALL.values():
        pattern = re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(table.path))
        if re.fullmatch(pattern, Path(path).as_posix()):
            return table
    return None


def matrix(lists: pl.Series) -> np.ndarray:
    """A column of lists of equal length as a `(rows, length)` array, not copied."""
    return lists.explode().to_numpy().reshape(len(lists), -1)
