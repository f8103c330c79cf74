"""The unit explorer: every unit's images, scores and tasks as files that a static page loads.

A page that is opened from the file system may not read files beside it, but it may run scripts.
So each data file is a script of one call, `explorer.deliver(name, header, data)`. Its data are the
columns of a table: little-endian numbers, the first bytes of all values, then the second, and so on
(which compresses better), deflated, in base64. The page fetches the files of the networks that it
shows and no others.

Constant units have scores but no images: what they would show is the order of ties.
"""

import base64
import json
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl

from prunescope.foundation import tables
from prunescope.foundation.errors import InputError
from prunescope.interpret import mis
from prunescope.interpret.similarities import Embeddings

# Strongest and weakest images that are shown of a unit: a square of them.
SHOWN = 9
# Bits of the mantissa that are kept, of 23: what the page rounds away needs no room.
SCORE_BITS = 15
ACTIVATION_BITS = 9
DELTA_BITS = 8
SCORES = (
    "mis_soft", "mis_hard", "mean_delta", "tied_fraction", "monosemanticity", "label_purity",
    "class_selectivity",
)  # fmt: skip


def script(name: str, columns: Mapping[str, np.ndarray], **facts: Any) -> bytes:
    """One data file of the page: named columns, and facts that JSON can hold."""
    little = {key: _little_endian(values) for key, values in columns.items()}
    header = {
        **facts,
        "columns": [
            {"name": key, "type": values.dtype.str[1:], "shape": values.shape}
            for key, values in little.items()
        ],
    }
    # Runs and frequencies of bytes are all there is to find: a search for repeats takes long.
    deflate = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    data = b"".join(deflate.compress(byte_planes(values)) for values in little.values())
    text = base64.b64encode(data + deflate.flush()).decode()
    call = f'explorer.deliver({json.dumps(name)}, {json.dumps(header, sort_keys=True)}, "{text}");'
    return f"{call}\n".encode()


def _little_endian(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("<"))


def byte_planes(values: np.ndarray) -> bytes:
    """The first bytes of all values, then their second bytes, and so on."""
    return values.reshape(-1).view(np.uint8).reshape(-1, values.itemsize).T.tobytes()


def rounded(values: np.ndarray, bits: int) -> np.ndarray:
    """float32 with `bits` of the mantissa's 23, to the nearest; NaN stays NaN, signs stay."""
    whole = np.asarray(values, dtype=np.float32)
    dropped = np.uint32(23 - bits)
    half = np.uint32(1) << (dropped - np.uint32(1))
    raw = np.ascontiguousarray(whole).view(np.uint32)
    near = ((raw + half) >> dropped << dropped).view(np.float32)
    return np.where(np.isfinite(whole), near, whole)


def smallest(indices: np.ndarray) -> np.ndarray:
    """Non-negative integers in the smallest type that holds them."""
    return indices.astype(np.min_scalar_type(int(indices.max(initial=0))))


def score_columns(scores: pl.DataFrame, measures: pl.DataFrame) -> dict[str, np.ndarray]:
    """The scores of all units of a network; NaN where a unit has none.

    Parameters
    ----------
    scores, measures
        `mis.parquet` and `measures.parquet`, of the same units in the same order.
    """
    both = pl.concat([scores, measures.drop("layer", "unit")], how="horizontal")
    columns = {
        name: rounded(both[name].fill_null(float("nan")).to_numpy(), SCORE_BITS) for name in SCORES
    }
    return {"constant": both["constant"].to_numpy().astype(np.uint8), **columns}


def image_columns(
    exemplars: pl.DataFrame,
    scores: pl.DataFrame,
    similarity: np.ndarray | Embeddings,
    settings: mis.ScoreSettings,
) -> dict[str, np.ndarray]:
    """What the live units of a network respond to, and the tasks that they were scored by.

    Parameters
    ----------
    exemplars, scores
        `exemplars.parquet` and `mis.parquet`, of the same units in the same order.
    similarity
        `(images, images)` float32, or the embeddings of the images.
    settings
        How the units were scored.

    Returns
    -------
    dict
        For each live unit: `strongest`, `weakest` (live, SHOWN) indices of images with their
        activations; `delta` (live, tasks); `task` (live, shown), the numbers of the tasks with the
        smallest, the middle and the largest delta; and the images of these, `positive` and
        `negative` (live, shown, K + 1), the query first.

    Raises
    ------
    InputError
        The tasks are not those that made the scores.
    """
    live = ~exemplars["constant"].to_numpy()
    sides = {side: tables.matrix(exemplars[side]) for side in ("strongest", "weakest")}
    # Drawn for all units, as for the scores: of fewer, others would be drawn.
    positive, negative = mis.draw_tasks(sides["strongest"], sides["weakest"], settings)
    positive, negative = positive[live], negative[live]
    delta = mis.task_deltas(positive, negative, similarity)
    if not np.allclose(delta.mean(axis=1), scores["mean_delta"].to_numpy()[live], atol=1e-6):
        raise InputError(
            "mis.parquet: its scores come of other tasks than exemplars.parquet and "
            "`interpretability.mis` give. Make it again: delete it and run the study."
        )
    task = choose_tasks(delta)
    columns = {}
    for side, indices in sides.items():
        activations = tables.matrix(exemplars[f"{side}_activation"])
        columns[side] = smallest(indices[live, :SHOWN])
        columns[f"{side}_activation"] = rounded(activations[live, :SHOWN], ACTIVATION_BITS)
    return {
        **columns,
        "delta": rounded(delta, DELTA_BITS),
        "task": smallest(task),
        "positive": smallest(np.take_along_axis(positive, task[..., None], axis=1)),
        "negative": smallest(np.take_along_axis(negative, task[..., None], axis=1)),
    }


def choose_tasks(delta: np.ndarray) -> np.ndarray:
    """The tasks of each unit that are shown: hardest, middle, easiest; of one or two, all.

    Parameters
    ----------
    delta
        `(units, tasks)`.

    Returns
    -------
    numpy.ndarray
        `(units, shown)` int64 numbers of tasks, delta rising.
    """
    last = delta.shape[1] - 1
    ranks = sorted({0, last // 2, last})
    return np.argsort(delta, axis=1, kind="stable")[:, ranks]
