"""Arrays are read as they were written, or refused."""

import json
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path

import numpy as np
import pytest

from prunescope.foundation import arrays, provenance
from prunescope.foundation.errors import InputError


@pytest.mark.parametrize("memory_map", [False, True])
def test_arrays_are_read_as_written(tmp_path: Path, memory_map: bool) -> None:
    array = np.random.default_rng(0).normal(size=(4, 3)).astype(np.float32)
    path = tmp_path / "similarity_timm:net.v2.npy"
    arrays.save_array(array, path)
    loaded = arrays.load_array(path, memory_map=memory_map)
    assert isinstance(loaded, np.memmap) == memory_map
    assert loaded.dtype == array.dtype
    np.testing.assert_array_equal(loaded, array)
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("memory_map", [False, True])
@pytest.mark.parametrize(
    "damage",
    [
        pytest.param(lambda whole: b"", id="empty"),
        pytest.param(lambda whole: whole[:4], id="magic cut"),
        pytest.param(lambda whole: whole[:40], id="header cut"),
        pytest.param(lambda whole: whole[:128], id="no data"),
        pytest.param(lambda whole: whole[:-1], id="last byte cut"),
        pytest.param(lambda whole: whole + b"\0", id="byte added"),
        pytest.param(lambda whole: b"index,label\n0,1\n", id="text"),
    ],
)
def test_damaged_arrays_are_refused(
    tmp_path: Path, damage: Callable[[bytes], bytes], memory_map: bool
) -> None:
    path = tmp_path / "images.npy"
    arrays.save_array(np.arange(100), path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match=r"images\.npy: not a whole \.npy array"):
        arrays.load_array(path, memory_map=memory_map)


def test_pickled_objects_are_neither_written_nor_read(tmp_path: Path) -> None:
    path = tmp_path / "objects.npy"
    objects = np.array([{}, None], dtype=object)
    with pytest.raises(ValueError, match="pickle"):
        arrays.save_array(objects, path)
    assert not list(tmp_path.iterdir())
    np.save(path, objects, allow_pickle=True)
    with pytest.raises(InputError, match=r"objects\.npy"):
        arrays.load_array(path)


def test_provenance_is_written_in_one_order(tmp_path: Path) -> None:
    def job(description: dict, path: Path) -> None:
        provenance.set_current(description)
        arrays.save_provenance(path)

    copy_context().run(job, {"rule": "embed", "params": {"b": 1, "a": [2]}}, tmp_path / "one.json")
    copy_context().run(job, {"params": {"a": [2], "b": 1}, "rule": "embed"}, tmp_path / "two.json")
    assert (tmp_path / "one.json").read_bytes() == (tmp_path / "two.json").read_bytes()
    stored = json.loads((tmp_path / "one.json").read_text())
    assert stored == {"rule": "embed", "params": {"a": [2], "b": 1}}
