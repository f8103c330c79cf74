"""Other ways to compute the score, to see whether a conclusion depends on them."""

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from prunescope.interpret import score_variants
from prunescope.interpret.metrics import catalogue
from prunescope.study.config import choices
from prunescope.study.config.section import Problem, Section, key
from prunescope.study.config.sections.interpretability import size_problems
from prunescope.study.config.values import Name, OneOf, Rates, Sample, Seed, Seeds, Side


class VariedSimilarity(Section):
    """Another metric."""

    metric: Annotated[str, OneOf(choices.metrics)] = key(
        "compare images by this metric",
        values=", ".join(f"`{name}`" for name in choices.metrics_without_files()),
        note="a metric whose weights need no download",
    )
    image_size: Side = key("side in pixels at which it sees them")

    def problems(self) -> Iterator[Problem]:
        yield from size_problems(self.metric, self.image_size)
        if catalogue.find(self.metric).weights:
            yield Problem(
                "metric",
                f"{self.metric} needs files that only the study's own metric may need; allowed: "
                f"{', '.join(choices.metrics_without_files())}",
            )


def _instead(name: str, **constraints: Any) -> Any:
    """A key that a variant may have instead of the study's own."""
    return key(
        f"instead of `interpretability.mis.{name}`",
        default=None,
        left_out="optional",
        **constraints,
    )


class Variant(Section):
    """What a variant changes. Only the changed keys are given; none of them may be null."""

    explanations: int = _instead("explanations", ge=1)
    tasks: int = _instead("tasks", ge=1)
    tau: float = _instead("tau", gt=0)
    draw: Annotated[str, OneOf(choices.draws)] = _instead("draw")
    seed: Seed = _instead("seed")
    query: int = _instead("query", ge=0, values="a whole number from 0 to `explanations`")
    pool: int = _instead(
        "pool", ge=2, values="a whole number above `explanations`", note="for `quantile` only"
    )
    probe_images: int = key(
        "take the extremes from so many of the recorded images",
        default=None,
        ge=2,
        note="at most `interpretability.activations.images`",
        left_out="optional",
    )
    pooling: Literal["mean", "max"] = key(
        "take them by the mean or the maximum over spatial positions, from the recorded images",
        default=None,
        left_out="optional",
    )
    permuted: bool = key(
        "permute the activations of each unit: the floor of the score",
        default=None,
        left_out="optional",
    )
    similarity: VariedSimilarity = key("another metric", default=None, left_out="optional")
    probe: Sample = key(
        "look for exemplars in another probe set, larger or smaller than the study's own",
        default=None,
        left_out="optional; beside keys of `interpretability.mis` only",
    )

    def unused(self) -> set[str]:
        return set(type(self).model_fields) - self.model_fields_set

    def problems(self) -> Iterator[Problem]:
        given = self.model_fields_set
        if not given:
            yield Problem("", "names nothing that it changes")
        if "probe" in given and (others := sorted(given - {"probe", *score_variants.SCORING})):
            yield Problem(
                "probe",
                f"cannot stand beside {', '.join(others)}: only the study's own metric and mean "
                "activations are looked at in another probe set. Make two variants of it",
            )


class Sensitivity(Section):
    """The variants, and the networks that are scored in them."""

    rates: Rates = key(
        "rates at which networks are scored in every variant",
        values="a rising list of rates of the study; may be empty",
    )
    seeds: Seeds = key(
        "runs whose networks are scored in every variant",
        default=None,
        values="a list of different `seeds` of the study, or null",
        left_out="all, if left out",
    )
    variants: dict[Name, Variant] = key("the variants, by a name of your choice")

    def problems(self) -> Iterator[Problem]:
        if score_variants.UNCHANGED in self.variants:
            yield Problem(
                "variants",
                f"`{score_variants.UNCHANGED}` is the study's own way to score; choose another "
                "name",
            )
