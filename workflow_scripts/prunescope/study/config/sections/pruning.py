"""What is pruned, how much of it, and by which methods."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from prunescope.networks import coordinates
from prunescope.study.config import choices
from prunescope.study.config.section import Problem, Section, key
from prunescope.study.config.values import Different, Name, OneOf, Rates


class Method(Section):
    """A pruning method: granularity x scope x criterion, and the retraining that it gets."""

    granularity: Annotated[str, OneOf(choices.granularities)] = key("what is removed as one piece")
    scope: Annotated[str, OneOf(choices.scopes)] = key(
        "what is ranked together: all layers, or each layer by itself"
    )
    criterion: Annotated[str, OneOf(choices.criteria)] = key("how the pieces are ranked")
    layers: Annotated[list[Literal["conv2d", "linear"]], Field(min_length=1), *Different] = key(
        "kinds of layers that are pruned"
    )
    biases: bool = key(
        "whether biases are ranked and pruned with the weights",
        note="`true` needs granularity `weight`",
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

    def problems(self) -> Iterator[Problem]:
        if self.biases and self.granularity != "weight":
            yield Problem("biases", f"true needs granularity `weight`, not {self.granularity!r}")


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
