"""Whatever breaks costs time, never results: runs that are killed, jobs that race."""

import os
import random
import signal
import subprocess
import sys
import time

import pytest
from workspaces import TINY, Workspace

pytestmark = pytest.mark.slow

KILLS = 20
TABLES = ["networks", "units", "layers", "classes", "disagreements", "history", "statistics"]
FOLDER = "results/tiny/networks/global_unstructured/one_shot/rate0.60/seed0"


def start(workspace: Workspace, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-m", "snakemake", "--configfile", TINY, "--cores", "2", *arguments],
        cwd=workspace.folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": ""},
    )


def assert_same_tables(workspace: Workspace, finished: Workspace) -> None:
    for table in TABLES:
        path = f"results/tiny/tables/{table}.parquet"
        assert workspace.path(path).read_bytes() == finished.path(path).read_bytes(), table


def test_snakemake_killed_at_random_moments_makes_the_same_tables(
    finished: Workspace, blank: Workspace
) -> None:
    chance, killed = random.Random(0), 0
    for _ in range(KILLS):
        process = start(blank)
        # A start takes about two seconds, a job from one to ten.
        time.sleep(chance.uniform(1, 6))
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            killed += 1
        process.wait()
        assert blank.snakemake("--unlock").returncode == 0
    # A fast machine is done before the last of them.
    assert killed >= KILLS // 4
    done = blank.snakemake()
    assert done.returncode == 0, done.stderr[-4000:]
    assert_same_tables(blank, finished)
    assert blank.snakemake("verify_study").returncode == 0
    left = {path.name for path in blank.path("results").rglob(".*") if path.is_file()}
    # Snakemake marks folders that are outputs.
    assert left <= {".snakemake_timestamp"}
