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
# Functions that run code without an import statement.
HIDDEN_IMPORTS = (
    "import_module", "__import__", "run_path", "run_module", "spec_from_file_location"
)  # fmt: skip

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
    imported = frozenset(file for node in ast.walk(tree) for file in _imported(node, path))
    for node in ast.walk(tree):
        if isinstance(node, _Documented) and ast.get_docstring(node, clean=False) is not None:
            # The body may now be empty. That is no valid Python, but `ast.dump` accepts it.
            node.body = node.body[1:]
    return _Module(hashlib.sha256(ast.dump(tree).encode()).digest(), imported)


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
    elif isinstance(node, ast.Call):
        yield from _hidden(node, path)


def _hidden(node: ast.Call, path: Path) -> Iterator[Path]:
    called = getattr(node.func, "attr", getattr(node.func, "id", None))
    if called not in HIDDEN_IMPORTS or path == SCRIPTS / REGISTRY:
        return
    name = node.args[0] if node.args else None
    if called not in ("import_module", "__import__") or not isinstance(name, ast.Constant):
        raise _cannot_follow(
            node, path, f"{called} loads code that this line does not name. Use an import statement"
        )
    yield from _files_of(str(name.value), (), node, path)


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
