"""How sparse a network is, and what it costs."""

from collections.abc import Iterable

import numpy as np

from prunescope.networks.description import Layer, Network


def account(network: Network, exclude: Iterable[str] = ()) -> dict[str, float | int]:
    """Count the zeros, multiply-accumulates and bytes of a network.

    Sparsity is measured on the weights as they are (an entry counts as pruned when it is
    exactly zero), never taken from the rate that was asked for. Three scopes, all fractions
    in 0..1:

    - `sparsity_prunable`: weights of the convolutions and fully connected layers that are not
      excluded, auxiliary heads left out;
    - `sparsity_conv`: weights of all convolutions, auxiliary heads included (the scope of
      von Rad & Seuffert, arXiv 2409.19727);
    - `sparsity_all`: all parameters.

    `macs` are multiply-accumulates for one image in convolutions and fully connected layers;
    `effective_macs` leaves out those with a zero weight: what remains to be done if every
    zero could be skipped, not what any device saves. `bytes` is the size of all tensors.
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
    """Fraction of exact zeros among the named tensors, 0.0 if they have no entries."""
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
