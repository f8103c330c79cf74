"""What tests of several folders share: the tiny study, run once, and a browser."""

import shutil
from collections.abc import Iterator
from typing import Any

import pytest
from browser import chromium
from filelock import FileLock
from workspaces import Workspace, copy_project, run_study


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Workspace:
    """The tiny study, run to its end. Tests that change it put everything back.

    Where tests run side by side, the first worker that needs it runs it, and each has its copy.
    """
    own = tmp_path_factory.mktemp("study")
    if worker_id == "master":
        return run_study(copy_project(own))
    shared = tmp_path_factory.getbasetemp().parent / "finished"
    with FileLock(f"{shared}.lock"):
        if not shared.exists():
            # Where the workflow lies may have any name.
            made = tmp_path_factory.mktemp("it's a {study}, {0}; $(touch here)")
            run_study(copy_project(made))
            made.rename(shared)
    # Times are copied too: Snakemake compares them.
    shutil.copytree(shared, own, dirs_exist_ok=True, symlinks=True)
    return Workspace(own)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Chromium; tests that ask for it are skipped where there is none."""
    with chromium() as started:
        yield started
