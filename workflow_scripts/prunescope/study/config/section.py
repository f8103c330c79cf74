"""What sections of the config have in common: strict types, and problems that name their key."""

from collections.abc import Iterator
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Self, Union, get_args, get_origin

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

# The type of pydantic's errors whose whole message comes from a `Problem`.
PROBLEM = "problem"
# In the text of a problem: the value as it was given, and the path of the section.
VALUE, HERE = "{value}", "{here}"


@dataclass(frozen=True)
class Problem:
    """What is wrong with a value.

    Attributes
    ----------
    key
        Path of the value below its section, such as `mis.query`; empty for the section itself.
    text
        What follows the path in the message. `VALUE` and `HERE` stand for the value as it was
        given and for the path of the section.
    """

    key: str
    text: str

    def error(self) -> PydanticCustomError:
        """The same as an error that pydantic lists with others."""
        return PydanticCustomError(PROBLEM, "{text}", {"text": self.text})


class Section(BaseModel):
    """A part of the config.

    Unknown keys are refused. Only integers are converted, to floats where a float is expected.
    """

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)

    def problems(self) -> Iterator[Problem]:
        """Find what does not fit together within the section."""
        return iter(())

    def unused(self) -> set[str]:
        """The keys that this section does not use. They are not written out."""
        return set()

    @model_validator(mode="after")
    def _refuse_problems(self) -> Self:
        errors: list[InitErrorDetails] = [
            {
                "type": problem.error(),
                "loc": tuple(filter(None, problem.key.split("."))),
                "input": None,
            }
            for problem in self.problems()
        ]
        if errors:
            # pydantic puts the path of this section before those of the errors.
            raise ValidationError.from_exception_data(type(self).__name__, errors)
        return self

    @model_serializer(mode="plain")
    def _write_used(self) -> dict[str, Any]:
        unused = self.unused()
        return {name: value for name, value in self if name not in unused}


def key(
    meaning: str,
    *,
    values: str = "",
    note: str = "",
    left_out: str = "",
    **constraints: Any,
) -> Any:
    """Describe a key of a section.

    Parameters
    ----------
    meaning
        What the key is for: its line in the documentation and in editors.
    values
        What is allowed, in words and with an article, where the type does not say it clearly.
    note
        More about the allowed values.
    left_out
        What the documentation says about leaving out the key, instead of its default.
    constraints
        Arguments of `pydantic.Field`: `default`, `gt`, `le`, ...
    """
    told = {"x-values": values, "x-note": note, "x-left-out": left_out}
    extra: dict[str, Any] = {name: text for name, text in told.items() if text}
    return Field(description=meaning, json_schema_extra=extra, **constraints)


def kinds(annotation: Any) -> Iterator[Any]:
    """The types that an annotation allows: the members of a union, without their annotations."""
    origin = get_origin(annotation)
    if origin is Annotated:
        yield from kinds(get_args(annotation)[0])
    elif origin in (Union, UnionType):
        for option in get_args(annotation):
            yield from kinds(option)
    else:
        yield annotation
