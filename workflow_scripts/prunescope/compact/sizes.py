"""Count a network's parameters, operations and bytes, which are the same on any machine."""

import zlib
from collections.abc import Iterable, Mapping

import numpy as np

from prunescope.compact.graph.graph import Graph
from prunescope.evaluate.counts import all_macs, is_buffer
from prunescope.networks import reach
from prunescope.networks.description import Network

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
        The columns of `cost_tables.SIZES` but `variant` and `kept_masked`. `bytes_compressed` is
        the size of all tensors after deflate, the compression of zip files and of `gzip`.

    Raises
    ------
    ValueError
        An operation of the graph is not known.
    """
    counting = {
        name: reach.values(name, tensors[name], counted or {})
        for name in graph.tensor_names(tensors)
    }
    weights = {node.name: tensors[node.tensor("weight")].size for node in graph.layers()}
    macs = sum(size * positions[name] for name, size in weights.items())
    return _sizes(counting, graph.parameter_names(tensors), macs)


def count_whole(
    network: Network, counted: Mapping[str, np.ndarray] | None = None
) -> dict[str, int]:
    """The same for a network of which there is no graph.

    Parameters
    ----------
    network
        The network. What stands beside a layer of an auxiliary head, and beside no other layer,
        does not count: its name has the same first part.
    counted
        As for `count`.
    """
    heads, main = (
        {layer.name.partition(".")[0] for layer in network.description.layers
         if layer.auxiliary == auxiliary}
        for auxiliary in (True, False)
    )  # fmt: skip
    counting = {
        name: reach.values(name, tensor, counted or {})
        for name, tensor in network.tensors.items()
        if name.partition(".")[0] not in heads - main
    }
    parameters = [name for name in counting if not is_buffer(name)]
    return _sizes(counting, parameters, all_macs(network))


def _sizes(
    counting: Mapping[str, np.ndarray], parameters: Iterable[str], macs: int
) -> dict[str, int]:
    chosen = [counting[name] for name in parameters]
    packed = b"".join(np.asarray(values, order="C").tobytes() for values in counting.values())
    return {
        "parameters": sum(values.size for values in chosen),
        "nonzero_parameters": sum(int(np.count_nonzero(values)) for values in chosen),
        "macs": macs,
        "bytes": len(packed),
        "bytes_compressed": len(zlib.compress(packed, LEVEL)),
    }
