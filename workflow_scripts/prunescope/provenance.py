"""Where an artifact comes from: which code, which settings, which versions."""

import ast
import hashlib
import json
import platform
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent
SCRIPTS = PACKAGE.parent
KEY = "prunescope"
LIBRARIES = ("numpy", "polars", "torch", "torchvision", "timm", "pillow", "altair", "snakemake")

_Documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
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


@cache
def code_digest(script: str) -> str:
    """SHA-256 of what a script does: its syntax tree and those of all modules it imports.

    Docstrings, comments and formatting do not count, so that editing them makes no result
    stale. Modules of `prunescope` are followed transitively, other packages are not: their
    versions are pinned by the lock file.

    Parameters
    ----------
    script
        Name of a file in `workflow_scripts/`, such as `"score_mis.py"`.
    """
    digest = hashlib.sha256()
    for path in sorted(_reachable(SCRIPTS / script)):
        digest.update(path.relative_to(SCRIPTS).as_posix().encode())
        digest.update(_read(path).digest)
    return digest.hexdigest()


def _reachable(path: Path) -> set[Path]:
    found: set[Path] = set()
    waiting = [path]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting.extend(_read(module).imported)
    return found


@dataclass(frozen=True)
class _Module:
    """What a file does, as a digest, and the files of prunescope that it imports."""

    digest: bytes
    imported: frozenset[Path]


@cache
def _read(path: Path) -> _Module:
    tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, _Documented) and ast.get_docstring(node, clean=False) is not None:
            # An empty body is no valid syntax, but it has a valid dump.
            node.body = node.body[1:]
    digest = hashlib.sha256(ast.dump(tree).encode()).digest()
    return _Module(digest, frozenset(filter(Path.is_file, map(_file_of, filter(_is_own, names)))))


def _is_own(module: str) -> bool:
    return module.partition(".")[0] == KEY


def _file_of(module: str) -> Path:
    return SCRIPTS / f"{module.replace('.', '/')}.py"
