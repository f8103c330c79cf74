"""Writes pickled frames as the published files hold them, without pandas."""

import copyreg
import io
import pickle
from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any, ClassVar

import numpy as np

from prunescope.interpret.published_scores import frames

TYPES = {"Conv2d": 0, "BatchNorm2d": 1, "Linear": 2}
_NAMES = {known: name for name, known in frames._KNOWN.items()}


class _Manager:
    def __init__(self, columns: Mapping[str, np.ndarray]) -> None:
        self.columns = columns


class _Writer(pickle._Pickler):
    """Names the classes of pandas and NumPy where it meets our stand-ins for them."""

    def save_global(self, obj: Any, name: str | None = None) -> None:
        known = _NAMES.get(obj)
        if known is None:
            super().save_global(obj, name)
            return
        for word in known:
            self.save(word)
        self.write(pickle.STACK_GLOBAL)
        self.memoize(obj)

    dispatch: ClassVar = {**pickle._Pickler.dispatch, FunctionType: save_global}

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, type) and obj in _NAMES:
            return NotImplemented
        if isinstance(obj, np.ndarray):
            kind = frames._Type("O8" if obj.dtype == object else obj.dtype.str[1:], False, True)
            content = obj.ravel().tolist() if obj.dtype == object else obj.tobytes()
            return frames._array, (frames._Array, (0,), b"b"), (1, obj.shape, kind, False, content)
        if isinstance(obj, frames._Type):
            # The last number has NumPy's flags of a type; those of objects are 63.
            order, flags = ("|", 63) if obj.code == "O8" else ("<", 0)
            state = (3, order, None, None, None, -1, -1, flags)
            return frames._Type, (obj.code, False, True), state
        if isinstance(obj, _Manager):
            rows = len(next(iter(obj.columns.values()), ()))
            return frames._Manager, (self._blocks(obj), [_Axis(list(obj.columns)), range(rows)])
        if isinstance(obj, _Axis):
            data = np.array(obj.names, dtype=object)
            return frames._index, (frames._Index, {"data": data, "name": None})
        if isinstance(obj, range):
            place = {"name": None, "start": 0, "stop": len(obj), "step": 1}
            return frames._index, (frames._Rows, place)
        if isinstance(obj, frames._Block):
            values, places = obj.array, obj.places
            return frames._Block, (values, slice(*places.indices(99)[:2]), 2)
        if isinstance(obj, frames._Frame):
            state = {"_mgr": _Manager(obj.columns), "_typ": "dataframe", "attrs": {}}
            return copyreg.__newobj__, (frames._Frame,), state  # type: ignore[attr-defined]
        return NotImplemented

    def _blocks(self, manager: _Manager) -> tuple:
        return tuple(
            frames._Block(column[None], slice(place, place + 1), 2)  # type: ignore[arg-type]
            for place, column in enumerate(manager.columns.values())
        )


class _Axis:
    def __init__(self, names: list[str]) -> None:
        self.names = names


def pickled(stored: Any) -> bytes:
    """Pickle a thing as pandas would."""
    content = io.BytesIO()
    _Writer(content, 4).dump(stored)
    return content.getvalue()


def frame(columns: Mapping[str, Any]) -> frames._Frame:
    """A frame of arrays: floats and whole numbers as such, all else as objects."""
    made = frames._Frame()
    made.columns = {}
    for name, values in columns.items():
        array = np.array(values)
        made.columns[name] = array.astype(object) if array.dtype.kind in "OU" else array
    return made


def scores(
    layers: Sequence[str], types: Sequence[str], units: Sequence[int], soft: Sequence[float]
) -> dict[str, Any]:
    """What a published file holds."""
    columns = {
        "layer": list(layers),
        "unit": [str(unit) for unit in units],
        "mis": [1.0] * len(layers),
        "mis_confidence": list(soft),
        "layer_type": [TYPES[name] for name in types],
    }
    return {"scores": frame(columns), "layer_types": TYPES}
