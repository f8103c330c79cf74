"""Learning-rate schedules, by their names in a recipe.

A schedule gives the learning rate of a step, from 0, as a fraction of `Recipe.lr`.
"""

import math
from collections.abc import Callable, Mapping

from prunescope.train.recipes.recipe import Plan, Recipe


def constant(recipe: Recipe, plan: Plan, step: int) -> float:
    """The same learning rate at all steps."""
    return 1.0


def one_cycle(recipe: Recipe, plan: Plan, step: int) -> float:
    """Rise linearly in the first 30 % of the steps, then fall as a cosine (Smith & Topin 2019)."""
    done = (step + 1) / plan.steps
    rise = 0.3
    if done <= rise:
        return done / rise
    return 0.5 * (1 + math.cos(math.pi * (done - rise) / (1 - rise)))


def cosine(recipe: Recipe, plan: Plan, step: int) -> float:
    """Fall as half a period of a cosine, from 1 to 0."""
    return 0.5 * (1 + math.cos(math.pi * step / plan.steps))


def exponential(recipe: Recipe, plan: Plan, step: int) -> float:
    """Multiply by `gamma` after each epoch (0.9 in arXiv 2409.19727)."""
    return recipe.gamma ** (step // (plan.images_per_epoch // plan.batch))


LEARNING_RATES: Mapping[str, Callable[[Recipe, Plan, int], float]] = {
    "constant": constant,
    "one_cycle": one_cycle,
    "cosine": cosine,
    "exponential": exponential,
}
