"""Operations that compute each number from the number at the same place of their input."""

import math
from abc import abstractmethod
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from prunescope.compact.graph.nodes import Node, Shapes, Tensors
from prunescope.compact.graph.operations.operation import (
    Call,
    CannotCompactError,
    ChannelByChannel,
    Handle,
    Step,
    onnx_step,
)

if TYPE_CHECKING:
    import onnx
    import torch


class Elementwise(ChannelByChannel):
    """An operation of one input that treats each number by itself.

    A subclass adds `function`, `to_torch` and `to_onnx`.
    """

    belongs_to_layer = True

    @abstractmethod
    def function(self, numbers: np.ndarray, settings: Any) -> np.ndarray:
        """What it makes of numbers: float64, NaN of NaN."""

    def constants(self, step: Step) -> np.ndarray:
        with np.errstate(all="ignore"):
            return np.asarray(self.function(step.constants[0], step.settings))

    def lower(self, call: Call) -> Handle:
        if call.given.get("beta", 1) != 1:
            raise CannotCompactError(f"{call.op} with a factor")
        return call.add(self.name, [_input(call)], call.shape)


def _input(call: Call) -> Handle:
    found = call.given.get("self", call.given.get("input"))
    if not isinstance(found, Handle):
        raise CannotCompactError(call.op)
    return found


class Plain(Elementwise):
    """A function without settings.

    Attributes
    ----------
    numpy, torch, onnx
        The function in NumPy; its name among PyTorch's functions; the operator of ONNX.
    """

    def __init__(
        self,
        name: str,
        numpy: Callable[[np.ndarray], np.ndarray],
        torch: str,
        onnx: str,
        **attributes: float,
    ) -> None:
        self.name = name  # type: ignore[misc]
        self.aten = (name,)  # type: ignore[misc]
        self._numpy, self._torch, self._onnx, self._attributes = numpy, torch, onnx, attributes

    def function(self, numbers: np.ndarray, settings: Any) -> np.ndarray:
        return self._numpy(numbers)

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "Callable[..., torch.Tensor]":
        import torch

        function = getattr(torch.nn.functional, self._torch, None) or getattr(torch, self._torch)
        if self._torch in IN_PLACE and may_overwrite:
            return lambda values: function(values, inplace=True)
        return lambda values: function(values)

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        more: dict[str, Any] = dict(self._attributes)
        return [onnx_step(self._onnx, node, **more)]


# Functions of PyTorch that can write to their input.
IN_PLACE = ("relu", "hardswish", "hardsigmoid")


class Silu(Elementwise):
    """A number times its sigmoid, also called swish."""

    name = "silu"
    aten = ("silu",)

    def function(self, numbers: np.ndarray, settings: Any) -> np.ndarray:
        return numbers * _sigmoid(numbers)

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "Callable[..., torch.Tensor]":
        import torch.nn.functional as F  # noqa: N812

        return lambda values: F.silu(values, inplace=may_overwrite)

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        gate = f"{node.name}.gate"
        return [
            onnx_step("Sigmoid", node, name=gate),
            onnx_step("Mul", node, inputs=[*node.inputs, gate]),
        ]


class Mish(Elementwise):
    """A number times the hyperbolic tangent of its softplus."""

    name = "mish"
    aten = ("mish",)

    def function(self, numbers: np.ndarray, settings: Any) -> np.ndarray:
        return numbers * np.tanh(np.logaddexp(numbers, 0))

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "Callable[..., torch.Tensor]":
        import torch.nn.functional as F  # noqa: N812

        return lambda values: F.mish(values)

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        soft, gate = f"{node.name}.soft", f"{node.name}.gate"
        return [
            onnx_step("Softplus", node, name=soft),
            onnx_step("Tanh", node, inputs=[soft], name=gate),
            onnx_step("Mul", node, inputs=[*node.inputs, gate]),
        ]


class Gelu(Elementwise):
    """A number times the normal distribution function. Setting: `approximate`, `none` or `tanh`."""

    name = "gelu"
    aten = ("gelu",)
    settings = ("approximate",)

    def function(self, numbers: np.ndarray, settings: Any) -> np.ndarray:
        if settings["approximate"] == "tanh":
            inner = math.sqrt(2 / math.pi) * (numbers + 0.044715 * numbers**3)
            return numbers * 0.5 * (1 + np.tanh(inner))
        return numbers * 0.5 * (1 + _erf(numbers / math.sqrt(2)))

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "Callable[..., torch.Tensor]":
        import torch.nn.functional as F  # noqa: N812

        approximate = node.settings["approximate"]
        return lambda values: F.gelu(values, approximate=approximate)

    def onnx_tensors(self, node: Node, tensors: Tensors) -> dict[str, np.ndarray]:
        numbers = {"half": 0.5, "one": 1.0}
        if node.settings["approximate"] == "tanh":
            numbers |= {"cubed": 0.044715, "factor": math.sqrt(2 / math.pi)}
        else:
            numbers |= {"factor": 1 / math.sqrt(2)}
        return {name: np.array(number, np.float32) for name, number in numbers.items()}

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        (read,) = node.inputs
        steps: list[onnx.NodeProto] = []
        at = [read]

        def then(op: str, held: Sequence[str] = (), more: Sequence[str] = ()) -> str:
            name = f"{node.name}.{len(steps) + 1}"
            steps.append(onnx_step(op, node, held, inputs=[at[0], *more], name=name))
            at[0] = name
            return name

        if node.settings["approximate"] == "tanh":
            then("Mul", more=[read])
            then("Mul", more=[read])
            then("Mul", ["cubed"])
            then("Add", more=[read])
            then("Mul", ["factor"])
            then("Tanh")
        else:
            then("Mul", ["factor"])
            then("Erf")
        then("Add", ["one"])
        then("Mul", ["half"])
        steps.append(onnx_step("Mul", node, inputs=[read, at[0]]))
        return steps

    def lower(self, call: Call) -> Handle:
        settings = {"approximate": call.given["approximate"]}
        return call.add(self.name, [_input(call)], call.shape, settings)


class Clip(Elementwise):
    """Numbers between two bounds. Settings: `least` and `most`; None where there is no bound."""

    name = "clip"
    aten = ("hardtanh", "relu6", "clamp", "clamp_min", "clamp_max")
    settings = ("least", "most")

    def function(self, numbers: np.ndarray, settings: Any) -> np.ndarray:
        return np.clip(numbers, settings["least"], settings["most"])

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "Callable[..., torch.Tensor]":
        import torch

        least, most = node.settings["least"], node.settings["most"]
        function = torch.clamp_ if may_overwrite else torch.clamp
        return lambda values: function(values, least, most)

    def onnx_tensors(self, node: Node, tensors: Tensors) -> dict[str, np.ndarray]:
        return {
            name: np.array(node.settings[name], np.float32)
            for name in self.settings
            if node.settings[name] is not None
        }

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        bounds = [
            node.tensor(name) if node.settings[name] is not None else "" for name in self.settings
        ]
        return [onnx_step("Clip", node, inputs=[*node.inputs, *bounds])]

    def lower(self, call: Call) -> Handle:
        given = call.given
        least = given.get("min_val", given.get("min", 0 if call.op == "relu6" else None))
        most = given.get("max_val", given.get("max", 6 if call.op == "relu6" else None))
        for bound in (least, most):
            if bound is not None and not isinstance(bound, int | float):
                raise CannotCompactError(f"{call.op} with bounds that are tensors")
        settings = {"least": least, "most": most}
        return call.add(self.name, [_input(call)], call.shape, settings)


class Sloped(Elementwise):
    """Numbers below zero are treated otherwise than those above. Setting: `slope`, a number."""

    settings = ("slope",)

    def __init__(
        self,
        name: str,
        below: Callable[[np.ndarray, float], np.ndarray],
        argument: str,
        onnx: str,
    ) -> None:
        self.name = name  # type: ignore[misc]
        self.aten = (name,)  # type: ignore[misc]
        self._below, self._argument, self._onnx = below, argument, onnx

    def function(self, numbers: np.ndarray, settings: Any) -> np.ndarray:
        return np.where(numbers < 0, self._below(numbers, settings["slope"]), numbers)

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "Callable[..., torch.Tensor]":
        import torch.nn.functional as F  # noqa: N812

        function, slope = getattr(F, self.name), node.settings["slope"]
        return lambda values: function(values, slope, inplace=may_overwrite)

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        return [onnx_step(self._onnx, node, alpha=float(node.settings["slope"]))]

    def lower(self, call: Call) -> Handle:
        given = call.given
        if given.get("scale", 1) != 1 or given.get("input_scale", 1) != 1:
            raise CannotCompactError(f"{call.op} with a scale")
        settings = {"slope": float(given[self._argument])}
        return call.add(self.name, [_input(call)], call.shape, settings)


class Power(Elementwise):
    """Numbers to a power. Setting: `exponent`, a number."""

    name = "power"
    aten = ("pow", "square", "rsqrt", "reciprocal")
    settings = ("exponent",)
    belongs_to_layer = False

    def function(self, numbers: np.ndarray, settings: Any) -> np.ndarray:
        return np.power(numbers, settings["exponent"])

    def to_torch(
        self, node: Node, shapes: Shapes, *, may_overwrite: bool
    ) -> "Callable[..., torch.Tensor]":
        import torch

        exponent = node.settings["exponent"]
        return lambda values: torch.pow(values, exponent)

    def onnx_tensors(self, node: Node, tensors: Tensors) -> dict[str, np.ndarray]:
        return {"exponent": np.array(node.settings["exponent"], np.float32)}

    def to_onnx(self, node: Node, tensors: Tensors) -> "list[onnx.NodeProto]":
        return [onnx_step("Pow", node, ["exponent"])]

    def lower(self, call: Call) -> Handle:
        named = {"square": 2.0, "rsqrt": -0.5, "reciprocal": -1.0}
        exponent = named.get(call.op, call.given.get("exponent"))
        if isinstance(exponent, np.ndarray) and exponent.ndim == 0:
            exponent = float(exponent)
        if not isinstance(exponent, int | float):
            raise CannotCompactError("pow with powers that are tensors")
        return call.add(self.name, [_input(call)], call.shape, {"exponent": float(exponent)})


def _sigmoid(numbers: np.ndarray) -> np.ndarray:
    return np.exp(-np.logaddexp(0, -numbers))


def _erf(numbers: np.ndarray) -> np.ndarray:
    return np.vectorize(math.erf, otypes=[np.float64])(numbers)


OPERATIONS = (
    Plain("relu", lambda numbers: np.maximum(numbers, 0), "relu", "Relu"),
    Plain("sigmoid", _sigmoid, "sigmoid", "Sigmoid"),
    Plain("tanh", np.tanh, "tanh", "Tanh"),
    Plain("erf", _erf, "erf", "Erf"),
    Plain("exp", np.exp, "exp", "Exp"),
    Plain("log", np.log, "log", "Log"),
    Plain("sqrt", np.sqrt, "sqrt", "Sqrt"),
    Plain("abs", np.abs, "abs", "Abs"),
    Plain("neg", np.negative, "neg", "Neg"),
    Plain("softplus", lambda numbers: np.logaddexp(numbers, 0), "softplus", "Softplus"),
    Plain(
        "hardswish",
        lambda numbers: numbers * np.clip(numbers / 6 + 0.5, 0, 1),
        "hardswish",
        "HardSwish",
    ),
    Plain(
        "hardsigmoid",
        lambda numbers: np.clip(numbers / 6 + 0.5, 0, 1),
        "hardsigmoid",
        "HardSigmoid",
        alpha=1 / 6,
        beta=0.5,
    ),
    Silu(),
    Mish(),
    Gelu(),
    Clip(),
    Sloped("leaky_relu", lambda x, slope: x * slope, "negative_slope", "LeakyRelu"),
    Sloped("elu", lambda x, slope: slope * np.expm1(np.minimum(x, 0)), "alpha", "Elu"),
    Power(),
)
