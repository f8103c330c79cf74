"""The JSON schema of the config, and what it allows in plain English.

The words of messages and those of the documentation are the same, and both come from here.
"""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from pydantic import TypeAdapter

from prunescope.study.config.given.scores_model import ScoresModel
from prunescope.study.config.study_model import StudyModel
from prunescope.study.config.values import Name
from prunescope.study.kinds.scores_study import UNIT_SCORES

Schema = Mapping[str, Any]
_WORDS = ("description", "x-note", "x-left-out")


@cache
def whole() -> Schema:
    """The schema of a study. Keys that begin with `x-` hold our own words (see `section.key`).

    It has the keys of both kinds of studies. The required ones are those of a study that makes its
    networks; `of_given_scores` has those of the others.
    """
    study, scores = StudyModel.model_json_schema(), of_given_scores()
    study["properties"][UNIT_SCORES] = scores["properties"][UNIT_SCORES]
    study["$defs"] |= scores["$defs"]
    return _with_property_names(study)


def of_given_scores() -> Schema:
    """The schema of a study whose scores were made elsewhere."""
    return ScoresModel.model_json_schema()


def _with_property_names(part: Any) -> Any:
    """Require all keys of mappings to match the pattern: pydantic's schema allows others too."""
    if isinstance(part, list):
        return [_with_property_names(entry) for entry in part]
    if not isinstance(part, dict):
        return part
    if "patternProperties" in part:
        (entry,) = part["patternProperties"].values()
        rest = {name: value for name, value in part.items() if name != "patternProperties"}
        part = rest | {
            "propertyNames": TypeAdapter(Name).json_schema(),
            "additionalProperties": entry,
        }
    return {name: _with_property_names(value) for name, value in part.items()}


def resolve(schema: Schema) -> Schema:
    """Follow a reference. What stands beside it overrides what it refers to."""
    if "$ref" not in schema:
        return schema
    beside = {name: value for name, value in schema.items() if name != "$ref"}
    return {**whole()["$defs"][schema["$ref"].rpartition("/")[2]], **beside}


def options(schema: Schema) -> list[Schema]:
    """The schemas that a value may match: the branches of a union, else the schema itself."""
    schema = resolve(schema)
    branches = schema.get("anyOf") or schema.get("oneOf")
    return [resolve(branch) for branch in branches] if branches else [schema]


def child(schema: Schema, key: object) -> Schema:
    """The schema of an entry of a mapping or a list; empty if there can be none."""
    for option in options(schema):
        if key in option.get("properties", {}):
            return option["properties"][key]
        if isinstance(key, int) and "items" in option:
            return option["items"]
        if isinstance(option.get("additionalProperties"), Mapping):
            return option["additionalProperties"]
    return {}


def at(path: Sequence[object]) -> Schema:
    """The schema of the value at a path; empty if there can be none."""
    schema: Schema = whole()
    for key in path:
        schema = child(schema, key)
    return resolve(schema)


def names(schema: Schema) -> list[str] | None:
    """The texts that a value is chosen from; None if it is not a choice."""
    found = [option for option in options(schema) if option.get("type") != "null"]
    if len(found) != 1:
        return None
    return found[0].get("enum") or ([found[0]["const"]] if "const" in found[0] else None)


def allowed(schema: Schema) -> str:
    """What a value must be, in words: `a whole number from 15 to 1000`."""
    schema = resolve(schema)
    if "x-values" in schema:
        return schema["x-values"]
    found = options(schema)
    words = [_one(option) for option in found if option.get("type") != "null"]
    # Null is not mentioned for keys that may simply be left out.
    null_counts = len(words) < len(found) and schema.get("default", 0) is not None
    return ", or ".join([*words, "null"] if null_counts else words)


def _one(schema: Schema) -> str:
    if "x-values" in schema:
        return schema["x-values"]
    if choice := names(schema):
        return ", ".join(f"`{name}`" for name in choice)
    match schema.get("type"):
        case "integer":
            return f"a whole number{_range(schema)}"
        case "number":
            return f"a number{_range(schema)}"
        case "boolean":
            return "`true` or `false`"
        case "string":
            return "a text"
        case "array":
            return _list(schema)
    return _mapping(schema)


def _range(schema: Schema) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
    if above is not None and below is not None:
        return f" between {above} and {below} (both excluded)"
    words = [
        f" from {low}" if low is not None else "",
        f" above {above}" if above is not None else "",
        f" to below {below}" if below is not None else "",
        (f" to {high}" if low is not None else f", at most {high}") if high is not None else "",
    ]
    return "".join(words)


def _list(schema: Schema) -> str:
    items = resolve(schema["items"])
    if choice := names(items):
        entries = ", ".join(f"`{name}`" for name in choice)
    else:
        entries = items.get("x-plural") or _one(items).removeprefix("a ").replace(
            "number", "numbers", 1
        )
    different = "different " if schema.get("uniqueItems") and not choice else ""
    return f"a list of {different}{entries}" + (", at least one" if "minItems" in schema else "")


def _mapping(schema: Schema) -> str:
    if "properties" in schema:
        return f"a mapping with the keys {', '.join(sorted(schema['properties']))}"
    return "a mapping of names to entries" + (", at least one" if "minProperties" in schema else "")


def leaves(schema: Schema | None = None, path: str = "") -> Iterator[tuple[str, Schema, bool]]:
    """Every key that holds a value: path, schema, and whether it may be left out.

    `<name>` stands for the names that the user chooses.
    """
    for name, inner, optional in _entries(whole() if schema is None else schema):
        full = f"{path}.{name}" if path else name
        described = resolve(inner)
        deeper = list(_entries(described))
        plain = any(option.get("type") not in ("object", "null") for option in options(described))
        if plain or not deeper:
            yield full, described, optional
        yield from leaves(described, full)


def _entries(schema: Schema) -> Iterator[tuple[str, Schema, bool]]:
    for option in options(schema):
        required = option.get("required", ())
        for name, inner in option.get("properties", {}).items():
            yield name, inner, name not in required
        if isinstance(option.get("additionalProperties"), Mapping):
            # The description of a mapping of plain values applies to each value.
            said = {name: text for name, text in schema.items() if name in _WORDS}
            yield "<name>", {**said, **resolve(option["additionalProperties"])}, False
