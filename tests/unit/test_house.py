"""The house stands: what imports what, and what a folder holds (docs/architecture.md).

Each rule is shown twice: the library keeps it, and a small tree that breaks it is found out.
"""

import ast
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from files import load_module

from prunescope.data.source import SOURCES
from prunescope.foundation import code_digest
from prunescope.interpret.metrics.catalogue import FAMILIES
from prunescope.networks.architecture import ARCHITECTURES
from prunescope.prune.pieces import CRITERIA
from prunescope.prune.schedule import SCHEDULES
from prunescope.study.params import JobParams
from prunescope.study.study import Study

ROOT = Path(__file__).resolve().parents[2]
# What draws the picture of the house reads the imports, and knows the order of its folders.
house = load_module(ROOT / "docs" / "make_architecture.py")

# Folders whose files are choices: loaded by name, and as many as there are choices.
REGISTRIES = {ARCHITECTURES, CRITERIA, SCHEDULES, SOURCES, FAMILIES}
# What names a file of a registry all the same: the downloads of one source.
NAMING = {"data.fashion_mnist_downloads": "data.sources.fashion_mnist"}
# What hands a file of a registry to a script, and what a rule gives to `code_of` for it.
LOADERS = {
    "networks.architecture": ARCHITECTURES,
    "prune.pieces": CRITERIA,
    "prune.schedule": SCHEDULES,
    "data.source": SOURCES,
    "interpret.metrics.catalogue": FAMILIES,
}
# `workflow_scripts/` and registries may hold more: they have one file for each rule or choice.
MOST_MODULES = 10

Imports = Mapping[str, set[str]]


def folder_of(module: str) -> str:
    return module.rpartition(".")[0]


def between_folders(imports: Imports) -> dict[str, set[str]]:
    """A folder and those in it count as one: choices follow a contract that lies above them."""
    found: dict[str, set[str]] = {folder_of(module): set() for module in imports}
    for module, imported in imports.items():
        own = folder_of(module)
        found[own] |= {
            other
            for other in map(folder_of, imported)
            if not (f"{other}.".startswith(f"{own}.") or f"{own}.".startswith(f"{other}."))
        }
    return found


def circle(graph: Imports) -> list[str]:
    """The nodes of one circle, in order; empty if there is none."""
    done: set[str] = set()

    def look(node: str, way: list[str]) -> list[str]:
        if node in way:
            return [*way[way.index(node) :], node]
        if node not in done:
            for other in sorted(graph.get(node, ())):
                if found := look(other, [*way, node]):
                    return found
            done.add(node)
        return []

    return next(filter(None, (look(node, []) for node in sorted(graph))), [])


# --- the rules -----------------------------------------------------------------------------------


def upwards(scripts: Path) -> Iterator[str]:
    level = {name: number for number, step in enumerate(house.STAIRS) for name in step}
    for module, imported in house.imports_of(scripts / "prunescope").items():
        own = module.partition(".")[0]
        if own not in level:
            yield f"{module}: {own} is no step of the stairs"
            continue
        for other in sorted(imported):
            top = other.partition(".")[0]
            if top != own and level.get(top, len(house.STAIRS)) <= level[own]:
                yield f"{module} imports {other}, which does not lie below it"


def circles(scripts: Path) -> Iterator[str]:
    imports = house.imports_of(scripts / "prunescope")
    for graph in (imports, between_folders(imports)):
        if found := circle(graph):
            yield f"a circle: {' -> '.join(found)}"


def named_choices(scripts: Path) -> Iterator[str]:
    for module, imported in house.imports_of(scripts / "prunescope").items():
        for other in sorted(imported):
            if folder_of(other) in REGISTRIES and NAMING.get(module) != other:
                yield f"{module} imports {other}, which is loaded by name"


def full_packages(scripts: Path) -> Iterator[str]:
    for path in sorted((scripts / "prunescope").rglob("__init__.py")):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        if len(body) != 1 or ast.get_docstring(ast.Module(body, [])) is None:
            yield f"{path.parent.name}/__init__.py holds other things than a docstring"


def folders_without_package(scripts: Path) -> Iterator[str]:
    for folder in sorted({path.parent for path in (scripts / "prunescope").rglob("*.py")}):
        if not (folder / "__init__.py").is_file():
            yield f"{folder.name} has no __init__.py"


def homeless(scripts: Path) -> Iterator[str]:
    for path in sorted((scripts / "prunescope").glob("*.py")):
        if path.name != "__init__.py":
            yield f"{path.name} lies in no folder"


def large_folders(scripts: Path) -> Iterator[str]:
    for folder, number in Counter(map(folder_of, house.imports_of(scripts / "prunescope"))).items():
        if number > MOST_MODULES and folder not in REGISTRIES:
            yield f"{folder} holds {number} modules"


def relative_imports(scripts: Path) -> Iterator[str]:
    for path in sorted(scripts.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                yield f"{path.name}, line {node.lineno}: a relative import"


def shadows(scripts: Path) -> Iterator[str]:
    """The fork server is started as a script: its folder is on the path for a moment."""
    for path in sorted((scripts / "prunescope" / "study" / "run").glob("*.py")):
        if path.stem in sys.stdlib_module_names:
            yield f"{path.name} hides a module of the standard library"


RULES: tuple[Callable[[Path], Iterator[str]], ...] = (
    upwards, circles, named_choices, full_packages, folders_without_package, homeless,
    large_folders, relative_imports, shadows,
)  # fmt: skip


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_library_keeps_the_rule(rule: Callable[[Path], Iterator[str]]) -> None:
    assert list(rule(code_digest.SCRIPTS)) == []


def test_imports_are_found() -> None:
    imports = house.imports_of(code_digest.PACKAGE)
    assert "foundation.plugins" in imports["prune.schedule"]
    assert "networks.description" in imports["networks.modules"]
    assert {"networks", "evaluate"} <= between_folders(imports)["train"]


SOUND = {
    "data/packing.py": "from prunescope.foundation import errors\nimport numpy",
    "data/sources/folder.py": "from prunescope.data import packing",
    "networks/files.py": "import prunescope.foundation.errors",
    "foundation/errors.py": "import re",
    "study/run/server.py": "def late():\n    from prunescope.data.packing import pack",
}
FAULTS = {
    "an import upwards": (
        upwards, {"networks/files.py": "from prunescope.data.packing import pack"},
        "networks.files imports data.packing",
    ),
    "an import within a function": (
        upwards, {"networks/files.py": "def late():\n    import prunescope.data.packing"},
        "networks.files imports data.packing",
    ),
    "an import by a call": (
        upwards, {"networks/files.py": "import_module('prunescope.data.packing')"},
        "networks.files imports data.packing",
    ),
    "an import of a neighbour": (
        upwards,
        {
            "interpret/scores.py": "from prunescope.evaluate import accuracy",
            "evaluate/accuracy.py": "",
        },
        "interpret.scores imports evaluate.accuracy",
    ),
    "a folder of no step": (upwards, {"utils/things.py": ""}, "utils is no step"),
    "a circle of modules": (
        circles,
        {
            "data/packing.py": "from prunescope.data import sampling",
            "data/sampling.py": "from prunescope.data.packing import pack",
        },
        "data.packing -> data.sampling -> data.packing",
    ),
    "a circle of folders": (
        circles,
        {
            "train/images/batches.py": "from prunescope.train.recipes import recipe",
            "train/images/crops.py": "",
            "train/recipes/recipe.py": "from prunescope.train.images import crops",
        },
        "train.images -> train.recipes -> train.images",
    ),
    "a choice that is imported": (
        named_choices, {"data/packing.py": "from prunescope.data.sources.folder import read"},
        "data.packing imports data.sources.folder",
    ),
    "code in a package": (
        full_packages, {"data/__init__.py": '"""Images."""\n\nLIMIT = 3'},
        "data/__init__.py holds other things",
    ),
    "a package without a docstring": (
        full_packages, {"data/__init__.py": ""}, "data/__init__.py holds other things",
    ),
    "a folder without a package": (
        folders_without_package, {"data/__init__.py": None}, "data has no __init__.py",
    ),
    "a module in no folder": (homeless, {"helpers.py": ""}, "helpers.py lies in no folder"),
    "a large folder": (
        large_folders, {f"data/module_{number}.py": "" for number in range(MOST_MODULES)},
        "data holds 11 modules",
    ),
    "a relative import": (
        relative_imports, {"data/packing.py": "import re\nfrom . import sampling"},
        "packing.py, line 2",
    ),
    "a relative import of a script": (
        relative_imports, {"../pack.py": "from .prunescope import data"}, "pack.py, line 1",
    ),
    "a name of the standard library": (shadows, {"study/run/statistics.py": ""}, "statistics.py"),
}  # fmt: skip


@pytest.fixture
def build(tmp_path: Path) -> Callable[..., Path]:
    """A function that writes a small library, changed in some files, and returns its place."""

    def write(changes: Mapping[str, str | None]) -> Path:
        library = tmp_path / "scripts" / "prunescope"
        library.mkdir(parents=True)
        for name, text in {**SOUND, **changes}.items():
            path = library / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text or ''}\n")
        for folder in {library, *(path.parent for path in library.rglob("*.py"))}:
            package = folder / "__init__.py"
            name = package.relative_to(library).as_posix()
            if name not in changes:
                package.write_text('"""A folder."""\n')
            elif changes[name] is None:
                package.unlink()
        return library.parent

    return write


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_a_sound_tree_passes(build: Callable[..., Path], rule: Callable) -> None:
    assert list(rule(build({}))) == []


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(build: Callable[..., Path], name: str) -> None:
    rule, changes, message = FAULTS[name]
    (found,) = rule(build(changes))
    assert message in found


def test_a_registry_may_have_as_many_files_as_there_are_choices(
    build: Callable[..., Path],
) -> None:
    many = {f"data/sources/source_{number}.py": "" for number in range(2 * MOST_MODULES)}
    assert list(large_folders(build(many))) == []


# --- tests ---------------------------------------------------------------------------------------


def unlike(library: Path, tests: Path) -> Iterator[str]:
    """Tests have the folders of the library, and each choice of a registry its own tests."""
    modules = {path.relative_to(library) for path in library.rglob("*.py")}
    modules -= {module for module in modules if module.name == "__init__.py"}
    found = {path.relative_to(tests / "unit") for path in (tests / "unit").rglob("*.py")}
    folders = {module.parent for module in modules}
    for folder in sorted({path.parent for path in found} - folders - {Path()}):
        yield f"{folder} is no folder of the library"
    tested = {path.parent for path in found if path.name.startswith("test_")}
    for folder in sorted(folders - tested):
        yield f"no tests lie in {folder}"
    choices = (module for module in modules if ".".join(module.parent.parts) in REGISTRIES)
    for choice in sorted(choices):
        # A choice of another registry may have the same name, and tests may not.
        names = {choice.with_name(f"test_{choice.stem}{end}.py") for end in ("", "_networks")}
        if choice.parent in tested and not names & found:
            yield f"{choice.with_suffix('')} has no tests of its name"


def shared_names(_library: Path, tests: Path) -> Iterator[str]:
    for name, number in Counter(path.name for path in tests.rglob("test_*.py")).items():
        if number > 1:
            yield f"{number} files are called {name}"


TEST_RULES = (unlike, shared_names)
SOUND_TESTS = (
    "unit/data/test_packing.py", "unit/data/sources/test_folder.py", "unit/networks/test_files.py",
    "unit/foundation/test_errors.py", "unit/study/run/test_server.py", "unit/conftest.py",
    "unit/test_pages.py", "workflow/test_study.py",
)  # fmt: skip


@pytest.mark.parametrize("rule", TEST_RULES, ids=lambda rule: rule.__name__)
def test_tests_keep_the_rule(rule: Callable[[Path, Path], Iterator[str]]) -> None:
    assert list(rule(code_digest.PACKAGE, ROOT / "tests")) == []


@pytest.mark.parametrize(
    ("rule", "gone", "more", "messages"),
    [
        (unlike, "", "", []),
        (shared_names, "", "", []),
        (unlike, "", "unit/data/archives/test_zip.py", ["data/archives is no folder of the lib"]),
        (unlike, "", "unit/data/archives/helpers.py", ["data/archives is no folder of the lib"]),
        (unlike, "unit/networks/test_files.py", "", ["no tests lie in networks"]),
        (unlike, "unit/networks/test_files.py", "unit/networks/helpers.py",
         ["no tests lie in networks"]),
        (unlike, "unit/data/sources/test_folder.py", "unit/data/sources/test_others.py",
         ["data/sources/folder has no tests of its name"]),
        (shared_names, "", "unit/data/test_study.py", ["2 files are called test_study.py"]),
    ],
)  # fmt: skip
def test_a_fault_of_tests_is_found(
    build: Callable[..., Path],
    tmp_path: Path,
    rule: Callable[[Path, Path], Iterator[str]],
    gone: str,
    more: str,
    messages: list[str],
) -> None:
    tests = tmp_path / "tests"
    for name in {*SOUND_TESTS, more} - {gone, ""}:
        (tests / name).parent.mkdir(parents=True, exist_ok=True)
        (tests / name).touch()
    found = list(rule(build({}) / "prunescope", tests))
    assert len(found) == len(messages)
    for line, message in zip(found, messages, strict=True):
        assert message in line


# --- plug-ins that scripts load ------------------------------------------------------------------

RULE_FILES = "\n".join(path.read_text() for path in sorted((ROOT / "rules").glob("*.smk")))
CODE = re.compile(r"code=(unwatched\()?code_of\(\"(\w+\.py)\"((?:, [\w.]+)*)\)")
GIVEN = {
    script: (bool(unwatched), tuple(re.findall(r"[\w.]+", plugins)))
    for unwatched, script, plugins in CODE.findall(RULE_FILES)
}


def loaders_of(script: str) -> set[str]:
    """The registries whose files a script may load, by the modules that it imports."""
    waiting, found = [code_digest.SCRIPTS / script], set()
    while waiting:
        path = waiting.pop()
        if path not in found:
            found.add(path)
            waiting.extend(code_digest.imported_modules(path))
    return {
        registry
        for loader, registry in LOADERS.items()
        if code_digest.PACKAGE / f"{loader.replace('.', '/')}.py" in found
    }


def registry_of(plugin: str) -> str:
    """The registry that an argument of `code_of` names a file of, in the tiny study."""
    config = yaml.safe_load((ROOT / "config" / "tiny.yaml").read_text())
    study = Study(config)
    value: Any = eval(plugin, {"STUDY": study, "PARAMS": JobParams(study)})
    if not callable(value):
        value, *_ = [value] if isinstance(value, str) else value
    wildcards = SimpleNamespace(
        method="structured", dataset=config["dataset"], metric="pixels-correlation-32px"
    )
    return folder_of(value(wildcards) if callable(value) else value)


def test_loaders_are_all_that_uses_plugins() -> None:
    using = {
        module
        for module, imported in house.imports_of(code_digest.PACKAGE).items()
        if "foundation.plugins" in imported and not module.startswith("study.")
    }
    assert using == set(LOADERS)


def test_rules_and_their_code_are_found() -> None:
    scripts = set(re.findall(r'"\.\./workflow_scripts/(\w+\.py)"', RULE_FILES))
    assert set(GIVEN) == scripts
    assert GIVEN["train_dense.py"] == (False, ("STUDY.architecture",))
    assert GIVEN["fetch_checkpoint.py"] == (True, ())
    assert loaders_of("train_dense.py") == {ARCHITECTURES}
    assert loaders_of("score_mis.py") == set()


@pytest.mark.parametrize("script", GIVEN)
def test_what_a_script_loads_by_name_is_in_its_digest(script: str) -> None:
    """No import statement names a plug-in: without this its edits would make nothing stale."""
    unwatched, plugins = GIVEN[script]
    if not unwatched:
        assert {registry_of(plugin) for plugin in plugins} == loaders_of(script)
