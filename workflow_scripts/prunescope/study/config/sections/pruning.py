"""What is pruned, how much of it, and by which methods."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from prunescope.foundation.errors import InputError
from prunescope.networks import coordinates
from prunescope.prune import budgets, patterns, pieces
from prunescope.study.config import choices
from prunescope.study.config.section import Problem, Section, key
from prunescope.study.config.values import Different, Name, OneOf, Rates, Seed


class MeasuredSample(Section):
    """Train images that a criterion is measured on. Its keys are those of `SampleSettings`."""

    images: int = key(
        "train images on which activations or gradients are measured; `sample` is only for "
        "criteria that need them",
        default=512,
        ge=1,
        values="a multiple of `batch`",
    )
    batch: int = key("images in one pass", default=64, ge=1)
    seed: Seed = key("seed of the draw", default=0)

    def problems(self) -> Iterator[Problem]:
        if self.images % self.batch:
            yield Problem(
                "images",
                f"{self.images} is not a multiple of `batch`, {self.batch}: batches count alike, "
                "so they must be of one size",
            )


class Method(Section):
    """A pruning method: granularity x scope x criterion, and the retraining that it gets."""

    granularity: Annotated[str, OneOf(choices.granularities)] = key("what is removed as one piece")
    scope: Annotated[str, OneOf(choices.scopes)] = key(
        "what is ranked together: all layers, or each layer by itself; with `erk` and "
        "`uniform_plus`, each layer by itself, of which a share of what `global` keeps is left"
    )
    criterion: Annotated[str, OneOf(choices.criteria)] = key("how the pieces are ranked")
    layers: Annotated[list[Literal["conv2d", "linear"]], Field(min_length=1), *Different] = key(
        "kinds of layers that are pruned"
    )
    biases: bool = key(
        "whether biases are ranked and pruned with the weights",
        note="`true` needs granularity `weight`",
    )
    pattern: str | None = key(
        "N:M, how many weights of each M consecutive input channels stay, for granularity `n_of_m`",
        default=None,
        values='N and M in quotation marks, such as `"2:4"`',
        left_out="required by `n_of_m`, refused by all others",
    )
    sample: MeasuredSample | None = key(
        "train images that the criterion is measured on", default=None
    )
    iterations: int | None = key(
        "steps in which a criterion that is measured by running the network prunes; it is measured "
        "anew before each",
        default=None,
        ge=1,
        values="a whole number from 1",
        left_out="optional, 100 with `synflow` and 1 with all others",
    )
    mask: Literal["enforced", "released"] | None = key(
        "whether retraining holds this method's masks",
        default=None,
        values="`enforced`, `released`",
        left_out="optional, the retraining's `mask` if left out",
    )
    rates: Annotated[Rates, Field(min_length=1)] | None = key(
        "rates of this method, instead of `pruning.rates`",
        default=None,
        values="a rising list of numbers between 0 and 1, like `pruning.rates`",
        left_out="optional",
    )
    cumulative: bool = key(
        "whether a rate takes its share of what the rates below it left, see below", default=False
    )
    retraining: Annotated[list[Name], Field(min_length=1), *Different] = key(
        "which kinds of retraining the method gets",
        values="a list of different keys of `retraining`, at least one",
    )

    def unused(self) -> set[str]:
        # Methods without these are those of configs that do not know the keys.
        optional = ("pattern", "sample", "iterations")
        return {name for name in optional if getattr(self, name) is None}

    def problems(self) -> Iterator[Problem]:
        if self.biases and self.granularity != "weight":
            yield Problem("biases", f"true needs granularity `weight`, not {self.granularity!r}")
        yield from self._problems_of_pattern()
        if self.granularity == pieces.CHANNEL_GROUP and self.scope in budgets.SHARED:
            yield Problem(
                "scope",
                f"{self.scope!r} divides pieces among layers, and a group of channels belongs to "
                "several: set it to `global` or `layer`",
            )
        if told := budgets.problem(self.scope, self.biases):
            yield Problem("scope", f"{self.scope!r} {told}")
        yield from self._problems_of_criterion()

    def _problems_of_criterion(self) -> Iterator[Problem]:
        criterion = pieces.load_criterion(self.criterion)
        if told := criterion.problem(self.granularity, self.scope, self.biases):
            yield Problem("criterion", f"{self.criterion!r} {told}")
        elif self.granularity == pieces.CHANNEL_GROUP and criterion.NEEDS != pieces.WEIGHTS:
            yield Problem(
                "criterion",
                f"{self.criterion!r} needs {criterion.NEEDS}, but groups of channels are ranked by "
                "their weights only: choose another criterion or granularity",
            )
        if self.sample is not None and criterion.NEEDS not in pieces.ON_IMAGES:
            yield Problem(
                "sample", f"the criterion {self.criterion!r} needs no images. Remove the sample"
            )
        if self.iterations is None:
            return
        if criterion.NEEDS not in pieces.MEASURED:
            yield Problem(
                "iterations",
                f"{self.iterations}, but the criterion {self.criterion!r} is not measured by "
                "running the network, so steps change nothing. Remove it",
            )
        elif self.pattern is not None:
            yield Problem("iterations", f"{self.iterations}, but a pattern is made in one step")

    def _problems_of_pattern(self) -> Iterator[Problem]:
        if self.granularity != patterns.N_OF_M:
            if self.pattern is not None:
                yield Problem("pattern", f"needs granularity `n_of_m`, not {self.granularity!r}")
            return
        if self.pattern is None:
            yield Problem("pattern", "is missing: granularity `n_of_m` needs it, such as '2:4'")
            return
        try:
            rate = patterns.parse(self.pattern).rate
        except InputError as error:
            yield Problem("pattern", str(error))
            return
        if self.scope != "layer":
            yield Problem(
                "scope",
                f"{self.scope!r}, but a pattern ranks each block by itself: set it to `layer`",
            )
        if self.rates != [rate]:
            given = "is missing" if self.rates is None else str(self.rates)
            yield Problem(
                "rates", f"{given}: the pattern {self.pattern} is the rate. Write [{rate}]"
            )
        if self.cumulative:
            yield Problem("cumulative", "true, but a pattern has one rate. Remove it")


class Pruning(Section):
    """The rates, and the methods that prune at them."""

    rates: Annotated[Rates, Field(min_length=1)] = key(
        "fractions of the pieces that go",
        values="a rising list of numbers between 0 and 1 (both excluded), at most two decimals",
    )
    exclude: Annotated[list[str], *Different] = key(
        "layers that are left alone ([below](#layers-that-are-left-alone))",
        values="a list of different names of layers, patterns, and roles (`first`, `classifier`, "
        "`depthwise`); may be empty",
    )
    batch_norm: Literal["pruned", "kept"] = key(
        "whether the batch-norm channel of a pruned filter goes with it"
    )
    unreached: Literal["left_out", "counted"] = key(
        "whether weights that no image reaches, because they meet padding only, are left out of "
        "ranking, sparsity and compression, or ranked and counted like all others",
        default="left_out",
    )
    methods: dict[Name, Method] = key("the methods, by a name of your choice")

    def problems(self) -> Iterator[Problem]:
        for name in coordinates.NOT_PRUNED:
            if name in self.methods:
                yield Problem(
                    f"methods.{name}",
                    f"`{name}` is a network that is not pruned; choose another name",
                )
