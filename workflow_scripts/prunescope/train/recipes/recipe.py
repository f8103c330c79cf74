"""Training recipes, and the plan of epochs and steps that follows from a recipe.

This module must not import torch: the config is checked with it at every start of the workflow.
"""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from prunescope.foundation.errors import InputError


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    optimizer
        Key of `optimizers.OPTIMIZERS`.
    lr
        The highest learning rate of the schedule.
    momentum
        Momentum; only `sgd` uses it.
    weight_decay
        Weight decay of the optimizer.
    weight_decay_on
        One of `DECAYED`. `all`: weight decay on all parameters. `weights`: only on those with more
        than one axis, not on biases, on factors and shifts of norms, and on other single factors.
    schedule
        Key of `learning_rates.LEARNING_RATES`.
    gamma
        Factor of the learning rate after each epoch; only the schedule `exponential` uses it.
    batch
        Number of images in a step, over all processes.
    augmentation
        Keys of `augmentation.AUGMENTATIONS`, applied in order.
    epochs, steps
        Length of training. Exactly one of them is given.
    images_per_epoch
        Number of images drawn for each epoch, without replacement; None takes the whole split.
    history_images
        This many images, a class-balanced part of the validation split, are classified after each
        epoch.
    accumulate
        Number of parts into which each process divides its share of a batch. The gradients of the
        parts are summed, so that large batches fit on a small GPU. Batch norm uses one part at a
        time.
    label_smoothing
        Probability that the target spreads evenly over all classes (Szegedy et al., CVPR 2016).
    auxiliary_weight
        Weight of the loss of each auxiliary head (0.3 in Szegedy et al., CVPR 2015).
    l1_on_scales
        Factor of the sum of the absolute batch-norm scales in the loss (1e-4 or 1e-5 in Liu et al.,
        "Network Slimming", ICCV 2017). It pushes the scales of needless channels to zero.
    precision
        Key of `PRECISIONS`: the type in which convolutions and matrix products are computed.
        Weights stay float32.
    tf32
        Whether a GPU may round the factors of float32 products to TensorFloat-32 (10 bits).
    compile
        Whether torch compiles the forward and the backward pass.
    retrain_on
        One of `TRAINED_ON`: the whole network with its masks, or what the masks leave of its layers
        (`train.compacting`). Both give the same network up to rounding.
    """

    optimizer: str
    lr: float
    weight_decay: float
    schedule: str
    batch: int
    history_images: int
    weight_decay_on: str = "all"
    momentum: float = 0.0
    gamma: float = 1.0
    augmentation: tuple[str, ...] = ()
    epochs: int | None = None
    steps: int | None = None
    images_per_epoch: int | None = None
    accumulate: int = 1
    label_smoothing: float = 0.0
    auxiliary_weight: float = 0.0
    l1_on_scales: float = 0.0
    precision: str = "float32"
    tf32: bool = False
    compile: bool = False
    retrain_on: str = "auto"


DECAYED = ("all", "weights")
MASKED, COMPACT, AUTO = TRAINED_ON = ("masked", "compact", "auto")
# The torch type for automatic mixed precision; None: mixed precision is off.
PRECISIONS: Mapping[str, str | None] = {"float32": None, "bf16": "bfloat16", "fp16": "float16"}


@dataclass(frozen=True)
class Plan:
    """The epochs and steps of a recipe for a given number of images.

    Attributes
    ----------
    images
        Number of images in the train split.
    images_per_epoch
        Number of images that are drawn for an epoch.
    batch
        Number of images in a step.
    steps_by_epoch
        Number of steps in each epoch. The last epoch may be shorter.
    """

    images: int
    images_per_epoch: int
    batch: int
    steps_by_epoch: tuple[int, ...]

    @property
    def steps(self) -> int:
        """Number of steps in the whole training."""
        return sum(self.steps_by_epoch)

    def after(self, step: int) -> "Plan":
        """The plan without its first `step` steps: the rest of an epoch, then the others."""
        starts = itertools.accumulate(self.steps_by_epoch, initial=0)
        left = [
            min(steps, start + steps - step)
            for start, steps in zip(starts, self.steps_by_epoch, strict=False)
        ]
        return replace(self, steps_by_epoch=tuple(steps for steps in left if steps > 0))


def make_plan(recipe: Recipe, images: int) -> Plan:
    """Compute the epochs and steps of a recipe for a train split with `images` images.

    An incomplete batch at the end of an epoch is left out.

    Raises
    ------
    InputError
        The split has fewer images than an epoch or a batch needs.
    """
    per_epoch = recipe.images_per_epoch or images
    if per_epoch > images:
        raise InputError(
            f"recipe: images_per_epoch is {per_epoch}, but the train split has {images} images."
        )
    full = per_epoch // recipe.batch
    if full == 0:
        raise InputError(
            f"recipe: batch {recipe.batch} is larger than the {per_epoch} images of an epoch."
        )
    total = recipe.steps if recipe.steps is not None else (recipe.epochs or 0) * full
    epochs = [full] * (total // full) + ([total % full] if total % full else [])
    return Plan(images, per_epoch, recipe.batch, tuple(epochs))


def from_config(fields: Mapping[str, Any]) -> Recipe:
    """Make a recipe from the fields of a config section."""
    return Recipe(**{**fields, "augmentation": tuple(fields["augmentation"])})
