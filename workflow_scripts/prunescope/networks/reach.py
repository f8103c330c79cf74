"""Which weights an image reaches: not those that meet nothing but padding.

On a small input, positions of a kernel may lie in the padding wherever the kernel stands. Of a
3 x 3 kernel with padding 1 on a 1 x 1 map, only the centre reads the map. The other weights change
no output and get no gradient.
"""

from collections.abc import Mapping

import numpy as np

from prunescope.networks.description import Description


def reads(
    *, kernel: int, stride: int, dilation: int, before: int, size: int, outputs: int
) -> np.ndarray:
    """Which positions of a kernel read the input somewhere, along one axis.

    Parameters
    ----------
    kernel, stride, dilation
        Those of the convolution.
    before
        Padding before the input.
    size, outputs
        Length of the input and of the output.

    Returns
    -------
    numpy.ndarray
        Booleans of shape `(kernel,)`.
    """
    starts = stride * np.arange(outputs)[:, None] - before
    places = starts + dilation * np.arange(kernel)
    return np.asarray(((places >= 0) & (places < size)).any(axis=0))


def counted(description: Description, unreached: str) -> dict[str, np.ndarray]:
    """Which weights are ranked and counted.

    Parameters
    ----------
    description
        The network's description.
    unreached
        `pruning.unreached` of the config: `left_out` or `counted`.

    Returns
    -------
    dict
        `Layer.reached` by the weight's parameter name, only of layers whose weights do not all
        count. All other parameters count.
    """
    if unreached == "counted":
        return {}
    return {layer.weight: layer.reached for layer in description.layers if layer.unreached}


def values(name: str, tensor: np.ndarray, counted: Mapping[str, np.ndarray]) -> np.ndarray:
    """The values of a tensor that count: all of it, or a 1-D selection.

    Parameters
    ----------
    name, tensor
        The tensor and its name.
    counted
        As the function `counted` returns it.
    """
    if name not in counted:
        return tensor
    return np.asarray(tensor[np.broadcast_to(counted[name], tensor.shape)])


def in_words(description: Description, unreached: str) -> str:
    """How many weights no image reaches, in which layers, and what becomes of them.

    The parameters are those of `counted`.
    """
    parts = [
        f"{layer.name} {layer.unreached_weights} of {np.prod(layer.shape)}"
        for layer in description.layers
        if layer.unreached
    ]
    if not parts:
        return "0"
    total = sum(layer.unreached_weights for layer in description.layers)
    return f"{total}, {unreached.replace('_', ' ')} ({', '.join(parts)})"
