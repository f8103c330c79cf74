"""Read what `--config` says of a study."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from prunescope.foundation.errors import InputError
from prunescope.study.config import schema
from prunescope.study.config.yaml_text.documents import Document
from prunescope.study.config.yaml_text.plain import KeyPath, Plain

# Where values come from that stand in no file.
COMMAND_LINE = "--config"


def read(overrides: Mapping[str, Any]) -> Document:
    """What the command line says, as a file says it: Snakemake takes all in brackets for text.

    Raises
    ------
    InputError
        A number is not the one that people read.
    """
    typed = {path: Plain(text, _scalar(text)) for path, text in _texts(overrides, ())}
    problems = [(path, problem) for path, plain in typed.items() if (problem := plain.problem())]
    if problems:
        listed = "\n".join(f"  - `{'.'.join(path)}`: {problem}" for path, problem in problems)
        raise InputError(f"{COMMAND_LINE} cannot be used:\n{listed}")
    return Document(_with_types(overrides), typed)


def how_to_write(overrides: Mapping[str, Any], message: str) -> str:
    """How lists and mappings are written, if the message refuses one of them; else nothing."""
    kinds_of_refused = {
        option.get("type")
        for key in overrides
        if re.search(rf"`{re.escape(key)}[`.]", message)
        for option in schema.options(schema.at((key,)))
    }
    if not kinds_of_refused & {"array", "object"}:
        return ""
    return (
        f"\nBehind {COMMAND_LINE}, quotation marks keep lists and mappings from the shell: "
        f"{COMMAND_LINE} 'seeds=[0, 1]' 'charts={{width: 500, height: 400}}'"
    )


def _texts(value: Any, path: KeyPath) -> Iterator[tuple[KeyPath, str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, (*path, str(key)))
    elif isinstance(value, list | tuple):
        for number, inner in enumerate(value):
            yield from _texts(inner, (*path, str(number)))


def _with_types(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _with_types(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_with_types(inner) for inner in value]
    return _scalar(value) if isinstance(value, str) else value


def _scalar(text: str) -> Any:
    """What YAML makes of a text, if that is a single value."""
    try:
        read = yaml.safe_load(text)
    except (yaml.YAMLError, ValueError):
        return text
    return text if isinstance(read, Mapping | list) else read
