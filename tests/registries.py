"""Files that stand in a registry for the length of a test."""

import sys
from types import SimpleNamespace
from typing import Any

import pytest

from prunescope.foundation import plugins


def register(patch: pytest.MonkeyPatch, registry: str, name: str, **content: Any) -> None:
    """Let the registry have a file of that name with this content."""
    known = plugins.names
    patch.setitem(sys.modules, f"prunescope.{registry}.{name}", SimpleNamespace(**content))
    patch.setattr(
        plugins,
        "names",
        lambda other: sorted({*known(other), name}) if other == registry else known(other),
    )


def register_architecture(patch: pytest.MonkeyPatch, name: str, build: Any) -> None:
    """Let there be an architecture of that name."""
    register(patch, "networks.architectures", name, build=build)
