"""Each operation answers every question about itself, and an unknown one is refused everywhere."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import one_operation
import pytest
import torch
from one_operation import DESCRIPTION, WINDOW, Sample
from torch import fx, nn

from prunescope.compact import channels, layer_report, removal, sizes
from prunescope.compact.channels import Needs
from prunescope.compact.graph import batch_norms, onnx_models, torch_modules
from prunescope.compact.graph.graph import Graph, check_shapes, from_json, to_json
from prunescope.compact.graph.nodes import INPUT, Node
from prunescope.compact.graph.operations.channelwise import Channelwise
from prunescope.compact.graph.operations.operation import Operation, Part, Picked, Remade
from prunescope.compact.graph.operations.table import OPERATIONS, operation_of
from prunescope.compact.surgery import Surgery
from prunescope.foundation.errors import InputError


def weights(*shape: int) -> np.ndarray:
    """Weights, none of them zero but those of the first filter."""
    drawn = np.random.default_rng(3).uniform(0.5, 1.5, size=shape)
    drawn[0] = 0
    return drawn


NORM = {
    "weight": np.array([1.0, 2, 0.5, 1, 0, 1, 1, 0.1]),
    "bias": np.linspace(-1, 1, 8),
    "running_mean": np.linspace(-0.2, 0.4, 8),
    "running_var": np.linspace(0.5, 2, 8),
    "num_batches_tracked": np.array(3),
}
POOL = {"kernel": (3, 3), "ceil_mode": False, **WINDOW}
# At least one step of each operation, by the name of the operation and of what is special about it.
SAMPLES = {
    "conv": Sample(WINDOW, {"weight": weights(4, 8, 1, 1), "bias": np.arange(4.0)}),
    "conv without bias": Sample(WINDOW, {"weight": weights(4, 8, 1, 1)}),
    "conv with padding": Sample({**WINDOW, "padding": (1, 1)}, {"weight": weights(4, 8, 3, 3)}),
    "linear": Sample({}, {"weight": weights(4, 8), "bias": np.arange(4.0)}, after_mean=True),
    "batch_norm": Sample({"eps": 1e-3}, NORM),
    "relu": Sample(),
    "max_pool": Sample(POOL),
    "max_pool with padding": Sample({**POOL, "padding": (1, 1), "stride": (2, 2)}),
    "global_mean": Sample(),
    "concat": Sample(inputs=("other", "first")),
    "scale": Sample({"factor": (0.5, 2.0) * 4, "shift": (1.0, -1.0) * 4}),
    "select": Sample({}, {"channels": np.array([5, 0, 1, 7, 3])}),
}


def operation_in(name: str) -> str:
    return name.partition(" ")[0]


def test_every_operation_has_a_sample() -> None:
    assert {operation_in(name) for name in SAMPLES} == set(OPERATIONS)
    assert all(operation.name == name for name, operation in OPERATIONS.items())


@pytest.mark.parametrize("name", SAMPLES)
def test_every_operation_keeps_its_word_in_a_network(name: str) -> None:
    one_operation.prove(operation_in(name), SAMPLES[name])


@pytest.mark.parametrize("name", SAMPLES)
def test_every_operation_answers_every_question(name: str) -> None:
    graph, tensors = one_operation.network_with(operation_in(name), SAMPLES[name])
    node = next(node for node in graph.nodes if node.name == "it")
    operation = operation_of(node)
    shapes = {key: tensor.shape for key, tensor in tensors.items()}
    assert set(node.settings) == set(operation.settings)
    assert operation.joins == (len(node.inputs) > 1)
    assert set(operation.optional) <= set(operation.tensors)
    assert [node.tensor(key) for key in operation.present(node, tensors)] == [
        key for key in graph.tensor_names(tensors) if key.startswith("it.")
    ]
    found = channels.find_constants(graph, tensors)
    given = [found[value] for value in node.inputs]
    width = operation.channels_out(node, [len(part) for part in given], shapes)
    constants = operation.constants(node, given, tensors)
    assert (constants.dtype, constants.shape) == (np.float64, (width,))
    merged = operation.merge_constants(node, given, tensors)
    assert set(merged) <= set(operation.tensors)

    made = np.zeros(width, bool)
    made[[0, 1, width - 1]] = True
    reads = operation.reads(node, made, given, tensors)
    assert [(part.dtype, part.shape) for part in reads] == [
        (np.dtype(bool), part.shape) for part in given
    ]
    assert not any(np.shares_memory(part, made) for part in reads), "the caller may change them"
    read = tuple(np.flatnonzero(part) for part in reads)
    part = Part(np.flatnonzero(made), read, tuple(given))
    remade = operation.remake(node, part, tensors)
    if isinstance(remade, Remade):
        assert set(remade.settings) == set(operation.settings)
        left = {node.tensor(key): tensor.shape for key, tensor in remade.tensors.items()}
        step = Node("it", node.op, node.inputs, remade.settings)
        assert operation.channels_out(step, [part.size for part in read], left) == 3
        assert all(
            tensor.dtype == tensors[node.tensor(key)].dtype
            for key, tensor in remade.tensors.items()
            if node.tensor(key) in tensors
        )
    else:
        assert isinstance(remade, Picked)
        assert remade.channels.shape == (3,)

    with torch.device("meta"):
        built = operation.to_torch(node, shapes, may_overwrite=False)
    assert callable(built)
    extra = operation.onnx_tensors(node)
    steps = operation.to_onnx(node, tensors | {node.tensor(key): of for key, of in extra.items()})
    assert steps[-1].output == ["it"]
    strange = fx.Graph().placeholder("strange")
    assert operation.from_torch(strange, nn.Bilinear(1, 1, 1)) is None


def test_an_operation_that_leaves_a_question_open_cannot_be_made() -> None:
    class Half(Channelwise):
        name = "half"

        def constants(self, node, given, tensors):
            return given[0] / 2

    with pytest.raises(TypeError, match="abstract methods to_onnx, to_torch"):
        Half()
    assert {"constants", "reads", "remake"} <= Operation.__abstractmethods__


# --- unknown operations ----------------------------------------------------------------------

ODD = Node("odd", "swish", ("relu",))
GRAPH = Graph((Node("relu", "relu", (INPUT,)), ODD))
LAYER = Graph((Node("fc", "linear", (INPUT,)), Node("odd", "swish", ("fc",))))
CONSTANTS = dict.fromkeys((INPUT, "relu", "fc", "odd"), np.full(3, np.nan))
NEEDED = Needs(
    dict.fromkeys(CONSTANTS, np.ones(3, bool)), dict.fromkeys([("relu", 0)], np.ones(3, bool))
)
WEIGHT = {"fc.weight": np.ones((3, 3), np.float32)}

PLACES: dict[str, Callable[[], object]] = {
    "find_constants": lambda: channels.find_constants(GRAPH, {}),
    "merge_constants": lambda: channels.merge_constants(GRAPH, {}, CONSTANTS),
    "find_needs": lambda: channels.find_needs(GRAPH, {}, CONSTANTS),
    "surgery": lambda: Surgery(GRAPH, {}, CONSTANTS, NEEDED).run(),
    "describe_layers": lambda: layer_report.describe_layers(
        WEIGHT, Surgery(LAYER, WEIGHT, CONSTANTS, NEEDED), {}
    ),
    "compact": lambda: removal.compact(GRAPH, {}),
    "fold_batch_norms": lambda: batch_norms.fold_batch_norms(GRAPH, {}),
    "tensor_names": lambda: GRAPH.tensor_names([]),
    "parameter_names": lambda: GRAPH.parameter_names([]),
    "layers": lambda: GRAPH.layers(),
    "count": lambda: sizes.count(GRAPH, {}, {}),
    "to_json": lambda: to_json(GRAPH),
    "check_shapes": lambda: check_shapes(GRAPH, {}),
    "build": lambda: torch_modules.build(GRAPH, {}),
    "to_onnx": lambda: onnx_models.to_onnx(GRAPH, {}, DESCRIPTION),
}


@pytest.mark.parametrize("place", PLACES)
def test_an_unknown_operation_is_refused_everywhere(place: str) -> None:
    with pytest.raises(ValueError, match="step 'odd' has the unknown operation 'swish'") as error:
        PLACES[place]()
    assert not isinstance(error.value, InputError), "no file is to blame"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"op": "swish"}, "step 'it' has the unknown operation 'swish'; known: conv, linear"),
        ({"inputs": []}, "step 'it' reads nothing"),
        ({"inputs": [INPUT, INPUT]}, "step 'it' reads 2 values; relu reads one"),
        ({"slope": 0.1}, "step 'it' has the settings slope; relu has none"),
        ({"op": "batch_norm"}, "step 'it' has the settings none; batch_norm has eps"),
    ],
)
def test_files_with_unsound_steps_are_refused(fields: dict, message: str) -> None:
    sound = {"name": "it", "op": "relu", "inputs": [INPUT]}
    assert from_json({"channels": 3, "nodes": [sound]}).output == "it"
    with pytest.raises(InputError, match=message):
        from_json({"channels": 3, "nodes": [sound | fields]})


# --- what is imported ------------------------------------------------------------------------

WITHOUT_TORCH = [
    "removal",
    "sizes",
    "equivalence",
    "timing",
    "graph.graph_files",
    "graph.batch_norms",
    "graph.onnx_sessions",
]


def test_graphs_are_compacted_without_torch_and_onnx() -> None:
    """Jobs that import neither start faster, and do not become stale by what concerns them."""
    modules = ", ".join(f"prunescope.compact.{name}" for name in WITHOUT_TORCH)
    code = (
        f"import sys, {modules}\n"
        "print([name for name in ('torch', 'onnx', 'onnxruntime') if name in sys.modules])"
    )
    scripts = Path(removal.__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=scripts, capture_output=True, text=True, check=True
    )
    assert run.stdout == "[]\n"
