"""Tensors beside a JSON file are the ones that belong to it, or are refused."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open

from prunescope.foundation.errors import InputError
from prunescope.networks.exported import tensors_beside


def test_the_checksum_is_that_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "here.safetensors"
    transposed = np.arange(6, dtype=np.float32).reshape(2, 3).T
    held = tensors_beside.save({"a": transposed}, path)
    assert held == {
        "file": "here.safetensors",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
    }
    with safe_open(path, "numpy") as stored:
        assert stored.keys() == ["a"]
        assert stored.get_tensor("a").tolist() == [[0, 3], [1, 4], [2, 5]]
        assert stored.metadata() == {"prunescope": '{"provenance": {}}'}
    assert tensors_beside.load(held, tmp_path / "here.json")["a"].tolist() == transposed.tolist()


def test_tensors_of_another_file_are_refused(tmp_path: Path) -> None:
    held = tensors_beside.save({"a": np.zeros(2)}, tmp_path / "here.safetensors")
    tensors_beside.save({"a": np.ones(2)}, tmp_path / "here.safetensors")
    for _ in range(2):
        with pytest.raises(InputError, match=r"here\.safetensors: not the tensors that .*here\.js"):
            tensors_beside.load(held, tmp_path / "here.json")
        (tmp_path / "here.safetensors").unlink(missing_ok=True)
