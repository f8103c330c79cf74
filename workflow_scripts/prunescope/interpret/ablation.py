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
from prunescope.networks.description import Description, Output
from prunescope.networks.preprocessing import logits_of, to_input

BATCH = 250


def sample_units(description: Description, number: int, seed: int) -> list[tuple[Output, int]]:
    """Draw `number` units of the measured layers. All units are equally likely.

    Classifiers are left out, because their units are the classes.

    Returns
    -------
    list
        Run of a layer and channel of each unit, in the order of `description.outputs`, channels
        rising.

    Raises
    ------
    InputError
        The layers have fewer units.
    """
    inner = [
        output for output in description.outputs if output.layer not in description.classifiers
    ]
    units = [(output, channel) for output in inner for channel in range(output.layer.units)]
    if number > len(units):
        raise InputError(
            f"interpretability.ablation.units: {number} units cannot be drawn from the "
            f"{len(units)} of the network's layers before its classifier."
        )
    chosen = np.random.default_rng(seed).permutation(len(units))[:number]
    return [units[place] for place in np.sort(chosen)]


@contextmanager
def silenced(module: nn.Module, output: Output, channel: int) -> Iterator[None]:
    """In the block, set one channel of an output to its mean over the batch and all positions.

    Raises
    ------
    InputError
        The layer did not run in the block.
    """
    layer, runs = output.layer, 0

    def hook(_module: nn.Module, _inputs: object, made: torch.Tensor) -> torch.Tensor | None:
        nonlocal runs
        runs += 1
        if (runs - 1) % layer.runs + 1 != output.run:
            return None
        changed = made.clone()
        changed.select(layer.unit_axis, channel)[:] = made.select(layer.unit_axis, channel).mean()
        return changed

    handle = module.get_submodule(layer.name).register_forward_hook(hook)
    try:
        yield
    finally:
        handle.remove()
    if not runs or runs % layer.runs:
        raise InputError(
            f"{layer.name}: the layer ran {runs} times while one of its units was silenced, which "
            f"is no multiple of {layer.runs}. Its units cannot be silenced."
        )


def ablate(
    module: nn.Module,
    images: PackedImages,
    description: Description,
    units: list[tuple[Output, int]],
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
        Run of a layer and channel of each unit.

    Returns
    -------
    list of dict
        For each unit: `layer` (the name of the output), `unit` (the channel), `top1_drop` (a
        fraction; positive if accuracy is lost) and `loss_rise` (nats), relative to the whole
        network on the same images.
    """
    top1, loss = _measure(module, images, description)
    rows = []
    for output, channel in units:
        with silenced(module, output, channel):
            ablated_top1, ablated_loss = _measure(module, images, description)
        rows.append(
            {
                "layer": output.name,
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
            logits = logits_of(module(to_input(batch.images, description, device))).float()
            loss += nn.functional.cross_entropy(logits, labels, reduction="sum").item()
        right += int((logits.argmax(dim=1) == labels).sum())
    return right / len(images), loss / len(images)
