"""Compute a digest of the code of a rule: its script and all modules that the script imports.

Snakemake rebuilds a result when this digest changes. If the digest missed a module, a change of
that module would not rebuild the results. So an import that cannot be followed is an error.
"""

import ast
import hashlib
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from prunescope.foundation.errors import InputError

PACKAGE = Path(__file__).resolve().parents[1]
SCRIPTS = PACKAGE.parent
# May load files by name: rules pass these files to `code_digest` as `plugins`.
REGISTRY = "prunescope/foundation/plugins.py"
# What loads or runs code that no import statement names. Any mention is refused, but for a call of
# `import_module` with a written-out name.
HIDDEN_IMPORTS = (
    "import_module", "__import__", "run_path", "run_module", "spec_from_file_location",
    "exec_module", "resolve_name",
)  # fmt: skip
HIDDEN_CODE = ("exec", "eval")

_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


@cache
def code_digest(script: str, plugins: tuple[str, ...] = ()) -> str:
    """SHA-256 of the syntax trees of a script and of all modules that it imports.

    Docstrings, comments and formatting do not count, so that editing them makes no result
    stale. Imports of modules in `workflow_scripts/` are followed, and so are the imports of
    these modules; the `__init__.py` of each package counts too. Installed packages are not
    followed: the lock file pins their versions.

    Parameters
    ----------
    script
        Name of a file in `workflow_scripts/`, such as `"score_mis.py"`.
    plugins
        Files that the script loads by name: modules below `prunescope`, such as
        `"prune.criteria.l1"`, or paths of other files, which end in `.py`.

    Returns
    -------
    str
        64 hexadecimal digits.

    Raises
    ------
    InputError
        An import is relative or cannot be followed, or a file is missing. The message names file
        and line.
    """
    started = [SCRIPTS / script, *map(_file_of_plugin, plugins)]
    digest = hashlib.sha256()
    for path in sorted(_reachable(started)):
        own = path.is_relative_to(SCRIPTS)
        name = path.relative_to(SCRIPTS).as_posix() if own else f"elsewhere/{path.name}"
        digest.update(name.encode())
        digest.update(_read(path).digest)
    return digest.hexdigest()


def imported_modules(path: Path) -> frozenset[Path]:
    """The files in `workflow_scripts/` that a file imports directly, and their packages.

    A package is represented by its `__init__.py`.

    Raises
    ------
    InputError
        As for `code_digest`.
    """
    return _read(path).imported


def _file_of_plugin(plugin: str) -> Path:
    if plugin.endswith(".py"):
        return Path(plugin).resolve()
    return SCRIPTS / "prunescope" / f"{plugin.replace('.', '/')}.py"


def _reachable(waiting: list[Path]) -> set[Path]:
    found: set[Path] = set()
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting.extend(_read(module).imported)
    return found


@dataclass(frozen=True)
class _Module:
    """The digest of a file's syntax tree, and the files in `workflow_scripts/` it imports."""

    digest: bytes
    imported: frozenset[Path]


@cache
def _read(path: Path) -> _Module:
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except (OSError, SyntaxError) as error:
        raise InputError(f"{path}: cannot be read as Python code ({error}).") from error
    imported = {file for node in ast.walk(tree) for file in _imported(node, path)}
    if path != SCRIPTS / REGISTRY:
        imported |= set(_hidden(tree, path))
    for node in ast.walk(tree):
        if isinstance(node, _Documented) and ast.get_docstring(node, clean=False) is not None:
            # The body may now be empty. That is no valid Python, but `ast.dump` accepts it.
            node.body = node.body[1:]
    return _Module(hashlib.sha256(ast.dump(tree).encode()).digest(), frozenset(imported))


def _imported(node: ast.AST, path: Path) -> Iterator[Path]:
    """The files in `workflow_scripts/` that a statement or expression imports."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield from _files_of(alias.name, (), node, path)
    elif isinstance(node, ast.ImportFrom):
        if node.level or not node.module:
            reason = "the import is relative. Write the whole name of the module"
            raise _cannot_follow(node, path, reason)
        yield from _files_of(node.module, [alias.name for alias in node.names], node, path)


def _hidden(tree: ast.Module, path: Path) -> Iterator[Path]:
    """The files in `workflow_scripts/` that calls of `import_module` name.

    Any other mention of what loads code by name is refused: it could be called elsewhere.
    """
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and _names_code(node)]
    for node in calls:
        yield from _files_of(str(node.args[0].value), (), node, path)  # type: ignore[attr-defined]
    named = {id(node.func) for node in calls}
    for other in ast.walk(tree):
        for mentioned in _mentions(other):
            if id(other) not in named:
                reason = f"{mentioned} loads code that this line does not name. Use an import"
                raise _cannot_follow(other, path, reason)


def _names_code(call: ast.Call) -> bool:
    name = getattr(call.func, "attr", getattr(call.func, "id", None))
    written = bool(call.args) and isinstance(call.args[0], ast.Constant)
    return name in ("import_module", "__import__") and written


def _mentions(node: ast.AST) -> list[str]:
    """The names of what loads or runs code, as far as a node of the syntax tree holds any."""
    if isinstance(node, ast.Name):
        return [node.id] if node.id in (*HIDDEN_IMPORTS, *HIDDEN_CODE) else []
    if isinstance(node, ast.Attribute):
        return [node.attr] if node.attr in HIDDEN_IMPORTS else []
    if isinstance(node, ast.ImportFrom):
        return [alias.name for alias in node.names if alias.name in HIDDEN_IMPORTS]
    return []


def _files_of(module: str, names: list[str] | tuple, node: ast.AST, path: Path) -> Iterator[Path]:
    """The files of `import module`, or of `from module import names`."""
    top, *rest = module.split(".")
    if not ((SCRIPTS / top).is_dir() or (SCRIPTS / f"{top}.py").is_file()):
        if (path.parent / f"{top}.py").is_file() and not _is_installed(top):
            raise _cannot_follow(
                node, path, f"{top} lies beside this file. Put what is needed into one file"
            )
        return
    folder = SCRIPTS
    for part in (top, *rest):
        if (folder / f"{part}.py").is_file():
            # The remaining parts are names defined in this file.
            yield folder / f"{part}.py"
            return
        folder = folder / part
        if not folder.is_dir():
            raise _cannot_follow(node, path, f"there is no module {module}")
        yield from _init_of(folder)
    for name in names:
        if (folder / f"{name}.py").is_file():
            yield folder / f"{name}.py"
        elif (folder / name).is_dir():
            yield from _init_of(folder / name)
        else:
            raise _cannot_follow(node, path, f"{module} has no module {name}")


def _init_of(folder: Path) -> Iterator[Path]:
    if (folder / "__init__.py").is_file():
        yield folder / "__init__.py"


def _is_installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _cannot_follow(node: ast.AST, path: Path, reason: str) -> InputError:
    line = getattr(node, "lineno", "?")
    return InputError(
        f"{path}, line {line}: this import cannot be followed: {reason}. Results would not become "
        "stale when the imported code changes."
    )
