"""From an exported graph and the tensors of a network to a graph of its steps."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from prunescope.compact.graph.graph import Graph
from prunescope.compact.graph.nodes import INPUT, Node, Tensors
from prunescope.compact.graph.operations.arranging import reshaped
from prunescope.compact.graph.operations.combining import combine
from prunescope.compact.graph.operations.norms import Scale
from prunescope.compact.graph.operations.operation import TRACED, CannotCompactError, Handle
from prunescope.compact.graph.operations.table import BY_ATEN, operation_of
from prunescope.networks.description import IMAGENET_MEAN, IMAGENET_STD, Network
from prunescope.networks.exported.steps import Dtype, Recorded, Ref, Step

# Steps that hand on their input when a network is used.
IDENTITIES = (
    "dropout", "feature_dropout", "alpha_dropout", "contiguous", "clone", "alias", "detach", "to",
    "_to_copy", "type_as", "lift_fresh_copy", "identity",
)  # fmt: skip


def lower(
    recorded: Recorded, tensors: Tensors, *, transform_input: bool = False
) -> tuple[Graph, dict[str, np.ndarray]]:
    """List what a network computes of images.

    Steps that do not depend on the images, such as a table of positions, are computed.

    Parameters
    ----------
    recorded
        The graph of its architecture.
    tensors
        Its parameters and buffers, by name.
    transform_input
        As `Description.transform_input`: a step for it comes first.

    Returns
    -------
    graph, tensors
        The steps, and the tensors that they use.

    Raises
    ------
    CannotCompactError
        The architecture does something that no operation does.
    """
    if recorded.stays_masked:
        raise CannotCompactError(recorded.stays_masked)
    lowering = _Lowering(recorded, tensors)
    if transform_input:
        lowering.transform_input()
    for place, step in enumerate(recorded.steps):
        lowering.follow(step, place)
    return lowering.finished(recorded.output)


def of_network(recorded: Recorded, network: Network) -> tuple[Graph, dict[str, np.ndarray]]:
    """The same for a network of this architecture."""
    return lower(recorded, network.tensors, transform_input=network.description.transform_input)


@dataclass(frozen=True)
class _Call:
    """A step of an exported graph, for the operations: see `operation.Call`."""

    op: str
    given: Mapping[str, Any]
    shapes: Sequence[tuple[int, ...]]
    name: str
    owner: str
    lowering: "_Lowering"

    @property
    def shape(self) -> tuple[int, ...]:
        return self.shapes[0]

    def beside(self, name: str) -> dict[str, np.ndarray]:
        full = f"{self.owner}.{name}"
        found = self.lowering.tensors.get(full)
        return {} if found is None else {name: np.asarray(found)}

    def shared(self, tensor: np.ndarray, batch: int) -> np.ndarray:
        if tensor.ndim <= batch or tensor.shape[batch] == 1:
            return tensor
        parts = np.split(tensor, TRACED, axis=batch)
        if tensor.shape[batch] == TRACED and all((part == parts[0]).all() for part in parts):
            return parts[0]
        # As many entries for each image as its windows.
        raise CannotCompactError(f"{self.op} of images with a tensor along them", self.name)

    def aligned(self, handle: Handle, shape: Sequence[int]) -> Handle:
        missing = len(shape) - len(handle.shape)
        if missing == 0:
            return handle
        made = [1] * missing + list(handle.shape)
        return reshaped(self, handle, made, handle.batch + missing)

    def add(
        self,
        op: str,
        inputs: Sequence[Handle],
        shape: Sequence[int],
        settings: Mapping[str, Any] | None = None,
        tensors: Mapping[str, np.ndarray] | None = None,
        *,
        batch: int | None = None,
        name: str = "",
    ) -> Handle:
        made = self.lowering.unused(name or self.name, "@" if name else ".")
        batch = inputs[0].batch if batch is None else batch
        names = tuple(handle.name for handle in inputs)
        node = Node(made, op, names, dict(settings or {}), of_one(shape, batch), batch)
        self.lowering.nodes[made] = node
        for key, tensor in (tensors or {}).items():
            self.lowering.made[node.tensor(key)] = np.asarray(tensor)
        return Handle(made, tuple(shape), batch)


def of_one(shape: Sequence[int], batch: int) -> tuple[int, ...]:
    """The shape of a value for one image."""
    return tuple(length // TRACED if axis == batch else length for axis, length in enumerate(shape))


class _Lowering:
    def __init__(self, recorded: Recorded, tensors: Tensors) -> None:
        self.recorded, self.tensors = recorded, tensors
        self.nodes: dict[str, Node] = {}
        self.made: dict[str, np.ndarray] = {}
        self.values: dict[str, Any] = {recorded.images: Handle(INPUT, recorded.shape, 0)}
        # The tensor of the state dict that a value is, or is made of.
        self.origins: dict[str, str] = {}
        # The value in whose memory a value lies, if that is not its own.
        self.memory: dict[str, str] = {}
        # Behind which step a value is not read any more.
        self.last = {ref.name: place for place, step in enumerate(recorded.steps)
                     for ref in _refs(step.given.values())}  # fmt: skip
        self.last[recorded.output] = len(recorded.steps)
        for name, target in recorded.state.items():
            held = recorded.constants.get(target)
            array = tensors[target] if held is None else held
            # Steps may write to it.
            self.values[name] = torch.from_numpy(np.array(array))
            self.origins[name] = target

    def transform_input(self) -> None:
        """From the mean and the deviation of each channel to 0.5 and 0.5."""
        name = "transform_input"
        settings = {
            "factor": tuple(std / 0.5 for std in IMAGENET_STD),
            "shift": tuple((mean - 0.5) / 0.5 for mean in IMAGENET_MEAN),
        }
        shape = self.recorded.shape
        self.nodes[name] = Node(name, Scale.name, (INPUT,), settings, of_one(shape, 0))
        self.values[self.recorded.images] = Handle(name, shape, 0)

    def unused(self, name: str, mark: str) -> str:
        """A name that no step has yet. The second run of a layer is called `LAYER@2`.

        Each run has tensors of its own, so that it can lose channels of its own.
        """
        if name not in self.nodes and name != INPUT:
            return name
        number = 2
        while f"{name}{mark}{number}" in self.nodes:
            number += 1
        return f"{name}{mark}{number}"

    def follow(self, step: Step, place: int) -> None:
        """Compute a step, or append what it does."""
        op = step.op if step.op == "getitem" else step.op.split(".")[1]
        if op in ("_assert_tensor_metadata",):
            return
        given = {key: self._value(value) for key, value in step.given.items()}
        read = list(_handles(given.values()))
        target = step.given.get("self")
        writes = op.endswith("_") and not op.endswith("__")
        if read and writes and isinstance(target, Ref):
            self._require_alone(target.name, step, place)
        if not read or op in ("zeros_like", "new_zeros", "new_ones", "ones_like", "new_full"):
            made = self._computed(step, given)
        elif op == "getitem":
            made = given["values"][given["index"]]
        else:
            made = self._appended(step, op.rstrip("_") if writes else op, given)
        self.values[step.name] = made
        if writes and isinstance(target, Ref) and target.name in self.values:
            # Who reads the input from here on reads what was written to it.
            self.values[target.name] = made
        lies_in = _lies_in(step)
        if lies_in:
            self.memory[step.name] = self.memory.get(lies_in, lies_in)
        sources = [
            self.origins[ref.name] for ref in _refs(step.given.values()) if ref.name in self.origins
        ]
        if sources and not read:
            self.origins[step.name] = sources[0]

    def _require_alone(self, target: str, step: Step, place: int) -> None:
        """Check that no step to come reads what is written to by another name.

        Raises
        ------
        CannotCompactError
            One does, such as a reader of the whole behind a write to its part.
        """
        written = self.memory.get(target, target)
        for name in (written, *self.memory):
            same = self.memory.get(name, name) == written
            if same and name != target and self.last.get(name, -1) > place:
                raise CannotCompactError(f"{step.op.split('.')[1]} in a part of a value", step.name)

    def _value(self, value: Any) -> Any:
        if isinstance(value, Ref):
            return self.values[value.name]
        if isinstance(value, Dtype):
            return getattr(torch, value.name)
        return [self._value(part) for part in value] if isinstance(value, list) else value

    def _computed(self, step: Step, given: Mapping[str, Any]) -> Any:
        if step.op == "getitem":
            return given["values"][given["index"]]
        function = _function(step)

        def real(value: Any) -> Any:
            # Of a value that depends on the images, only the shape is read.
            return torch.zeros(value.shape) if isinstance(value, Handle) else value

        with torch.no_grad():
            return function(**{key: real(value) for key, value in given.items()})

    def _appended(self, step: Step, op: str, given: Mapping[str, Any]) -> Any:
        if op in IDENTITIES:
            return next(_handles(given.values()))
        call = _Call(op, _arrays(given), step.shapes, step.name, self._owner(step), self)
        if op in COMPOSED:
            return COMPOSED[op](call)
        if op not in BY_ATEN:
            raise CannotCompactError(op, step.name)
        return BY_ATEN[op].lower(call)

    def _owner(self, step: Step) -> str:
        """The layer whose weight a step uses; its own name if there is none."""
        for key in ("weight", "mat2", "other", "running_mean"):
            ref = step.given.get(key)
            if isinstance(ref, Ref) and ref.name in self.origins:
                target = self.origins[ref.name]
                prefix, _, last = target.rpartition(".")
                return prefix if last in ("weight", "running_mean") and prefix else target
        return step.name

    def finished(self, output: str) -> tuple[Graph, dict[str, np.ndarray]]:
        """The graph of all steps that the output depends on."""
        value = self.values[output]
        if not isinstance(value, Handle) or value.batch != 0 or value.shape[0] != TRACED:
            raise CannotCompactError("an output that does not hold the images one by one")
        needed, waiting = set(), [value.name]
        while waiting:
            name = waiting.pop()
            if name not in needed and name in self.nodes:
                needed.add(name)
                waiting += self.nodes[name].inputs
        nodes = tuple(node for name, node in self.nodes.items() if name in needed)
        used = {
            node.tensor(key): self.made[node.tensor(key)]
            for node in nodes
            for key in operation_of(node).present(node, self.made)
        }
        return Graph(nodes, of_one(self.recorded.shape, 0)), used


def _function(step: Step) -> Any:
    """PyTorch's operation that a step runs."""
    _, name, overload = step.op.split(".")
    return getattr(getattr(torch.ops.aten, name), overload)


def _lies_in(step: Step) -> str:
    """The value in whose memory the value of a step may lie; empty if it has its own."""
    if step.op == "getitem":
        first = step.given["values"]
    else:
        arguments = _function(step)._schema.arguments
        shared = [argument.name for argument in arguments if argument.alias_info is not None]
        # Without a chance to drop anything, it hands on its input.
        shared += ["input"] if "dropout" in step.op else []
        first = step.given.get(shared[0]) if shared else None
    return first.name if isinstance(first, Ref) else ""


def _handles(values: Any) -> Any:
    for value in values:
        if isinstance(value, Handle):
            yield value
        elif isinstance(value, list | tuple):
            yield from _handles(value)


def _refs(values: Any) -> Any:
    for value in values:
        if isinstance(value, Ref):
            yield value
        elif isinstance(value, list | tuple):
            yield from _refs(value)


def _arrays(given: Any) -> Any:
    """The same with arrays in place of tensors."""
    if isinstance(given, torch.Tensor):
        return given.detach().numpy()
    if isinstance(given, Mapping):
        return {key: _arrays(value) for key, value in given.items()}
    if isinstance(given, tuple):
        return tuple(map(_arrays, given))
    return [_arrays(value) for value in given] if isinstance(given, list) else given


def _product_and_sum(call: _Call) -> Handle:
    """`addcmul`: a value and a product."""
    given = call.given
    first, second = given["tensor1"], given["tensor2"]
    if given.get("value", 1) != 1:
        raise CannotCompactError("addcmul with a factor")
    if not isinstance(first, Handle) and not isinstance(second, Handle):
        made: Any = first * second
    else:
        shape = np.broadcast_shapes(first.shape, second.shape)
        made = combine(call, "mul", [first, second], shape)
    return combine(call, "add", [given["self"], made], call.shape)


COMPOSED: Mapping[str, Callable[[_Call], Any]] = {"addcmul": _product_and_sum}
