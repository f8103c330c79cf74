"""Files that stand in a registry for the length of a test."""

import importlib
import sys
from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from prunescope.foundation import plugins
from prunescope.networks.architecture import ARCHITECTURES
from prunescope.networks.description import Description


def register(patch: pytest.MonkeyPatch, registry: str, name: str, **content: Any) -> None:
    """Let the registry have a file of that name with this content."""
    patch.setitem(sys.modules, f"prunescope.{registry}.{name}", SimpleNamespace(**content))
    _list(patch, registry, name)


def register_file(patch: pytest.MonkeyPatch, registry: str, path: Path) -> None:
    """Let the registry have this file too, which is imported as any other."""
    module = f"prunescope.{registry}.{path.stem}"
    package = importlib.import_module(f"prunescope.{registry}")
    patch.setattr(package, "__path__", [*package.__path__, str(path.parent)])
    # What is imported in the test goes with it.
    patch.setitem(sys.modules, module, None)
    patch.delitem(sys.modules, module)
    patch.setattr(package, path.stem, None, raising=False)
    _list(patch, registry, path.stem)


def register_architecture(patch: pytest.MonkeyPatch, name: str, build: Any) -> None:
    """Let there be an architecture of that name, with no facts.

    It is a source of its own that knows one network. `build` gets a description that tells the
    number of classes, the auxiliary heads and the options.
    """

    def build_described(
        _name: str, options: Mapping[str, Any], classes: int, auxiliary_heads: bool
    ) -> Any:
        return build(
            Description(
                name, classes, 1, (0.5,) * 3, (0.5,) * 3,
                auxiliary_heads=auxiliary_heads, options=options,
            )
        )  # fmt: skip

    register(
        patch,
        ARCHITECTURES,
        name,
        WRITTEN=name,
        RESERVED={},
        problem=lambda _name: "",
        auxiliary=lambda _name: (),
        files=lambda _name: (),
        near=lambda _name: [],
        build=build_described,
    )


def _list(patch: pytest.MonkeyPatch, registry: str, name: str) -> None:
    known = plugins.names
    patch.setattr(
        plugins,
        "names",
        lambda other: sorted({*known(other), name}) if other == registry else known(other),
    )
