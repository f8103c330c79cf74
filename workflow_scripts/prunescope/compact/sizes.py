"""Count a network's parameters, operations and bytes, which are the same on any machine."""

import math
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
    counted: Mapping[str, np.ndarray] | None = None,
) -> dict[str, int]:
    """Count the parameters, multiply-accumulates and bytes of a network.

    Parameters
    ----------
    graph, tensors
        The network. Tensors that the graph does not use do not count. Those of a layer that runs
        several times count once, as long as they are the same in all runs.
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
        if not _is_copy(name, tensors)
    }
    macs = sum(
        math.prod(node.shape) * math.prod(tensors[node.tensor("weight")].shape[1:])
        for node in graph.layers()
    )
    parameters = [name for name in graph.parameter_names(tensors) if name in counting]
    return _sizes(counting, parameters, macs)


def _is_copy(name: str, tensors: Mapping[str, np.ndarray]) -> bool:
    """Whether a tensor belongs to another run of a layer, and is the same as in the first."""
    layer, _, tensor = name.rpartition(".")
    first = tensors.get(f"{layer.partition('@')[0]}.{tensor}") if "@" in layer else None
    return first is not None and np.array_equal(first, tensors[name])


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
