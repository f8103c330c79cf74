"""The questions that the class of an operation answers.

The modules of this folder import torch and onnx inside the methods that need them. Graphs are read,
checked and compacted without either.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import numpy as np

from prunescope.compact.graph.nodes import Entries, Node, Shapes, Tensors, Value

if TYPE_CHECKING:
    import onnx
    import torch
    from torch import nn


class CannotCompactError(NotImplementedError):
    """A network does something that no operation of compact networks does.

    Attributes
    ----------
    operation
        What it does, in a few words.
    """

    def __init__(self, operation: str, where: str = "") -> None:
        self.operation = operation
        place = f" ({where})" if where else ""
        super().__init__(f"compact networks have no counterpart of {operation}{place}")


@dataclass(frozen=True)
class Step:
    """A step of a graph, and what is known of it.

    Attributes
    ----------
    node
        The step.
    given, made
        The values that it reads and the one that it makes.
    held
        All tensors of the network, by their full name.
    constants
        The number that each channel of each input is, whatever the image and the position: float64,
        NaN where a channel is not constant; of the shape `Value.small` of the input.
    prices
        What it costs to make a number of each input: multiply-accumulates of the layer before.
    round_to
        Layers keep a multiple of this number of outputs and of inputs.
    """

    node: Node
    given: tuple[Value, ...]
    made: Value
    held: Tensors
    constants: tuple[np.ndarray, ...] = ()
    prices: tuple[float, ...] = ()
    round_to: int = 1

    def tensor(self, name: str) -> np.ndarray:
        """One of its parameters or buffers."""
        return self.held[self.node.tensor(name)]

    def has(self, name: str) -> bool:
        """Whether it has a parameter or buffer of this name."""
        return self.node.tensor(name) in self.held

    @property
    def settings(self) -> Mapping[str, Any]:
        """The settings of the step."""
        return self.node.settings


@dataclass(frozen=True)
class Part:
    """What is left of a step when channels are removed.

    Attributes
    ----------
    kept
        The entries of its value that the step still makes.
    read
        The entries of each input that it still reads.
    """

    kept: Entries
    read: tuple[Entries, ...]


@dataclass(frozen=True)
class Extended:
    """An input of which a step reads fewer channels than it makes: constants fill it up.

    Attributes
    ----------
    axis
        The axis of the channels.
    channels
        The position of each channel among those that are read, -1 for a constant; int64.
    fill
        The numbers of the constants, and 0 where a channel is read; float64.
    """

    axis: int
    channels: np.ndarray
    fill: np.ndarray


@dataclass(frozen=True)
class Remade:
    """A step without the channels that were removed.

    Attributes
    ----------
    tensors
        Its parameters and buffers, named without the name of the step.
    settings
        Its settings.
    op
        Its operation, if that has changed.
    folded
        How many constant channels of its input became numbers.
    extended
        Inputs that constants fill up, by their place.
    """

    tensors: Mapping[str, np.ndarray] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    op: str | None = None
    folded: int = 0
    extended: Mapping[int, Extended] = field(default_factory=dict)


@dataclass(frozen=True)
class Picked:
    """A step that only hands on entries of an input. It is removed; its readers pick from there.

    Attributes
    ----------
    place
        The place of that input among the inputs of the step.
    sources
        By axis: the entry of the input that each entry that the step still makes is; int64. Along
        other axes the entries are the same.
    """

    place: int
    sources: Mapping[int, np.ndarray]


# With how many images a graph is exported, so that it shows where the images lie.
TRACED = 2


@dataclass(frozen=True)
class Handle:
    """A value of a graph that is being read.

    Attributes
    ----------
    name
        Its name.
    shape
        Its shape for `TRACED` images.
    batch
        The axis along which they lie.
    """

    name: str
    shape: tuple[int, ...]
    batch: int


class Call(Protocol):
    """A step of an exported graph, as `lowering` offers it to the operations.

    Attributes
    ----------
    op
        Its name among PyTorch's operations, such as `conv2d`; without the underscore of those that
        write to their input.
    given
        Its arguments by name: values as `Handle`, tensors that do not depend on the images as
        arrays, all others as they are.
    shape
        The shape of what it makes of `TRACED` images.
    shapes
        The same for each of several values that it makes.
    owner
        The name of the layer whose weight it uses, or of the step.
    """

    @property
    def op(self) -> str: ...

    @property
    def given(self) -> Mapping[str, Any]: ...

    @property
    def shape(self) -> tuple[int, ...]: ...

    @property
    def shapes(self) -> Sequence[tuple[int, ...]]: ...

    @property
    def owner(self) -> str: ...

    def beside(self, name: str) -> dict[str, np.ndarray]:
        """A tensor of the layer whose weight the step uses, that the step does not read, by name.

        Empty if there is none.
        """
        ...

    def shared(self, tensor: np.ndarray, batch: int) -> np.ndarray:
        """A tensor with one entry along the images' axis, if it is the same for all of them.

        Raises
        ------
        CannotCompactError
            It is not.
        """
        ...

    def aligned(self, handle: Handle, shape: Sequence[int]) -> Handle:
        """A value with as many axes as `shape`: those that it lacks come first, with length 1."""
        ...

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
        """Append a step; its batch axis is that of the first input unless `batch` says more."""
        ...


Made = Handle | tuple[Handle, ...]


class Operation(ABC):
    """What a step of a graph computes, and what follows from that.

    A subclass answers every question about its operation, so that a new operation needs no change
    elsewhere. Answers that several operations share are in classes between this one and theirs,
    such as `elementwise.Elementwise`.

    Attributes
    ----------
    name
        What it is called in graphs and their JSON.
    aten
        Names of PyTorch's operations that `lower` takes.
    parameters, buffers
        Names of its tensors. Buffers do not count as parameters of the network.
    optional
        Names of those tensors that a step may lack.
    settings
        Names of the settings that each of its steps has.
    inputs
        The least and the largest number of values that it reads.
    belongs_to_layer
        Whether it counts as part of the layer before it, as a batch norm or an activation does.
    layer_type
        What tables call it if it is a layer, with a `weight` of shape `(filters, channels, ...)`;
        None if it is not.
    shares_memory
        Whether what it makes may lie in the memory of its input.
    """

    name: ClassVar[str]
    aten: ClassVar[tuple[str, ...]] = ()
    parameters: ClassVar[tuple[str, ...]] = ()
    buffers: ClassVar[tuple[str, ...]] = ()
    optional: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[tuple[str, ...]] = ()
    inputs: ClassVar[tuple[int, int]] = (1, 1)
    belongs_to_layer: ClassVar[bool] = False
    layer_type: ClassVar[str | None] = None
    shares_memory: ClassVar[bool] = False

    @property
    def tensors(self) -> tuple[str, ...]:
        """Names of all its tensors, in the order in which files and ONNX models list them."""
        return self.parameters + self.buffers

    def present(self, node: Node, tensors: Container[str]) -> list[str]:
        """Names of the tensors that a step has.

        Parameters
        ----------
        node
            The step.
        tensors
            Full names of all tensors of the network, such as `conv1.conv.weight`.

        Returns
        -------
        list of str
            Without the name of the step, such as `weight`.
        """
        return [name for name in self.tensors if node.tensor(name) in tensors]

    # --- channels ----------------------------------------------------------------------------

    def fault(self, node: Node, given: Sequence[tuple[int, ...]], shapes: Shapes) -> str:
        """What does not fit between the tensors of a step and its values; empty if all does.

        Parameters
        ----------
        node
            The step.
        given
            The shapes of its inputs.
        shapes
            The shapes of all tensors, by their full name.
        """
        return ""

    def axes(self, node: Node, given: Sequence[Value]) -> tuple[int, ...]:
        """The axes along which the channels of what a step makes lie.

        Raises
        ------
        CannotCompactError
            It treats the channels of these inputs in a way that the class does not know.
        """
        return given[0].axes

    def price(self, step: Step) -> float:
        """Multiply-accumulates for each number that is made, of the last layer."""
        return max(step.prices, default=0.0)

    @abstractmethod
    def constants(self, step: Step) -> np.ndarray:
        """The number that each channel is, whatever the image and the position.

        Returns
        -------
        numpy.ndarray
            float64 of the shape `step.made.small`, NaN where a channel is not constant.
        """

    def settle(self, step: Step, made: np.ndarray) -> np.ndarray:
        """The channels that a step makes if it must make these; at least them.

        Parameters
        ----------
        step
            The step.
        made
            Booleans of the shape `step.made.small`, `closed`.
        """
        return made

    @abstractmethod
    def reads(self, step: Step, made: np.ndarray) -> list[np.ndarray]:
        """The channels of each input that a step must read.

        Parameters
        ----------
        step
            The step.
        made
            Which of its channels it makes: booleans as `settle` returned them.

        Returns
        -------
        list of numpy.ndarray
            New arrays of booleans, one for each input, each `closed`. Along each axis they have the
            length of the input, or 1 if all entries are meant. A constant that `remake` turns into
            a number need not be read.
        """

    # --- surgery -----------------------------------------------------------------------------

    @abstractmethod
    def remake(self, step: Step, part: Part) -> Remade | Picked:
        """The step with the entries of `part` alone."""

    def merge_constants(self, step: Step) -> dict[str, np.ndarray]:
        """Tensors with which a step reads fewer constant channels and makes the same.

        Returns
        -------
        dict
            The changed ones, named without the name of the step. Empty if there is no other way.
        """
        return {}

    # --- frameworks --------------------------------------------------------------------------

    @abstractmethod
    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "nn.Module | Callable[..., torch.Tensor]":
        """The step in PyTorch.

        This is called with the default device `meta`, and values are loaded later.

        Parameters
        ----------
        node
            The step.
        shapes
            Shapes of all tensors, by their full name.
        may_overwrite
            Whether no other step reads the input, so that the output may take its place in memory.

        Returns
        -------
        torch.nn.Module or callable
            A module whose parameters and buffers have the names of `tensors`; or, for a step
            without any, a function of its inputs.
        """

    @abstractmethod
    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        """The step in ONNX, as one or several steps (see `onnx_step`).

        The last one makes the value that has the name of the step.

        Parameters
        ----------
        node
            The step.
        tensors
            All tensors of the model, by their full name.
        """

    def onnx_tensors(self, node: Node, tensors: Tensors) -> dict[str, np.ndarray]:
        """Tensors that the step needs in ONNX only, named without the name of the step."""
        return {}

    def lower(self, call: Call) -> Made:
        """Append the steps that compute what a step of an exported graph does.

        Raises
        ------
        CannotCompactError
            It is this operation, with something that the settings cannot express.
        """
        raise CannotCompactError(call.op)


class ChannelByChannel(Operation):
    """An operation of one input that makes each channel of the same one, and keeps constants."""

    def constants(self, step: Step) -> np.ndarray:
        return step.constants[0]

    def reads(self, step: Step, made: np.ndarray) -> list[np.ndarray]:
        return [made.copy()]

    def remake(self, step: Step, part: Part) -> "Remade | Picked":
        return Remade(settings=step.settings)


def unknown(value: Value) -> np.ndarray:
    """No channel of a value is constant: NaN."""
    return np.full(value.small, np.nan)


def taken(tensor: np.ndarray, kept: Entries) -> np.ndarray:
    """The part of a tensor that belongs to entries of a value, with whose axes it ends."""
    for axis, found in enumerate(kept[len(kept) - tensor.ndim :]):
        if tensor.shape[axis] > 1:
            tensor = tensor.take(found, axis=axis)
    return np.ascontiguousarray(tensor)


def pair(value: Any) -> tuple[int, int]:
    """A setting of PyTorch as two numbers, where one number stands for both."""
    numbers = [value] if isinstance(value, int) else list(value)
    return (numbers[0], numbers[-1])


def require_axes(node: Node, value: Value, allowed: Sequence[int]) -> None:
    """Check that channels lie along these axes only.

    Raises
    ------
    CannotCompactError
        They do not.
    """
    if set(value.axes) - set(allowed):
        raise CannotCompactError(f"{node.op} across channels", node.name)


def require_channels(node: Node, expected: int, given: int) -> str:
    """The fault of a step whose tensors are made for another number of channels; or nothing."""
    return "" if expected == given else f"{node.name} takes {expected} channels, is given {given}"


def onnx_step(
    op: str,
    node: Node,
    tensors: Sequence[str] = (),
    *,
    inputs: Sequence[str] | None = None,
    name: str | None = None,
    **attributes: Any,
) -> "onnx.NodeProto":
    """A step of an ONNX model.

    Parameters
    ----------
    op
        The operator of ONNX.
    node
        The step of the graph.
    tensors
        Those of the step's tensors that it reads, named without the name of the step.
    inputs
        The values that it reads; by default, those of `node`.
    name
        The value that it makes; by default, that of `node`.
    attributes
        Attributes of the operator.
    """
    from onnx import helper

    name = name or node.name
    read = [*(node.inputs if inputs is None else inputs), *map(node.tensor, tensors)]
    return helper.make_node(op, read, [name], name=name, **attributes)
