"""Check a config against the models, and say everything that is wrong with it at once."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

from pydantic import TypeAdapter, ValidationError
from pydantic_core import ErrorDetails

from prunescope.foundation.errors import InputError
from prunescope.study.config import schema
from prunescope.study.config.given.scores_model import (
    Root,
    about_networks,
    keys_of,
    root_of,
)
from prunescope.study.config.section import HERE, PROBLEM, VALUE, Section
from prunescope.study.config.sections.model import DOWNLOADED, TRAINED
from prunescope.study.config.sections.statistics import ABSOLUTE, RELATIVE
from prunescope.study.config.study_model import EXTENDS, problems_between
from prunescope.study.config.values import suggest, unknown
from prunescope.study.config.yaml_text.plain import Typed
from prunescope.study.kinds.scores_study import UNIT_SCORES

# What pydantic puts into the paths of errors in addition to keys.
KEY = "[key]"
MARKS = (KEY, TRAINED, DOWNLOADED, ABSOLUTE, RELATIVE)


def check(config: Mapping[str, Any], typed: Typed | None = None) -> Section:
    """Check a config: each section by itself, and all against each other.

    A config with `unit_scores` is a study of given scores: it has no sections about networks.

    Parameters
    ----------
    typed
        How values stand in the files, for hints where YAML made something else of them.

    Raises
    ------
    InputError
        Lists everything that is wrong: the key, the value, and what is allowed.
    """
    root, lines = root_of(config), []
    if others := about_networks(config):
        lines.append(_of_networks(others))
        config = {name: value for name, value in config.items() if name not in others}
    try:
        study: Section = root.model_validate(config)
        sections = dict(study)
    except ValidationError as error:
        errors = error.errors(include_url=False, include_context=True)
        lines += dict.fromkeys(
            f"{_explain(details, root)}{_hint(details, typed or {})}" for details in errors
        )
        sections = dict(_sound(config, {details["loc"][0] for details in errors}, root))
    lines += [_line(problem.key, problem.text) for problem in problems_between(sections)]
    if lines:
        listed = "\n".join(f"  - {line}" for line in lines)
        raise InputError(f"the config cannot be used:\n{listed}")
    return study


def _of_networks(keys: list[str]) -> str:
    """One line on all sections that a study of given scores cannot have."""
    named = ", ".join(f"`{name}`" for name in keys)
    return (
        f"{named}: about networks or images, which a study of given scores (`{UNIT_SCORES}`) has "
        f"not. Remove {'it' if len(keys) == 1 else 'them'}, or remove `{UNIT_SCORES}`"
    )


def _sound(
    config: Mapping[str, Any], broken: set[int | str], root: Root
) -> Iterator[tuple[str, Any]]:
    """The sections that are valid on their own."""
    for name, field in root.model_fields.items():
        if name in config and name not in broken:
            kind: Any = Annotated[field.annotation, field]
            yield name, TypeAdapter(kind).validate_python(config[name])


def _explain(error: ErrorDetails, root: Root) -> str:
    """One line on one error of pydantic."""
    path = _path(error)
    where, value = ".".join(map(str, path)), error["input"]
    if error["type"] == PROBLEM:
        section = ".".join(map(str, path[:-1]))
        text = error["ctx"]["text"].replace(HERE, section).replace(VALUE, _show(value))
        return _line(where, text)
    if error["type"] == "missing":
        return f"`{where}` is missing"
    if error["type"] in ("extra_forbidden", "invalid_key"):
        known = [
            key
            for option in schema.options(schema.at(path[:-1]))
            for key in option.get("properties", {})
        ]
        keys = sorted(known if path[:-1] else [*keys_of(root), EXTENDS])
        return f"`{where}` is not a key of the config. {suggest(path[-1], keys)}"
    if value is None and schema.at(path[:-1]).get("additionalProperties"):
        return _line(where, "null takes away an entry, but none of this name was said before")
    described = schema.at(path[:-1])["propertyNames"] if KEY in error["loc"] else schema.at(path)
    if (names := schema.names(described)) and not isinstance(value, list | Mapping):
        return _line(where, unknown(value, names))
    return _line(where, f"{_show(value)} must be {schema.allowed(described)}")


def _hint(error: ErrorDetails, typed: Typed) -> str:
    """What YAML made of the text in the file, where that is why the value is refused."""
    path = _path(error)
    plain = typed.get(tuple(map(str, path)))
    # What was typed may have been replaced since, by another file.
    if plain is None or error["type"] == PROBLEM or _show(plain.value) != _show(error["input"]):
        return ""
    hint = plain.hint(schema.options(schema.at(path)))
    return f". {hint}" if hint else ""


def _path(error: ErrorDetails) -> tuple[int | str, ...]:
    return tuple(part for part in error["loc"] if part not in MARKS)


def _line(path: str, text: str) -> str:
    return f"`{path}` {text}" if text.startswith("is missing") else f"`{path}`: {text}"


def _show(value: Any) -> str:
    """A value for a message: `null` for None, other values as Python writes them."""
    return "null" if value is None else repr(value)
