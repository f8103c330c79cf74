"""What became of each layer of a network that was made compact, and why zeros stay."""

from collections.abc import Mapping

import numpy as np

from prunescope.compact.graph.nodes import Node, Tensors
from prunescope.compact.graph.operations.table import operation_of
from prunescope.compact.surgery import Surgery


def describe_layers(
    tensors: Tensors, surgery: Surgery, counted: Mapping[str, np.ndarray]
) -> list[dict[str, object]]:
    """Count what was removed from each convolution and fully connected layer, and what stays.

    Parameters
    ----------
    tensors
        Those of the original network, by name.
    surgery
        The surgery, after its run.
    counted
        Which weights count, as `reach.counted` returns it.

    Returns
    -------
    list of dict
        Rows of `cost_tables.COMPACTION`, in the order of the graph.
    """
    return [_describe(node, tensors, surgery, counted) for node in surgery.graph.layers()]


def _describe(
    node: Node, tensors: Tensors, surgery: Surgery, counted: Mapping[str, np.ndarray]
) -> dict[str, object]:
    weight = tensors[node.tensor("weight")]
    filters, inputs, *kernel = weight.shape
    # The positions of the kernel that count.
    counting = counted.get(node.tensor("weight"), np.ones(kernel, bool)).ravel()
    kept = surgery.needs.values[node.name]
    # Readers see a filter after its batch norm and its ReLU.
    emitted = surgery.constants[_last_of(node, surgery)]
    silent, constant = emitted == 0, np.isfinite(emitted) & (emitted != 0)
    made = surgery.tensors.get(node.tensor("weight"))
    # A removed layer has no weights to count.
    made = np.zeros((0, 0, *kernel)) if made is None else made
    zero = (made.reshape(*made.shape[:2], counting.size) == 0)[:, :, counting]
    in_filters, in_inputs = (np.asarray(zero.all(axis=axes)) for axes in ((1, 2), (0, 2)))
    in_kernels = zero.all(axis=2) & ~in_filters[:, None] & ~in_inputs
    inputs_kept, positions = zero.shape[1:]
    counts = {
        "zeros_filters": int(in_filters.sum()) * inputs_kept * positions,
        "zeros_inputs": int(in_inputs.sum()) * positions * int((~in_filters).sum()),
        "zeros_kernels": int(in_kernels.sum()) * positions if positions > 1 else 0,
    }
    counts["zeros_weights"] = int(zero.sum()) - sum(counts.values())
    return {
        "layer": node.name,
        "layer_type": operation_of(node).layer_type,
        "filters": filters,
        "filters_kept": int(kept.sum()),
        "filters_zero": int((~kept & silent).sum()),
        "filters_folded": int((~kept & constant).sum()),
        "filters_unread": int((~kept & ~np.isfinite(emitted)).sum()),
        "inputs": inputs,
        "inputs_kept": inputs_kept,
        "inputs_gathered": surgery.gathered.get(node.name, 0),
        "constants_folded": surgery.folded.get(node.name, 0),
        "weights": filters * inputs * positions,
        "weights_kept": zero.size,
        "weights_left_out": weight.size - filters * inputs * positions,
        **counts,
        "why": "; ".join(
            _reasons(node, counts, bool((kept & np.isfinite(emitted)).any()), surgery)
        ),
    }


def _last_of(node: Node, surgery: Surgery) -> str:
    """The output of a layer: after its batch norm and ReLU, if no other step reads before them."""
    name = node.name
    while len(surgery.readers[name]) == 1:
        (reader,) = surgery.readers[name]
        if not operation_of(reader).belongs_to_layer:
            break
        name = reader.name
    return name


def _reasons(
    node: Node, counts: Mapping[str, int], kept_constant: bool, surgery: Surgery
) -> list[str]:
    """Why zeros stay in a layer."""
    reasons = []
    is_output = node.name == surgery.graph.output
    if is_output and counts["zeros_filters"]:
        reasons.append("every class has an output, also one without weights")
    elif not is_output and kept_constant:
        reasons.append(
            "a reader pads, or has nothing else to read: a filter stays that is constant"
        )
    if counts["zeros_inputs"] or node.name in surgery.needs.last:
        reasons.append("one input channel stays so that there is something to read")
    if counts["zeros_kernels"]:
        reasons.append("single kernels are zero, not whole filters or channels")
    if counts["zeros_weights"]:
        reasons.append("single weights are zero, not whole filters or channels")
    return reasons
