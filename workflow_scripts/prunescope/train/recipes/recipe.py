"""Recipes: how long, with which optimizer and at which learning rate a network is trained.

Reads no torch until an optimizer is made, so that a config can be checked without it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prunescope.foundation.errors import InputError

if TYPE_CHECKING:
    pass


@dataclass(frozen=True)
class Recipe:
    """How a network is trained.

    Attributes
    ----------
    optimizer
        Key of `OPTIMIZERS`.
    lr, momentum, weight_decay
        Of the optimizer; `lr` is the peak of the schedule. Momentum is used by `sgd` alone.
    schedule
        Key of `SCHEDULES`.
    gamma
        Factor by which `exponential` lowers the learning rate after each epoch.
    batch
        Images a step, over all processes.
    augmentation
        Keys of `datasets.AUGMENTATIONS`, applied in order.
    epochs, steps
        Length of training; exactly one of them is given.
    images_per_epoch
        Images drawn anew for each epoch, without replacement; None takes the whole split.
    history_images
        The first so many validation images are classified after each epoch.
    accumulate
        Parts into which a process divides its share of a batch; their gradients are summed, so
        that large batches fit a small GPU. Batch norm sees one part at a time.
    label_smoothing
        Probability spread evenly over all classes in the target (Szegedy et al., CVPR 2016).
    auxiliary_weight
        Weight of the loss of each auxiliary head (0.3 in Szegedy et al., CVPR 2015).
    precision
        Key of `PRECISIONS`: what convolutions and products compute in. Weights stay float32.
    tf32
        Whether a GPU may round the factors of float32 products to 10 bits.
    compile
        Whether torch compiles the forward and backward pass.
    """

    optimizer: str
    lr: float
    weight_decay: float
    schedule: str
    batch: int
    history_images: int
    momentum: float = 0.0
    gamma: float = 1.0
    augmentation: tuple[str, ...] = ()
    epochs: int | None = None
    steps: int | None = None
    images_per_epoch: int | None = None
    accumulate: int = 1
    label_smoothing: float = 0.0
    auxiliary_weight: float = 0.0
    precision: str = "float32"
    tf32: bool = False
    compile: bool = False


# The name of torch's type that automatic mixed precision computes in.
PRECISIONS: Mapping[str, str | None] = {"float32": None, "bf16": "bfloat16", "fp16": "float16"}


@dataclass(frozen=True)
class Plan:
    """A recipe on a given number of images: which images an epoch draws, and its steps."""

    images: int
    images_per_epoch: int
    batch: int
    steps_by_epoch: tuple[int, ...]

    @property
    def steps(self) -> int:
        return sum(self.steps_by_epoch)


def make_plan(recipe: Recipe, images: int) -> Plan:
    """Lay out the epochs of a recipe; an incomplete last batch of an epoch is left out.

    Raises
    ------
    InputError
        The split holds fewer images than an epoch or a batch needs.
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
    """Make a recipe of a config's section."""
    return Recipe(**{**fields, "augmentation": tuple(fields["augmentation"])})
