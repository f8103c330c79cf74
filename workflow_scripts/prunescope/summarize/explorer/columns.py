"""Write the data of the unit explorer: images, scores and tasks of every unit, in columns.

A page that is opened from the file system may not read files beside it, but it may run scripts.
So each data file is a script with one call, `explorer.deliver(name, header, data)`. The data are
the columns of a table: little-endian numbers, first the first byte of all values, then the second,
and so on, because this compresses better; then deflated, and in base64. The page loads the files
of the networks that it shows and no others. `static/app.js` reads this format: change both.

Constant units have scores but no images, because their exemplars show how ties are broken.
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
from prunescope.interpret.unit_tables import MEASURE_COLUMNS

# The number of strongest and of weakest images that the page shows of a unit, in a square.
SHOWN = 9
# The bits that are kept of the 23 of a mantissa: enough for the decimals that the page shows.
SCORE_BITS = 15
ACTIVATION_BITS = 9
DELTA_BITS = 8
# The numbers that the page shows of each unit: columns of `unit_tables.MIS` and `MEASURES`.
NUMBERS = (
    "mis_soft", "mis_hard", "mean_delta", "tied_fraction", "monosemanticity", "label_purity",
    "class_selectivity",
)  # fmt: skip


def script(name: str, columns: Mapping[str, np.ndarray], **facts: Any) -> bytes:
    """One data file of the page.

    Parameters
    ----------
    name
        Under which the page asks for it.
    columns
        Numbers of any shape.
    facts
        What else the page should know: values that JSON can hold.
    """
    little = {key: _little_endian(values) for key, values in columns.items()}
    header = {
        **facts,
        "columns": [
            {"name": key, "type": values.dtype.str[1:], "shape": values.shape}
            for key, values in little.items()
        ],
    }
    # Run lengths and byte frequencies compress these data as well as a slow search for repeats.
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
    """Round float32 to `bits` bits of the mantissa; NaN and infinities stay as they are."""
    whole = np.asarray(values, dtype=np.float32)
    dropped = np.uint32(23 - bits)
    half = np.uint32(1) << (dropped - np.uint32(1))
    raw = np.ascontiguousarray(whole).view(np.uint32)
    near = ((raw + half) >> dropped << dropped).view(np.float32)
    return np.where(np.isfinite(whole), near, whole)


def smallest(indices: np.ndarray) -> np.ndarray:
    """Convert non-negative integers to the smallest type that holds them all."""
    return indices.astype(np.min_scalar_type(int(indices.max(initial=0))))


def score_columns(scores: pl.DataFrame, measures: pl.DataFrame | None) -> dict[str, np.ndarray]:
    """The scores and measures of all units of a network; NaN where a unit has none.

    Parameters
    ----------
    scores, measures
        `mis.parquet` and `measures.parquet`, of the same units in the same order. Without measures
        the units have none.
    """
    if measures is None:
        both = scores.with_columns(pl.lit(None, pl.Float64).alias(name) for name in MEASURE_COLUMNS)
    else:
        both = pl.concat([scores, measures.drop("layer", "unit")], how="horizontal")
    columns = {
        name: rounded(both[name].fill_null(float("nan")).to_numpy(), SCORE_BITS) for name in NUMBERS
    }
    return {"constant": both["constant"].to_numpy().astype(np.uint8), **columns}


def image_columns(
    exemplars: pl.DataFrame,
    scores: pl.DataFrame,
    similarity: np.ndarray | Embeddings,
    settings: mis.ScoreSettings,
) -> dict[str, np.ndarray]:
    """The images of the live units of a network, and the tasks that they were scored by.

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
        For each live unit: `strongest`, `weakest` (live, SHOWN) indices of images, and their
        activations; `delta` (live, tasks); `task` (live, shown), the numbers of the tasks of
        `choose_tasks`; and the images of these tasks, `positive` and `negative`
        (live, shown, K + 1), the query first.

    Raises
    ------
    InputError
        The exemplars and the settings give other tasks than those that made the scores.
    """
    live = ~exemplars["constant"].to_numpy()
    sides = {side: tables.matrix(exemplars[side]) for side in ("strongest", "weakest")}
    # Tasks are drawn for all units, as they were for the scores: fewer units would draw others.
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
    """The tasks of each unit that the page shows: the hardest, the middle and the easiest one.

    Where there are one or two tasks, all of them.

    Parameters
    ----------
    delta
        `(units, tasks)`.

    Returns
    -------
    numpy.ndarray
        `(units, shown)` int64 numbers of tasks, in the order of rising delta.
    """
    last = delta.shape[1] - 1
    ranks = sorted({0, last // 2, last})
    return np.argsort(delta, axis=1, kind="stable")[:, ranks]
