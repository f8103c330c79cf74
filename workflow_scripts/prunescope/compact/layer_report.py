"""What became of each layer of a network that was made compact, and why zeros stay."""

from collections.abc import Mapping

import numpy as np

from prunescope.compact.graph.nodes import Node, Tensors, along
from prunescope.compact.graph.operations.table import operation_of
from prunescope.compact.surgery import Surgery
from prunescope.networks.description import Network


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


def describe_masked(
    network: Network, counted: Mapping[str, np.ndarray], kept_masked: str
) -> list[dict[str, object]]:
    """The same for a network that was kept masked: nothing was removed, all zeros stay.

    Parameters
    ----------
    network
        The network.
    counted
        Which weights count, as `reach.counted` returns it.
    kept_masked
        Which operation stands in the way.

    Returns
    -------
    list of dict
        Rows of `cost_tables.COMPACTION`, in forward order, without auxiliary heads.
    """
    return [
        {
            "layer": layer.name,
            "layer_type": layer.kind,
            **_kept(network.tensors[layer.weight], counted.get(layer.weight), layer.groups),
            "why": "the network was kept masked",
            "kept_masked": kept_masked,
        }
        for layer in network.description.main_layers
    ]


def _kept(weight: np.ndarray, counting: np.ndarray | None, groups: int) -> dict[str, int]:
    filters, inputs, *kernel = weight.shape
    chosen = np.ones(kernel, bool).ravel() if counting is None else counting.ravel()
    zero = (weight.reshape(filters, inputs, chosen.size) == 0)[:, :, chosen]
    return {
        "filters": filters,
        "filters_kept": filters,
        **dict.fromkeys(("filters_zero", "filters_folded", "filters_unread"), 0),
        "inputs": inputs * groups,
        "inputs_kept": inputs * groups,
        **dict.fromkeys(("inputs_gathered", "constants_folded"), 0),
        "weights": zero.size,
        "weights_kept": zero.size,
        "weights_left_out": weight.size - zero.size,
        **_zeros(zero.reshape(groups, filters // groups, *zero.shape[1:])),
    }


def _zeros(zero: np.ndarray) -> dict[str, int]:
    """Zeros that stay, by the largest piece that they fill.

    `zero` is boolean, of shape `(groups, filters, inputs, positions)`, of each group.
    """
    positions, inputs = zero.shape[3], zero.shape[2]
    in_filters, in_inputs, in_kernels = (
        np.asarray(zero.all(axis=axes)) for axes in ((2, 3), (1, 3), (3,))
    )
    in_kernels &= ~in_filters[:, :, None] & ~in_inputs[:, None]
    left = (~in_filters).sum(axis=1)
    counts = {
        "zeros_filters": int(in_filters.sum()) * inputs * positions,
        "zeros_inputs": int((in_inputs.sum(axis=1) * left).sum()) * positions,
        "zeros_kernels": int(in_kernels.sum()) * positions if positions > 1 else 0,
    }
    return {**counts, "zeros_weights": int(zero.sum()) - sum(counts.values())}


def _describe(
    node: Node, tensors: Tensors, surgery: Surgery, counted: Mapping[str, np.ndarray]
) -> dict[str, object]:
    weight = tensors[node.tensor("weight")]
    filters, inputs, *kernel = weight.shape
    groups = node.settings.get("groups", 1)
    axis = 1 if kernel else len(node.shape) - 1
    # The positions of the kernel that count.
    counting = counted.get(node.tensor("weight"), np.ones(kernel, bool)).ravel()
    kept = along(surgery.needs.values[node.name], axis)
    # Readers see a filter after its batch norm and its ReLU.
    emitted = surgery.facts.constants[_last_of(node, surgery)]
    varies = np.full(filters, np.nan)
    emitted = emitted.reshape(-1) if emitted.size == filters else varies
    silent, constant = emitted == 0, np.isfinite(emitted) & (emitted != 0)
    made = surgery.tensors.get(node.tensor("weight"))
    left = surgery.settings.get(node.name, {}).get("groups", 1)
    # A removed layer has no weights to count.
    made = np.zeros((0, 0, *kernel)) if made is None else made
    zero = (made.reshape(*made.shape[:2], counting.size) == 0)[:, :, counting]
    counts = _zeros(zero.reshape(left, len(zero) // left, *zero.shape[1:]))
    return {
        "layer": node.name,
        "layer_type": operation_of(node).layer_type,
        "filters": filters,
        "filters_kept": int(kept.sum()),
        "filters_zero": int((~kept & silent).sum()),
        "filters_folded": int((~kept & constant).sum()),
        "filters_unread": int((~kept & ~np.isfinite(emitted)).sum()),
        "inputs": inputs * groups,
        "inputs_kept": zero.shape[1] * left,
        "inputs_gathered": surgery.gathered.get(node.name, 0),
        "constants_folded": surgery.folded.get(node.name, 0),
        "weights": filters * inputs * zero.shape[2],
        "weights_kept": zero.size,
        "weights_left_out": weight.size - filters * inputs * zero.shape[2],
        **counts,
        "why": "; ".join(
            _reasons(node, counts, bool((kept & np.isfinite(emitted)).any()), surgery)
        ),
        "kept_masked": "",
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
        reasons.append(f"a filter that is constant stays, because of {_holder(node, surgery)}")
    if counts["zeros_inputs"] or node.name in surgery.needs.last:
        reasons.append("one input channel stays so that there is something to read")
    if counts["zeros_kernels"]:
        reasons.append("single kernels are zero, not whole filters or channels")
    if counts["zeros_weights"]:
        reasons.append("single weights are zero, not whole filters or channels")
    return reasons


def _holder(node: Node, surgery: Surgery) -> str:
    """The next operations behind a layer that do not hand on each channel by itself."""
    last, found = _last_of(node, surgery), set()
    waiting = list(surgery.readers[last])
    while waiting:
        reader = waiting.pop()
        operation = operation_of(reader)
        if operation.belongs_to_layer or operation.shares_memory:
            waiting += surgery.readers[reader.name]
        else:
            found.add("padding" if reader.settings.get("padding") else reader.op)
    return ", ".join(sorted(found)) or "the output"
