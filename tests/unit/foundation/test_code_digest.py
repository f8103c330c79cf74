"""The code digest changes with what code does, and with nothing else."""

import shutil
from pathlib import Path

import pytest

from prunescope.foundation import code_digest
from prunescope.foundation.errors import InputError

SCRIPT = '''"""Score."""

from prunescope import alpha

LIMIT = 3  # of what


def main(smk):
    """Run."""
    alpha.work(smk, LIMIT)
'''
ALPHA = '''"""First."""

from prunescope.beta import help


class Thing:
    """A thing."""

    size = 1


def work(smk, limit=2):
    """Work."""
    import prunescope.delta

    return help(limit + Thing.size, "text")
'''
MODULES = {
    "alpha": ALPHA,
    "beta": "def help(number, text):\n    return number, text\n",
    "gamma": "UNRELATED = 1\n",
    "delta": "LATE = 1\n",
}


def clear_caches() -> None:
    for member in vars(code_digest).values():
        if hasattr(member, "cache_clear"):
            member.cache_clear()


@pytest.fixture
def scripts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A folder of scripts with a small library."""
    (tmp_path / "prunescope").mkdir()
    (tmp_path / "prunescope" / "__init__.py").write_text("")
    for name, text in MODULES.items():
        (tmp_path / "prunescope" / f"{name}.py").write_text(text)
    (tmp_path / "score.py").write_text(SCRIPT)
    monkeypatch.setattr(code_digest, "SCRIPTS", tmp_path)
    clear_caches()
    yield tmp_path
    clear_caches()


def digest(script: str = "score.py", *plugins: str) -> str:
    clear_caches()
    return code_digest.code_digest(script, plugins)


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert text.count(old) == 1
    path.write_text(text.replace(old, new))


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("score.py", "# of what", "# of everything"),
        ("score.py", '"""Score."""', '"""Score units.\n\nAt length.\n"""'),
        ("score.py", '    """Run."""\n', ""),
        ("score.py", "LIMIT = 3", "LIMIT   =   3"),
        ("score.py", "alpha.work(smk, LIMIT)", "alpha.work(\n        smk,\n        LIMIT,\n    )"),
        ("prunescope/alpha.py", '"""A thing."""', '"""Another thing."""'),
        ("prunescope/alpha.py", '"text"', "'text'"),
        ("prunescope/beta.py", "def help", "# help\n\n\ndef help"),
        ("prunescope/beta.py", "text):\n", 'text):\n    """Help."""\n'),
        ("prunescope/gamma.py", "UNRELATED = 1", "UNRELATED = 2"),
    ],
)
def test_these_edits_make_nothing_stale(scripts: Path, file: str, old: str, new: str) -> None:
    before = digest()
    edit(scripts / file, old, new)
    assert digest() == before


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("score.py", "LIMIT = 3", "LIMIT = 4"),
        ("score.py", "LIMIT = 3", 'LIMIT = "3"'),
        ("score.py", "from prunescope import alpha", "from prunescope import alpha, gamma"),
        ("prunescope/alpha.py", "limit=2", "limit=3"),
        ("prunescope/alpha.py", "limit + Thing", "limit - Thing"),
        ("prunescope/alpha.py", '"text"', '"other text"'),
        ("prunescope/alpha.py", "size = 1", "size = 2"),
        ("prunescope/beta.py", "number, text\n", "text, number\n"),  # imported by alpha
        ("prunescope/delta.py", "LATE = 1", "LATE = 2"),  # imported within a function of alpha
    ],
)
def test_these_edits_make_results_stale(scripts: Path, file: str, old: str, new: str) -> None:
    before = digest()
    text = (scripts / file).read_text()
    position = text.rindex(old)
    (scripts / file).write_text(text[:position] + new + text[position + len(old) :])
    assert digest() != before


def test_a_string_that_is_no_docstring_counts(scripts: Path) -> None:
    path = scripts / "prunescope" / "beta.py"
    path.write_text('MESSAGE = """One."""\n' + path.read_text())
    before = digest()
    edit(path, "One.", "Two.")
    assert digest() != before


def test_modules_that_import_each_other_end(scripts: Path) -> None:
    path = scripts / "prunescope" / "beta.py"
    path.write_text("from prunescope import alpha\n" + path.read_text())
    before = digest()
    edit(scripts / "prunescope" / "alpha.py", "size = 1", "size = 2")
    assert digest() != before


def test_the_place_of_the_code_does_not_count(
    scripts: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digest()
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "scripts"
    shutil.copytree(scripts, elsewhere)
    monkeypatch.setattr(code_digest, "SCRIPTS", elsewhere)
    assert digest() == before


# --- packages and hidden imports -----------------------------------------------------------------


@pytest.fixture
def folders(scripts: Path) -> Path:
    """The script also imports a module that lies two folders deep."""
    inner = scripts / "prunescope" / "outer" / "inner"
    inner.mkdir(parents=True)
    (inner / "deep.py").write_text("DEEP = 1\n")
    (inner / "beside.py").write_text("BESIDE = 1\n")
    for folder in (inner.parent, inner):
        (folder / "__init__.py").write_text('"""A folder."""\n')
    append(scripts / "score.py", "\n\nfrom prunescope.outer.inner import deep\n")
    return scripts / "prunescope"


@pytest.mark.parametrize(
    ("file", "stale"),
    [
        ("__init__.py", True),
        ("outer/__init__.py", True),
        ("outer/inner/__init__.py", True),
        ("outer/inner/deep.py", True),
        ("outer/inner/beside.py", False),
    ],
)
def test_the_packages_of_a_module_count(folders: Path, file: str, stale: bool) -> None:
    before = digest()
    append(folders / file, "ADDED = 1\n")
    assert (digest() != before) == stale


def test_a_docstring_of_a_package_does_not_count(folders: Path) -> None:
    before = digest()
    edit(folders / "outer" / "__init__.py", "A folder.", "Another folder.")
    assert digest() == before


@pytest.mark.parametrize(
    "statement",
    [
        "from prunescope.outer.inner.deep import DEEP",
        "import prunescope.outer.inner.deep",
        'importlib.import_module("prunescope.outer.inner.deep")',
        '__import__("prunescope.outer.inner.deep")',
    ],
)
def test_these_imports_are_followed(folders: Path, statement: str) -> None:
    (folders.parent / "score.py").write_text(f"import importlib\n{statement}\n")
    before = digest()
    edit(folders / "outer" / "inner" / "deep.py", "DEEP = 1", "DEEP = 2")
    assert digest() != before


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("from . import beta", "relative"),
        ("from .beta import help", "relative"),
        ("from .. import score", "relative"),
        ("importlib.import_module(NAME)", "import_module"),
        ("import_module(NAME)", "import_module"),
        ("from importlib import import_module as load\nload(NAME)", "import_module"),
        ("load = importlib.import_module\nload(NAME)", "import_module"),
        ("pkgutil.resolve_name(NAME)", "resolve_name"),
        ("exec(open(NAME).read())", "exec"),
        ("eval(NAME)", "eval"),
        ("__import__(NAME)", "__import__"),
        ('runpy.run_path("score.py")', "run_path"),
        ("import prunescope.nothing", "no module prunescope.nothing"),
        ("from prunescope import nothing", "no module nothing"),
        ("from prunescope.nothing import thing", "no module prunescope.nothing"),
    ],
)
def test_an_import_that_cannot_be_followed_is_refused(
    scripts: Path, statement: str, reason: str
) -> None:
    path = scripts / "prunescope" / "beta.py"
    path.write_text(f"NAME = 'prunescope.gamma'\n\n\ndef late():\n    {statement}\n")
    with pytest.raises(InputError, match=reason) as raised:
        digest()
    assert f"{path}, line 5: " in str(raised.value)


def test_a_script_that_is_no_code_is_refused(scripts: Path) -> None:
    (scripts / "prunescope" / "beta.py").write_text("def help(:\n")
    with pytest.raises(InputError, match=r"beta\.py: cannot be read as Python code"):
        digest()
    (scripts / "score.py").unlink()
    with pytest.raises(InputError, match=r"score\.py: cannot be read as Python code"):
        digest()


# --- plug-ins ------------------------------------------------------------------------------------


@pytest.fixture
def plugin(folders: Path) -> str:
    """A file of a registry, which imports a module that the script does not."""
    path = folders / "outer" / "inner" / "beside.py"
    path.write_text("from prunescope import gamma\n\nBESIDE = gamma.UNRELATED\n")
    return "outer.inner.beside"


def test_a_plugin_counts_with_what_it_imports(folders: Path, plugin: str) -> None:
    assert digest() != digest("score.py", plugin)
    before = digest("score.py", plugin)
    edit(folders / "outer" / "inner" / "beside.py", "BESIDE =", "OTHER =")
    changed = digest("score.py", plugin)
    assert changed != before
    edit(folders / "gamma.py", "UNRELATED = 1", "UNRELATED = 2")
    assert digest("score.py", plugin) not in (before, changed)


def test_other_files_of_a_registry_do_not_count(folders: Path, plugin: str) -> None:
    before = digest("score.py", plugin)
    (folders / "outer" / "inner" / "added.py").write_text("ADDED = 1\n")
    assert digest("score.py", plugin) == before
    assert digest("score.py", "outer.inner.added") != before


def test_a_missing_plugin_is_refused(folders: Path) -> None:
    with pytest.raises(InputError, match=r"missing\.py: cannot be read"):
        digest("score.py", "outer.inner.missing")


@pytest.fixture
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of a user's own, far from the scripts."""
    path = tmp_path_factory.mktemp("own") / "my_network.py"
    path.write_text("import numpy\n\nfrom prunescope import gamma\n\nOWN = gamma.UNRELATED\n")
    return path


def test_a_file_of_ones_own_counts_with_what_it_imports(scripts: Path, own: Path) -> None:
    assert digest() != digest("score.py", str(own))
    before = digest("score.py", str(own))
    edit(own, "OWN =", "# a note\nOWN =")
    assert digest("score.py", str(own)) == before
    edit(own, "OWN =", "MINE =")
    changed = digest("score.py", str(own))
    assert changed != before
    edit(scripts / "prunescope" / "gamma.py", "UNRELATED = 1", "UNRELATED = 2")
    assert digest("score.py", str(own)) not in (before, changed)


def test_the_folder_of_a_file_of_ones_own_does_not_count(scripts: Path, own: Path) -> None:
    before = digest("score.py", str(own))
    elsewhere = own.parent / "elsewhere"
    elsewhere.mkdir()
    assert digest("score.py", str(shutil.copy(own, elsewhere))) == before


@pytest.fixture
def neighbours(own: Path) -> Path:
    """Files and a package beside a file of a user's own, which imports them."""
    folder = own.parent
    (folder / "parts_of_mine" / "deep").mkdir(parents=True)
    for name, text in {
        "helper_of_mine.py": "import far_helper_of_mine\n\nHELP = 1\n",
        "far_helper_of_mine.py": "FAR = 1  # far away\n",
        "unused_of_mine.py": "UNUSED = 1\n",
        "parts_of_mine/__init__.py": "from .near import NEAR\n",
        "parts_of_mine/near.py": "NEAR = 1\n",
        "parts_of_mine/deep/__init__.py": "",
        "parts_of_mine/deep/inner.py": "from ..other import OTHER\n",
        "parts_of_mine/other.py": "OTHER = 1\n",
        "statistics.py": "MEAN = 1\n",
    }.items():
        (folder / name).write_text(text)
    own.write_text(
        "import numpy\nimport helper_of_mine\nfrom parts_of_mine import NEAR\n"
        "\n\ndef build():\n    from parts_of_mine.deep.inner import OTHER\n    import statistics\n"
    )
    return folder


@pytest.mark.parametrize(
    ("file", "stale"),
    [
        ("helper_of_mine.py", True),
        ("far_helper_of_mine.py", True),
        ("unused_of_mine.py", False),
        ("parts_of_mine/__init__.py", True),
        ("parts_of_mine/near.py", True),
        ("parts_of_mine/deep/__init__.py", True),
        ("parts_of_mine/deep/inner.py", True),
        ("parts_of_mine/other.py", True),
        # Beside a script, it goes before the one of the standard library.
        ("statistics.py", True),
    ],
)
def test_what_a_file_of_ones_own_imports_of_its_folder_counts(
    scripts: Path, own: Path, neighbours: Path, file: str, stale: bool
) -> None:
    before = digest("score.py", str(own))
    append(neighbours / file, "# a note\n")
    assert digest("score.py", str(own)) == before
    append(neighbours / file, "ADDED = 1\n")
    assert (digest("score.py", str(own)) != before) == stale


def test_the_place_of_the_folder_does_not_count(
    scripts: Path, own: Path, neighbours: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    before = digest("score.py", str(own))
    moved = tmp_path_factory.mktemp("moved") / "folder"
    shutil.copytree(neighbours, moved)
    assert digest("score.py", str(moved / own.name)) == before


def test_a_folder_without_a_package_does_not_hide_an_installed_one(
    scripts: Path, own: Path
) -> None:
    (own.parent / "numpy").mkdir()
    (own.parent / "numpy" / "notes.txt").write_text("")
    assert digest("score.py", str(own))


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("from .helper_of_mine import HELP", "the import is relative"),
        ("from parts_of_mine.nothing import THING", "there is no module parts_of_mine.nothing"),
        ("importlib.import_module(NAME)", "import_module loads code that this line does not name"),
    ],
)
def test_an_import_of_ones_own_that_cannot_be_followed_is_refused(
    scripts: Path, own: Path, neighbours: Path, statement: str, reason: str
) -> None:
    own.write_text(f"NAME = 1\n{statement}\n")
    with pytest.raises(InputError, match=reason) as raised:
        digest("score.py", str(own))
    assert f"{own}, line 2: " in str(raised.value)


# --- promises of the real library ----------------------------------------------------------------


@pytest.fixture
def library(scripts: Path) -> Path:
    """A copy of the real library, with a script that scores units."""
    shutil.rmtree(scripts / "prunescope")
    shutil.copytree(code_digest.PACKAGE, scripts / "prunescope")
    (scripts / "score.py").write_text("from prunescope.interpret import mis, unit_tables\n")
    return scripts


@pytest.mark.parametrize(
    ("module", "stale"),
    [
        ("interpret/mis", True),
        ("interpret/unit_tables", True),
        ("foundation/tables", True),  # by way of `unit_tables`
        ("foundation/whole_files", True),
        ("foundation/errors", True),
        ("summarize/study_tables", False),
        ("prune/masks", False),
        ("networks/modules", False),
        ("data/packed_images", False),
    ],
)
def test_scores_depend_on_few_modules(library: Path, module: str, stale: bool) -> None:
    before = digest()
    append(library / "prunescope" / f"{module}.py", "\nADDED = 1\n")
    assert (digest() != before) == stale


@pytest.fixture
def everything(library: Path) -> Path:
    """A copy of the real library and of all scripts."""
    for path in code_digest.PACKAGE.parent.glob("*.py"):
        shutil.copy(path, library / path.name)
    (library / "score.py").unlink()
    return library


def digests(folder: Path) -> dict[str, str]:
    """The digest of every script, by its name."""
    clear_caches()
    return {path.stem: code_digest.code_digest(path.name) for path in folder.glob("*.py")}


def stale_after(everything: Path, module: str, old: str, new: str) -> set[str]:
    """The scripts whose digest changes by an edit."""
    before = digests(everything)
    edit(everything / "prunescope" / f"{module}.py", old, new)
    after = digests(everything)
    return {script for script in before if after[script] != before[script]}


TRAINING = {
    "train_dense", "retrain_network", "prune_gradually", "regrow_network", "recalibrate_network",
}  # fmt: skip


def test_a_word_about_statistics_reaches_few_scripts(everything: Path) -> None:
    """The schemas of tables lie with the stage that writes them."""
    stale = stale_after(
        everything, "summarize/study_tables", '"what is estimated"', '"what the estimate is of"'
    )
    assert "estimate_statistics" in stale
    assert len(stale) <= 14
    assert not stale & TRAINING


def test_decoding_reaches_only_what_reads_image_files(everything: Path) -> None:
    stale = stale_after(everything, "data/decoding", "FORMATS = (", 'FORMATS = ("BMP", ')
    # Some criteria are measured on training images.
    assert stale == {"pack_sample", "copy_train_images", "prune_measured_network", *TRAINING}
