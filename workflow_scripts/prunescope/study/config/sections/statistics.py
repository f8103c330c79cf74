"""Intervals and tests, and what is given up for methods to be compared at equal accuracy.

All keys but `accuracy_drops` are the fields of `estimates.inputs.EstimationSettings`.
"""

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import Discriminator, Field, Tag

from prunescope.study.config.section import Problem, Section, key
from prunescope.study.config.values import Different, Seed

# Marks in the paths of pydantic's errors: which of the two a margin was taken for.
ABSOLUTE, RELATIVE = "(absolute)", "(relative)"
_ALLOWED = "a number between 0 and 0.5 (both excluded), or one of the keys `of_training`, `of_runs`"


class RelativeMargin(Section):
    """A margin in a unit of the study itself."""

    of_training: float | None = key(
        "the margin as a fraction of what training gives: the score of the dense network minus "
        "that of the untrained one. Needs `model.untrained`",
        default=None,
        gt=0,
        lt=1,
        left_out="stands alone",
    )
    of_runs: float | None = key(
        "the margin as a multiple of the standard deviation between runs of the change of a kind "
        "of network. Needs two seeds",
        default=None,
        gt=0,
        left_out="stands alone",
    )

    def unused(self) -> set[str]:
        return set(type(self).model_fields) - self.model_fields_set

    def problems(self) -> Iterator[Problem]:
        given = {name: getattr(self, name) for name in sorted(self.model_fields_set)}
        if len(given) != 1 or None in given.values():
            yield Problem("", f"{given} cannot be used. Allowed: {_ALLOWED}")


def _kind_of_margin(value: Any) -> str:
    return RELATIVE if isinstance(value, dict | RelativeMargin) else ABSOLUTE


class Statistics(Section):
    """How differences are told from chance."""

    resamples: int = key("resamples of bootstraps and permutation tests", ge=10)
    margin: Annotated[
        Annotated[float, Field(gt=0, lt=0.5), Tag(ABSOLUTE)]
        | Annotated[RelativeMargin, Tag(RELATIVE)],
        Discriminator(_kind_of_margin),
    ] = key(
        "change of the MIS that is too small to matter: equivalence tests ask whether changes lie "
        "within it. Choose it before you look at the results",
        values=_ALLOWED,
    )
    seed: Seed = key("seed of both")
    accuracy_drops: Annotated[
        list[Annotated[float, Field(ge=0, lt=1)]], Field(min_length=1), *Different
    ] = key(
        "methods are compared where they have lost so much of the dense network's accuracy",
        default=[0.01, 0.02, 0.05],
        values="a list of different numbers from 0 to 1 (excluded), at least one: fractions of all "
        "images",
    )
