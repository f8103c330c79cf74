"""Count a network's parameters, operations and bytes, which are the same on any machine."""

import zlib
from collections.abc import Mapping

import numpy as np

from prunescope.compact.graph.graph import Graph
from prunescope.networks import reach

# The compression level of zlib: the default of `zip` and `gzip`.
LEVEL = 6


def count(
    graph: Graph,
    tensors: Mapping[str, np.ndarray],
    positions: Mapping[str, int],
    counted: Mapping[str, np.ndarray] | None = None,
) -> dict[str, int]:
    """Count the parameters, multiply-accumulates and bytes of a network.

    Parameters
    ----------
    graph, tensors
        The network. Tensors that the graph does not use do not count.
    positions
        Pixels of the output of each convolution, 1 for a fully connected layer; by name.
    counted
        Which weights count, as `reach.counted` returns it; None counts all. The others are part
        of `macs` only.

    Returns
    -------
    dict
        The columns of `cost_tables.SIZES`. `bytes_compressed` is the size of all tensors after
        deflate, the compression of zip files and of `gzip`.

    Raises
    ------
    ValueError
        An operation of the graph is not known.
    """
    counting = {
        name: reach.values(name, tensors[name], counted or {})
        for name in graph.tensor_names(tensors)
    }
    parameters = [counting[name] for name in graph.parameter_names(tensors)]
    weights = {node.name: tensors[node.tensor("weight")].size for node in graph.layers()}
    packed = b"".join(np.asarray(values, order="C").tobytes() for values in counting.values())
    return {
        "parameters": sum(values.size for values in parameters),
        "nonzero_parameters": sum(int(np.count_nonzero(values)) for values in parameters),
        "macs": sum(size * positions[name] for name, size in weights.items()),
        "bytes": len(packed),
        "bytes_compressed": len(zlib.compress(packed, LEVEL)),
    }
