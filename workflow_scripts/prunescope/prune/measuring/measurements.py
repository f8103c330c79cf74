"""Measure what a criterion needs."""

from collections.abc import Sequence

import torch

from prunescope.data.packed_images import PackedImages
from prunescope.networks import modules
from prunescope.networks.description import Layer, Network
from prunescope.prune.measuring import activations, gradients, synaptic_flow
from prunescope.prune.pieces import ACTIVATIONS, FLOW, Quantities


def measure(
    network: Network,
    needs: str,
    layers: Sequence[Layer],
    batches: Sequence[PackedImages],
    device: torch.device,
) -> dict[str, Quantities]:
    """Measure a network.

    Parameters
    ----------
    network
        The network.
    needs
        `Criterion.NEEDS`: one of `pieces.MEASURED`.
    layers
        The layers whose weights and biases are ranked.
    batches
        Train images, in batches of one size; none for `flow`.
    device
        Where the network runs.

    Returns
    -------
    dict
        What the criterion gets, by the name of the parameter.
    """
    if needs == FLOW:
        return synaptic_flow.measure(network, layers, device)
    module = modules.to_module(network).to(device)
    if needs == ACTIVATIONS:
        return activations.measure(module, network.description, batches, layers)
    names = [name for layer in layers for name in (layer.weight, layer.bias)]
    return gradients.measure(module, network.description, batches, names)
