"""Compact networks on disk, and as PyTorch modules."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from prunescope.compact import equivalence
from prunescope.compact.graph import graph_files, torch_modules
from prunescope.compact.graph.graph import from_json, to_json
from prunescope.compact.graph.graph_files import CompactNetwork
from prunescope.compact.graph.nodes import INPUT
from prunescope.foundation.errors import InputError


def save(compact: CompactNetwork, folder: Path) -> tuple[Path, Path]:
    paths = (folder / "compact.json", folder / "compact.safetensors")
    graph_files.save(compact, *paths)
    return paths


def test_saved_and_loaded(compact: CompactNetwork, tmp_path: Path) -> None:
    description, tensors = save(compact, tmp_path)
    loaded = graph_files.load(description)
    assert loaded.graph == compact.graph
    assert loaded.tensors.keys() == compact.tensors.keys()
    for name, tensor in compact.tensors.items():
        assert loaded.tensors[name].dtype == tensor.dtype
        assert np.array_equal(loaded.tensors[name], tensor)
    wanted = replace(compact.description, layers=(), auxiliary_heads=False)
    assert loaded.description == wanted
    first = [description.read_bytes(), tensors.read_bytes()]
    save(compact, tmp_path)
    assert [description.read_bytes(), tensors.read_bytes()] == first


def test_a_rebuilt_module_answers_as_the_masked_one(
    compact: CompactNetwork, tmp_path: Path, images: torch.Tensor, expected: np.ndarray
) -> None:
    loaded = graph_files.load(save(compact, tmp_path)[0])
    module = torch_modules.build(loaded.graph, loaded.tensors)
    assert not module.training
    assert set(module.state_dict()) == set(loaded.tensors)
    with torch.inference_mode():
        before = images.clone()
        assert equivalence.difference(expected, module(images).numpy()) <= 1e-5
        assert torch.equal(images, before), "what belongs to the caller is not overwritten"


def test_tensors_of_another_network_are_refused(compact: CompactNetwork, tmp_path: Path) -> None:
    description, tensors = save(compact, tmp_path)
    tensors.write_bytes(tensors.read_bytes()[:-1] + b"\x01")
    with pytest.raises(
        InputError, match=r"compact\.safetensors: not the tensors that .* describes"
    ):
        graph_files.load(description)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"network": {}}', "3"])
def test_damaged_descriptions_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "compact.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"compact\.json: not a whole description"):
        graph_files.load(path)


def test_graphs_as_json(compact: CompactNetwork) -> None:
    values = json.loads(json.dumps(to_json(compact.graph)))
    assert from_json(values) == compact.graph
    step = {"name": "a", "op": "relu", "inputs": [INPUT], "shape": [1, 3, 8, 8], "batch": 0}
    unknown = {"shape": [1, 3, 8, 8], "nodes": [step | {"op": "exec"}]}
    with pytest.raises(InputError, match="unknown operation 'exec'"):
        from_json(unknown)
    dangling = {"shape": [1, 3, 8, 8], "nodes": [step | {"inputs": ["b"]}]}
    with pytest.raises(InputError, match="reads b, which no step before it makes"):
        from_json(dangling)
    for fault in ({"shape": None}, {"batch": 4}, {"batch": None}):
        with pytest.raises(InputError, match="makes a value of the shape"):
            from_json({"shape": [1, 3, 8, 8], "nodes": [step | fault]})


def test_tensors_that_do_not_fit_are_refused(compact: CompactNetwork) -> None:
    tensors = dict(compact.tensors)
    name = "inception3a.branch1.conv.weight"
    with pytest.raises(InputError, match=f"tensor {name} is missing"):
        torch_modules.build(
            compact.graph, {key: value for key, value in tensors.items() if key != name}
        )
    tensors[name] = tensors[name][:, 1:]
    with pytest.raises(InputError, match=r"inception3a\.branch1\.conv takes .* channels"):
        torch_modules.build(compact.graph, tensors)
