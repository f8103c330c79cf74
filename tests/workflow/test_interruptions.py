"""Jobs and whole runs that are cut off: the next try goes on, to the same bytes."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from workspaces import TINY, Workspace, copy_project, temporary_project

pytestmark = pytest.mark.slow

FOLDER = "results/tiny/networks/global_unstructured/one_shot/rate0.60/seed0"
NETWORK = f"{FOLDER}/network.safetensors"
SECONDS = 300


def lengthen(workspace: Workspace, finished: Workspace) -> None:
    """Give it the tiny study, with a retraining that takes a while."""
    shutil.copytree(finished.path("results"), workspace.path("results"))
    shutil.copytree(finished.path(".snakemake"), workspace.path(".snakemake"))
    text = workspace.path(TINY).read_text()
    assert text.count("steps: 3\n") == 1
    workspace.path(TINY).write_text(text.replace("steps: 3\n", "steps: 40\n"))


@pytest.fixture(scope="module")
def undisturbed(finished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    with temporary_project(tmp_path_factory, "undisturbed") as workspace:
        lengthen(workspace, finished)
        done = workspace.snakemake(NETWORK)
        assert done.returncode == 0, done.stderr
        return contents(workspace)


def contents(workspace: Workspace) -> dict[str, bytes]:
    return {
        name: workspace.path(f"{FOLDER}/{name}").read_bytes()
        for name in ("network.safetensors", "history.parquet")
    }


@pytest.fixture
def run(finished: Workspace, tmp_path: Path) -> Iterator[tuple[Workspace, subprocess.Popen]]:
    """A run under way that saves its training after every step."""
    workspace = copy_project(tmp_path)
    lengthen(workspace, finished)
    process = subprocess.Popen(
        [
            sys.executable, "-m", "snakemake", "--configfile", TINY, "--cores", "2",
            "--set-resources", "retrain_network:save_state_seconds=0", "--", NETWORK,
        ],
        cwd=workspace.folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": ""},
    )  # fmt: skip
    yield workspace, process
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_for(condition: Callable[[], object], process: subprocess.Popen) -> None:
    end = time.monotonic() + SECONDS
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < end
        time.sleep(0.01)


def job_of(workspace: Workspace) -> int:
    """The process that runs the script of the retraining."""
    pattern = f"{workspace.folder}/.snakemake/scripts/.*retrain_network.py"
    found = subprocess.run(["pgrep", "-f", "-n", pattern], capture_output=True, check=True)
    return int(found.stdout)


def test_a_job_that_gets_sigterm_is_tried_again_and_goes_on(
    run: tuple[Workspace, subprocess.Popen], undisturbed: dict[str, bytes]
) -> None:
    workspace, process = run
    wait_for(lambda: list(workspace.path(FOLDER).glob("training.*.safetensors")), process)
    os.kill(job_of(workspace), signal.SIGTERM)
    output, _ = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, output
    assert "asked to stop after step" in output
    assert "Trying to restart job" in output
    log = workspace.path(f"{FOLDER.replace('results', 'results/logs')}/retrain_network.log")
    assert "going on from" in log.read_text()
    assert contents(workspace) == undisturbed
    assert not list(workspace.path(FOLDER).glob("training.*"))


def test_a_run_that_was_killed_goes_on_when_started_again(
    run: tuple[Workspace, subprocess.Popen], undisturbed: dict[str, bytes]
) -> None:
    workspace, process = run
    wait_for(lambda: list(workspace.path(FOLDER).glob("training.*.safetensors")), process)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    locked = workspace.snakemake(NETWORK)
    assert locked.returncode != 0
    assert f"{workspace.folder} is locked: another run is under way here" in locked.stderr
    assert f"make unlock CONFIG={workspace.path(TINY)}\n" in locked.stderr
    for command in (["--unlock"], [NETWORK]):
        done = workspace.snakemake(*command)
        assert done.returncode == 0, done.stderr
    log = workspace.path(f"{FOLDER.replace('results', 'results/logs')}/retrain_network.log")
    assert "going on from" in log.read_text()
    assert contents(workspace) == undisturbed


def test_an_orphan_of_a_killed_snakemake_does_no_harm(
    run: tuple[Workspace, subprocess.Popen], undisturbed: dict[str, bytes]
) -> None:
    workspace, process = run
    wait_for(lambda: list(workspace.path(FOLDER).glob("training.*.safetensors")), process)
    orphan = job_of(workspace)
    process.kill()  # Snakemake alone
    process.wait()
    assert Path(f"/proc/{orphan}").exists()
    for command in (["--unlock"], [NETWORK]):
        done = workspace.snakemake(*command)
        assert done.returncode == 0, done.stderr
    assert contents(workspace) == undisturbed
    end = time.monotonic() + SECONDS
    while Path(f"/proc/{orphan}").exists():
        assert time.monotonic() < end, "the orphan is still there"
        time.sleep(0.1)
    assert contents(workspace) == undisturbed
