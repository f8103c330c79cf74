"""Open the published frames, which are pickled pandas, without pandas and without running code.

A pickle is a program: it may call whatever it names. So a file is opened only after its checksum
matched, and by an unpickler that gives each name that occurs in these files a stand-in of this
module. All other names are refused. Nothing of pandas or NumPy is called by a file.
"""

import hashlib
import io
import pickle
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import polars as pl

from prunescope.foundation.errors import InputError

_BLOCKS = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
_BRANCHES = ("branch1", "branch2.0", "branch2.1", "branch3.0", "branch3.1", "branch4.1")
CLASSIFIER = "fc"
# The scored layers of torchvision's GoogLeNet in its order; auxiliary heads were not scored.
LAYERS = (
    *(f"conv{number}.conv" for number in (1, 2, 3)),
    *(f"inception{block}.{branch}.conv" for block in _BLOCKS for branch in _BRANCHES),
    CLASSIFIER,
)
CHANNELS, LOGITS = 7_280, 1_000
# What the files call the types of layers, and what we call them. Outputs of batch norms are left
# out: each repeats the channel of its convolution but for scale and shift.
TYPES = {"Conv2d": "conv2d", "Linear": "linear"}
BATCH_NORM = "BatchNorm2d"
PUT_BACK = "Put the published file there."
COLUMNS = ("layer", "unit", "mis", "mis_confidence", "layer_type")


class _Refused(Exception):  # noqa: N818 (becomes an InputError)
    """The file names or holds something that does not occur in the published files."""


class _Type:
    """The type of an array: a stand-in for `numpy.dtype`."""

    def __init__(self, code: str, _align: bool, _copy: bool) -> None:
        self.code = code

    def __setstate__(self, _state: tuple) -> None:
        """Only the byte order is in it, and types are read as little-endian, as they are."""


class _Array:
    """A stand-in for `numpy.ndarray`, which holds numbers as bytes and objects as a list."""

    values: np.ndarray

    def __setstate__(self, state: tuple) -> None:
        _version, shape, kind, by_columns, content = state
        if kind.code == "O8" and isinstance(content, list):
            values = np.empty(len(content), dtype=object)
            values[:] = content
        elif kind.code in ("f8", "i8") and isinstance(content, bytes):
            values = np.frombuffer(content, dtype=f"<{kind.code}")
        else:
            raise _Refused(f"an array of {kind.code}")
        self.values = values.reshape(shape, order="F" if by_columns else "C")


def _array(_kind: type, _shape: tuple, _code: bytes) -> _Array:
    return _Array()


class _Index:
    """The names of columns: a stand-in for an index of pandas."""

    def __init__(self, data: _Array) -> None:
        self.names = [str(name) for name in data.values]


class _Rows:
    """The numbers of rows: a stand-in for an index of pandas. Nothing of them is needed."""


def _index(kind: type, content: dict[str, Any]) -> _Index | _Rows:
    return _Index(content["data"]) if kind is _Index else _Rows()


class _Block:
    """Columns of one type: a stand-in for a block of pandas."""

    def __init__(self, array: _Array, places: slice, _dimensions: int) -> None:
        self.array, self.places = array, places


class _Manager:
    """All columns: a stand-in for `pandas.core.internals.managers.BlockManager`."""

    def __init__(self, blocks: tuple[_Block, ...], axes: tuple[_Index, _Rows]) -> None:
        names = axes[0].names
        self.columns = {}
        for block in blocks:
            places = range(*block.places.indices(len(names)))
            for place, values in zip(places, block.array.values, strict=True):
                self.columns[names[place]] = values


class _Frame:
    """A stand-in for `pandas.DataFrame`."""

    columns: dict[str, np.ndarray]

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.columns = state["_mgr"].columns


# Everything that the published files name.
_KNOWN: dict[tuple[str, str], Any] = {
    ("builtins", "slice"): slice,
    ("numpy", "dtype"): _Type,
    ("numpy", "ndarray"): _Array,
    ("numpy.core.multiarray", "_reconstruct"): _array,
    ("pandas._libs.internals", "_unpickle_block"): _Block,
    ("pandas.core.frame", "DataFrame"): _Frame,
    ("pandas.core.indexes.base", "Index"): _Index,
    ("pandas.core.indexes.base", "_new_Index"): _index,
    ("pandas.core.indexes.range", "RangeIndex"): _Rows,
    ("pandas.core.internals.managers", "BlockManager"): _Manager,
}


class _Unpickler(pickle.Unpickler):
    """Gives stand-ins for the names that are known, and refuses all others."""

    def find_class(self, module_name: str, global_name: str) -> Any:
        try:
            return _KNOWN[module_name, global_name]
        except KeyError:
            raise _Refused(f"it names {module_name}.{global_name}") from None

    def persistent_load(self, pid: Any) -> NoReturn:
        raise _Refused("it refers to things outside of it")


def read(path: str | Path, sha256: str, advice: str = PUT_BACK) -> pl.DataFrame:
    """The scores of all convolution channels and logits of one network.

    Parameters
    ----------
    path
        A published file.
    sha256
        The checksum that it must have, in hexadecimal. Nothing of a file with another one is
        interpreted.
    advice
        What to do about a file with another checksum.

    Returns
    -------
    polars.DataFrame
        In the order of torchvision's layers: `layer` (its module name), `layer_type` (`conv2d` or
        `linear`), `unit` (i32), `mis_soft`, `mis_hard` (f64).

    Raises
    ------
    InputError
        The file has another checksum, or is no such frame.
    """
    # Read once: what is opened is what was checked, even if the file changes meanwhile.
    content = Path(path).read_bytes()
    found = hashlib.sha256(content).hexdigest()
    if found != sha256:
        raise InputError(
            f"{path}: wrong checksum: its SHA-256 is {found}, but it must be {sha256}. It was not "
            f"opened. {advice}"
        )
    try:
        return units_of(unpickle(content))
    except Exception as error:
        raise InputError(
            f"{path}: no frame of the scores of a GoogLeNet: {error}. Its checksum is right, so "
            "this is a bug: the list of published files names a wrong one."
        ) from error


def unpickle(content: bytes) -> pl.DataFrame:
    """The pickled frame as a frame of polars, with the columns `COLUMNS`.

    Raises
    ------
    Exception
        The content is damaged, names something that the published files do not name, or holds
        something else than such a frame. Which error it is depends on the place of the damage.
    """
    stored = _Unpickler(io.BytesIO(content)).load()
    frame = stored.get("scores") if isinstance(stored, dict) else None
    if not isinstance(frame, _Frame):
        raise _Refused("it holds no frame `scores`")
    columns = frame.columns
    if sorted(columns) != sorted(COLUMNS):
        raise _Refused(f"its columns are {sorted(columns)}")
    names = {number: name for name, number in stored["layer_types"].items()}
    return pl.DataFrame(
        {
            "layer": [str(name) for name in columns["layer"]],
            "layer_type": [names[number] for number in columns["layer_type"].tolist()],
            "unit": pl.Series([int(unit) for unit in columns["unit"]], dtype=pl.Int32),
            "mis_soft": columns["mis_confidence"].astype(np.float64),
            "mis_hard": columns["mis"].astype(np.float64),
        }
    )


def units_of(frame: pl.DataFrame) -> pl.DataFrame:
    """Convolution channels and logits with torchvision's names, in torchvision's order.

    Raises
    ------
    ValueError
        The frame is not of torchvision's GoogLeNet for 1,000 classes, or holds no whole scores.
    """
    # No module of GoogLeNet has an underscore in its own name.
    named = frame.with_columns(pl.col("layer").str.replace_all("_", ".", literal=True))
    units = named.filter(pl.col("layer_type") != BATCH_NORM)
    unknown = sorted(set(units["layer"]) - set(LAYERS)) or sorted(
        set(units["layer_type"]) - set(TYPES)
    )
    if unknown:
        raise ValueError(f"{unknown[0]} is not part of torchvision's GoogLeNet")
    units = units.with_columns(
        pl.col("layer_type").replace_strict(TYPES, return_dtype=pl.String),
        place=pl.col("layer").replace_strict({name: i for i, name in enumerate(LAYERS)}),
    ).sort("place", "unit")
    _check(units)
    return units.drop("place")


def _check(units: pl.DataFrame) -> None:
    counted = (
        len(units.filter(layer_type="conv2d")),
        len(units.filter(layer_type="linear")),
    )
    if counted != (CHANNELS, LOGITS) or units["layer"].n_unique() != len(LAYERS):
        raise ValueError(
            f"{counted[0]} channels and {counted[1]} logits in {units['layer'].n_unique()} layers, "
            f"not {CHANNELS} and {LOGITS} in {len(LAYERS)}"
        )
    expected = pl.int_range(pl.len(), dtype=pl.Int32).over("layer")
    if not units.select((pl.col("unit") == expected).all()).item():
        raise ValueError("the units of a layer are not counted from 0 on")
    scores = units.select(pl.col("mis_soft", "mis_hard").is_between(0, 1).all())
    if not all(scores.row(0)):
        raise ValueError("a score is no number between 0 and 1")
