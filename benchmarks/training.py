"""Measure what a training step costs: with held masks, and on what the masks leave."""

from collections.abc import Callable

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
from prunescope.train.compacting.compact_module import CompactModule, compact
from prunescope.train.held_masks import MaskedParameters
from prunescope.train.recipes import optimizers
from prunescope.train.recipes.recipe import from_config

STEPS = 4
RECIPE = {
    "optimizer": "adamw", "lr": 0.0007, "weight_decay": 0.05, "schedule": "one_cycle", "batch": 32,
    "steps": STEPS, "images_per_epoch": 480, "augmentation": [], "history_images": 200,
}  # fmt: skip
# The batch of the default study's retraining.
BATCH = 64
WHAT = "{} training steps of GoogLeNet (batch {}, AdamW) with the masks of {} at 0.80"


def run(material: Material, pairs: int = 2 * PAIRS + 1, number: int = STEPS) -> dict[str, Measured]:
    structured = network_files.load(material.network("structured", ONE_SHOT, "0.80"))
    connections = network_files.load(material.network("connection_sparsity", ONE_SHOT, "0.80"))
    return {
        **_held(material, structured, pairs, number),
        **_compact(material, structured, connections, pairs, number),
    }


def _held(
    material: Material, network: description.Network, pairs: int, number: int
) -> dict[str, Measured]:
    steps = _Steps(material, network, 32, number)
    difference = same_step(network, steps.inputs, steps.answers)
    sides = steps.whole(hold=False), steps.whole(hold=True), steps.reparametrised()
    plain, held, peer = interleave(*sides, pairs=pairs)
    what = WHAT.format(number, 32, "structured pruning")
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


def _compact(
    material: Material,
    structured: description.Network,
    connections: description.Network,
    pairs: int,
    number: int,
) -> dict[str, Measured]:
    filters = _Steps(material, structured, BATCH, number)
    sides = filters.whole(hold=True), filters.compact(), filters.reparametrised()
    masked, compacted, peer = interleave(*sides, pairs=pairs)
    channels = _Steps(material, connections, BATCH, number)
    held, small = interleave(channels.whole(hold=True), channels.compact(), pairs=pairs)
    what = WHAT.format(number, BATCH, "structured pruning")
    times = medians(masked=masked, compact=compacted, torch_prune=peer)
    return {
        "masked_step_vs_compact_step": Measured(
            "ratio",
            f"{what}: time with masks that are held, over that on what they leave",
            ratios(masked, compacted),
            Target(2.0, at_most=False),
            times,
        ),
        "torch_prune_vs_compact_step": Measured(
            "ratio",
            f"{what}: time with the reparametrisation of torch.nn.utils.prune, over that on what "
            "the masks leave",
            ratios(peer, compacted),
            Target(2.5, at_most=False),
            times,
        ),
        "masked_step_vs_compact_step_of_connections": Measured(
            "ratio",
            f"{WHAT.format(number, BATCH, 'connection sparsity')}: time with masks that are held, "
            "over that on what they leave",
            ratios(held, small),
            Target(1.7, at_most=False),
            medians(masked=held, compact=small),
        ),
    }


class _Steps:
    """Ways to take the same training steps."""

    def __init__(
        self, material: Material, network: description.Network, batch: int, number: int
    ) -> None:
        self.network, self.number = network, number
        images, labels = material.probe.images[:batch], material.probe.labels[:batch]
        device = torch.device("cpu")
        self.inputs = to_input(torch.from_numpy(np.array(images)), network.description, device)
        self.answers = torch.from_numpy(np.array(labels))

    def whole(self, *, hold: bool) -> Callable[[], None]:
        """The whole network, with its masks held or not."""
        module = to_module(self.network)
        masked = MaskedParameters(module, self.network.masks) if hold else None
        return self._taken(module, self.inputs, masked)

    def compact(self) -> Callable[[], None]:
        """What the masks leave."""
        module = to_module(self.network)
        made: CompactModule = compact(module, self.network.masks, self.network.description)
        masked = MaskedParameters(module, self.network.masks, left=made.block)
        return self._taken(module, self.inputs, masked)

    def reparametrised(self) -> Callable[[], None]:
        """The way of torch.nn.utils.prune."""
        module = with_torch_prune(to_module(self.network), self.network)
        return self._taken(module, self.inputs.contiguous(), None)

    def _taken(
        self, module: nn.Module, inputs: torch.Tensor, masked: MaskedParameters | None
    ) -> Callable[[], None]:
        optimizer = optimizers.make(module.train().parameters(), from_config(RECIPE))

        def take() -> None:
            for _ in range(self.number):
                optimizer.zero_grad()
                cross_entropy(module(inputs), self.answers).backward()
                optimizer.step()
                if masked is not None:
                    masked.apply()
            assert masked is None or masked.regrown() == 0

        return take


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
