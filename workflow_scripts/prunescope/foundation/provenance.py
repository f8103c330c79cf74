"""Where an artifact comes from: which code, which settings, which versions."""

import json
import platform
from contextvars import ContextVar
from importlib import metadata
from typing import Any

KEY = "prunescope"
LIBRARIES = ("numpy", "polars", "torch", "torchvision", "timm", "pillow", "altair", "snakemake")
_current: ContextVar[dict[str, Any] | None] = ContextVar("provenance", default=None)


def record(rule: str, wildcards: dict[str, str], params: dict[str, Any]) -> dict[str, Any]:
    """Describe a job. Holds no path, time or host: the same job gives the same bytes anywhere."""
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


def current() -> dict[str, Any]:
    """Return the provenance of the running job (empty outside of one)."""
    return _current.get() or {}


def dumps() -> str:
    """The running job's provenance as one JSON string, keys sorted."""
    return json.dumps(current(), sort_keys=True)
