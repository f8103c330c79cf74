"""Count a network's zeros, parameters, multiply-accumulates and bytes."""

from collections.abc import Iterable, Mapping

import numpy as np

from prunescope.networks import reach
from prunescope.networks.description import Layer, Network


def account(
    network: Network,
    exclude: Iterable[str] = (),
    counted: Mapping[str, np.ndarray] | None = None,
) -> dict[str, float | int]:
    """Count the zeros, parameters, multiply-accumulates and bytes of a network.

    Sparsity is the measured fraction of weights that are exactly zero, not the requested pruning
    rate. It is given in three scopes, all in 0..1:

    - `sparsity_prunable`: weights of the convolutions and fully connected layers, without
      excluded layers and auxiliary heads;
    - `sparsity_conv`: weights of all convolutions, with auxiliary heads (the scope of
      von Rad & Seuffert, arXiv 2409.19727);
    - `sparsity_all`: all parameters.

    `macs` are the multiply-accumulates of the convolutions and fully connected layers for one
    image, without auxiliary heads, those with padding and with weights that belong to no layer
    (`Description.parameter_macs`) included. Products of activations,
    as in attention, are not among them. `effective_macs` counts
    only those with a nonzero weight: the number that would remain if every zero could be skipped,
    which no device achieves. `bytes` is the size of all tensors as stored.

    Weights that are left out by `counted` are part of `unreached_weights`, `macs` and `bytes`
    only.

    Parameters
    ----------
    network
        The network.
    exclude
        Names of layers that are not pruned.
    counted
        Which weights count, as `reach.counted` returns it; None counts all.

    Returns
    -------
    dict
        The columns `network_tables.ACCOUNTING_COLUMNS`.
    """
    excluded, counted = frozenset(exclude), counted or {}
    main = network.description.main_layers
    prunable = [layer.weight for layer in main if layer.name not in excluded]
    conv = [layer.weight for layer in network.description.layers if layer.kind == "conv2d"]
    parameters = [name for name in network.tensors if not is_buffer(name)]
    return {
        "sparsity_prunable": sparsity(network, prunable, counted),
        "sparsity_conv": sparsity(network, conv, counted),
        "sparsity_all": sparsity(network, parameters, counted),
        "parameters": sum(_size(network, name, counted) for name in parameters),
        "nonzero_parameters": sum(_nonzero(network, name, counted) for name in parameters),
        "unreached_weights": sum(layer.unreached_weights for layer in network.description.layers),
        "macs": all_macs(network),
        "effective_macs": sum(
            _nonzero(network, layer.weight, counted) * _positions(layer) for layer in main
        )
        + sum(
            number * _nonzero(network, name, {}) // network.tensors[name].size
            if name in network.tensors
            else number
            for name, number in network.description.parameter_macs.items()
        ),
        "bytes": sum(tensor.nbytes for tensor in network.tensors.values()),
    }


def sparsity(
    network: Network, names: Iterable[str], counted: Mapping[str, np.ndarray] | None = None
) -> float:
    """Fraction of exact zeros in what counts of the tensors `names`; 0.0 if nothing does.

    `counted` is as for `account`.
    """
    selected, counted = list(names), counted or {}
    size = sum(_size(network, name, counted) for name in selected)
    nonzero = sum(_nonzero(network, name, counted) for name in selected)
    return 1 - nonzero / size if size else 0.0


def all_macs(network: Network) -> int:
    """Multiply-accumulates of a network for one image, without auxiliary heads."""
    described = network.description
    layers = sum(macs(layer) for layer in described.main_layers)
    return layers + sum(described.parameter_macs.values())


def macs(layer: Layer) -> int:
    """Multiply-accumulates of one layer for one image, in all of its runs."""
    return int(np.prod(layer.shape)) * _positions(layer)


def _positions(layer: Layer) -> int:
    """How often each weight is used for one image: at positions or tokens, in all runs."""
    height, width = layer.output_size
    return height * width * layer.runs


def _size(network: Network, name: str, counted: Mapping[str, np.ndarray]) -> int:
    return reach.values(name, network.tensors[name], counted).size


def _nonzero(network: Network, name: str, counted: Mapping[str, np.ndarray]) -> int:
    return int(np.count_nonzero(reach.values(name, network.tensors[name], counted)))


def is_buffer(name: str) -> bool:
    """Whether a tensor is a statistic of a batch norm, which no training changes."""
    return name.endswith(("running_mean", "running_var", "num_batches_tracked"))
