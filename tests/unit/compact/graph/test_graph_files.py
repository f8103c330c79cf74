"""Compact networks on disk, as graphs, PyTorch modules and ONNX models."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from conftest import PREPROCESSING
from torch import nn

from prunescope import networks, pruning
from prunescope.checkpoints import Description, Network
from prunescope.compact import compared_forms, equivalence, removal, sizes
from prunescope.compact.graph import (
    batch_norms,
    graph_files,
    onnx_models,
    onnx_sessions,
    torch_modules,
    tracing,
)
from prunescope.compact.graph.graph import INPUT, Graph, Node, from_json, to_json
from prunescope.compact.graph.graph_files import CompactNetwork
from prunescope.errors import InputError


@pytest.fixture(scope="module")
def masked() -> Network:
    """GoogLeNet for small images, with heads and a transformed input, some channels pruned."""
    torch.manual_seed(0)
    blank = Description(
        "googlenet", 10, 32, **PREPROCESSING, transform_input=True, auxiliary_heads=True
    )
    module = networks.build_googlenet(blank)
    layers = networks.find_layers(module, image_size=32)
    network = networks.to_network(module, replace(blank, layers=layers))
    method = pruning.Settings("input_channel", "layer", "l1")
    return network.masked(pruning.make_masks(network, method, 0.6))


@pytest.fixture(scope="module")
def compact(masked: Network) -> CompactNetwork:
    graph = tracing.trace(masked.description)
    made = removal.compact(*batch_norms.fold_batch_norms(graph, masked.tensors))
    return CompactNetwork(masked.description, made.graph, made.tensors)


@pytest.fixture(scope="module")
def images() -> torch.Tensor:
    torch.manual_seed(1)
    return torch.randn(5, 3, 32, 32)


@pytest.fixture(scope="module")
def expected(masked: Network, images: torch.Tensor) -> np.ndarray:
    with torch.inference_mode():
        return networks.to_module(masked)(images).numpy()


# --- files -----------------------------------------------------------------------------------


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
    unknown = {"channels": 3, "nodes": [{"name": "a", "op": "exec", "inputs": [INPUT]}]}
    with pytest.raises(InputError, match="unknown operation 'exec'"):
        from_json(unknown)
    dangling = {"channels": 3, "nodes": [{"name": "a", "op": "relu", "inputs": ["b"]}]}
    with pytest.raises(InputError, match="reads b, which no step before it makes"):
        from_json(dangling)


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


# --- tracing ---------------------------------------------------------------------------------


def test_a_traced_graph_is_the_network(
    masked: Network, images: torch.Tensor, expected: np.ndarray
) -> None:
    graph = tracing.trace(masked.description)
    used = {name: masked.tensors[name] for name in graph.tensor_names(masked.tensors)}
    with torch.inference_mode():
        found = torch_modules.build(graph, used)(images).numpy()
    assert equivalence.difference(expected, found) <= 1e-6
    assert graph.nodes[0].op == "scale"
    assert {name for name in masked.tensors if name not in used} == {
        name for name in masked.tensors if name.startswith("aux")
    }


class Grouped(nn.Module):
    def __init__(self, description: Description) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1, groups=3)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.conv(images)


class Twice(Grouped):
    def __init__(self, description: Description) -> None:
        super().__init__(description)
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.conv(self.conv(images))


class Residual(Twice):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.conv(images) + images


class Flattened(Twice):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.flatten(self.conv(images), 1)


@pytest.mark.parametrize("kind", [Grouped, Twice, Residual, Flattened])
def test_what_graphs_cannot_hold_is_refused(
    kind: type[nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(networks.ARCHITECTURES, "odd", kind)
    with pytest.raises(NotImplementedError, match="compact networks"):
        tracing.trace(Description("odd", 3, 8, **PREPROCESSING))


# --- ONNX and torch.export -------------------------------------------------------------------


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
    graph = tracing.trace(masked.description)
    model = onnx_models.to_onnx(graph, masked.tensors, masked.description)
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


# --- sizes and variants ----------------------------------------------------------------------


def test_sizes_are_counted() -> None:
    window = {"stride": (1, 1), "padding": (1, 1), "dilation": (1, 1)}
    graph = Graph(
        (
            Node("a", "conv", (INPUT,), window),
            Node("n", "batch_norm", ("a",), {"eps": 1e-3}),
            Node("m", "global_mean", ("n",)),
            Node("fc", "linear", ("m",)),
        )
    )
    tensors = {
        "a.weight": np.zeros((2, 3, 3, 3), np.float32),
        "n.weight": np.ones(2, np.float32),
        "n.bias": np.zeros(2, np.float32),
        "n.running_mean": np.ones(2, np.float32),
        "n.running_var": np.ones(2, np.float32),
        "n.num_batches_tracked": np.array(7, np.int64),
        "fc.weight": np.ones((5, 2), np.float32),
        "head.weight": np.ones((9, 9), np.float32),
    }
    counted = sizes.count(graph, tensors, {"a": 64, "fc": 1})
    assert counted["parameters"] == 54 + 4 + 10
    assert counted["nonzero_parameters"] == 12
    assert counted["macs"] == 54 * 64 + 10
    assert counted["bytes"] == 4 * (54 + 4 + 4 + 10) + 8
    assert 0 < counted["bytes_compressed"] < counted["bytes"] / 3


def test_all_variants_answer_alike_where_they_must(
    masked: Network, compact: CompactNetwork, images: torch.Tensor, expected: np.ndarray
) -> None:
    model = onnx_models.to_onnx(compact.graph, compact.tensors, compact.description)
    found = {
        (runtime, name): np.asarray(load()(images))
        for runtime, kinds in compared_forms.loaders(masked, masked, compact, model, 1).items()
        for name, load in kinds.items()
    }
    assert len(found) == 7
    for kind, logits in found.items():
        assert equivalence.difference(expected, logits) <= 1e-4, kind
    for load in compared_forms.small_loaders(masked.description, 1).values():
        assert np.asarray(load()(images)).shape == (5, 10)
