"""The batch norm that follows a layer."""

from collections.abc import Iterable, Mapping

from torch import fx, nn

from prunescope.networks.describing.export import Exported, operation_of, shape_of
from prunescope.networks.describing.uses import Use

# Of their second input, they take the shape only.
_LIKE = ("reshape_as", "view_as", "expand_as")
# They hand on all numbers, in the same order.
_UNCHANGED = ("dropout", "contiguous", "clone", "alias", "detach", "to")
_SHAPES = ("view", "reshape", "flatten", "unflatten", "squeeze")


def following(exported: Exported, uses: Iterable[Use], module: nn.Module) -> dict[str, str]:
    """Names of the batch norms that follow layers, by name of the layer.

    A batch norm follows a layer if it reads the layer's output, and nothing else does; it has a
    weight and a bias for each unit; and that is so each time that the layer runs. Names play no
    part.

    Parameters
    ----------
    exported
        The graph.
    uses
        Where it uses weights.
    module
        The module that was exported.
    """
    norms = _holders(module)
    found: dict[str, set[str | None]] = {}
    for use in uses:
        if use.layer is not None:
            norm = _reader(use.node, exported.state, norms)
            found.setdefault(use.layer, set()).add(norm)
    return {
        layer: norm for layer, (norm, *others) in found.items() if norm is not None and not others
    }


def _holders(module: nn.Module) -> dict[str, str]:
    """By name of a parameter: the module that holds it."""
    return {
        f"{name}.{parameter}": name
        for name, child in module.named_modules(remove_duplicate=False)
        for parameter, _ in child.named_parameters(recurse=False)
    }


def _reader(node: fx.Node, state: Mapping[str, tuple], holders: Mapping[str, str]) -> str | None:
    """The batch norm that alone reads what a layer makes."""
    tokens = operation_of(node) == "linear"
    units = shape_of(node)[-1 if tokens else 1]
    while len(readers := _readers(node)) == 1:
        (reader,) = readers
        operation = operation_of(reader)
        if operation == "batch_norm":
            weight = reader.args[1]
            # Its units lie along the second axis.
            fits = reader.args[0] is node and not (tokens and len(shape_of(node)) > 2)
            if not fits or not isinstance(weight, fx.Node) or shape_of(weight) != (units,):
                return None
            return holders.get(state[weight.name][0]) if weight.name in state else None
        # A row of tokens may be cut in another way, as long as each token stays whole.
        recut = operation in _SHAPES and tokens and shape_of(reader)[-1] == units
        if operation not in _UNCHANGED and not recut:
            return None
        node = reader
    return None


def _readers(node: fx.Node) -> list[fx.Node]:
    """The steps that read more than the shape of a value."""
    return [
        reader
        for reader in node.users
        if operation_of(reader) not in _LIKE or reader.args[0] is node
    ]
