"""Lock files: complete, hashed, without addresses; the conda files follow them."""

import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

ENVIRONMENT = Path(__file__).resolve().parents[2] / "envs"


LOCKS = ["requirements", "perceptual", "watch"]


def _lock(name: str) -> str:
    return (ENVIRONMENT / f"{name}.txt").read_text(encoding="utf-8")


def _pinned(name: str) -> set[str]:
    return set(re.findall(r"^[A-Za-z0-9._-]+==[^\s;]+", _lock(name), flags=re.MULTILINE))


def _names(text: str) -> set[str]:
    return {name.lower() for name in re.findall(r"^([A-Za-z0-9._-]+)", text, flags=re.MULTILINE)}


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_holds_every_direct_dependency(name: str) -> None:
    direct = _names((ENVIRONMENT / f"{name}.in").read_text(encoding="utf-8"))
    assert direct
    assert direct <= _names(_lock(name))


@pytest.mark.parametrize("name", LOCKS)
def test_every_locked_package_is_pinned_and_hashed(name: str) -> None:
    packages = re.split(r"\n(?=\S)", _lock(name).strip())
    assert len(packages) > (10 if name == "watch" else 50)
    for package in packages:
        assert re.match(r"^[A-Za-z0-9._-]+==\S+", package), package[:80]
        assert "--hash=sha256:" in package, package[:80]


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_names_no_address(name: str) -> None:
    assert "://" not in _lock(name)


@pytest.mark.parametrize(
    ("name", "package"), [("perceptual", "dreamsim"), ("watch", "tensorboard")]
)
def test_an_optional_environment_changes_no_version_of_the_default_one(
    name: str, package: str
) -> None:
    default, optional = _pinned("requirements"), _pinned(name)
    names = {pin.partition("==")[0] for pin in default}
    assert {pin for pin in optional if pin.partition("==")[0] in names} <= default
    assert package not in names


@pytest.mark.parametrize(
    ("name", "locks"),
    [("prunescope", LOCKS[:1]), ("perceptual", LOCKS[:2])],
    ids=["default", "all"],
)
def test_the_conda_file_is_made_from_the_locks(name: str, locks: list[str]) -> None:
    made = runpy.run_path(str(ENVIRONMENT / "make_conda.py"))["render"](name)
    path = ENVIRONMENT / f"{name}.yaml"
    assert made == path.read_text(encoding="utf-8"), "run `make lock`"
    pip = yaml.safe_load(made)["dependencies"][-1]["pip"]
    expected = set.union(*(_pinned(lock) for lock in locks))
    assert {re.split(r"[\s;]", requirement)[0] for requirement in pip} == expected


# --- every Python that the Makefile takes --------------------------------------------------------

MAKEFILE = ENVIRONMENT.parent / "Makefile"
(TAKEN,) = re.findall(
    r"^PYTHONS := (.+)$", MAKEFILE.read_text(encoding="utf-8"), flags=re.MULTILINE
)
PYTHONS = [name.removeprefix("python") for name in TAKEN.split()]
# Packages that have no wheel: for any Python, and for one that is newer than they are.
SOURCES = {"connection-pool", "dreamsim"}
SOURCES_BY_PYTHON = {"3.14": {"immutables"}}


def resolve(
    lock: Path, python: str, folder: Path, sources: set[str]
) -> subprocess.CompletedProcess[str]:
    """Let uv find all packages of a lock file for a Python, without installing them.

    Whether each has a wheel for Linux on x86-64, or may be built (`sources`), and whether the lock
    holds what each needs. Checksums are compared only where something is installed.
    """
    uv = shutil.which("uv")
    if uv is None:
        pytest.skip("uv is not on the PATH: `pip install uv` in an environment of its own")
    done = subprocess.run(
        [uv, "pip", "install", "--dry-run", "--no-config", "--require-hashes",
         "--python", sys.executable, "--python-version", python, "--target", folder / "none",
         "--python-platform", "x86_64-manylinux_2_28", "--only-binary", ":all:",
         *(f"--no-binary={name}" for name in sorted(sources)), "-r", lock],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if "Failed to fetch" in done.stderr:
        pytest.skip(f"no network: {done.stderr.strip().splitlines()[-1]}")
    return done


def test_the_documents_name_the_pythons_of_the_makefile() -> None:
    page = (ENVIRONMENT.parent / "docs" / "dependencies.md").read_text(encoding="utf-8")
    _, _, section = page.partition("\n## Which Python\n")
    assert re.findall(r"^\| (3\.\d+) \|", section, flags=re.MULTILINE) == PYTHONS


@pytest.mark.slow
@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_is_complete_for_every_python(name: str, python: str, tmp_path: Path) -> None:
    sources = SOURCES | SOURCES_BY_PYTHON.get(python, set())
    done = resolve(ENVIRONMENT / f"{name}.txt", python, tmp_path, sources)
    assert done.returncode == 0, done.stderr[-2000:]
    found = dict(re.findall(r"^ \+ ([\w.-]+)==(\S+)$", done.stderr, flags=re.MULTILINE))
    direct = _names((ENVIRONMENT / f"{name}.in").read_text(encoding="utf-8"))
    assert direct <= set(found)
    assert {f"{package}=={version}" for package, version in found.items()} <= _pinned(name)


@pytest.mark.slow
def test_a_package_that_a_lock_lacks_is_found(tmp_path: Path) -> None:
    text = _lock("requirements")
    without = re.sub(r"^yte==(?:.*\n)(?: .*\n)*", "", text, flags=re.MULTILINE)
    assert without != text
    (tmp_path / "requirements.txt").write_text(without, encoding="utf-8")
    done = resolve(tmp_path / "requirements.txt", "3.13", tmp_path, SOURCES)
    assert done.returncode != 0
    assert "yte" in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("python", SOURCES_BY_PYTHON)
def test_a_package_without_wheels_is_found(python: str, tmp_path: Path) -> None:
    done = resolve(ENVIRONMENT / "requirements.txt", python, tmp_path, SOURCES)
    assert done.returncode != 0
    (package,) = SOURCES_BY_PYTHON[python]
    assert package in done.stderr
    assert "no usable wheels" in done.stderr
