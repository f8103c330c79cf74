"""The JSON schema that editors check a study with while it is written.

It flags what is wrong in one file. It does not check keys against each other, nor which keys are
missing from a study that extends another.
"""

import re
from collections.abc import Mapping
from typing import Any

from prunescope.study.config import schema
from prunescope.study.config.study_model import EXTENDS
from prunescope.study.kinds.scores_study import UNIT_SCORES

_LINK = re.compile(r"\[([^\]]*)\]\([^)]*\)")


def make() -> dict[str, Any]:
    """The schema of a file. Draft 7, which the YAML language server knows best."""
    whole, scores = schema.whole(), schema.of_given_scores()
    own = {name: whole["properties"][name] for name in scores["properties"]}
    others = {name: part for name, part in whole["properties"].items() if name != UNIT_SCORES}
    made = {**whole, "properties": others}
    defined = {name: _tidy(part) for name, part in whole["$defs"].items()}
    study = _tidy({name: part for name, part in whole.items() if name != "$defs"})
    extends = {
        "type": "string",
        "minLength": 1,
        "description": "path of the study that this one changes, seen from this file",
    }
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        **study,
        "properties": {EXTENDS: extends, **study["properties"]},
        "if": {"required": [UNIT_SCORES]},
        "then": {
            "propertyNames": {"enum": [EXTENDS, *scores["properties"]]},
            **_unless_extended({**scores, "properties": own}),
        },
        "else": _unless_extended(made),
        "$defs": defined,
    }


def _tidy(part: Any) -> Any:
    """A part of the schema as editors show it, in which no key is required."""
    if isinstance(part, list):
        return [_tidy(entry) for entry in part]
    if not isinstance(part, Mapping):
        return part
    tidied = {
        name: _tidy(value)
        for name, value in part.items()
        if not name.startswith("x-") and name not in ("title", "required", "properties")
    }
    if "description" in part:
        meaning = _LINK.sub(r"\1", part["description"])
        words = f" ({schema.allowed(part)})" if "x-values" in part else ""
        tidied["description"] = f"{meaning}{words}"
    if "properties" in part:
        required = part.get("required", ())
        tidied["properties"] = {
            name: _tidy(inner) if name in required else _or_null(_tidy(inner))
            for name, inner in part["properties"].items()
        }
    if isinstance(part.get("additionalProperties"), Mapping):
        tidied["additionalProperties"] = _or_null(tidied["additionalProperties"])
    return tidied


def _or_null(part: Mapping[str, Any]) -> dict[str, Any]:
    """Allow null too: it removes what the extended study sets."""
    branches = part.get("anyOf", ())
    if {"type": "null"} in branches:
        return dict(part)
    about = {name: part[name] for name in ("description", "default") if part.get(name) is not None}
    rest = {name: value for name, value in part.items() if name not in ("description", "default")}
    return {**about, "anyOf": [rest, {"type": "null"}]}


def _unless_extended(part: Mapping[str, Any]) -> dict[str, Any]:
    """Require the keys of a study in a file that extends no other one."""
    return {"if": {"not": {"required": [EXTENDS]}}, "then": _required(part)}


def _required(part: Mapping[str, Any]) -> dict[str, Any]:
    """The required keys, and those of all sections below."""
    found: dict[str, Any] = {}
    for option in schema.options(part):
        if required := option.get("required"):
            found["required"] = required
        below = {name: _required(inner) for name, inner in option.get("properties", {}).items()}
        if below := {name: inner for name, inner in below.items() if inner}:
            found["properties"] = below
        if isinstance(option.get("additionalProperties"), Mapping) and (
            entry := _required(option["additionalProperties"])
        ):
            found["additionalProperties"] = entry
    return found
