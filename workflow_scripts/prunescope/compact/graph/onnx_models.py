"""Compact networks as ONNX models, written from their description.

They are written, not traced by `torch.onnx.export`, which takes seconds, gives everything new
names, and needs torch. The graph has a counterpart in ONNX for each of its steps already. The same
network gives the same bytes.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from prunescope.compact.graph.graph import Graph
from prunescope.compact.graph.nodes import INPUT, Tensors
from prunescope.compact.graph.operations.table import operation_of
from prunescope.foundation import provenance, whole_files
from prunescope.networks.description import Description

# Of 2022, the first with layer norm: any runtime in use reads it.
OPSET = 17
IR_VERSION = 8
OUTPUT = "logits"
# The keys of the metadata: the description of the network, and where the file comes from.
METADATA = ("network", provenance.KEY)
# In the metadata of a file without a model: why there is none.
KEPT_MASKED = "kept_masked"


def to_onnx(graph: Graph, tensors: Tensors, description: Description) -> bytes:
    """Serialise a network.

    The model takes float32 `images`, `(batch, 3, side, side)`, scaled to 0..1 and normalised with
    the `mean` and `std` of its metadata, and gives `logits`, `(batch, classes)`. Its metadata hold
    the description (`network`) and the running job's provenance (`prunescope`), both as JSON.

    Parameters
    ----------
    graph
        What the network computes.
    tensors
        Its parameters and buffers, by name; others are left out.
    description
        How to feed it.

    Returns
    -------
    bytes
        The content of a file.

    Raises
    ------
    ValueError
        An operation is not known.
    """
    held = {name: np.asarray(tensors[name], order="C") for name in graph.tensor_names(tensors)}
    for node in graph.nodes:
        added = operation_of(node).onnx_tensors(node, held)
        held |= {node.tensor(name): array for name, array in added.items()}
    steps = [step for node in graph.nodes for step in operation_of(node).to_onnx(node, held)]
    used = {name for step in steps for name in step.input}
    initializers = [
        numpy_helper.from_array(array, name) for name, array in held.items() if name in used
    ]
    model = helper.make_model(
        helper.make_graph(
            [_renamed(step, graph.output) for step in steps],
            description.architecture,
            [_value(INPUT, ["batch", *graph.shape[1:]])],
            [_value(OUTPUT, ["batch", description.classes])],
            initializers,
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="prunescope",
    )
    return _finished(model, description, {})


def without_model(description: Description, kept_masked: str) -> bytes:
    """What stands in the place of the ONNX model of a network that was kept masked.

    Parameters
    ----------
    description
        The network.
    kept_masked
        Which operation stands in the way.

    Returns
    -------
    bytes
        The content of an ONNX file without any step, input or output. Its metadata hold, beside
        those of every model, the operation (`kept_masked`).
    """
    model = helper.make_model(
        helper.make_graph([], description.architecture, [], []),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="prunescope",
        doc_string=f"No model: {kept_masked} stands in the way of a compact network.",
    )
    return _finished(model, description, {KEPT_MASKED: json.dumps(kept_masked)})


def _finished(model: onnx.ModelProto, description: Description, more: Mapping[str, str]) -> bytes:
    described = asdict(replace(description, layers=()))
    own = (json.dumps(described, sort_keys=True), provenance.dumps())
    metadata = {**dict(zip(METADATA, own, strict=True)), **more}
    for key, value in sorted(metadata.items()):
        model.metadata_props.add(key=key, value=value)
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def read_metadata(path: str) -> dict[str, dict]:
    """The metadata that we write into ONNX files, after a check of the file; others are left out.

    Raises
    ------
    InputError
        The file is damaged.
    """
    with whole_files.reading(path, "ONNX model"):
        model = onnx.load(path)
        onnx.checker.check_model(model)
        return {
            entry.key: json.loads(entry.value)
            for entry in model.metadata_props
            if entry.key in (*METADATA, KEPT_MASKED)
        }


def _value(name: str, shape: Sequence[int | str]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)


def _renamed(step: onnx.NodeProto, output: str) -> onnx.NodeProto:
    if step.output[0] == output:
        step.output[0] = OUTPUT
    return step
