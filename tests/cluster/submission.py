"""Snakemake as on a login node of the tests' cluster."""

import subprocess
import sys

import yaml
from workspaces import TINY, Workspace

from cluster.slurm import Cluster

PROFILE = "profiles/slurm"
# Steps that are short for small images.
SHORT_HERE = ("evaluate_network", "find_exemplars", "record_activations")
# A limit for a cluster that hangs, not for one that is slow.
MINUTES = 30


def fill_in(workspace: Workspace, **training: object) -> None:
    """Do what docs/slurm.md asks a user to do, for the tests' cluster.

    `training` are more resources of `train_dense`.
    """
    path = workspace.path(f"{PROFILE}/profile.yaml")
    profile = yaml.safe_load(path.read_text())
    profile["default-resources"] = {"slurm_partition": "cpu"}
    profile["slurm-no-account"] = True
    for resources in profile["set-resources"].values():
        if "gpu_model" in resources:
            resources |= {"slurm_partition": "gpu", "gpu_model": "fake"}
    profile["set-resources"]["train_dense"] |= training
    # The nodes have more cores than this machine: not too many jobs at a time. Nor too few: after a
    # look at which no job was done, the plugin waits ten seconds longer than before.
    profile["jobs"] = 8
    # Sums depend on the number of threads: as many as in the run that this one is compared with.
    del profile["set-threads"]
    # To save time: on few cores, a job costs more than what it does.
    profile["groups"] |= dict.fromkeys(SHORT_HERE, "short")
    profile["group-components"]["short"] = 3
    profile["slurm-init-seconds-before-status-checks"] = 3
    profile["latency-wait"] = 5
    path.write_text(yaml.safe_dump(profile))


def command(*arguments: str, config: str = TINY) -> list[str]:
    """Arguments of a process that submits."""
    start = [sys.executable, "-m", "snakemake", "--profile", PROFILE, "--configfile", config]
    return [*start, *arguments]


def environment(cluster: Cluster) -> dict[str, str]:
    """What Snakemake finds the logger of `make results` by, if it is asked for, is on the path."""
    return {**cluster.environment, "PYTHONPATH": "workflow_scripts"}


def submit(workspace: Workspace, cluster: Cluster, *arguments: str) -> subprocess.CompletedProcess:
    """Run snakemake to its end."""
    return subprocess.run(
        command(*arguments),
        cwd=workspace.folder,
        env=environment(cluster),
        capture_output=True,
        text=True,
        timeout=60 * MINUTES,
        check=False,
    )
