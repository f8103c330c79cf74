"""Count a network's parameters, operations and bytes, which are the same on any machine."""

import zlib
from collections.abc import Mapping

import numpy as np

from prunescope.compact.graph.graph import Graph

# The compression level of zlib: the default of `zip` and `gzip`.
LEVEL = 6


def count(
    graph: Graph, tensors: Mapping[str, np.ndarray], positions: Mapping[str, int]
) -> dict[str, int]:
    """Count the parameters, multiply-accumulates and bytes of a network.

    Parameters
    ----------
    graph, tensors
        The network. Tensors that the graph does not use do not count.
    positions
        Pixels of the output of each convolution, 1 for a fully connected layer; by name.

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
    names = graph.tensor_names(tensors)
    parameters = graph.parameter_names(tensors)
    weights = {node.name: tensors[node.tensor("weight")].size for node in graph.layers()}
    packed = b"".join(np.asarray(tensors[name], order="C").tobytes() for name in names)
    return {
        "parameters": sum(tensors[name].size for name in parameters),
        "nonzero_parameters": sum(int(np.count_nonzero(tensors[name])) for name in parameters),
        "macs": sum(size * positions[name] for name, size in weights.items()),
        "bytes": len(packed),
        "bytes_compressed": len(zlib.compress(packed, LEVEL)),
    }
