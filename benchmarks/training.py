"""Measure what it costs to hold masks while a network is trained."""

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import prune

from benchmarks.common import (
    PAIRS,
    Material,
    Measured,
    Target,
    interleave,
    medians,
    ratios,
    require_equal,
)
from prunescope.networks import description, network_files
from prunescope.networks.coordinates import ONE_SHOT
from prunescope.networks.modules import to_module
from prunescope.networks.preprocessing import to_input
from prunescope.train.held_masks import MaskedParameters
from prunescope.train.recipes.optimizers import OPTIMIZERS
from prunescope.train.recipes.recipe import from_config

STEPS = 4
RECIPE = {
    "optimizer": "adamw", "lr": 0.0007, "weight_decay": 0.05, "schedule": "one_cycle", "batch": 32,
    "steps": STEPS, "images_per_epoch": 480, "augmentation": [], "history_images": 200,
}  # fmt: skip


def run(material: Material, pairs: int = 2 * PAIRS + 1, number: int = STEPS) -> dict[str, Measured]:
    network = network_files.load(material.network("structured", ONE_SHOT, "0.80"))
    recipe = from_config(RECIPE)
    images, labels = material.probe.images[: recipe.batch], material.probe.labels[: recipe.batch]
    batch = to_input(torch.from_numpy(np.array(images)), network.description, torch.device("cpu"))
    answers = torch.from_numpy(np.array(labels))

    def steps(module: nn.Module, optimizer: torch.optim.Optimizer, inputs: torch.Tensor,
              masked: MaskedParameters | None) -> None:  # fmt: skip
        for _ in range(number):
            optimizer.zero_grad()
            cross_entropy(module(inputs), answers).backward()
            optimizer.step()
            if masked is not None:
                masked.apply()

    def side(hold: bool) -> tuple:
        module = to_module(network).train()
        masked = MaskedParameters(module, network.masks) if hold else None
        return module, OPTIMIZERS[recipe.optimizer](module.parameters(), recipe), batch, masked

    def reparametrised() -> tuple:
        module = with_torch_prune(to_module(network), network).train()
        inputs = batch.contiguous()
        return module, OPTIMIZERS[recipe.optimizer](module.parameters(), recipe), inputs, None

    sides = side(False), side(True), reparametrised()
    difference = same_step(network, batch, answers)
    plain, held, peer = interleave(*(lambda side=side: steps(*side) for side in sides), pairs=pairs)
    assert sides[1][3].regrown() == 0
    what = (
        f"{number} training steps of GoogLeNet (batch {recipe.batch}, AdamW) with the masks of "
        "structured pruning at 0.80"
    )
    times = medians(masked=held, plain=plain, torch_prune=peer)
    return {
        "masked_step_vs_plain_step": Measured(
            "ratio",
            f"{what}: held, over not held",
            ratios(held, plain),
            Target(1.03, at_most=True),
            times,
        ),
        "masked_step_vs_torch_prune": Measured(
            "ratio",
            f"{what}: time with the reparametrisation of torch.nn.utils.prune (in contiguous "
            "layout: channels-last does not survive it), over that with masks that are held",
            ratios(peer, held),
            Target(1.5, at_most=False),
            {**times, "largest_difference_after_a_step": difference},
        ),
    }


def with_torch_prune(module: nn.Module, network: description.Network) -> nn.Module:
    """Mask a module as torch.nn.utils.prune does: weight = weight_orig * mask in every forward."""
    module = module.to(memory_format=torch.contiguous_format)
    modules = dict(module.named_modules())
    for name, mask in network.masks.items():
        layer, _, parameter = name.rpartition(".")
        shape = modules[layer].get_parameter(parameter).shape
        prune.custom_from_mask(
            modules[layer], parameter, torch.from_numpy(np.array(mask)).float().reshape(shape)
        )
    return module


def same_step(network: description.Network, batch: torch.Tensor, answers: torch.Tensor) -> float:
    """Check that both ways to hold masks take the same step of gradient descent.

    Returns the largest difference.
    """
    after = []
    for reparametrise in (False, True):
        module = to_module(network)
        if reparametrise:
            module = with_torch_prune(module, network)
        masked = None if reparametrise else MaskedParameters(module, network.masks)
        optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
        # Not in training mode, where dropout would draw other values for each way.
        cross_entropy(module(batch), answers).backward()
        optimizer.step()
        if masked is not None:
            masked.apply()
        modules = dict(module.named_modules())
        weights = []
        for name, mask in network.masks.items():
            layer, _, parameter = name.rpartition(".")
            value = getattr(modules[layer], f"{parameter}_orig" if reparametrise else parameter)
            held = torch.from_numpy(np.array(mask)).reshape(value.shape)
            weights.append((value.detach() * held).reshape(-1).numpy())
        after.append(np.concatenate(weights))
    return require_equal("weights after a step", *after, 1e-6)
