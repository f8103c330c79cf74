"""Types of values that several sections share, and choices from lists of names."""

import difflib
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import AfterValidator, Field, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from prunescope.study.config.section import VALUE, Problem, Section, key

Names = Callable[[], Collection[str]]


def unknown(value: object, allowed: Collection[str]) -> str:
    """Say that a value is not allowed, which one may be meant, and which ones are allowed."""
    return f"{value!r} is not known. {suggest(value, allowed)}"


def suggest(value: object, allowed: Collection[str]) -> str:
    """The nearest spelling, and all that is allowed."""
    close = difflib.get_close_matches(str(value), allowed, n=1)
    meant = f"Did you mean `{close[0]}`? " if close else ""
    return f"{meant}Allowed: {', '.join(allowed) or 'none'}."


@dataclass(frozen=True)
class OneOf:
    """Marks a text that must be one of some names. They are looked up when a value is checked."""

    names: Names

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._refuse, handler(source))

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return handler(schema) | {"enum": list(self.names())}

    def _refuse(self, value: str) -> str:
        if value not in self.names():
            raise PydanticCustomError("name", "not one of the names")
        return value


@dataclass(frozen=True)
class EachOf:
    """Marks a list of texts, each of which must be one of some names."""

    names: Names

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_after_validator_function(self._refuse, handler(source))

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


def _refuse_zero(deviations: list[float]) -> list[float]:
    if min(deviations) <= 0:
        raise Problem("", f"{VALUE} must be above 0").error()
    return deviations


def _told(**texts: str) -> Any:
    """What is allowed, in words, where the constraints do not say it clearly."""
    return Field(json_schema_extra={f"x-{name}": text for name, text in texts.items()})


Name = Annotated[
    str,
    Field(pattern=r"^[a-z][a-z0-9_]*$"),
    _told(
        values="a name: lower-case letters, digits and underscores, beginning with a letter",
        plural="names",
    ),
]
Path = Annotated[str, Field(min_length=1), _told(values="a path")]
Sha256 = Annotated[
    str, Field(pattern="^[0-9a-f]{64}$"), _told(values="64 hexadecimal digits in quotation marks")
]
Seed = Annotated[int, Field(ge=0)]
Side = Annotated[int, Field(ge=32, le=1024)]
Rate = Annotated[float, Field(gt=0, lt=1)]
# May be empty.
Rates = Annotated[list[Rate], AfterValidator(_refuse_falling)]
Channels = Annotated[
    list[float], Field(min_length=3, max_length=3), _told(values="a list of three numbers")
]
Deviations = Annotated[
    list[float],
    Field(min_length=3, max_length=3),
    AfterValidator(_refuse_zero),
    _told(values="a list of three numbers above 0"),
]
Different = (AfterValidator(_refuse_repetition), Field(json_schema_extra={"uniqueItems": True}))


class Sample(Section):
    """Some images of a split."""

    images: int = key("number of images", ge=1)
    seed: Seed = key("seed of that draw")
