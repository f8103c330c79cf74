"""All operations, by name."""

from prunescope.compact.graph.nodes import Node
from prunescope.compact.graph.operations import (
    arranging,
    attention,
    combining,
    elementwise,
    joining,
    norms,
    pooling,
    weighted,
)
from prunescope.compact.graph.operations.operation import Operation

MODULES = (weighted, norms, elementwise, combining, pooling, attention, arranging, joining)

OPERATIONS: dict[str, Operation] = {
    operation.name: operation for module in MODULES for operation in module.OPERATIONS
}
# Those that take each of PyTorch's operations.
BY_ATEN: dict[str, Operation] = {
    aten: operation for operation in OPERATIONS.values() for aten in operation.aten
}


def operation_of(node: Node) -> Operation:
    """What a step computes.

    Raises
    ------
    ValueError
        There is no such operation.
    """
    if node.op not in OPERATIONS:
        raise ValueError(
            f"step {node.name!r} has the unknown operation {node.op!r}; "
            f"known: {', '.join(OPERATIONS)}"
        )
    return OPERATIONS[node.op]
