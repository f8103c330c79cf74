"""Optimizers, by their names in a recipe."""

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

from prunescope.train.recipes.recipe import Recipe

Parameters = Iterable["torch.nn.Parameter"]


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
