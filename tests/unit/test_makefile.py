"""What `make` hands to the programs it starts, and what `make clean` removes."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

MAKEFILE = Path(__file__).resolve().parents[2] / "Makefile"
# Stands for every program of the environment: it writes down its arguments. A plan finds nothing to
# do.
RECORD = f"""#!{sys.executable}
import json, os, sys
name = os.path.basename(sys.argv[0])
with open("said.json", "a") as said:
    print(json.dumps([name, *sys.argv[1:]]), file=said)
if "--dry-run" in sys.argv:
    print("Nothing to be done (all requested files are present and up to date).")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the Makefile and an environment that only writes down what it is asked."""
    shutil.copy(MAKEFILE, tmp_path)
    (tmp_path / "envs").mkdir()
    (tmp_path / "envs/requirements.txt").touch()
    for name in ("snakemake", "python"):
        program = tmp_path / ".venv/bin" / name
        program.parent.mkdir(parents=True, exist_ok=True)
        program.write_text(RECORD)
        program.chmod(0o755)
    (tmp_path / ".venv/.ready").touch()
    (tmp_path / "config.yaml").touch()
    return tmp_path


def make(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run make as a user does, whatever make runs these tests."""
    inherited = {name: value for name, value in os.environ.items() if "MAKE" not in name}
    return subprocess.run(
        ["make", *arguments], cwd=project, env={**inherited, **environment},
        capture_output=True, text=True, check=False,
    )  # fmt: skip


def said(project: Path) -> list[list[str]]:
    return [json.loads(line) for line in (project / "said.json").read_text().splitlines()]


def test_make_alone_explains_itself_on_one_screen(project: Path) -> None:
    done = make(project)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert len(lines) <= 24
    assert max(map(len, lines)) <= 80
    (targets,) = re.findall(r"^\.PHONY: (.+)$", MAKEFILE.read_text(encoding="utf-8"), flags=re.M)
    named = re.findall(r"make ([a-z-]+)", done.stdout)
    assert sorted(named) == sorted(set(targets.split()) - {"help"})


CONFIGS = [
    "config/tiny.yaml",
    "my study.yaml",
    'it\'s "mine"; $(touch here) & `co` {x} \\ #1.yaml',
    "caf\N{LATIN SMALL LETTER E WITH ACUTE} $HOME.yaml",
]
TARGETS = ["fetch", "plan", "status", "doctor", "config", "results", "report", "verify", "unlock"]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("config", CONFIGS)
@pytest.mark.parametrize("set_by", ["argument", "environment"])
def test_a_config_of_any_name_is_one_argument(
    project: Path, target: str, config: str, set_by: str
) -> None:
    (project / config).parent.mkdir(exist_ok=True)
    (project / config).touch()
    if set_by == "argument":
        done = make(project, target, f"CONFIG={config}")
    else:
        done = make(project, target, CONFIG=config)
    assert done.returncode == 0, done.stderr
    for _, *arguments in said(project):
        place = arguments.index("--configfile")
        assert arguments[place + 1] == config
        # All that follows would be taken for more configs.
        assert arguments[place + 2 : place + 3] == [] or arguments[place + 2].startswith("--")
    assert not (project / "here").exists()


@pytest.mark.parametrize("target", ["fetch", "results", "verify", "unlock"])
def test_a_config_that_is_not_there_is_told_before_anything_starts(
    project: Path, target: str
) -> None:
    done = make(project, target, "CONFIG=it's nowhere.yaml")
    assert done.returncode != 0
    assert done.stderr.startswith(f"{target}: it's nowhere.yaml is not there. Name a config: make")
    assert not (project / "said.json").exists()


def test_targets_of_snakemake_are_no_configs(project: Path) -> None:
    assert make(project, "fetch").returncode == 0
    ((_, target, *_),) = said(project)
    assert target == "fetch"


def test_verify_fails_where_something_is_stale(project: Path) -> None:
    stale = RECORD.replace("Nothing to be done", "1 job")
    (project / ".venv/bin/snakemake").write_text(stale)
    done = make(project, "verify")
    assert done.returncode != 0
    assert "verify: results are stale, or not there yet" in done.stderr
    assert "1 job" in done.stdout


def test_unlock_unlocks(project: Path) -> None:
    (project / "a b.yaml").touch()
    assert make(project, "unlock", "CONFIG=a b.yaml").returncode == 0
    assert said(project) == [["snakemake", "--unlock", "--configfile", "a b.yaml"]]


def test_other_variables_are_quoted(project: Path) -> None:
    assert make(project, "results", "CORES=2; touch here").returncode == 0
    assert make(project, "benchmark", "ONLY=scores it's", "RUNS=3 4").returncode == 0
    results, benchmark = said(project)
    assert results[1:3] == ["--cores", "2; touch here"]
    # Keys are several words.
    assert benchmark[-5:] == ["--only", "scores", "it's", "--whole-runs", "3 4"]
    assert not (project / "here").exists()


PYTHONS = [f"python3.{minor}" for minor in range(11, 15)]


def bare(project: Path, *pythons: str) -> str:
    """No environment, and a PATH of make's own tools and interpreters that write down their use.

    What is said to be broken is there but does not run, as the shims of pyenv are.
    """
    (project / ".venv/.ready").unlink()
    tools = project / "tools"
    tools.mkdir()
    for name in ("make", "bash", "touch"):
        (tools / name).symlink_to(str(shutil.which(name)))
    for name in pythons:
        program = tools / name.removeprefix("broken ")
        program.write_text("#!/nowhere\n" if "broken" in name else RECORD)
        program.chmod(0o755)
    return str(tools)


@pytest.mark.parametrize(
    ("there", "taken"),
    [
        (PYTHONS, "python3.11"),
        (PYTHONS[::-1], "python3.11"),
        (["python3.14", "python3.13"], "python3.13"),
        (["broken python3.11", "broken python3.12", "python3.14"], "python3.14"),
    ],
)
def test_the_first_python_that_runs_makes_the_environment(
    project: Path, there: list[str], taken: str
) -> None:
    done = make(project, "setup", PATH=bare(project, *there))
    assert done.returncode == 0, done.stderr
    assert [taken, "-m", "venv", ".venv"] in said(project)
    assert [name for name, *use in said(project) if use[1:2] == ["venv"]] == [taken]
    assert (project / ".venv/.ready").exists()


@pytest.mark.parametrize("set_by", ["argument", "environment"])
def test_a_python_that_is_named_is_taken(project: Path, set_by: str) -> None:
    path = bare(project, *PYTHONS, "my python")
    if set_by == "argument":
        done = make(project, "setup", "PYTHON=my python", PATH=path)
    else:
        done = make(project, "setup", PATH=path, PYTHON="my python")
    assert done.returncode == 0, done.stderr
    assert said(project)[0] == ["my python", "-m", "venv", ".venv"]


def test_a_python_that_is_not_there_is_named(project: Path) -> None:
    path = bare(project, "python3.10")
    for arguments, name in (["PYTHON=/my python's/3.11"], "/my python's/3.11"), ([], "Python"):
        done = make(project, "config", *arguments, PATH=path)
        assert done.returncode != 0
        assert f"{name} not found: install one of {' '.join(PYTHONS)}, or name it" in done.stderr
    assert not (project / "said.json").exists()


def fill(results: Path) -> None:
    """A folder of results with the page that a clone has, and a study with a page of that name."""
    (results / "tiny/networks").mkdir(parents=True)
    for name in ("README.md", "tiny/README.md", "tiny/networks/x y.json", ".hidden"):
        (results / name).write_text("text")


def left_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("linked", [False, True])
def test_clean_removes_all_but_the_page(project: Path, linked: bool) -> None:
    folder = project / ("else where" if linked else "results")
    fill(folder)
    if linked:
        (project / "results").symlink_to(folder.name)
    done = make(project, "clean")
    assert (done.returncode, done.stderr) == (0, "")
    assert left_in(folder) == ["README.md"]
    assert (project / "results").is_symlink() == linked


def test_clean_names_links_whose_content_stays(project: Path) -> None:
    fill(project / "results")
    data = project / "data"
    data.mkdir()
    (data / "images.npy").touch()
    (project / "results/datasets").symlink_to(data)
    (project / "results/broken").symlink_to("nowhere")
    done = make(project, "clean")
    assert done.returncode == 0
    assert f"results/datasets was a link: what it leads to stays, {data}\n" in done.stdout
    assert "results/broken was a link: what it leads to stays, nowhere\n" in done.stdout
    assert left_in(project / "results") == ["README.md"]
    assert left_in(data) == ["images.npy"]


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("link to nothing", "clean: results is a link to nowhere, where no folder is."),
        ("link to a file", "clean: results is a link to Makefile, where no folder is."),
        ("file", "clean: results is a file, not a folder."),
    ],
)
def test_clean_says_why_it_removes_nothing(project: Path, kind: str, message: str) -> None:
    results = project / "results"
    if kind == "file":
        results.touch()
    else:
        results.symlink_to("nowhere" if kind == "link to nothing" else "Makefile")
    done = make(project, "clean")
    assert done.returncode != 0
    assert message in done.stderr
    assert (project / "Makefile").exists()
    assert os.path.lexists(results)


def test_without_results_there_is_nothing_to_clean(project: Path) -> None:
    done = make(project, "clean")
    assert done.returncode == 0
    assert "there is no folder results" in done.stdout
