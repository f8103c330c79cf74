"""Types of values that several sections share, and choices from lists of names."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from prunescope.foundation import errors
from prunescope.study.config.section import VALUE, Problem, Section, key

Names = Callable[[], Collection[str]]

# A path in the config is part of what results depend on: no home folder may creep into it.
FOR_A_SHELL = (
    "is for a shell, which alone knows what `~` and `$` stand for. Write the path in full, or put "
    "a link here (ln -s) and write the path of the link"
)
FOR_SNAKEMAKE = (
    "has braces, which Snakemake takes for wildcards in the path of an input file. Rename it, or "
    "put a link here (ln -s) and write the path of the link"
)


def unknown(value: object, allowed: Collection[str]) -> str:
    """Say that a value is not allowed, which one may be meant, and which ones are allowed."""
    return f"{value!r} is not known. {suggest(value, allowed)}"


def suggest(value: object, allowed: Collection[str]) -> str:
    """The nearest spelling, and all that is allowed."""
    near = errors.nearest(str(value), allowed, number=1)
    return f"{errors.meant(near)}Allowed: {', '.join(allowed) or 'none'}."


@dataclass(frozen=True)
class _FromNames(ABC):
    """What values must be taken from. The names are looked up when a value is checked."""

    names: Names

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._refuse, handler(source))

    @abstractmethod
    def _refuse(self, value: Any) -> Any:
        """The value, if it is allowed; else an error."""


@dataclass(frozen=True)
class OneOf(_FromNames):
    """Marks a text that must be one of some names."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(schema) | {"enum": list(self.names())}

    def _refuse(self, value: str) -> str:
        if value not in self.names():
            raise PydanticCustomError("name", "not one of the names")
        return value


@dataclass(frozen=True)
class EachOf(_FromNames):
    """Marks a list of texts, each of which must be one of some names."""

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        described = handler(schema)
        return described | {"items": described["items"] | {"enum": list(self.names())}}

    def _refuse(self, values: list[str]) -> list[str]:
        for value in values:
            if value not in self.names():
                raise Problem("", unknown(value, self.names())).error()
        return values


def _refuse_repetition(values: list[Any]) -> list[Any]:
    if len(set(values)) < len(values):
        raise PydanticCustomError("different", "not different")
    return values


def _refuse_falling(rates: list[float]) -> list[float]:
    reasons = []
    if len(set(rates)) < len(rates):
        reasons.append("names a rate twice")
    elif rates != sorted(rates):
        reasons.append(f"must rise: {sorted(rates)}")
    if any(round(rate, 2) != rate for rate in rates):
        reasons.append("must have at most two decimals, as folder names do")
    if reasons:
        raise Problem("", f"{VALUE} {' and '.join(reasons)}").error()
    return rates


def _refuse_other_scale(values: list[float]) -> list[float]:
    if min(values) < 0 or max(values) > 1:
        raise Problem("", f"{VALUE} must be from 0 to 1{_divided(values)}").error()
    return values


def _refuse_other_deviations(deviations: list[float]) -> list[float]:
    # The values of images lie in 0..1, and deviate by 0.5 at most; 1 leaves the scale as it is.
    if min(deviations) <= 0 or max(deviations) > 1:
        told = f"{VALUE} must be above 0, at most 1{_divided(deviations)}"
        raise Problem("", told).error()
    return deviations


def _divided(values: list[float]) -> str:
    """Why, and what the numbers of bytes are on the scale of the images."""
    text = ": images are scaled to 0..1"
    if min(values) < 0 or not 1 < max(values) <= 255:
        return text
    scaled = [round(value / 255, 4) for value in values]
    return f"{text}. Divide by 255 what is on the scale 0..255: {scaled}"


def is_for_a_shell(path: str) -> bool:
    """Whether only a shell would find what is meant: `~`, `$HOME`, `${DATA}`."""
    return re.search(r"^~|(^|/)\$(\w|\{)", path) is not None


def _refuse_no_path(path: str) -> str:
    if is_for_a_shell(path):
        raise Problem("", f"{VALUE} {FOR_A_SHELL}").error()
    if path == "None":
        raise Problem("", f"{VALUE} is text: write null, or ./None for a path").error()
    return path


def _refuse_braces(path: str) -> str:
    if has_braces(path):
        raise Problem("", f"{VALUE} {FOR_SNAKEMAKE}").error()
    return path


def has_braces(path: str) -> bool:
    """Whether Snakemake would look for wildcards in the path of an input file."""
    return "{" in path or "}" in path


def _told(**texts: str) -> Any:
    """What is allowed, in words, where the constraints do not say it clearly."""
    return Field(json_schema_extra={f"x-{name}": text for name, text in texts.items()})


# Names are those of folders, too.
Name = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9_]*$", max_length=100),
    _told(
        values="a name: at most 100 lower-case letters, digits and underscores, beginning with a "
        "letter",
        plural="names",
    ),
]
Path = Annotated[str, Field(min_length=1), AfterValidator(_refuse_no_path), _told(values="a path")]
# The path of a file that is an input of a rule.
InputPath = Annotated[Path, AfterValidator(_refuse_braces)]
Sha256 = Annotated[
    str, Field(pattern="^[0-9a-f]{64}$"), _told(values="64 hexadecimal digits in quotation marks")
]
Seed = Annotated[int, Field(ge=0)]
Side = Annotated[int, Field(ge=32, le=1024)]
Rate = Annotated[float, Field(gt=0, lt=1)]
# A rate in the names of folders.
NamedRate = Annotated[Rate, AfterValidator(lambda rate: _refuse_falling([rate])[0])]
# Some of the seeds of a study; None for all.
Seeds = Annotated[list[Seed], Field(min_length=1), AfterValidator(_refuse_repetition)] | None
# May be empty.
Rates = Annotated[list[Rate], AfterValidator(_refuse_falling)]
Channels = Annotated[
    list[float],
    Field(min_length=3, max_length=3),
    AfterValidator(_refuse_other_scale),
    Field(json_schema_extra={"items": {"type": "number", "minimum": 0, "maximum": 1}}),
    _told(values="a list of three numbers from 0 to 1"),
]
Deviations = Annotated[
    list[float],
    Field(min_length=3, max_length=3),
    AfterValidator(_refuse_other_deviations),
    Field(json_schema_extra={"items": {"type": "number", "exclusiveMinimum": 0, "maximum": 1}}),
    _told(values="a list of three numbers above 0, at most 1"),
]
Different = (AfterValidator(_refuse_repetition), Field(json_schema_extra={"uniqueItems": True}))


class Sample(Section):
    """Some images of a split."""

    images: int = key("number of images", ge=1)
    seed: Seed = key("seed of that draw")
