"""What happens to a network after it was pruned."""

from collections.abc import Iterator
from typing import Annotated, Literal

from prunescope.study.config import choices
from prunescope.study.config.section import Problem, Section, key
from prunescope.study.config.values import OneOf


class Recalibration(Section):
    """Batch-norm statistics that are measured anew."""

    images: int = key(
        "train images on which the batch-norm statistics are measured anew; no weight changes",
        ge=2,
        values="a multiple of `batch`",
        note="`recalibration` is optional, and needs `recipe: null`",
    )
    batch: int = key("images in one forward pass", ge=2)

    def problems(self) -> Iterator[Problem]:
        if self.images % self.batch:
            yield Problem(
                "images",
                f"{self.images} is not a multiple of `batch`, {self.batch}: batches count alike, "
                "so they must be of one size",
            )


class Rewind(Section):
    """The step of the dense training to which retraining goes back."""

    what: Literal["weights", "learning_rate"] = key(
        "`weights`: what is left starts with the weights that the dense network had at that step; "
        "`learning_rate`: with its own",
        note="`rewind` is optional, and needs the recipe of the dense network",
    )
    step: int = key(
        "the step of the dense training from which its learning rates are followed to the end", ge=0
    )


class Retraining(Section):
    """A kind of retraining."""

    start: Annotated[str, OneOf(choices.starts)] = key(
        "what is pruned: the dense network, or the network of the same kind at the rate before; "
        "with `geometric`, each rate takes the same share of what the one before left"
    )
    mask: Literal["enforced", "released"] = key(
        "`enforced` holds pruned weights at zero, `released` lets them regrow"
    )
    recipe: str | None = key(
        "how the pruned network is trained; `null` measures it as it is, or recalibrated",
        values="a key of `recipes`, or null",
    )
    recalibration: Recalibration | None = key(
        "batch-norm statistics that are measured anew", default=None
    )
    rewind: Rewind | None = key(
        "the step of the dense training to which retraining goes back", default=None
    )

    def problems(self) -> Iterator[Problem]:
        if self.recalibration is not None and self.recipe is not None:
            yield Problem(
                "recalibration",
                f"needs `recipe: null`, not {self.recipe!r}: training measures the statistics anew "
                "by itself",
            )
