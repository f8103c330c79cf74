"""The code digest changes with what code does, and with nothing else."""

import json
import shutil
from collections.abc import Callable
from contextvars import copy_context
from pathlib import Path

import pytest

from prunescope.foundation import code_digest, provenance

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


def digest(script: str = "score.py") -> str:
    clear_caches()
    return code_digest.code_digest(script)


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
    with (library / "prunescope" / f"{module}.py").open("a") as file:
        file.write("\nADDED = 1\n")
    assert (digest() != before) == stale


# --- records -------------------------------------------------------------------------------------


def in_job(description: dict, function: Callable) -> object:
    def job() -> object:
        provenance.set_current(description)
        return function()

    return copy_context().run(job)


def test_outside_of_a_job_there_is_no_provenance() -> None:
    assert copy_context().run(provenance.current) == {}
    assert copy_context().run(provenance.dumps) == "{}"


def test_the_provenance_of_a_job_is_json_in_one_order() -> None:
    text = in_job({"rule": "prune", "params": {"b": 1, "a": 2}}, provenance.dumps)
    assert text == in_job({"params": {"a": 2, "b": 1}, "rule": "prune"}, provenance.dumps)
    assert json.loads(text) == {"rule": "prune", "params": {"a": 2, "b": 1}}


def test_a_record_says_what_ran_and_not_where_or_when(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import numpy

    record = provenance.record("prune", {"seed": "1"}, {"rate": 0.2})
    assert record["rule"] == "prune"
    assert record["wildcards"] == {"seed": "1"}
    assert record["params"] == {"rate": 0.2}
    assert record["versions"]["numpy"] == numpy.__version__
    monkeypatch.chdir(tmp_path)
    assert json.dumps(provenance.record("prune", {"seed": "1"}, {"rate": 0.2})) == json.dumps(
        record
    )
