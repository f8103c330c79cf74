"""Registries that are folders: a name in the config is the name of a file.

No import statement names the files that are loaded here. So a rule must pass the name of the
loaded file to `code_digest`. Only this file of the folder is then part of the rule's digest.
"""

import importlib
import importlib.util
import inspect
import sys
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

from prunescope.foundation.code_digest import PACKAGE
from prunescope.foundation.errors import InputError


def names(registry: str) -> list[str]:
    """The names of the files in a folder such as `prune.criteria`, sorted."""
    folder = PACKAGE / registry.replace(".", "/")
    return sorted(path.stem for path in folder.glob("[a-z]*.py"))


def load(registry: str, name: str, contract: type) -> Any:
    """The module `name` in a folder such as `prune.criteria`.

    Parameters
    ----------
    registry
        The folder.
    name
        The name of the file, as in the config.
    contract
        A protocol: its attributes and functions are what the file must hold.

    Raises
    ------
    InputError
        The folder has no such file, or the file lacks something.
    """
    module = f"prunescope.{registry}.{name}"
    try:
        loaded: ModuleType = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name != module:
            raise
        raise InputError(
            f"{registry.rpartition('.')[2]}: {name!r} is not known; "
            f"known: {', '.join(names(registry))}."
        ) from error
    if missing := [member for member in members(contract) if not hasattr(loaded, member)]:
        raise InputError(
            f"prunescope/{registry.replace('.', '/')}/{name}.py: lacks {', '.join(missing)}. "
            f"`{contract.__name__}` in {contract.__module__} says what such a file must hold."
        )
    return loaded


@cache
def load_file(path: Path) -> ModuleType:
    """A file of the user's own as a module. Its folder stays on the path, as that of a script does.

    Raises
    ------
    Exception
        What the file raises.
    """
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    name = f"file_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def members(contract: type) -> list[str]:
    """The names of the attributes and functions that a protocol asks for."""
    found: dict[str, None] = {}
    for part in reversed(contract.__mro__):
        if part.__module__ != "typing":
            own = [name for name in vars(part) if inspect.isfunction(vars(part)[name])]
            found |= dict.fromkeys([*vars(part).get("__annotations__", {}), *own])
    return [name for name in found if not name.startswith("_")]
