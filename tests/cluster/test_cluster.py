"""The tiny study through sbatch: the same bytes as on this machine."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from workspaces import Workspace, copy_project, temporary_project

from cluster.slurm import Cluster
from cluster.submission import PROFILE, fill_in, submit

pytestmark = pytest.mark.slow

# What the run said on its error stream.
SAID = "said.txt"
TABLES = ["networks", "units", "layers", "classes", "disagreements", "history", "statistics"]


@pytest.fixture(scope="module")
def submitted(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workspace]:
    """The tiny study, every step of it a SLURM job."""
    with temporary_project(tmp_path_factory, "submitted") as workspace:
        fill_in(workspace)
        done = submit(workspace, cluster, "--logger", "prunescope")
        assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
        workspace.path(SAID).write_text(done.stderr)
        yield workspace


@pytest.mark.parametrize("key", ["slurm_partition", "slurm_account", "gpu_model"])
def test_a_profile_that_is_not_filled_in_stops_before_any_job(
    cluster: Cluster, tmp_path: Path, key: str
) -> None:
    workspace = copy_project(tmp_path)
    path = workspace.path(f"{PROFILE}/profile.yaml")
    lines = path.read_text().splitlines(keepends=True)
    filled = [re.sub(rf"(?!{key})(\b\w+): FILL_IN", r"\1: some", line) for line in lines]
    path.write_text("".join(filled))
    done = submit(workspace, cluster)
    assert done.returncode != 0
    assert f"{key} is still FILL_IN" in done.stdout + done.stderr
    assert "docs/slurm.md" in done.stdout + done.stderr
    assert not workspace.path("results/datasets").exists()


def test_the_cluster_makes_the_same_bytes(submitted: Workspace, finished: Workspace) -> None:
    for table in TABLES:
        path = f"results/tiny/tables/{table}.parquet"
        assert submitted.path(path).read_bytes() == finished.path(path).read_bytes(), table


def test_every_step_was_a_job_of_the_cluster(submitted: Workspace, cluster: Cluster) -> None:
    jobs = cluster.run("squeue", "-h", "--states=all", "-o", "%T %Z").splitlines()
    states = [job.split()[0] for job in jobs if job.endswith(f" {submitted.folder}")]
    assert len(states) >= 30
    assert set(states) == {"COMPLETED"}


def test_a_run_on_a_cluster_says_how_far_it_is(submitted: Workspace) -> None:
    said = submitted.path(SAID).read_text()
    assert len(said.splitlines()) < 150
    total = re.search(r"^tiny: (\d+) jobs", said, re.M)
    assert total, said
    assert re.search(rf"^\d+ of {total[1]} jobs, \d+:\d\d gone.*; now: ", said, re.M)
    assert re.search(r"; now: .*\d+ jobs? queued or just ended$", said, re.M)
    assert re.search(rf"^done: {total[1]} jobs in ", said, re.M)
    assert "FAILED" not in said
    assert "Traceback" not in said
