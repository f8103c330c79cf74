"""Take out of a network what its zeros make superfluous: the same outputs from fewer channels.

Three questions are answered for every channel of every value of the graph:

1. Is it the same number everywhere, whatever the image? A filter whose weights are all zero
   emits such a constant, and so may what is computed from it. It is known *forwards*.
2. Does anything depend on it? A channel that all its readers multiply by zero is superfluous, and
   so is the filter that makes it, whatever its weights are. This is known *backwards*.
3. May a constant move into its reader? `w * c` of a convolution without padding is a number,
   which joins the bias, or the running mean of the batch norm behind. With padding, the constant
   ends at the border: the channel must stay. But one such channel can stand for all others of its
   reader, since what a convolution makes of constants differs in their factors only.

One pass in each direction finds everything: what is constant does not depend on what is read, and a
filter that goes is seen before the filters that it read. Compacting a compact network again changes
nothing.

Which parameters go is decided by what is exactly zero in the file, never by its masks: weights that
have regrown stay.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from prunescope.compact.graph.batch_norms import scale_and_shift
from prunescope.compact.graph.graph import INPUT, PARAMETERS, Graph, Node

Tensors = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Compact:
    """A network without what it does not need.

    Attributes
    ----------
    graph, tensors
        The network.
    layers
        What became of each convolution and fully connected layer, in the order of the graph: rows
        of `tables.COMPACTION`.
    """

    graph: Graph
    tensors: Tensors
    layers: list[dict[str, object]]


def compact(graph: Graph, tensors: Tensors) -> Compact:
    """Remove every channel of a network that its outputs do not depend on.

    Parameters
    ----------
    graph
        What the network computes.
    tensors
        Its parameters and buffers. Those that the graph does not use, such as auxiliary heads,
        are left out.

    Returns
    -------
    Compact
        A network that computes the same, up to rounding.
    """
    original = {name: np.asarray(tensors[name]) for name in graph.tensor_names(tensors)}
    constants = find_constants(graph, original)
    merged = _merge_constants(graph, original, constants)
    needs = find_needs(graph, merged, constants)
    surgery = _Surgery(graph, merged, constants, needs)
    surgery.run()
    made = Graph(tuple(surgery.nodes), graph.channels)
    return Compact(made, surgery.tensors, _report(original, surgery))


# --- what is constant ------------------------------------------------------------------------


def find_constants(graph: Graph, tensors: Tensors) -> dict[str, np.ndarray]:
    """The number that each channel of each value is, NaN where it depends on image or position.

    Returns
    -------
    dict
        Arrays of float64 and shape `(channels,)` by name of the value.
    """
    found = {INPUT: np.full(graph.channels, np.nan)}
    for node in graph.nodes:
        read = [found[name] for name in node.inputs]
        found[node.name] = _constants_of(node, np.concatenate(read), tensors)
    return found


def _constants_of(node: Node, given: np.ndarray, tensors: Tensors) -> np.ndarray:
    if node.op in ("conv", "linear"):
        weight = _flat(tensors[node.tensor("weight")])
        varying = ~_foldable(node, given)
        made = weight.sum(axis=2) @ np.where(varying, 0, given) + _bias(node, tensors)
        return np.where(weight.any(axis=2) @ varying, np.nan, made)
    if node.op == "batch_norm":
        scale, shift = scale_and_shift(node, tensors)
        return np.where(scale == 0, shift, given * scale + shift)
    if node.op == "scale":
        return given * node.settings["factor"] + node.settings["shift"]
    if node.op == "select":
        return given[tensors[node.tensor("channels")]]
    # Padding of a max pool is below every number, so that a constant stays what it is.
    return np.maximum(given, 0) if node.op == "relu" else given


def _foldable(node: Node, given: np.ndarray) -> np.ndarray:
    """The channels that a layer can replace by numbers."""
    return given == 0 if node.padded else np.isfinite(given)


def _merge_constants(graph: Graph, tensors: Tensors, constants: Tensors) -> dict[str, np.ndarray]:
    """Let one constant channel stand for all that a padded convolution reads; the largest one."""
    merged = dict(tensors)
    for node in graph.nodes:
        if not (node.op == "conv" and node.padded):
            continue
        weight = tensors[node.tensor("weight")]
        given = constants[node.inputs[0]]
        read = np.isfinite(given) & (given != 0) & _flat(weight).any(axis=(0, 2))
        if read.sum() < 2:
            continue
        chosen = int(np.nanargmax(np.abs(given)))
        share = np.where(read, given, 0) / given[chosen]
        stand_in = np.tensordot(weight.astype(np.float64), share, axes=(1, 0))
        changed = np.where(read.reshape(1, -1, 1, 1), 0, weight)
        changed[:, chosen] = stand_in
        merged[node.tensor("weight")] = changed.astype(weight.dtype)
    return merged


# --- what is needed --------------------------------------------------------------------------


@dataclass
class Needs:
    """Which channels are needed.

    Attributes
    ----------
    values
        Booleans of shape `(channels,)` by name of the value: whether any reader needs a channel.
    reads
        The same by reader and place among its inputs.
    last
        Readers that need nothing, and keep one channel so that there is something to read.
    """

    values: dict[str, np.ndarray]
    reads: dict[tuple[str, int], np.ndarray] = field(default_factory=dict)
    last: set[str] = field(default_factory=set)


def find_needs(graph: Graph, tensors: Tensors, constants: Tensors) -> Needs:
    """Find the channels that the output depends on and that no reader can replace by a number."""
    needs = Needs({name: np.zeros(len(values), bool) for name, values in constants.items()})
    needs.values[graph.output][:] = True
    for node in reversed(graph.nodes):
        made = needs.values[node.name]
        if not made.any():
            continue
        given = [constants[name] for name in node.inputs]
        read = _read(node, made, np.concatenate(given), tensors)
        parts = np.split(read, np.cumsum([len(part) for part in given])[:-1])
        if not read.any():
            # Best one that is there anyway.
            parts[0][int(np.argmax(needs.values[node.inputs[0]]))] = True
            needs.last.add(node.name)
        for place, (name, part) in enumerate(zip(node.inputs, parts, strict=True)):
            needs.reads[node.name, place] = part
            needs.values[name] |= part
    return needs


def _read(node: Node, made: np.ndarray, given: np.ndarray, tensors: Tensors) -> np.ndarray:
    """The channels that a step reads to make those of its channels that are needed."""
    if node.op in ("conv", "linear"):
        weight = _flat(tensors[node.tensor("weight")])
        return weight[made].any(axis=(0, 2)) & ~_foldable(node, given)
    if node.op == "select":
        read = np.zeros(len(given), bool)
        read[tensors[node.tensor("channels")][made]] = True
        return read
    return made.copy()


# --- surgery ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class _View:
    """Where the channels of an original value are: positions in a value of the new graph, or -1."""

    value: str
    positions: np.ndarray


class _Surgery:
    """Builds the new graph, step by step in forward order."""

    def __init__(self, graph: Graph, tensors: Tensors, constants: Tensors, needs: Needs) -> None:
        self.graph, self.given, self.constants, self.needs = graph, tensors, constants, needs
        self.readers = graph.readers()
        self.nodes: list[Node] = []
        self.tensors: dict[str, np.ndarray] = {}
        self.gathered: dict[str, int] = {}
        self.folded: dict[str, int] = {}
        self._views = {INPUT: _View(INPUT, np.arange(graph.channels))}
        self._sizes = {INPUT: graph.channels}
        self._selections: dict[tuple[str, bytes], str] = {}
        # What constants add to a convolution whose batch norm takes it into its running mean.
        self._pending: dict[str, np.ndarray] = {}

    def run(self) -> None:
        for node in self.graph.nodes:
            kept = np.flatnonzero(self.needs.values[node.name])
            if kept.size:
                getattr(self, f"_{node.op}", self._channelwise)(node, kept)

    def _emit(self, node: Node, kept: np.ndarray) -> None:
        """Append a step that makes the channels `kept` of the original one of its name."""
        positions = np.full(len(self.constants[node.name]), -1)
        positions[kept] = np.arange(kept.size)
        self.nodes.append(node)
        self._views[node.name] = _View(node.name, positions)
        self._sizes[node.name] = kept.size

    def _input(self, node: Node, place: int = 0) -> tuple[str, np.ndarray]:
        """The new value that holds just what a step needs of an input, and which channels."""
        wanted = np.flatnonzero(self.needs.reads[node.name, place])
        view = self._views[node.inputs[place]]
        return self._pick(view.value, view.positions[wanted], node), wanted

    def _pick(self, value: str, positions: np.ndarray, reader: Node) -> str:
        """A value with the channels at `positions` of another one: one copy for all readers."""
        if np.array_equal(positions, np.arange(self._sizes[value])):
            return value
        key = (value, positions.astype(np.int64).tobytes())
        if key not in self._selections:
            number = sum(1 for other, _ in self._selections if other == value) + 1
            name = f"{value}.select{number}"
            self._selections[key] = name
            self._sizes[name] = positions.size
            self.nodes.append(Node(name, "select", (value,)))
            self.tensors[f"{name}.channels"] = positions.astype(np.int64)
        self.gathered[reader.name] = positions.size
        return self._selections[key]

    def _channelwise(self, node: Node, kept: np.ndarray) -> None:
        value, _ = self._input(node)
        for parameter in PARAMETERS[node.op]:
            name = node.tensor(parameter)
            tensor = self.given[name]
            self.tensors[name] = tensor[kept] if tensor.ndim else tensor
        self._emit(replace(node, inputs=(value,)), kept)

    def _batch_norm(self, node: Node, kept: np.ndarray) -> None:
        self._channelwise(node, kept)
        added = self._pending.get(node.inputs[0])
        if added is not None:
            name = node.tensor("running_mean")
            mean = self.tensors[name]
            self.tensors[name] = (mean.astype(np.float64) - added[kept]).astype(mean.dtype)

    def _scale(self, node: Node, kept: np.ndarray) -> None:
        value, _ = self._input(node)
        settings = {key: tuple(np.array(of)[kept].tolist()) for key, of in node.settings.items()}
        self._emit(replace(node, inputs=(value,), settings=settings), kept)

    def _select(self, node: Node, kept: np.ndarray) -> None:
        # Nothing is copied before a reader wants it.
        view = self._views[node.inputs[0]]
        positions = np.full(len(self.constants[node.name]), -1)
        positions[kept] = view.positions[self.given[node.tensor("channels")][kept]]
        self._views[node.name] = _View(view.value, positions)

    def _concat(self, node: Node, kept: np.ndarray) -> None:
        places = [
            place for place in range(len(node.inputs)) if self.needs.reads[node.name, place].any()
        ]
        inputs = tuple(self._input(node, place)[0] for place in places)
        self._emit(replace(node, inputs=inputs), kept)
        if len(inputs) == 1:
            # Of one branch there is nothing to join.
            self.nodes.pop()
            self._views[node.name] = _View(inputs[0], self._views[node.name].positions)

    def _conv(self, node: Node, kept: np.ndarray) -> None:
        value, read = self._input(node)
        weight = self.given[node.tensor("weight")]
        given = self.constants[node.inputs[0]]
        folded = _foldable(node, given) & (given != 0)
        # A channel that is kept to have one at all is read, too.
        folded[read] = False
        added = _flat(weight).sum(axis=2) @ np.where(folded, given, 0)
        used = folded & _flat(weight)[kept].any(axis=(0, 2))
        self.folded[node.name] = int(used.sum())
        self.tensors[node.tensor("weight")] = np.ascontiguousarray(weight[kept][:, read])
        name = node.tensor("bias")
        if name in self.given or (used.any() and not self._normalised(node)):
            bias = _bias(node, self.given) + added
            self.tensors[name] = bias[kept].astype(weight.dtype)
        elif used.any():
            self._pending[node.name] = added
        self._emit(replace(node, inputs=(value,)), kept)

    _linear = _conv

    def _normalised(self, node: Node) -> bool:
        return all(reader.op == "batch_norm" for reader in self.readers[node.name])


def _flat(weight: np.ndarray) -> np.ndarray:
    """A weight as `(out, in, positions)`, in double precision."""
    return weight.reshape(*weight.shape[:2], -1).astype(np.float64)


def _bias(node: Node, tensors: Tensors) -> np.ndarray:
    filters = tensors[node.tensor("weight")].shape[0]
    bias = tensors.get(node.tensor("bias"))
    return np.zeros(filters) if bias is None else bias.astype(np.float64)


# --- what became of each layer ---------------------------------------------------------------


def _report(tensors: Tensors, surgery: _Surgery) -> list[dict[str, object]]:
    return [
        _layer_report(node, tensors, surgery)
        for node in surgery.graph.nodes
        if node.op in ("conv", "linear")
    ]


def _layer_report(node: Node, tensors: Tensors, surgery: _Surgery) -> dict[str, object]:
    weight = tensors[node.tensor("weight")]
    filters, inputs = weight.shape[:2]
    kept = surgery.needs.values[node.name]
    # What the batch norm and the ReLU behind it make of a filter is what its readers see.
    emitted = surgery.constants[_last_of(node, surgery)]
    silent, constant = emitted == 0, np.isfinite(emitted) & (emitted != 0)
    made = surgery.tensors.get(node.tensor("weight"))
    # Of a layer that is gone, nothing is left to count.
    zero = np.zeros((0, 0, 1), bool) if made is None else made.reshape(*made.shape[:2], -1) == 0
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
        "layer_type": {"conv": "conv2d"}.get(node.op, node.op),
        "filters": filters,
        "filters_kept": int(kept.sum()),
        "filters_zero": int((~kept & silent).sum()),
        "filters_folded": int((~kept & constant).sum()),
        "filters_unread": int((~kept & ~np.isfinite(emitted)).sum()),
        "inputs": inputs,
        "inputs_kept": inputs_kept,
        "inputs_gathered": surgery.gathered.get(node.name, 0),
        "constants_folded": surgery.folded.get(node.name, 0),
        "weights": weight.size,
        "weights_kept": zero.size,
        **counts,
        "why": "; ".join(
            _reasons(node, counts, bool((kept & np.isfinite(emitted)).any()), surgery)
        ),
    }


def _last_of(node: Node, surgery: _Surgery) -> str:
    """The value that the only chain of batch norm and ReLU behind a layer ends in."""
    name = node.name
    while len(surgery.readers[name]) == 1 and surgery.readers[name][0].op in ("batch_norm", "relu"):
        name = surgery.readers[name][0].name
    return name


def _reasons(
    node: Node, counts: Mapping[str, int], kept_constant: bool, surgery: _Surgery
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
