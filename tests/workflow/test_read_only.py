"""A finished study where nothing may be written: it can be verified and planned, and not run."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from workspaces import TINY, Workspace

pytestmark = pytest.mark.slow

ACCOUNTING = "results/tiny/networks/structured/none/rate0.30/seed0/accounting.parquet"


@contextmanager
def protected(workspace: Workspace) -> Iterator[None]:
    """Let the file system of the project take no write, also of root."""
    folder = str(workspace.folder)
    mounted = subprocess.run(["mount", "--bind", folder, folder], capture_output=True, text=True)
    if mounted.returncode:
        pytest.skip(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
        yield
    finally:
        subprocess.run(["umount", "--lazy", folder], check=True)


def tool(workspace: Workspace, name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, f"workflow_scripts/tools/{name}.py", "--configfile", TINY],
        cwd=workspace.folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": "workflow_scripts"},
    )  # fmt: skip


def test_it_is_verified_and_planned_but_not_run(finished: Workspace) -> None:
    with protected(finished):
        with pytest.raises(OSError, match="Read-only"):
            finished.path("new").touch()
        verified, planned = tool(finished, "verify_results"), tool(finished, "plan_study")
        assert finished.stale() == {}
        run = finished.snakemake("--force", ACCOUNTING)
    assert verified.returncode == 0, verified.stderr
    assert "files are as their jobs wrote them" in verified.stdout
    assert "Nothing to do: every result is there and up to date" in planned.stdout, planned.stderr
    assert run.returncode != 0
    assert f"{finished.folder}/.snakemake may not be written" in run.stderr
    assert "Traceback" not in run.stderr


def test_what_is_damaged_and_what_is_stale_are_named(
    finished: Workspace, edit: Callable[[Path, str, str], None]
) -> None:
    edit(finished.path(TINY), "tau: 0.16", "tau: 0.17")
    path = finished.path(ACCOUNTING)
    content, status = path.read_bytes(), path.stat()
    path.write_bytes(content[:-1])
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    try:
        with protected(finished):
            verified, stale = tool(finished, "verify_results"), finished.stale()
    finally:
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert verified.returncode != 0
    assert verified.stderr.startswith("verify: 1 of ")
    assert f"  - {ACCOUNTING}: not a whole" in verified.stderr
    assert f"Rebuild it: `.venv/bin/snakemake --cores all --force {ACCOUNTING}`" in verified.stderr
    assert "Traceback" not in verified.stderr
    assert stale["score_mis"] == 9


@pytest.mark.parametrize("kind", ["read-only", "broken link"])
def test_results_that_cannot_be_written_stop_a_run_before_its_first_job(
    blank: Workspace, kind: str
) -> None:
    """What was made is gone, and must be made anew: nothing tells Snakemake that it cannot."""
    results = Workspace(blank.path("results"))
    if kind == "broken link":
        results.folder.symlink_to("gone")
        done = blank.snakemake(ACCOUNTING)
        assert "): a link to gone, which is gone" in done.stderr
    else:
        results.folder.mkdir()
        with protected(results):
            done = blank.snakemake(ACCOUNTING)
        assert "results (for results/" in done.stderr
        assert "): may not be written. Make it writable for you" in done.stderr
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "Finished jobid" not in done.stderr
