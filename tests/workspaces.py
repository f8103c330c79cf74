"""A copy of the project in an empty folder, on which real Snakemake runs."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[1]
PARTS = (
    "Snakefile", "config.yaml", "config", "networks", "resources", "rules", "workflow_scripts",
    "profiles", "envs",
)  # fmt: skip
TINY = "config/tiny.yaml"
# What a run of the study wrote to the two streams.
SAID, FOUND = "stderr.txt", "stdout.txt"
# A limit for a run that hangs, not for one that is slow.
MINUTES = 30


@dataclass(frozen=True)
class Workspace:
    """A folder with the project's files, in which snakemake is run."""

    folder: Path

    def path(self, name: str) -> Path:
        return self.folder / name

    def results(self, *arguments: str) -> subprocess.CompletedProcess:
        """Run snakemake as `make results` does, with the logger that shows the progress."""
        return self.snakemake("--logger", "prunescope", *arguments, path="workflow_scripts")

    def snakemake(
        self,
        *arguments: str,
        config: str = TINY,
        before: Callable[[], None] | None = None,
        path: str = "",
    ) -> subprocess.CompletedProcess:
        """Run snakemake in a process of its own; `before` runs in it first."""
        command = [
            sys.executable, "-m", "snakemake", "--configfile", config, "--cores", "2", *arguments
        ]  # fmt: skip
        return subprocess.run(
            command,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=60 * MINUTES,
            check=False,
            preexec_fn=before,
            env={**os.environ, "PYTHONPATH": path},
        )

    def stale(self, config: str = TINY, *targets: str) -> dict[str, int]:
        """How many jobs of each rule a dry run would execute, for a whole study or some files."""
        done = self.snakemake("--dry-run", "--", *targets, config=config)
        assert done.returncode == 0, done.stdout + done.stderr
        rows = re.findall(r"^([a-z_]+) +(\d+)$", done.stdout + done.stderr, flags=re.MULTILINE)
        return {rule: int(jobs) for rule, jobs in rows if rule not in ("all", "total")}


@contextmanager
def temporary_project(factory: pytest.TempPathFactory, name: str) -> Iterator[Workspace]:
    """A copy of the project in a folder that goes when its tests have ended: studies are large.

    It stays where it could not be prepared, so that one can see why.
    """
    workspace = copy_project(factory.mktemp(name))
    yield workspace
    shutil.rmtree(workspace.folder, ignore_errors=True)


def copy_project(folder: Path) -> Workspace:
    """Copy what a clone holds of the workflow into `folder`."""
    for name in PARTS:
        source, target = PROJECT / name, folder / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            shutil.copy(source, target)
    return Workspace(folder)


def run_study(workspace: Workspace) -> Workspace:
    """Run the tiny study; what it printed is kept in `SAID` and `FOUND`."""
    done = workspace.results()
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    workspace.path(SAID).write_text(done.stderr)
    workspace.path(FOUND).write_text(done.stdout)
    return workspace
