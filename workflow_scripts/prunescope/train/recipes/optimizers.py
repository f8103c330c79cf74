"""Optimizers, by their names in a recipe.

The functions import torch themselves, because every start of the workflow reads the names to check
the config, and must not wait for torch.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from prunescope.train.recipes.recipe import Recipe

if TYPE_CHECKING:
    import torch

# Parameters, or groups of parameters with settings of their own, as torch's optimizers take them.
Parameters = Iterable["torch.nn.Parameter"] | Iterable[dict[str, Any]]


def sgd(parameters: Parameters, recipe: Recipe) -> "torch.optim.Optimizer":
    """Stochastic gradient descent with momentum."""
    import torch

    return torch.optim.SGD(
        parameters, lr=recipe.lr, momentum=recipe.momentum, weight_decay=recipe.weight_decay
    )


def adam(parameters: Parameters, recipe: Recipe) -> "torch.optim.Optimizer":
    """Adam; the weight decay is an L2 penalty."""
    import torch

    return torch.optim.Adam(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True)


def adamw(parameters: Parameters, recipe: Recipe) -> "torch.optim.Optimizer":
    """Adam with decoupled weight decay."""
    import torch

    return torch.optim.AdamW(parameters, lr=recipe.lr, weight_decay=recipe.weight_decay, fused=True)


OPTIMIZERS: Mapping[str, "Callable[[Parameters, Recipe], torch.optim.Optimizer]"] = {
    "sgd": sgd,
    "adam": adam,
    "adamw": adamw,
}


def make(parameters: "Iterable[torch.nn.Parameter]", recipe: Recipe) -> "torch.optim.Optimizer":
    """The optimizer of a recipe. It decays what `recipe.weight_decay_on` says."""
    build = OPTIMIZERS[recipe.optimizer]
    if recipe.weight_decay_on == "all":
        return build(parameters, recipe)
    groups: dict[bool, list] = {True: [], False: []}
    for parameter in parameters:
        groups[parameter.ndim > 1].append(parameter)
    decay = {True: {}, False: {"weight_decay": 0.0}}
    return build([{"params": groups[key], **decay[key]} for key in groups if groups[key]], recipe)
