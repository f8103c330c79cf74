"""Describe an architecture: its layers, what follows them, and which channels go together."""

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from prunescope.networks.architecture_files import Architecture
from prunescope.networks.describing import batch_norms
from prunescope.networks.describing.coupling import Coupling
from prunescope.networks.describing.export import Owners, export, operation_of
from prunescope.networks.describing.layers import find_layers
from prunescope.networks.describing.runs import in_mode, layers_of
from prunescope.networks.describing.uses import Use, find_uses, macs

IDLE = "does not run in evaluation mode"


def describe(module: nn.Module, image_size: int, channels: int = 3) -> Architecture:
    """Find out what a network consists of, from runs of it and from its exported graph.

    Names of modules play no part. The weights' values play none either.

    Parameters
    ----------
    module
        A module on the CPU, which takes a batch of images. It stays as it is. Its output may have
        any form.
    image_size
        Side of the images in pixels.
    channels
        Channels of the images.

    Returns
    -------
    Architecture
        If PyTorch cannot export the graph, `unknown` says why, and there are no facts but those
        that runs show.
    """
    parameters = sum(parameter.numel() for parameter in module.parameters())
    owners = Owners(module, layers_of(module))
    try:
        with in_mode(module, training=False):
            exported = export(module, torch.zeros(1, channels, image_size, image_size))
    except Exception as error:  # of many types, of this module's code as well
        unknown = f"its graph is unknown ({_first_line(error)})"
        layers = find_layers(module, image_size, channels, uses=None)
        return Architecture(
            layers=layers,
            removable={layer.name: unknown for layer in layers},
            parameters=parameters,
            batch_norms=_batch_norms(module),
            unknown=unknown,
        )
    uses = find_uses(exported, owners)
    layers = find_layers(module, image_size, channels, tuple(uses.values()))
    norms = batch_norms.following(exported, uses.values(), module)
    if any(layer.auxiliary for layer in layers):
        norms = _in_training(module, image_size, channels, owners) | norms
    coupling = Coupling(exported, uses)
    removable = {
        layer.name: IDLE if layer.auxiliary else coupling.removable(layer.name) for layer in layers
    }
    counted = macs(uses.values())
    loose = dict(_without_layer(uses.values()))
    # A layer that runs, but not in a step of the graph, would be missing.
    seen = {layer.name for layer in layers if not layer.auxiliary} <= {
        use.layer for use in uses.values()
    }
    return Architecture(
        layers=tuple(replace(layer, batch_norm=norms.get(layer.name)) for layer in layers),
        coupled=coupling.groups(),
        removable=removable,
        parameters=parameters,
        macs=sum(counted.values()) if seen else None,
        batch_norms=_batch_norms(module),
        unmeasured_parameters=loose,
        parameter_macs={name: counted[name] for name in loose if name in counted},
    )


def _in_training(
    module: nn.Module, image_size: int, channels: int, owners: Owners
) -> dict[str, str]:
    """The batch norms that follow layers in training mode; none if the graph is unknown."""
    images = torch.zeros(2, channels, image_size, image_size)
    try:
        with in_mode(module, training=True):
            exported = export(module, images)
    except Exception:
        return {}
    return batch_norms.following(exported, find_uses(exported, owners).values(), module)


def _batch_norms(module: nn.Module) -> int:
    return sum(
        isinstance(child, _BatchNorm) and child.running_mean is not None
        for child in module.modules()
    )


def _without_layer(uses: Iterable[Use]) -> dict[str, str]:
    return {
        use.parameter: f"weight of {operation_of(use.node)}, which no layer computes"
        for use in uses
        if use.layer is None
    }


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), "") or type(error).__name__
