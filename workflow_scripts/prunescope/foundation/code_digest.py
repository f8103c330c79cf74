"""Compute a digest of the code of a rule: its script and all modules that the script imports.

Snakemake rebuilds a result when this digest changes. If the digest missed a module, a change of
that module would not rebuild the results. So an import that cannot be followed is an error.
"""

import ast
import hashlib
import importlib.util
from collections.abc import Iterator, Sequence
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
    followed: the lock file pins their versions. Of a file elsewhere, imports of its own folder are
    followed too.

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
    started = [_File(SCRIPTS / script), *map(_file_of_plugin, plugins)]
    digest = hashlib.sha256()
    for file in sorted(_reachable(started), key=lambda file: file.name):
        digest.update(file.name.encode())
        digest.update(_read(file).digest)
    return digest.hexdigest()


def imported_modules(path: Path) -> frozenset[Path]:
    """The files in `workflow_scripts/` that a file imports directly, and their packages.

    A package is represented by its `__init__.py`.

    Raises
    ------
    InputError
        As for `code_digest`.
    """
    return frozenset(file.path for file in _read(_File(path)).imported)


def check_file(path: str) -> None:
    """Check that all imports of a file of the user's own can be followed.

    Raises
    ------
    InputError
        As for `code_digest`.
    """
    _reachable([_file_of_plugin(path)])


@dataclass(frozen=True)
class _File:
    """A file whose imports are followed.

    Attributes
    ----------
    path
        The file.
    root
        Of a file elsewhere: the folder whose files it may import, as those beside a script. None
        for a file in `workflow_scripts/`.
    """

    path: Path
    root: Path | None = None

    @property
    def name(self) -> str:
        """What the digest knows the file by, wherever it lies."""
        if self.root is not None:
            return f"elsewhere/{self.path.relative_to(self.root).as_posix()}"
        return self.path.relative_to(SCRIPTS).as_posix()

    def package(self, level: int) -> tuple[str, ...]:
        """The package that a relative import of so many dots means; empty if there is none."""
        if self.root is None:
            return ()
        parts = self.path.relative_to(self.root).parent.parts
        return parts[: len(parts) - level + 1]


def _file_of_plugin(plugin: str) -> _File:
    if plugin.endswith(".py"):
        path = Path(plugin).resolve()
        return _File(path, path.parent)
    return _File(SCRIPTS / "prunescope" / f"{plugin.replace('.', '/')}.py")


def _reachable(waiting: list[_File]) -> set[_File]:
    found: set[_File] = set()
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting.extend(_read(module).imported)
    return found


@dataclass(frozen=True)
class _Module:
    """The digest of a file's syntax tree, and the files it imports that are no installed ones."""

    digest: bytes
    imported: frozenset[_File]


@cache
def _read(file: _File) -> _Module:
    path = file.path
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as Python code ({error}).") from error
    # Walked once: a plan reads every module, and walking takes longer than parsing.
    nodes = list(ast.walk(tree))
    imported = {other for node in nodes for other in _imported(node, file)}
    if path != SCRIPTS / REGISTRY:
        imported |= set(_hidden(nodes, file))
    for node in nodes:
        if isinstance(node, _Documented) and ast.get_docstring(node, clean=False) is not None:
            # The body may now be empty. That is no valid Python, but `ast.dump` accepts it.
            node.body = node.body[1:]
    return _Module(hashlib.sha256(ast.dump(tree).encode()).digest(), frozenset(imported))


def _imported(node: ast.AST, file: _File) -> Iterator[_File]:
    """The files, no installed ones, that a statement or expression imports."""
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield from _files_of(alias.name, (), node, file)
    elif isinstance(node, ast.ImportFrom):
        package = file.package(node.level) if node.level else ()
        if (node.level and not package) or not (package or node.module):
            reason = "the import is relative. Write the whole name of the module"
            raise _cannot_follow(node, file.path, reason)
        module = ".".join([*package, *filter(None, [node.module])])
        yield from _files_of(module, [alias.name for alias in node.names], node, file)


def _hidden(nodes: Sequence[ast.AST], file: _File) -> Iterator[_File]:
    """The files that calls of `import_module` name.

    Any other mention of what loads code by name is refused: it could be called elsewhere.
    """
    calls = [node for node in nodes if isinstance(node, ast.Call) and _names_code(node)]
    for node in calls:
        yield from _files_of(str(node.args[0].value), (), node, file)  # type: ignore[attr-defined]
    named = {id(node.func) for node in calls}
    for other in nodes:
        for mentioned in _mentions(other):
            if id(other) not in named:
                reason = f"{mentioned} loads code that this line does not name. Use an import"
                raise _cannot_follow(other, file.path, reason)


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


def _files_of(module: str, names: list[str] | tuple, node: ast.AST, file: _File) -> Iterator[_File]:
    """The files of `import module`, or of `from module import names`."""
    top, *rest = module.split(".")
    root = _root_of(top, file)
    if root is None:
        return
    elsewhere = file.root if root != SCRIPTS else None
    folder = root
    for part in (top, *rest):
        if (folder / f"{part}.py").is_file():
            # The remaining parts are names defined in this file.
            yield _File(folder / f"{part}.py", elsewhere)
            return
        folder = folder / part
        if not folder.is_dir():
            raise _cannot_follow(node, file.path, f"there is no module {module}")
        yield from _init_of(folder, elsewhere)
    for name in names:
        if (folder / f"{name}.py").is_file():
            yield _File(folder / f"{name}.py", elsewhere)
        elif (folder / name).is_dir():
            yield from _init_of(folder / name, elsewhere)
        # A package of one's own may define names in its `__init__.py`; ours define none.
        elif elsewhere is None or not (folder / "__init__.py").is_file():
            raise _cannot_follow(node, file.path, f"{module} has no module {name}")


def _root_of(top: str, file: _File) -> Path | None:
    """The folder that a module is imported from; None if it is an installed one."""
    if file.root is not None and top != PACKAGE.name:
        folder = file.root / top
        # An installed package goes before a folder without `__init__.py`.
        is_package = folder.is_dir() and (
            (folder / "__init__.py").is_file() or not _is_installed(top)
        )
        if (file.root / f"{top}.py").is_file() or is_package:
            return file.root
    return SCRIPTS if (SCRIPTS / top).is_dir() or (SCRIPTS / f"{top}.py").is_file() else None


def _init_of(folder: Path, root: Path | None) -> Iterator[_File]:
    if (folder / "__init__.py").is_file():
        yield _File(folder / "__init__.py", root)


def _is_installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _cannot_follow(node: ast.AST, path: Path, reason: str) -> InputError:
    line = getattr(node, "lineno", "?")
    return InputError(
        f"{path}, line {line}: this import cannot be followed: {reason}. Results would not become "
        "stale when the imported code changes."
    )
