"""Workspaces on which real Snakemake runs."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from workspaces import Workspace, copy_project


@pytest.fixture
def blank(tmp_path: Path) -> Workspace:
    """The project without results."""
    return copy_project(tmp_path)


@pytest.fixture
def edit() -> Iterator[Callable[[Path, str, str], None]]:
    """Replace text in a file for the length of a test; the file's times are put back too."""
    saved: list[tuple[Path, bytes, tuple[int, int]]] = []

    def replace(path: Path, old: str, new: str) -> None:
        status = path.stat()
        saved.append((path, path.read_bytes(), (status.st_atime_ns, status.st_mtime_ns)))
        text = path.read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{old!r} stands {text.count(old)} times in {path}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    yield replace
    for path, content, times in reversed(saved):
        path.write_bytes(content)
        os.utime(path, ns=times)
