"""Write a resolved study as YAML that says where each value comes from."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from prunescope.study.config.reading import Origins, Resolved


def write(resolved: Resolved) -> str:
    """The whole study as one file that needs no other: reading it gives the same values."""
    return "".join(f"{line}\n" for line in _lines(resolved.values, resolved.origins))


def in_one_line(value: Any) -> str:
    """A value as it is written after its key."""
    # In a list, because YAML writes the end of a document after a single value.
    text = yaml.safe_dump([value], default_flow_style=True, width=math.inf, allow_unicode=True)
    return text.strip()[1:-1]


def _lines(values: Mapping[str, Any], origins: Origins, indent: str = "") -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict) and value:
            yield f"{indent}{in_one_line(key)}:"
            yield from _lines(value, origins[key], f"{indent}  ")
        else:
            yield f"{indent}{in_one_line(key)}: {in_one_line(value)}  # {origins[key]}"
