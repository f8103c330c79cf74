"""What Snakemake would write in a folder, and may not, is found before it tries."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from prunescope.study.run import snakemake_notes


@pytest.fixture
def protect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Forbid writing to a path below the working folder: root may write whatever the mode says."""
    monkeypatch.chdir(tmp_path)
    forbidden: set[Path] = set()
    allowed = os.access

    def access(path: Path, mode: int) -> bool:
        return path.resolve() not in forbidden and allowed(path, mode)

    monkeypatch.setattr(os, "access", access)
    return lambda name: forbidden.add((tmp_path / name).resolve())


def take_notes() -> None:
    for name in ("locks", "iocache", "metadata"):
        Path(".snakemake", name).mkdir(parents=True)
    Path(".snakemake/iocache/latest.pkl").touch()


@pytest.mark.parametrize("notes", [False, True])
def test_an_open_folder(protect: Callable[[str], None], notes: bool) -> None:
    if notes:
        take_notes()
    assert snakemake_notes.unwritable() is None


def test_a_folder_without_notes(protect: Callable[[str], None], tmp_path: Path) -> None:
    protect(".")
    assert snakemake_notes.unwritable() == tmp_path


@pytest.mark.parametrize("name", ["", "/locks", "/iocache", "/iocache/latest.pkl", "/metadata"])
def test_one_place_that_is_protected(
    protect: Callable[[str], None], tmp_path: Path, name: str
) -> None:
    take_notes()
    protect(f".snakemake{name}")
    assert snakemake_notes.unwritable() == tmp_path / f".snakemake{name}"


def test_notes_may_lie_elsewhere(protect: Callable[[str], None], tmp_path: Path) -> None:
    """A protected folder with notes that may be written is no obstacle."""
    take_notes()
    protect(".")
    assert snakemake_notes.unwritable() is None
