"""The questions that the class of an operation answers.

The modules of this folder import torch and onnx inside the methods that need them. Graphs are read,
checked and compacted without either.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from prunescope.compact.graph.nodes import Node, Shapes, Tensors
from prunescope.foundation.errors import InputError

if TYPE_CHECKING:
    import onnx
    import torch
    from torch import fx, nn


@dataclass(frozen=True)
class Part:
    """What is left of a step when channels are removed.

    Attributes
    ----------
    kept
        Which of its channels the step still makes: positions among all that it made, int64,
        ascending.
    read
        Which channels of each input it still reads: positions likewise, one array for each input.
    constants
        The constants of each input: float64 of shape `(channels,)`, NaN where a channel is not
        constant.
    shift
        Numbers that the step before did not add to its output, so that this one must: float64 of
        shape `(channels,)`, or None. Only a step that `absorbs_shift` is given any.
    may_shift
        Whether this step may leave such numbers to its readers, because all of them absorb them.
    """

    kept: np.ndarray
    read: tuple[np.ndarray, ...]
    constants: tuple[np.ndarray, ...]
    shift: np.ndarray | None = None
    may_shift: bool = False


@dataclass(frozen=True)
class Remade:
    """A step without the channels that were removed.

    Attributes
    ----------
    tensors
        Its parameters and buffers, named without the name of the step.
    settings
        Its settings.
    folded
        How many constant channels of its input became numbers.
    shift
        Numbers that its readers must add to its output: float64 of shape `(channels,)`, for all
        channels that it made before; None if there are none. It needs `Part.may_shift`.
    """

    tensors: Mapping[str, np.ndarray] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    folded: int = 0
    shift: np.ndarray | None = None


@dataclass(frozen=True)
class Picked:
    """A step that only hands on channels of an input. It is removed; its readers pick from there.

    Attributes
    ----------
    place
        The place of that input among the inputs of the step.
    channels
        The position in that input of each channel that the step still makes; int64.
    """

    place: int
    channels: np.ndarray


class Operation(ABC):
    """What a step of a graph computes, and what follows from that.

    A subclass answers every question about its operation, so that a new operation needs no change
    elsewhere. Answers that several operations share are in classes between this one and theirs,
    such as `channelwise.Channelwise`.

    Attributes
    ----------
    name
        What it is called in graphs and their JSON.
    parameters, buffers
        Names of its tensors. Buffers do not count as parameters of the network.
    optional
        Names of those tensors that a step may lack.
    settings
        Names of the settings that each of its steps has.
    joins
        Whether it reads several values. All other operations read one.
    absorbs_shift
        Whether it can add numbers to its input by a change of its own tensors.
    leaves_one_position
        Whether it makes `(batch, channels)` of `(batch, channels, height, width)`, so that nothing
        is left to flatten.
    belongs_to_layer
        Whether it counts as part of the layer before it, as a batch norm or an activation does.
    layer_type
        What tables call it if it is a layer, with a `weight` of shape `(filters, channels, ...)`;
        None if it is not.
    """

    name: ClassVar[str]
    parameters: ClassVar[tuple[str, ...]] = ()
    buffers: ClassVar[tuple[str, ...]] = ()
    optional: ClassVar[tuple[str, ...]] = ()
    settings: ClassVar[tuple[str, ...]] = ()
    joins: ClassVar[bool] = False
    absorbs_shift: ClassVar[bool] = False
    leaves_one_position: ClassVar[bool] = False
    belongs_to_layer: ClassVar[bool] = False
    layer_type: ClassVar[str | None] = None

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

    @abstractmethod
    def channels_out(self, node: Node, channels: Sequence[int], shapes: Shapes) -> int:
        """How many channels a step makes, after a check that its tensors fit its inputs.

        Parameters
        ----------
        node
            The step.
        channels
            How many channels each input has.
        shapes
            Shapes of all tensors, by their full name.

        Raises
        ------
        InputError
            A tensor has another number of channels than the input.
        """

    @abstractmethod
    def constants(self, node: Node, given: Sequence[np.ndarray], tensors: Tensors) -> np.ndarray:
        """The number that each channel is, whatever the image and the position.

        Parameters
        ----------
        node
            The step.
        given
            The constants of each input: float64 of shape `(channels,)`, NaN where a channel is not
            constant.
        tensors
            All tensors of the network, by their full name.

        Returns
        -------
        numpy.ndarray
            float64 of shape `(channels made,)`, NaN likewise.
        """

    @abstractmethod
    def reads(
        self, node: Node, made: np.ndarray, given: Sequence[np.ndarray], tensors: Tensors
    ) -> list[np.ndarray]:
        """The channels of each input that a step must read.

        Parameters
        ----------
        node
            The step.
        made
            Which of its channels are needed: booleans of shape `(channels made,)`.
        given
            The constants of each input, as for `constants`. A constant that `remake` turns into a
            number need not be read.
        tensors
            All tensors of the network, by their full name.

        Returns
        -------
        list of numpy.ndarray
            New arrays of booleans of shape `(channels,)`, one for each input.
        """

    # --- surgery -----------------------------------------------------------------------------

    @abstractmethod
    def remake(self, node: Node, part: Part, tensors: Tensors) -> Remade | Picked:
        """The step with the channels of `part` alone.

        Parameters
        ----------
        node
            The step.
        part
            What is left of it.
        tensors
            All tensors of the network, by their full name.
        """

    def merge_constants(
        self, node: Node, given: Sequence[np.ndarray], tensors: Tensors
    ) -> dict[str, np.ndarray]:
        """Tensors with which a step reads fewer constant channels and makes the same.

        Parameters
        ----------
        node
            The step.
        given
            The constants of each input, as for `constants`.
        tensors
            All tensors of the network, by their full name.

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

    def onnx_tensors(self, node: Node) -> dict[str, np.ndarray]:
        """Tensors that the step needs in ONNX only, named without the name of the step."""
        return {}

    def from_torch(self, step: "fx.Node", module: "nn.Module | None") -> dict[str, Any] | None:
        """Recognise this operation in a step of a PyTorch trace.

        Parameters
        ----------
        step
            A step of a traced module.
        module
            The module that it calls, if it calls one.

        Returns
        -------
        dict or None
            The settings of the operation; None if the step does something else.

        Raises
        ------
        NotImplementedError
            It is this operation, with something that the settings cannot express.
        """
        return None


def require_channels(node: Node, expected: int, given: int) -> None:
    """Check that a step is given as many channels as its tensors are made for.

    Raises
    ------
    InputError
        It is not.
    """
    if expected != given:
        raise InputError(
            f"compact network: {node.name} takes {expected} channels, but is given {given}."
        )


def pair(value: Any) -> tuple[int, int]:
    """A setting of PyTorch as two numbers, where one number stands for both."""
    return (value, value) if isinstance(value, int) else tuple(value)


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
