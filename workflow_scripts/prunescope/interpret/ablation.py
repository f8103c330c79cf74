"""What a network loses when one of its units is silenced.

Source: the ablation of Morcos et al., "On the importance of single directions for
generalization", ICLR 2018: the unit's output is set to its mean over images, so that what
follows sees a unit that no longer tells images apart.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from torch import nn

from prunescope.data.packed_images import PackedImages
from prunescope.foundation.errors import InputError
from prunescope.networks.description import Description, Layer
from prunescope.networks.preprocessing import to_input

BATCH = 250


def sample_units(layers: tuple[Layer, ...], number: int, seed: int) -> list[tuple[str, int]]:
    """Draw `number` units (layer, channel) of all layers but the last, whose units are classes.

    All units are equally likely. They come in the order of layers, channels rising.

    Raises
    ------
    InputError
        The network has fewer units.
    """
    inner = [layer for layer in layers if layer.kind == "conv2d"]
    units = [(layer.name, channel) for layer in inner for channel in range(layer.units)]
    if number > len(units):
        raise InputError(
            f"interpretability.ablation.units: {number} units cannot be drawn from the "
            f"{len(units)} of the network's convolutions."
        )
    chosen = np.random.default_rng(seed).permutation(len(units))[:number]
    return [units[place] for place in np.sort(chosen)]


@contextmanager
def silenced(module: nn.Module, layer: str, channel: int) -> Iterator[None]:
    """While open, one channel of a layer's output is its mean over the batch and all positions."""

    def hook(_module: nn.Module, _inputs: object, output: torch.Tensor) -> torch.Tensor:
        changed = output.clone()
        changed[:, channel] = output[:, channel].mean()
        return changed

    handle = module.get_submodule(layer).register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()


def ablate(
    module: nn.Module,
    images: PackedImages,
    description: Description,
    units: list[tuple[str, int]],
) -> list[dict]:
    """Accuracy and loss of a network without each of some units, one at a time.

    Parameters
    ----------
    module
        The network, in evaluation mode, on any device.
    images
        On which accuracy is measured.
    description
        The network's preprocessing.
    units
        Layer and channel of each unit.

    Returns
    -------
    list of dict
        For each unit `layer`, `unit`, `top1_drop` (fraction; positive where accuracy is lost) and
        `loss_rise` (nats), against the whole network on the same images.
    """
    top1, loss = _measure(module, images, description)
    rows = []
    for layer, channel in units:
        with silenced(module, layer, channel):
            ablated_top1, ablated_loss = _measure(module, images, description)
        rows.append(
            {
                "layer": layer,
                "unit": channel,
                "top1_drop": top1 - ablated_top1,
                "loss_rise": ablated_loss - loss,
            }
        )
    return rows


def _measure(
    module: nn.Module, images: PackedImages, description: Description
) -> tuple[float, float]:
    device = next(module.parameters()).device
    right, loss = 0, 0.0
    for batch in images.batches(BATCH):
        labels = torch.from_numpy(batch.labels).long().to(device)
        with torch.inference_mode():
            logits = module(to_input(batch.images, description, device)).float()
            loss += nn.functional.cross_entropy(logits, labels, reduction="sum").item()
        right += int((logits.argmax(dim=1) == labels).sum())
    return right / len(images), loss / len(images)
