"""A module of the user's own: a function in a Python file that returns it.

The function gets `model.options`; `num_classes`, if it has a parameter of this name; and, where
there are auxiliary heads, `auxiliary_heads=True`. The file may import other files of its folder.
Their content, not their place, decides which results are stale.
"""

import ast
import inspect
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunescope.foundation import code_digest
from prunescope.foundation.errors import InputError
from prunescope.networks import architecture

if TYPE_CHECKING:
    from torch import nn

WRITTEN = "file:PATH.py:FUNCTION"
RESERVED = {
    "num_classes": "the classes of the dataset",
    "auxiliary_heads": "model.auxiliary_heads",
}


def problem(name: str) -> str:
    """What is wrong with a path and the name of a function in it; empty if both are there."""
    path, function = _parts(name)
    if not (path.endswith(".py") and function.isidentifier()):
        return (
            f"'file:{name}' must be `{WRITTEN}`: the path of a Python file, seen from the folder "
            "of the workflow, and a function in it"
        )
    try:
        text = Path(path).read_bytes()
    except OSError as error:
        return f"'file:{name}': {path}: {error.strerror}"
    try:
        tree = ast.parse(text, filename=path)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        return f"'file:{name}': {path}, line {line}: {getattr(error, 'msg', error)}"
    defined = list(dict.fromkeys(_defined(tree.body)))
    try:
        code_digest.check_file(path)
    except InputError as error:
        return f"'file:{name}': {error}"
    # What `import *` brings cannot be told.
    if function in defined or "*" in defined:
        return ""
    near = architecture.nearest(function, defined, f"file:{path}")
    functions = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
    return architecture.unknown(
        f"file:{name}", near, f"Functions of {path}: {', '.join(functions) or 'none'}."
    )


def _parts(name: str) -> tuple[str, str]:
    path, _, function = name.rpartition(":")
    return path, function


def _defined(body: list[ast.stmt]) -> Iterator[str]:
    """The names that the statements of a module define."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (alias.asname or alias.name for alias in node.names)
        else:
            # Assignments; and definitions within `if` and `try`.
            for inner in ast.walk(node):
                if isinstance(inner, ast.Name) and isinstance(inner.ctx, ast.Store):
                    yield inner.id
                elif isinstance(inner, ast.FunctionDef | ast.ClassDef):
                    yield inner.name


def near(name: str) -> list[str]:
    """A path without this source before it is recognised; any file may be meant."""
    return [f"file:{name}"] if ".py:" in name else []


def auxiliary(_name: str) -> None:
    """Only the module itself can tell."""


def files(name: str) -> tuple[str, ...]:
    """The file. What it imports of its own folder is followed."""
    return (_parts(name)[0],)


def build(
    name: str, options: Mapping[str, Any], classes: int, auxiliary_heads: bool
) -> "nn.Module":
    """A freshly initialised module.

    Raises
    ------
    InputError
        The file or the function is not there, or raises an error, or the function takes other
        arguments, or returns something else than a module. The message names the line.
    """
    # Imported here because it takes time.
    from torch import nn

    if told := problem(name):
        raise architecture.refusal(told)
    path, function = _parts(name)
    with _Watched(path, f"model.architecture: file:{name}"):
        constructor = getattr(architecture.own_module(Path(path)), function)
    arguments = _arguments(name, constructor, options, classes, auxiliary_heads)
    with _Watched(path, f"model.architecture: file:{name}"):
        made = constructor(**arguments)
    if not isinstance(made, nn.Module):
        line = getattr(getattr(constructor, "__code__", None), "co_firstlineno", "?")
        raise InputError(
            f"model.architecture: file:{name}: {path}, line {line}: {function} returned "
            f"{type(made).__name__}, but a torch.nn.Module is expected."
        )
    return made


def _arguments(
    name: str,
    constructor: Callable[..., Any],
    options: Mapping[str, Any],
    classes: int,
    auxiliary_heads: bool,
) -> dict[str, Any]:
    """What the function is called with."""
    try:
        signature = inspect.signature(constructor)
    except (TypeError, ValueError) as error:
        raise InputError(f"model.architecture: file:{name}: not a function ({error}).") from error
    takes = signature.parameters
    takes_all = any(one.kind == one.VAR_KEYWORD for one in takes.values())
    arguments = dict(options)
    if "num_classes" in takes or takes_all:
        arguments["num_classes"] = classes
    if auxiliary_heads:
        if "auxiliary_heads" not in takes:
            raise InputError(
                f"model.auxiliary_heads: true, but the function of file:{name} has no parameter "
                "`auxiliary_heads`. Give it one, or set the key to false."
            )
        arguments["auxiliary_heads"] = True
    try:
        signature.bind(**arguments)
    except TypeError as error:
        raise InputError(
            f"model.options: file:{name} cannot be called with "
            f"{', '.join(arguments) or 'nothing'}: {error}. Its parameters: "
            f"{', '.join(takes) or 'none'}."
        ) from error
    return arguments


class _Watched:
    """Turns an error in a file of the user's own into an `InputError` that names the line."""

    def __init__(self, path: str, what: str) -> None:
        self.path, self.what = path, what
        self.folder = Path(path).resolve().parent

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, trace: object) -> None:
        if not isinstance(error, Exception) or isinstance(error, MemoryError):
            return
        place = self.path
        for frame in traceback.extract_tb(error.__traceback__):
            file = Path(frame.filename).resolve()
            if file.is_relative_to(self.folder) and not _is_installed(file):
                place = f"{_seen_from_here(file)}, line {frame.lineno}, in {frame.name}"
        if isinstance(error, SyntaxError) and error.filename:
            place = f"{_seen_from_here(Path(error.filename))}, line {error.lineno}"
        why = f"{type(error).__name__}: {' '.join(str(error).split())}"
        raise InputError(f"{self.what}: {place}: {why}") from error


def _is_installed(file: Path) -> bool:
    """Whether a file is no file of the user's: they may lie in one folder with the environment."""
    return "site-packages" in file.parts or file.is_relative_to(code_digest.PACKAGE)


def _seen_from_here(file: Path) -> Path:
    return file.relative_to(Path.cwd()) if file.is_relative_to(Path.cwd()) else file
