"""How many pieces each layer keeps: budgets that add up exactly.

The scopes `erk` and `uniform_plus` give each layer its share of the pieces that all layers keep.
They keep as many in total as `global` does, to the piece:

- `erk`: the density of a layer is proportional to (out + in + height + width) / (out * in * height
  * width) of its weight, so that large layers are sparser; the densities that would exceed 1 are 1,
  and the other layers share the rest (Erdos-Renyi-Kernel: Evci et al., "Rigging the Lottery", ICML
  2020, and for linear layers Mocanu et al., 2018). `in` is that of a group of channels.
- `uniform_plus`: one density for all layers, but the first convolution of the network is left whole
  and the classifier keeps at least a fifth (Gale et al., "The State of Sparsity in Deep Neural
  Networks", 2019). Layers that are excluded take no part.

Shares are rounded by the method of Sainte-Lague (Webster): the next piece goes to the layer that
has the most claim to it. Unlike rounding by largest remainders, a larger total never gives a layer
fewer pieces, so that the masks of rising rates are nested.
"""

from collections.abc import Sequence

import numpy as np

from prunescope.foundation.errors import InputError
from prunescope.networks import chosen_layers
from prunescope.networks.description import Layer

ERK, UNIFORM_PLUS = "erk", "uniform_plus"
SHARED = (ERK, UNIFORM_PLUS)
# The classifier keeps one in so many pieces at least.
FIFTH = 5


def problem(scope: str, biases: bool) -> str:
    """Why a scope does not fit a method; empty if it does. The text goes on from the scope."""
    if scope in SHARED and biases:
        return "divides weights among layers: set `biases` to false"
    return ""


def kept(
    scope: str, total: int, sizes: Sequence[int], layers: Sequence[Layer], network: Sequence[Layer]
) -> list[int]:
    """The number of pieces that each layer keeps.

    Parameters
    ----------
    scope
        One of `SHARED`.
    total
        Number of pieces that all layers keep.
    sizes
        Number of pieces of each layer that could be pruned.
    layers
        The layers that are pruned.
    network
        All layers of the network.

    Raises
    ------
    InputError
        `uniform_plus` keeps more than `total` pieces.
    """
    pieces = np.array(sizes)
    if scope == ERK:
        densities = [sum(layer.shape) / np.prod(layer.shape) for layer in layers]
        return apportion(total, pieces * densities, np.zeros_like(pieces), pieces)
    first = next((layer.name for layer in network if layer.kind == "conv2d"), None)
    last = {layer.name for layer in chosen_layers.ROLES["classifier"](network)}
    least = np.array(
        [
            size if layer.name == first else -(-size // FIFTH) if layer.name in last else 0
            for size, layer in zip(sizes, layers, strict=True)
        ]
    )
    if least.sum() > total:
        raise InputError(
            f"pruning: {total} of {pieces.sum()} pieces would be left, but scope `uniform_plus` "
            f"keeps {least.sum()}: the first convolution, and a fifth of the classifier. Lower the "
            "rate, or name these layers in `pruning.exclude`."
        )
    return apportion(total, pieces.astype(np.float64), least, pieces)


def apportion(total: int, claims: np.ndarray, least: np.ndarray, most: np.ndarray) -> list[int]:
    """Divide a number of pieces by claims, within bounds.

    Each layer gets its claim times a common factor, rounded to the nearest whole number and put
    within its bounds. Of layers with equal claim to the next piece, the first one gets it.

    Parameters
    ----------
    total
        Number of pieces, from the sum of `least` to that of `most`.
    claims
        float64 `(layers,)`, above 0 where `most` is.
    least, most
        int64 `(layers,)`, bounds of what each layer gets.
    """

    def given(factor: float) -> np.ndarray:
        return np.clip(np.floor(factor * claims + 0.5).astype(np.int64), least, most)

    low, high = 0.0, float(np.max(most / np.where(most > 0, claims, 1))) + 1
    if given(high).sum() <= total:
        return [int(number) for number in given(high)]
    # To the factor after which the sum exceeds the total: its neighbours are floats side by side.
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if given(middle).sum() <= total else (low, middle)
    found = given(low)
    next_ones = np.flatnonzero(given(high) > found)[: total - found.sum()]
    found[next_ones] += 1
    return [int(number) for number in found]
