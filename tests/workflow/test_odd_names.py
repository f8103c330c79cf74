"""Folders and files whose names mean something to shells and to Snakemake."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from workspaces import TINY, Workspace, copy_project

pytestmark = pytest.mark.slow

ODD = "it's a {study}, {0} {}; $(touch here)"
CONFIG = f"config/{ODD}.yaml"
NETWORKS = "results/tiny/networks"
# Some scripts more than a run needs before they share what they import.
TARGETS = [
    f"{NETWORKS}/{network}/accounting.parquet"
    for network in (
        "dense/none/rate0.00/seed0",
        "untrained/none/rate0.00/seed0",
        "structured/none/rate0.30/seed0",
    )
]


@pytest.fixture
def odd(tmp_path: Path) -> Workspace:
    """A project in an odd folder, with its environment, and its config in an odd file."""
    (tmp_path / ODD).mkdir()
    workspace = copy_project(tmp_path / ODD)
    workspace.path(".venv").symlink_to(sys.prefix)
    shutil.copy(workspace.path(TINY), workspace.path(CONFIG))
    return workspace


def snakemake(
    workspace: Workspace, temporary: Path, *arguments: str
) -> subprocess.CompletedProcess[str]:
    python = str(workspace.path(".venv/bin/python"))
    return subprocess.run(
        [python, "-m", "snakemake", "--cores", "2", *arguments, "--configfile", CONFIG],
        cwd=workspace.folder, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONPATH": "", "TMPDIR": str(temporary)},
    )  # fmt: skip


def test_the_project_its_files_and_the_temporary_folder_may_have_any_name(
    odd: Workspace, tmp_path: Path
) -> None:
    temporary = tmp_path / (ODD + "long" * 40)
    temporary.mkdir()
    done = snakemake(odd, temporary, *TARGETS)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert all(odd.path(target).exists() for target in TARGETS)
    assert "Nothing to be done" in snakemake(odd, temporary, "--dry-run", *TARGETS).stdout
    assert not [path for path in temporary.iterdir() if path.name.startswith("prunescope")]
    assert not list(tmp_path.rglob("here"))


def test_a_network_that_the_study_does_not_have_is_refused(blank: Workspace) -> None:
    for target in ("dense/one_shot/rate0.45", "structured/one_shot/rate0.30"):
        done = blank.snakemake(f"{NETWORKS}/{target}/seed0/network.safetensors")
        assert done.returncode != 0
        assert f"{target}/seed0/network.safetensors: the study `tiny` has no network" in done.stderr
        assert "Traceback" not in done.stderr
    assert not blank.path("results").exists()
