"""The unit explorer: every unit's images, scores and tasks as files that a static page loads.

A page that is opened from the file system may not read files beside it, but it may run scripts.
So each data file is a script of one call, `explorer.deliver(name, header, data)`. Its data are the
columns of a table: little-endian numbers, the first bytes of all values, then the second, and so on
(which compresses better), deflated, in base64. The page fetches the files of the networks that it
shows and no others.

Constant units have scores but no images: what they would show is the order of ties.
"""

import base64
import hashlib
import io
import json
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

from prunescope import mis, tables
from prunescope.embedded import Embeddings
from prunescope.errors import InputError
from prunescope.provenance import SCRIPTS

PAGE = SCRIPTS / "explorer"
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

# Side in pixels of the largest thumbnails, and of a sheet of them.
THUMBNAIL = 96
SHEET = 1024
# Beyond so many sheets a unit's images would need nearly all of them: small ones are made instead.
LARGE_SHEETS = 4
SMALL_SHEET_COLUMNS = 4


@dataclass(frozen=True)
class Sheets:
    """How thumbnails are laid out: image `i` is in sheet `i // columns ** 2`, row by row.

    Attributes
    ----------
    images
        Number of images.
    side
        Side of a thumbnail in pixels.
    columns
        Thumbnails in a row of a sheet; a full sheet has as many rows.
    format
        `png` where thumbnails are the images themselves, `jpg` where they are made smaller.
    """

    images: int
    side: int
    columns: int
    format: str

    @classmethod
    def plan(cls, images: int, side: int) -> "Sheets":
        """Lay out `images` square images of `side` pixels."""
        thumbnail = min(side, THUMBNAIL)
        columns = SHEET // thumbnail
        if images > LARGE_SHEETS * columns**2:
            columns = SMALL_SHEET_COLUMNS
        return cls(images, thumbnail, columns, "png" if side == thumbnail else "jpg")

    @property
    def names(self) -> list[str]:
        """File names of the sheets, in order."""
        number = -(-self.images // self.columns**2)
        return [f"sheet{n:04d}.{self.format}" for n in range(number)]


def draw_sheets(images: np.ndarray, plan: Sheets) -> Iterator[bytes]:
    """Draw the sheets one after the other.

    Parameters
    ----------
    images
        uint8 `(images, 3, side, side)`; may be memory-mapped.
    """
    # Slow to import, and needed by nobody else who imports this module.
    from PIL import Image

    size = plan.columns**2
    for start in range(0, len(images), size):
        chosen = np.asarray(images[start : start + size]).transpose(0, 2, 3, 1)
        if chosen.shape[1] != plan.side:
            small = (plan.side, plan.side)
            chosen = np.stack(
                [
                    np.asarray(Image.fromarray(image).resize(small, Image.Resampling.LANCZOS))
                    for image in chosen
                ]
            )
        sheet = Image.fromarray(_tile(chosen, plan.columns))
        if (chosen == chosen[..., :1]).all():
            sheet = sheet.convert("L")
        content = io.BytesIO()
        options: dict[str, Any] = {"jpg": {"quality": 85, "subsampling": 0}, "png": {}}[plan.format]
        sheet.save(content, {"jpg": "jpeg", "png": "png"}[plan.format], **options)
        yield content.getvalue()


def _tile(images: np.ndarray, columns: int) -> np.ndarray:
    """Set `(images, side, side, channels)` in rows of `columns`; what is left stays black."""
    number, side, _, channels = images.shape
    rows = -(-number // columns)
    cells = np.zeros((rows * columns, side, side, channels), dtype=images.dtype)
    cells[:number] = images
    grid = cells.reshape(rows, columns, side, side, channels).transpose(0, 2, 1, 3, 4)
    return grid.reshape(rows * side, columns * side, channels)


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
    settings: mis.Settings,
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


def layers(units: pl.DataFrame) -> list[dict[str, Any]]:
    """The layers in order, each with its kind and its number of units.

    Raises
    ------
    ValueError
        The units do not stand layer by layer, counted from 0: a fault in our code.
    """
    found = units.group_by("layer", maintain_order=True).agg(
        type=pl.col("layer_type").first(), units=pl.len()
    )
    counted = [n for number in found["units"] for n in range(number)]
    names = [name for name, _, number in found.iter_rows() for _ in range(number)]
    if names != units["layer"].to_list() or counted != units["unit"].to_list():
        raise ValueError("units do not stand layer by layer, counted from 0")
    return found.rename({"layer": "name"}).to_dicts()


def classes(index: pl.DataFrame) -> list[str]:
    """The names of the classes by their number; empty for one without an image."""
    names = dict(index.select("label", "class").unique().iter_rows())
    return [names.get(number, "") for number in range(max(names) + 1)]


def folder(coordinates: Mapping[str, Any]) -> str:
    """The name of a network: its folder below `networks/`."""
    return "{method}/{retraining}/rate{rate}/seed{seed}".format(**coordinates)


def overview(networks: Sequence[Mapping[str, Any]], table: pl.DataFrame) -> list[dict[str, Any]]:
    """What the page tells of each network: coordinates, accuracy, live units and mean score.

    Parameters
    ----------
    networks
        Coordinates, the rate as it stands in paths.
    table
        `networks.parquet`.
    """
    known = {
        folder(row | {"rate": f"{row['rate']:.2f}"}): row for row in table.iter_rows(named=True)
    }
    told = ("top1", "live_units", "mis_soft_live")
    named = [(folder(network), network) for network in networks]
    return [
        {**network, "name": name, **{key: known[name][key] for key in told}}
        for name, network in named
    ]


def page_files() -> dict[str, bytes]:
    """The parts of the page that are the same for all studies, by name."""
    return {path.name: path.read_bytes() for path in sorted(PAGE.iterdir()) if path.is_file()}


def page_digest() -> str:
    """SHA-256 of the parts of the page, so that a change of them makes it anew."""
    digest = hashlib.sha256()
    for name, content in page_files().items():
        digest.update(f"{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()
