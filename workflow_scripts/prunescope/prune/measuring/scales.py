"""The batch-norm scales of the channels that layers make."""

from collections.abc import Iterable

import numpy as np

from prunescope.foundation.errors import InputError
from prunescope.networks.description import Layer, Network
from prunescope.prune.pieces import Quantities

SCALE = "scale"


def measure(network: Network, layers: Iterable[Layer]) -> dict[str, Quantities]:
    """The scales of some layers, by the names of their weights, as criteria get them.

    Raises
    ------
    InputError
        A layer has no batch norm.
    """
    known = list(layers)
    if told := without(known):
        raise InputError(f"criterion: {told}.")
    return {
        layer.weight: {
            SCALE: np.broadcast_to(
                network.tensors[f"{layer.batch_norm}.weight"].reshape(
                    -1, *(1,) * (len(layer.shape) - 1)
                ),
                layer.shape,
            )
        }
        for layer in known
    }


def without(layers: Iterable[Layer]) -> str:
    """That some layers have no batch norm, and what to do; empty if all have one."""
    names = [layer.name for layer in layers if layer.batch_norm is None]
    if not names:
        return ""
    return (
        f"no batch norm follows {', '.join(names)}, so there is no scale to rank their filters by. "
        "Name these layers in `pruning.exclude`, or choose another criterion"
    )
