"""The tables of compact networks: what became of each layer, how large they are, what they cost."""

import polars as pl

from prunescope.foundation.tables import Column, Table
from prunescope.networks.coordinates import NETWORK_FOLDER

_VARIANT = Column(
    pl.String,
    "`dense`; `masked`, the pruned network with its zeros; `compact`, without them, its batch "
    "norms folded into the convolutions",
)
_KEPT_MASKED = Column(
    pl.String,
    "the operation that stands in the way of making the network compact, so that it was kept "
    "masked and has no variant `compact`; empty if it was made compact",
)
SIZE_COLUMNS = {
    "variant": _VARIANT,
    "kept_masked": _KEPT_MASKED,
    "parameters": Column(
        pl.Int64,
        "parameters; auxiliary heads are left out, and weights that no image reaches, unless "
        "`pruning.unreached` says otherwise",
    ),
    "nonzero_parameters": Column(pl.Int64, "those of them that are not zero"),
    "macs": Column(pl.Int64, "multiply-accumulates, those with padding included", "per image"),
    "bytes": Column(pl.Int64, "size of these parameters and of all buffers", "B"),
    "bytes_compressed": Column(pl.Int64, "the same after deflate (zip, gzip)", "B"),
}
COST_COLUMNS = {
    "variant": Column(
        pl.String,
        f"{_VARIANT.description}; `dense_folded`, the dense one with its batch norms folded (only "
        "in PyTorch: onnxruntime folds those of every network)",
    ),
    "kept_masked": _KEPT_MASKED,
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
COMPACTION = Table(
    f"{NETWORK_FOLDER}/compaction.parquet",
    "A layer: what became of it in the compact network.",
    {
        "layer": Column(pl.String, "module name of the layer"),
        "layer_type": Column(pl.String, "`conv2d` or `linear`"),
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
        "weights": Column(pl.Int64, "weights in the masked network that count"),
        "weights_kept": Column(pl.Int64, "those in the compact network"),
        "weights_left_out": Column(
            pl.Int64,
            "weights in the masked network that no image reaches, if `pruning.unreached` leaves "
            "them out: they are zero in the compact network, and no other column counts them",
        ),
        "zeros_filters": Column(pl.Int64, "zeros that stay: in whole filters"),
        "zeros_inputs": Column(pl.Int64, "zeros that stay: in whole input channels"),
        "zeros_kernels": Column(pl.Int64, "zeros that stay: in whole kernels"),
        "zeros_weights": Column(pl.Int64, "zeros that stay: single weights"),
        "why": Column(pl.String, "why zeros stay; empty if none do"),
        "kept_masked": Column(
            pl.String,
            "the operation that stands in the way of making the network compact, so that nothing "
            "was removed; empty if it was made compact",
        ),
    },
)
SIZES = Table(
    f"{NETWORK_FOLDER}/sizes.parquet",
    "A variant of the network: how large it is, counted.",
    SIZE_COLUMNS,
)
COSTS = Table(
    f"{NETWORK_FOLDER}/costs.parquet",
    "A variant of the network in a runtime, with a size of batches: what it costs, measured. "
    "Differs from run to run.",
    COST_COLUMNS,
)
