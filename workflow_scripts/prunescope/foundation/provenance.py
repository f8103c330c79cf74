"""Record the rule, settings and package versions that an artifact was made with."""

import json
import platform
from contextvars import ContextVar
from importlib import metadata
from typing import Any

KEY = "prunescope"
# In a manifest: the wildcards of the job that made files which another study shares.
MADE_AS = "made_as"
LIBRARIES = ("numpy", "polars", "torch", "torchvision", "timm", "pillow", "altair", "snakemake")
_current: ContextVar[dict[str, Any] | None] = ContextVar("provenance", default=None)


def record(rule: str, wildcards: dict[str, str], params: dict[str, Any]) -> dict[str, Any]:
    """Describe a job, without path, time or host, so that the same job writes the same bytes."""
    return {
        "rule": rule,
        "wildcards": wildcards,
        "params": params,
        "python": platform.python_version(),
        "versions": {name: metadata.version(name) for name in LIBRARIES},
    }


def set_current(description: dict[str, Any]) -> None:
    """Make `description` the provenance of every artifact that this process writes."""
    _current.set(description)


def add(key: str, value: Any) -> None:
    """Add to the provenance of every artifact that the running job writes from now on."""
    if current():
        _current.set({**current(), key: value})


def current() -> dict[str, Any]:
    """The provenance of the running job; empty outside a job."""
    return _current.get() or {}


def dumps() -> str:
    """The provenance of the running job as a JSON string with sorted keys."""
    return json.dumps(current(), sort_keys=True)
