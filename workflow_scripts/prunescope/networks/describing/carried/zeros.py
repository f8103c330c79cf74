"""Which values are zero in a channel once all that its group names of it is zero.

A norm over channels is the same over those that are left only if the others are exactly zero where
it reads them.
"""

from collections.abc import Collection, Mapping

from torch import fx

from prunescope.networks.describing.export import Exported, operation_of
from prunescope.networks.describing.operations import OPERATIONS, concatenate, fresh, move
from prunescope.networks.describing.uses import Use

# Zero where their first input is.
_KEEP_ZERO = {
    "relu", "relu6", "hardtanh", "hardswish", "silu", "gelu", "tanh", "leaky_relu", "elu", "selu",
    "celu", "mish", "prelu", "softsign", "tanhshrink", "sqrt", "neg", "abs", "erf", "square", "sin",
    "sign", "floor", "ceil", "round", "expm1", "log1p", "div", "true_divide", "nan_to_num",
    "dropout", "feature_dropout", "alpha_dropout", "contiguous", "clone", "alias", "detach", "to",
    "_to_copy", "type_as", "lift_fresh_copy", "getitem", "expand_as", "reshape_as", "view_as",
    "max_pool2d", "max_pool2d_with_indices", "max_pool1d", "avg_pool2d", "avg_pool1d",
    "adaptive_avg_pool2d", "adaptive_avg_pool1d", "adaptive_max_pool2d", "upsample_nearest2d",
    "upsample_bilinear2d", "mean", "sum",
}  # fmt: skip
_SUMS = {"add", "sub", "rsub", "subtract", "maximum", "minimum"}
_PRODUCTS = {"mul", "multiply", "matmul", "bmm", "mm", "einsum"}
# The places of their scale and shift among the arguments.
_NORMS = {
    "batch_norm": (1, 2), "instance_norm": (1, 2), "layer_norm": (2, 3), "group_norm": (2, 3),
    "rms_norm": (2, 3),
}  # fmt: skip


def zeros(exported: Exported, uses: Mapping[fx.Node, Use], masked: Collection[str]) -> set[fx.Node]:
    """The steps that make zeros in a channel whose weights and carried numbers are zero.

    Parameters
    ----------
    exported
        The graph.
    uses
        Where it uses weights.
    masked
        The names of the nodes of parameters whose numbers are zero for such a channel.
    """
    found: set[fx.Node] = set()
    for node in exported.nodes:
        if node.op == "placeholder":
            zero = node.name in masked
        elif node.op != "call_function":
            zero = False
        else:
            zero = _is_zero(node, exported, uses, found)
        if zero:
            found.add(node)
    return found


def _is_zero(
    node: fx.Node, exported: Exported, uses: Mapping[fx.Node, Use], found: set[fx.Node]
) -> bool:
    name = operation_of(node).removesuffix("_")
    operation = OPERATIONS.get(name)
    inputs = node.all_input_nodes
    if node in uses:
        bias = _argument(node, 2, "bias")
        owned = (
            isinstance(bias, fx.Node)
            and bias.name in exported.state
            and (exported.state[bias.name][0] == f"{uses[node].layer}.bias")
        )
        return bias is None or owned or bias in found
    if operation is fresh:
        return name in ("zeros_like", "new_zeros")
    if operation is concatenate or name == "stack":
        return all(one in found for one in inputs)
    if name in _SUMS:
        # A plain number that is added is not zero.
        return len(node.args) > 1 and all(one in found for one in node.args[:2])
    if name in _PRODUCTS:
        return any(one in found for one in inputs)
    if name in _NORMS:
        scale, shift = _NORMS[name]
        bias = _argument(node, shift, "bias")
        return _argument(node, scale, "weight") in found and (bias is None or bias in found)
    if name == "scaled_dot_product_attention":
        return node.args[2] in found
    if name in ("pad", "constant_pad_nd"):
        value = _argument(node, 3 if name == "pad" else 2, "value")
        plain = _argument(node, 2, "mode") in (None, "constant") or name != "pad"
        return plain and not value and inputs[0] in found
    return (operation is move or name in _KEEP_ZERO) and inputs[:1] != [] and inputs[0] in found


def _argument(node: fx.Node, place: int, name: str) -> object:
    """An argument of a step; None if it is not given."""
    return node.args[place] if len(node.args) > place else node.kwargs.get(name)
