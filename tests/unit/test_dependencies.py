"""What is used is declared in `envs/*.in`, and what is declared there is used."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib.metadata import PackageNotFoundError, files, packages_distributions
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).resolve().parents[2]
# Of the packages that no import and no command shows: which files use them, and by what text.
USES = {
    "onnxscript": ("tests/*.py", "torch.onnx.export("),
    "open-clip-torch": ("workflow_scripts/*.py", '"open-clip-torch"'),
    "pytest-xdist": ("Makefile", "--dist loadfile"),
    "snakemake-executor-plugin-slurm": ("profiles/*.yaml", "executor: slurm"),
    "transformers": ("workflow_scripts/*.py", '"transformers"'),
    "vl-convert-python": ("workflow_scripts/*.py", ".save(str(temporary), format=kind"),
}
# Calls that import what they name.
IMPORTERS = {"importorskip", "import_module"}


def _tracked() -> list[PurePosixPath]:
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [PurePosixPath(name) for name in names.split("\0") if (ROOT / name).is_file()]


TRACKED = _tracked()
PYTHON = [path for path in TRACKED if path.suffix == ".py"]


def _text(path: PurePosixPath) -> str:
    return (ROOT / path).read_text(encoding="utf-8")


def _canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _declared() -> set[str]:
    return {
        _canonical(package)
        for name in ("requirements", "perceptual", "watch")
        for package in re.findall(
            r"^([A-Za-z][\w.-]*)", _text(PurePosixPath(f"envs/{name}.in")), flags=re.M
        )
    }


def _own() -> set[str]:
    """Modules and packages of this repository that can be imported by their name alone."""
    packages = {path.parent for path in PYTHON if path.name == "__init__.py"}
    modules = {path for path in PYTHON if path.parent not in packages}
    return {path.stem for path in packages | modules if not packages.intersection(path.parents)}


def _imports(path: PurePosixPath) -> Iterator[str]:
    """The top names of what a file imports, at any depth of it."""
    if path.suffix != ".py":
        yield from re.findall(r"^\s*(?:from|import)\s+(\w+)", _text(path), flags=re.M)
        return
    for node in ast.walk(ast.parse(_text(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level and node.module:
            yield node.module.partition(".")[0]
        elif isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "attr", getattr(node.func, "id", None))
            first = node.args[0]
            if name in IMPORTERS and isinstance(first, ast.Constant):
                yield str(first.value).partition(".")[0]


def _imported() -> dict[str, set[str]]:
    """Packages that are imported, and by which files."""
    known = packages_distributions()
    rules = [path for path in TRACKED if path.suffix == ".smk" or path.name == "Snakefile"]
    own = _own()
    found: dict[str, set[str]] = {}
    for path in [*PYTHON, *rules]:
        for name in set(_imports(path)) - own - sys.stdlib_module_names:
            # What is not installed, such as an optional metric, has the name of its package.
            for package in known.get(name, [name]):
                found.setdefault(_canonical(package), set()).add(str(path))
    return found


def _commands(package: str) -> set[str]:
    """What a package puts beside the interpreter."""
    try:
        installed = files(package) or []
    except PackageNotFoundError:
        return set()
    return {file.stem for file in installed if file.parent.name in ("bin", "Scripts")}


def _run() -> set[str]:
    """Commands of the environment that the Makefile, the CI or a document runs."""
    scripts = {PurePosixPath("Makefile"), PurePosixPath(".ci/run")}
    places = [path for path in TRACKED if path.suffix == ".md" or path in scripts]
    return {
        command
        for path in places
        for command in re.findall(r"(?:\$\(BIN\)|\.venv/bin)/([\w-]+)", _text(path))
    }


IMPORTED = _imported()


def test_imports_are_found() -> None:
    assert {"torch", "numpy", "pytest", "snakemake", "torch-pruning", "dreamsim"} <= set(IMPORTED)
    assert not {"prunescope", "benchmarks", "workspaces", "pathlib"} & set(IMPORTED)


def test_every_imported_package_is_declared() -> None:
    missing = {name: sorted(IMPORTED[name]) for name in set(IMPORTED) - _declared()}
    assert not missing, "declare them in envs/requirements.in, and run `make lock`"


def test_every_declared_package_is_used() -> None:
    shown = set(IMPORTED) | set(USES)
    run = _run()
    unused = {name for name in _declared() - shown if not _commands(name) & run}
    assert not unused, "take them out of envs/*.in, and run `make lock`"


@pytest.mark.parametrize("package", sorted(USES))
def test_what_shows_no_import_is_used_where_it_is_said(package: str) -> None:
    pattern, text = USES[package]
    assert package in _declared()
    assert package not in IMPORTED, "its import shows the use: take it out of USES"
    here = Path(__file__).name
    places = [path for path in TRACKED if fnmatch(str(path), pattern) and path.name != here]
    assert any(text in _text(path) for path in places)
