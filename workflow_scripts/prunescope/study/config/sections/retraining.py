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


class Gradual(Section):
    """Pruning in steps of a training. Its keys are those of `gradual.Timing`."""

    begin: int = key(
        "steps of the training before pruning begins",
        ge=0,
        note="`gradual` is optional, and needs a recipe, `start: dense` and `mask: enforced`",
    )
    end: int = key("steps after which the rate is reached; then the masks are held", ge=1)
    every: int = key(
        "steps between two updates of the masks",
        ge=1,
        values="a whole number from 1 that divides `end` - `begin`",
    )

    def problems(self) -> Iterator[Problem]:
        if self.end <= self.begin:
            yield Problem("end", f"{self.end} must be larger than `begin`, {self.begin}")
        elif (self.end - self.begin) % self.every:
            yield Problem(
                "every",
                f"{self.every} does not divide the {self.end - self.begin} steps from `begin` to "
                "`end`, so that the last update would be missing",
            )


class Regrow(Section):
    """Masks that move during a training. Its keys are those of `regrowth.Pace`."""

    every: int = key(
        "steps of the training from one update of the masks to the next",
        ge=1,
        note="`regrow` is optional, and needs a recipe and `mask: enforced`",
    )
    end: int = key("the masks stay as they are from this step on", ge=1)
    fraction: float = key(
        "share of a layer's live weights that is dropped, and grows elsewhere, at the beginning; "
        "it falls to 0 at `end`",
        gt=0,
        le=1,
    )

    def problems(self) -> Iterator[Problem]:
        if self.end <= self.every:
            yield Problem(
                "end", f"{self.end} must be larger than `every`, {self.every}: no mask would change"
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
    gradual: Gradual | None = key(
        "when masks grow, if the network is pruned while it is trained", default=None
    )
    regrow: Regrow | None = key(
        "how masks move, if weights are dropped and grow elsewhere while the network is trained",
        default=None,
    )

    def problems(self) -> Iterator[Problem]:
        if self.recalibration is not None and self.recipe is not None:
            yield Problem(
                "recalibration",
                f"needs `recipe: null`, not {self.recipe!r}: training measures the statistics anew "
                "by itself",
            )
        if self.gradual is not None:
            yield from self._problems_of_updates("gradual", "what it pruned")
            if self.regrow is not None:
                yield Problem("regrow", "cannot stand beside `gradual`. Remove one of them")
        elif self.regrow is not None:
            yield from self._problems_of_updates("regrow", "what is pruned")

    def _problems_of_updates(self, name: str, held: str) -> Iterator[Problem]:
        if self.recipe is None:
            yield Problem(name, "needs a recipe: masks change while the network is trained")
        if name == "gradual" and self.start != "dense":
            yield Problem(
                "start",
                f"{self.start!r}, but `gradual` prunes the dense network. Set it to `dense`",
            )
        if self.mask != "enforced":
            yield Problem("mask", f"{self.mask!r}, but `{name}` holds {held}. Set it to `enforced`")
