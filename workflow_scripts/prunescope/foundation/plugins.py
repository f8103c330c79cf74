"""Registries that are folders: a name in the config is the name of a file.

No import statement names the files that are loaded here. So a rule must pass the name of the
loaded file to `code_digest`. Only this file of the folder is then part of the rule's digest.
"""

import importlib
from types import ModuleType
from typing import Any

from prunescope.foundation.code_digest import PACKAGE
from prunescope.foundation.errors import InputError


def names(registry: str) -> list[str]:
    """The names of the files in a folder such as `prune.criteria`, sorted."""
    folder = PACKAGE / registry.replace(".", "/")
    return sorted(path.stem for path in folder.glob("[a-z]*.py"))


def load(registry: str, name: str) -> Any:
    """The module `name` in a folder such as `prune.criteria`.

    Raises
    ------
    InputError
        The folder has no such file.
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
    return loaded
