"""All operations, by name."""

from prunescope.compact.graph.nodes import Node
from prunescope.compact.graph.operations import affine, arranging, channelwise, weighted
from prunescope.compact.graph.operations.operation import Operation

OPERATIONS: dict[str, Operation] = {
    operation.name: operation
    for module in (weighted, affine, channelwise, arranging)
    for operation in module.OPERATIONS
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
