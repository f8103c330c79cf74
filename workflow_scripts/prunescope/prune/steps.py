"""Prune a network by a criterion that is measured on it, in steps between which it changes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from prunescope.networks.description import Layer, Network
from prunescope.prune.masks import PruningMethod, layers_to_prune, make_masks
from prunescope.prune.patterns import N_OF_M
from prunescope.prune.pieces import FLOW, Quantities

# The number of steps, where a method does not say it, by what the criterion needs. Others: 1.
ITERATIONS: Mapping[str, int] = {FLOW: 100}

Measure = Callable[[Network, Sequence[Layer]], Mapping[str, Quantities]]


def make_masks_in_steps(
    network: Network,
    settings: PruningMethod,
    rate: float,
    measure: Measure,
    iterations: int,
    **rest: Any,
) -> dict[str, np.ndarray]:
    """Compute the masks of a network, measuring it anew before each step.

    After step k of n, (1 - rate)^(k / n) of the pieces are left, as in Tanaka et al., NeurIPS 2020.
    The last step reaches the rate exactly. A pattern is made in one step.

    Parameters
    ----------
    network, settings, rate
        As for `make_masks`.
    measure
        Measures what the criterion needs on a network, of some layers.
    iterations
        Number of steps, from 1.
    rest
        The other arguments of `make_masks`.

    Returns
    -------
    dict
        As `make_masks` does.

    Raises
    ------
    InputError
        As `make_masks` does.
    """
    layers = layers_to_prune(network, settings, rest.get("exclude", ()))
    steps = 1 if settings.granularity == N_OF_M else iterations
    current = network.masked(network.masks)
    masks: dict[str, np.ndarray] = {}
    for step in range(1, steps + 1):
        share = rate if step == steps else 1 - (1 - rate) ** (step / steps)
        quantities = measure(current, layers)
        masks = make_masks(current, settings, share, quantities=quantities, **rest)
        current = current.masked({**current.masks, **masks})
    return masks
