"""Count a network's zeros, parameters, multiply-accumulates and bytes."""

from collections.abc import Iterable

import numpy as np

from prunescope.networks.description import Layer, Network


def account(network: Network, exclude: Iterable[str] = ()) -> dict[str, float | int]:
    """Count the zeros, parameters, multiply-accumulates and bytes of a network.

    Sparsity is the measured fraction of weights that are exactly zero, not the requested pruning
    rate. It is given in three scopes, all in 0..1:

    - `sparsity_prunable`: weights of the convolutions and fully connected layers, without
      excluded layers and auxiliary heads;
    - `sparsity_conv`: weights of all convolutions, with auxiliary heads (the scope of
      von Rad & Seuffert, arXiv 2409.19727);
    - `sparsity_all`: all parameters.

    `macs` are the multiply-accumulates of the convolutions and fully connected layers for one
    image, without auxiliary heads. `effective_macs` counts only those with a nonzero weight: the
    number that would remain if every zero could be skipped, which no device achieves. `bytes` is
    the size of all tensors.

    Parameters
    ----------
    network
        The network.
    exclude
        Names of layers that are not pruned.

    Returns
    -------
    dict
        The columns `network_tables.ACCOUNTING_COLUMNS`.
    """
    excluded = frozenset(exclude)
    measured = network.description.measured_layers
    prunable = [layer.weight for layer in measured if layer.name not in excluded]
    conv = [layer.weight for layer in network.description.layers if layer.kind == "conv2d"]
    parameters = [name for name in network.tensors if not _is_buffer(name)]
    return {
        "sparsity_prunable": sparsity(network, prunable),
        "sparsity_conv": sparsity(network, conv),
        "sparsity_all": sparsity(network, parameters),
        "parameters": sum(network.tensors[name].size for name in parameters),
        "nonzero_parameters": sum(_nonzero(network, name) for name in parameters),
        "macs": sum(macs(layer) for layer in measured),
        "effective_macs": sum(
            _nonzero(network, layer.weight) * _positions(layer) for layer in measured
        ),
        "bytes": sum(tensor.nbytes for tensor in network.tensors.values()),
    }


def sparsity(network: Network, names: Iterable[str]) -> float:
    """Fraction of exact zeros in the tensors `names`; 0.0 if they have no entries."""
    selected = list(names)
    size = sum(network.tensors[name].size for name in selected)
    nonzero = sum(_nonzero(network, name) for name in selected)
    return 1 - nonzero / size if size else 0.0


def macs(layer: Layer) -> int:
    """Multiply-accumulates of one layer for one image."""
    return int(np.prod(layer.shape)) * _positions(layer)


def _positions(layer: Layer) -> int:
    height, width = layer.output_size
    return height * width


def _nonzero(network: Network, name: str) -> int:
    return int(np.count_nonzero(network.tensors[name]))


def _is_buffer(name: str) -> bool:
    return name.endswith(("running_mean", "running_var", "num_batches_tracked"))
