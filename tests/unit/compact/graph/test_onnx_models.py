"""Compact networks as ONNX models, and what `torch.export` makes of their modules."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from compacted import lowered_network

from prunescope.compact import equivalence
from prunescope.compact.graph import onnx_models, onnx_sessions, torch_modules
from prunescope.compact.graph.graph_files import CompactNetwork
from prunescope.compact.graph.nodes import INPUT
from prunescope.foundation.errors import InputError
from prunescope.networks.description import Network


def test_an_onnx_model_answers_alike_for_any_batch(
    compact: CompactNetwork, images: torch.Tensor, expected: np.ndarray
) -> None:
    model = onnx_models.to_onnx(compact.graph, compact.tensors, compact.description)
    assert model == onnx_models.to_onnx(compact.graph, compact.tensors, compact.description)
    session = onnx_sessions.open_session(model, 1)
    assert equivalence.difference(expected, session(images.numpy())) <= 1e-4
    assert equivalence.difference(expected[:1], session(images[:1].numpy())) <= 1e-4


def test_an_onnx_model_with_batch_norms(
    masked: Network, images: torch.Tensor, expected: np.ndarray
) -> None:
    model = onnx_models.to_onnx(*lowered_network(masked), masked.description)
    found = onnx_sessions.open_session(model, 1)(images.numpy())
    assert equivalence.difference(expected, found) <= 1e-4
    operations = {node.op_type for node in onnx.load_from_string(model).graph.node}
    assert {"BatchNormalization", "Mul", "Add", "MaxPool", "Concat", "Gemm"} <= operations


def test_an_onnx_file_says_how_to_feed_it(compact: CompactNetwork, tmp_path: Path) -> None:
    path = tmp_path / "compact.onnx"
    path.write_bytes(onnx_models.to_onnx(compact.graph, compact.tensors, compact.description))
    described = onnx_models.read_metadata(str(path))["network"]
    assert described["mean"] == [0.2, 0.3, 0.4]
    assert (described["image_size"], described["classes"]) == (32, 10)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(InputError, match=r"compact\.onnx: not a whole ONNX model"):
        onnx_models.read_metadata(str(path))


@pytest.mark.slow
def test_torch_exports_the_module_itself(
    compact: CompactNetwork, images: torch.Tensor, expected: np.ndarray, tmp_path: Path
) -> None:
    """`torch.export` and `torch.onnx.export` take the module; batches may have any size."""
    module = torch_modules.build(compact.graph, compact.tensors)
    batch = {INPUT: {0: torch.export.Dim("batch", min=1, max=64)}}
    program = torch.export.export(module, (images[:3],), dynamic_shapes=batch)
    with torch.inference_mode():
        found = program.module()(images).numpy()
    assert equivalence.difference(expected, found) <= 1e-5
    path = tmp_path / "exported.onnx"
    torch.onnx.export(program, f=path, external_data=False)
    (name,) = [value.name for value in onnx.load(path).graph.input]
    assert name == INPUT
    found = onnx_sessions.open_session(path.read_bytes(), 1)(images.numpy())
    assert equivalence.difference(expected, found) <= 1e-4
