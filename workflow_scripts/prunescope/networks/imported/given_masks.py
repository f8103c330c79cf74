"""Tell the masks of a network that was pruned elsewhere."""

from collections.abc import Mapping

import numpy as np

from prunescope.networks.description import Layer, Network


def masks_of(network: Network, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The masks of a network: what is exactly zero in it is taken for pruned.

    Weights of all layers but those of auxiliary heads count. Where the file itself has a mask, that
    mask is taken: a weight that it keeps may be zero by chance. The bias and the batch-norm
    parameters of a filter belong to it: of a filter that is wholly zero, they are masked if they
    are zero too. Elsewhere a zero bias is not taken for pruned.

    Parameters
    ----------
    network
        The network, without masks.
    given
        Masks in the file by parameter name, True where a weight is kept.

    Returns
    -------
    dict
        Boolean masks by parameter name, True where the parameter is kept. Layers without a zero
        have none.
    """
    masks: dict[str, np.ndarray] = {}
    for layer in network.description.main_layers:
        masks |= _of_layer(network, layer, given)
    return masks | {name: mask for name, mask in given.items() if not mask.all()}


def _of_layer(
    network: Network, layer: Layer, given: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    kept = given.get(layer.weight, network.tensors[layer.weight] != 0)
    if kept.all():
        return {}
    whole = kept.reshape(len(kept), -1).any(axis=1)
    followers = [layer.bias]
    if layer.batch_norm:
        followers += [f"{layer.batch_norm}.weight", f"{layer.batch_norm}.bias"]
    masks = {
        name: whole | (network.tensors[name] != 0) for name in followers if name in network.tensors
    }
    return {layer.weight: kept} | {name: mask for name, mask in masks.items() if not mask.all()}
