"""Measure the accuracy that a network loses when one of its units is silenced.

Source: Morcos et al., "On the importance of single directions for generalization", ICLR 2018. The
unit's output is set to its mean over images, so that it carries no information on the image.
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
    """Draw `number` units of the convolutions. All units are equally likely.

    Fully connected layers are left out, because the units of the last one are the classes.

    Returns
    -------
    list
        `(layer name, channel)` of each unit, in the order of the layers, channels rising.

    Raises
    ------
    InputError
        The convolutions have fewer units.
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
    """In the block, set one channel of a layer's output to its mean over batch and positions."""

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
    """Silence the given units, one at a time, and measure the change of accuracy and loss.

    Parameters
    ----------
    module
        The network, in evaluation mode, on any device.
    images
        The images for measuring accuracy.
    description
        The network's preprocessing.
    units
        Layer name and channel of each unit.

    Returns
    -------
    list of dict
        For each unit: `layer`, `unit` (the channel), `top1_drop` (a fraction; positive if accuracy
        is lost) and `loss_rise` (nats), relative to the whole network on the same images.
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
