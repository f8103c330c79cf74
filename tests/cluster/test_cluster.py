"""The tiny study through sbatch: the same bytes as on this machine."""

import subprocess
import sys

import pytest
import yaml
from workspaces import TINY, Workspace, copy_project

from .slurm import Cluster

pytestmark = pytest.mark.slow

PROFILE = "profiles/slurm"
MINUTES = 10
TABLES = ["networks", "units", "classes", "history", "statistics"]


def fill_in(workspace: Workspace) -> None:
    """Do what docs/slurm.md asks a user to do, for the tests' cluster."""
    path = workspace.path(f"{PROFILE}/profile.yaml")
    profile = yaml.safe_load(path.read_text())
    profile["default-resources"] = {"slurm_partition": "main"}
    profile["slurm-no-account"] = True
    # The nodes have more cores than this machine: few jobs at a time.
    profile["jobs"] = 4
    del profile["set-resources"], profile["set-threads"]
    profile["group-components"] = dict.fromkeys(profile["group-components"], 2)
    profile["slurm-init-seconds-before-status-checks"] = 3
    profile["latency-wait"] = 5
    path.write_text(yaml.safe_dump(profile))


def submit(workspace: Workspace, cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess:
    """Run snakemake as on a login node."""
    return subprocess.run(
        [sys.executable, "-m", "snakemake", "--profile", PROFILE, "--configfile", TINY, *arguments],
        cwd=workspace.folder,
        env={**cluster.environment, "PYTHONPATH": ""},
        capture_output=True,
        text=True,
        timeout=60 * MINUTES,
        check=False,
    )


@pytest.fixture(scope="module")
def submitted(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The tiny study, every step of it a SLURM job."""
    workspace = copy_project(tmp_path_factory.mktemp("submitted"))
    fill_in(workspace)
    done = submit(workspace, cluster)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return workspace


def test_a_profile_that_is_not_filled_in_stops_before_any_job(
    cluster: Cluster, tmp_path_factory: pytest.TempPathFactory
) -> None:
    workspace = copy_project(tmp_path_factory.mktemp("blank"))
    done = submit(workspace, cluster)
    assert done.returncode != 0
    assert "slurm_partition is still FILL_IN" in done.stdout + done.stderr
    assert "docs/slurm.md" in done.stdout + done.stderr
    assert not workspace.path("results/datasets").exists()


def test_the_cluster_makes_the_same_bytes(submitted: Workspace, finished: Workspace) -> None:
    for table in TABLES:
        path = f"results/tiny/tables/{table}.parquet"
        assert submitted.path(path).read_bytes() == finished.path(path).read_bytes(), table


def test_every_step_was_a_job_of_the_cluster(submitted: Workspace, cluster: Cluster) -> None:
    states = cluster.run("squeue", "-h", "--states=all", "-o", "%T").split()
    assert len(states) >= 30
    assert set(states) == {"COMPLETED"}
