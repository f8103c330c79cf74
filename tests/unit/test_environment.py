"""Lock files: complete, hashed, without addresses; the conda files follow them."""

import re
import runpy
from pathlib import Path

import pytest
import yaml

ENVIRONMENT = Path(__file__).resolve().parents[2] / "envs"


LOCKS = ["requirements", "perceptual"]


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
    assert len(packages) > 50
    for package in packages:
        assert re.match(r"^[A-Za-z0-9._-]+==\S+", package), package[:80]
        assert "--hash=sha256:" in package, package[:80]


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_names_no_address(name: str) -> None:
    assert "://" not in _lock(name)


def test_the_optional_environment_changes_no_version_of_the_default_one() -> None:
    default, optional = (_pinned(name) for name in LOCKS)
    names = {pin.partition("==")[0] for pin in default}
    assert {pin for pin in optional if pin.partition("==")[0] in names} <= default
    assert "dreamsim" not in names


@pytest.mark.parametrize(
    ("name", "locks"), [("prunescope", LOCKS[:1]), ("perceptual", LOCKS)], ids=["default", "all"]
)
def test_the_conda_file_is_made_from_the_locks(name: str, locks: list[str]) -> None:
    made = runpy.run_path(str(ENVIRONMENT / "make_conda.py"))["render"](name)
    path = ENVIRONMENT / f"{name}.yaml"
    assert made == path.read_text(encoding="utf-8"), "run `make lock`"
    pip = yaml.safe_load(made)["dependencies"][-1]["pip"]
    expected = set.union(*(_pinned(lock) for lock in locks))
    assert {re.split(r"[\s;]", requirement)[0] for requirement in pip} == expected
