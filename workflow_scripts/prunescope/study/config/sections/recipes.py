"""How networks are trained. The keys are the fields of `train.recipes.recipe.Recipe`."""

from collections.abc import Iterator
from typing import Annotated

from prunescope.study.config import choices
from prunescope.study.config.section import Problem, Section, key
from prunescope.study.config.values import EachOf, OneOf
from prunescope.train.images.augmentation import RANDOM_RESIZED_CROP
from prunescope.train.recipes.recipe import COMPACT


class Recipe(Section):
    """A way to train a network."""

    optimizer: Annotated[str, OneOf(choices.optimizers)] = key("the optimizer")
    lr: float = key("highest learning rate of the schedule", gt=0)
    momentum: float = key("momentum, used by `sgd` only", default=0.0, ge=0, lt=1)
    weight_decay: float = key("weight decay", ge=0)
    weight_decay_on: Annotated[str, OneOf(choices.decayed)] = key(
        "which parameters decay: `weights` leaves out biases, norms and other parameters with a "
        "single axis",
        default="all",
    )
    schedule: Annotated[str, OneOf(choices.schedules)] = key("how the learning rate changes")
    gamma: float = key(
        "factor of `exponential` after each epoch",
        default=1.0,
        gt=0,
        le=1,
        left_out="required by `exponential`",
    )
    batch: int = key("images in one step", ge=2)
    epochs: int | None = key(
        "length of training in epochs",
        default=None,
        ge=1,
        values="a whole number from 1",
        left_out="optional",
    )
    steps: int | None = key(
        "length of training in steps, instead of `epochs`",
        default=None,
        ge=1,
        values="a whole number from 1",
        left_out="optional",
    )
    images_per_epoch: int | None = key(
        "images drawn anew for each epoch; `null` takes all train images",
        default=None,
        ge=2,
        values="a whole number from `batch`, or null",
    )
    augmentation: Annotated[list[str], EachOf(choices.augmentations)] = key(
        "changes to the train images, in this order",
        note=f"`{RANDOM_RESIZED_CROP}` only as the first; may be empty",
    )
    history_images: int = key(
        "so many validation images, a class-balanced part, are classified after each epoch, for "
        "the history",
        note="all of them where there are fewer",
        ge=1,
    )
    accumulate: int = key(
        "parts into which a batch is divided so that it fits a small GPU; gradients are summed, "
        "batch norm sees one part at a time",
        default=1,
        ge=1,
        values="a whole number from 1 that divides `batch`",
    )
    label_smoothing: float = key(
        "probability spread evenly over all classes in the target", default=0.0, ge=0, lt=1
    )
    auxiliary_weight: float = key(
        "weight of the loss of each auxiliary head (0.3 in the paper); needs "
        "`model.auxiliary_heads`",
        default=0.0,
        ge=0,
    )
    l1_on_scales: float = key(
        "factor of the sum of the absolute batch-norm scales in the loss (network slimming: 1e-4): "
        "the scales of needless channels shrink, for the criterion `slimming`",
        default=0.0,
        ge=0,
    )
    precision: Annotated[str, OneOf(choices.precisions)] = key(
        "what convolutions and products compute in while training; weights stay float32",
        default="float32",
    )
    tf32: bool = key(
        "whether a GPU may round the factors of float32 products to 10 bits while training",
        default=False,
    )
    compile: bool = key(
        "whether torch compiles the training pass (needs a C++ compiler on the machine)",
        default=False,
    )

    retrain_on: Annotated[str, OneOf(choices.trained_on)] = key(
        "what pruned networks are trained on where masks are held: `masked`, the whole network; "
        "`compact`, what masks leave of its layers, with the same result up to rounding; `auto`, "
        "the latter on a CPU where that is faster",
        default="auto",
    )

    def unused(self) -> set[str]:
        # Networks that are trained without the penalty are those of recipes that do not know it.
        return set() if self.l1_on_scales else {"l1_on_scales"}

    def problems(self) -> Iterator[Problem]:
        if RANDOM_RESIZED_CROP in self.augmentation[1:]:
            yield Problem(
                "augmentation",
                f"{RANDOM_RESIZED_CROP!r} must stand first (and once): it cuts from the original "
                "image",
            )
        if (self.epochs is None) == (self.steps is None):
            yield Problem("", "give its length as `epochs` or as `steps`, exactly one of them")
        if self.schedule == "exponential" and "gamma" not in self.model_fields_set:
            yield Problem("gamma", "is missing: schedule `exponential` needs it")
        if self.retrain_on == COMPACT and self.compile:
            yield Problem(
                "retrain_on",
                "`compact` cannot be compiled. Choose `auto` or `masked`, or leave out `compile`",
            )
        if self.batch % self.accumulate:
            yield Problem(
                "accumulate", f"{self.accumulate} does not divide the batch of {self.batch}"
            )
        if self.images_per_epoch is not None and self.images_per_epoch < self.batch:
            yield Problem(
                "images_per_epoch",
                f"{self.images_per_epoch} is less than one batch of {self.batch}",
            )
