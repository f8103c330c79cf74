"""Make the layers of a network compact while it is trained, and whole again afterwards."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import nn

from prunescope.networks.description import Description
from prunescope.networks.preprocessing import logits_of
from prunescope.train.compacting import silent_inputs
from prunescope.train.compacting.layers import CompactLayer, kind_of

# Rounding is far below; a layer whose weights the network also reads elsewhere is far above.
TOLERANCE = 1e-4


class NotCompactError(ValueError):
    """A network cannot be trained without its pruned rows and columns."""


@dataclass
class CompactModule:
    """A module, some of whose layers are compact.

    Attributes
    ----------
    module
        The module. Its other parts are those of the whole network.
    layers
        The compact layers, by their names.
    """

    module: nn.Module
    layers: Mapping[str, CompactLayer] = field(default_factory=dict)

    def block(self, parameter: str) -> tuple[torch.Tensor, ...] | None:
        """The part of a parameter of the whole network that is left; None if all of it is."""
        layer, _, name = parameter.rpartition(".")
        return self.layers[layer].block(name) if layer in self.layers else None

    def restore(self) -> None:
        """Make the module whole, with the parameters as they are now."""
        for name, layer in self.layers.items():
            self.module.set_submodule(name, layer.restore())
        self.layers = {}


def compact(
    module: nn.Module, masks: Mapping[str, np.ndarray], description: Description
) -> CompactModule:
    """Replace the layers of a network by what their masks leave of them.

    Parameters
    ----------
    module
        The network, whose pruned parameters are zero. Its layers are replaced in place.
    masks
        Boolean arrays by parameter name, True where the parameter is kept and will be kept.
    description
        Of the network.

    Raises
    ------
    NotCompactError
        With these layers, the network does not compute the same, or cannot run.
    """
    side = description.image_size
    shape = (len(description.mean), side, side)
    try:
        silent = silent_inputs.find(module, masks, shape)
        tried = copy.deepcopy(module).cpu().float()
    except Exception as error:  # whatever stands against a copy, or against other parameters
        raise NotCompactError(f"a copy of it cannot be tried ({error})") from error
    _verify(tried, lambda: _replaced(tried, masks, silent), shape)
    return _replaced(module, masks, silent)


def share(made: CompactModule, description: Description) -> float:
    """The share of a network's multiplications that is left, those of all its layers together."""
    whole = left = 0.0
    for layer in description.layers:
        places = float(np.prod(layer.output_size)) * layer.runs
        weights = float(np.prod(layer.shape))
        whole += weights * places
        part = made.layers.get(layer.name)
        left += (weights if part is None else part.multiplied) * places
    return left / whole if whole else 1.0


def _replaced(
    module: nn.Module, masks: Mapping[str, np.ndarray], silent: Mapping[str, torch.Tensor]
) -> CompactModule:
    shared = _shared(module)
    made: dict[str, CompactLayer] = {}
    for name, layer in module.named_modules():
        kind = kind_of(layer)
        if kind is None or not shared.isdisjoint(layer.parameters(recurse=False)):
            continue
        rows, columns = _kept(name, layer, masks)
        quiet = silent.get(name, torch.zeros_like(columns))
        if not (rows.all() and (columns & ~quiet).all()):
            made[name] = kind(layer, rows, columns, quiet)
    for name, layer in made.items():
        module.set_submodule(name, layer)
    return CompactModule(module, made)


def _kept(
    name: str, layer: nn.Module, masks: Mapping[str, np.ndarray]
) -> tuple[torch.Tensor, torch.Tensor]:
    """The rows and columns of a layer's weight that are left."""
    weight = layer.get_parameter("weight")
    mask = torch.ones(weight.shape[:2], dtype=torch.bool)
    if f"{name}.weight" in masks:
        found = torch.from_numpy(masks[f"{name}.weight"]).reshape(weight.shape)
        mask = found.flatten(2).any(2) if found.ndim > 2 else found
    rows, columns = mask.any(1), mask.any(0)
    if getattr(layer, "bias", None) is not None:
        held = masks.get(f"{name}.bias")
        rows = rows | torch.from_numpy(held) if held is not None else torch.ones_like(rows)
    # A layer must have something to compute, whatever is pruned.
    rows[0] |= not rows.any()
    columns[0] |= not columns.any()
    return rows, columns


def _shared(module: nn.Module) -> set[nn.Parameter]:
    """Parameters that several layers have."""
    once: set[nn.Parameter] = set()
    twice: set[nn.Parameter] = set()
    for _, parameter in module.named_parameters(remove_duplicate=False):
        (twice if parameter in once else once).add(parameter)
    return twice


def _verify(module: nn.Module, replace: Callable[[], object], shape: tuple[int, int, int]) -> None:
    """Check that the compact network runs, and computes what the whole one does."""
    generator = torch.Generator().manual_seed(1)
    images = torch.randn(silent_inputs.IMAGES, *shape, generator=generator)
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        expected = logits_of(module.eval()(images))
        replace()
        try:
            found = logits_of(module(images))
            module.train()(images)
        except Exception as error:  # whatever a network does with layers beside calling them
            raise NotCompactError(f"it cannot run with compact layers ({error})") from error
    scale = float(expected.abs().max())
    if not float((expected - found).abs().max()) <= TOLERANCE * scale:
        raise NotCompactError("with compact layers it computes something else")
