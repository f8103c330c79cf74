"""What a cluster does to a training: whatever it is, the network has the same bytes."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from workspaces import TINY, Workspace, copy_project

from .slurm import Cluster
from .submission import command, environment, fill_in

pytestmark = pytest.mark.slow

CONFIG = "config/long.yaml"
DENSE = "networks/dense/none/rate0.00/seed0"
NETWORK = f"results/tiny/{DENSE}/network.safetensors"
LOG = f"results/logs/tiny/{DENSE}/train_dense.log"
EPOCHS = 16
SECONDS = 400


@dataclass
class Training:
    """One training, submitted to the cluster by a Snakemake of its own."""

    workspace: Workspace
    cluster: Cluster
    process: subprocess.Popen

    @property
    def log(self) -> str:
        path = self.workspace.path(LOG)
        return path.read_text() if path.exists() else ""

    @property
    def said(self) -> str:
        return self.workspace.path("said").read_text()

    @property
    def job(self) -> str:
        """The number of its latest SLURM job."""
        found = self.cluster.run(
            "squeue", "-h", "--states=all", "--sort=i", "-o", "%i %Z").splitlines()  # fmt: skip
        own = [line.split()[0] for line in found if line.endswith(str(self.workspace.folder))]
        return own[-1]

    def wait(self, ready: Callable[[], bool]) -> None:
        end = time.monotonic() + SECONDS
        while not ready():
            assert time.monotonic() < end, self.said + self.log
            time.sleep(0.3)

    def wait_for_state(self) -> None:
        """Until there is something to go on from."""
        self.wait(lambda: len(re.findall("epoch [1-9]", self.log)) >= 2)

    def wait_for_end(self) -> None:
        self.wait(lambda: self.process.poll() is not None)
        assert self.process.returncode == 0, self.said + self.log


def lengthen(workspace: Workspace) -> None:
    """A training that takes long enough to be disturbed."""
    config = yaml.safe_load(workspace.path(TINY).read_text())
    config["recipes"]["from_scratch"]["epochs"] = EPOCHS
    workspace.path(CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))


@pytest.fixture(scope="module")
def undisturbed(finished: Workspace, tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The network as trained on this machine, and what its training reads."""
    workspace = copy_project(tmp_path_factory.mktemp("undisturbed"))
    lengthen(workspace)
    for name in ("results/datasets", ".snakemake"):
        shutil.copytree(finished.path(name), workspace.path(name))
    done = workspace.snakemake(NETWORK, config=CONFIG)
    assert done.returncode == 0, done.stderr[-4000:]
    return workspace


@pytest.fixture
def train(
    cluster: Cluster, undisturbed: Workspace, tmp_path: Path
) -> Iterator[Callable[..., Training]]:
    started: list[Training] = []

    def start(*arguments: str) -> Training:
        workspace = copy_project(tmp_path / str(len(started)))
        fill_in(workspace)
        lengthen(workspace)
        for name in ("results/datasets", ".snakemake"):
            shutil.copytree(undisturbed.path(name), workspace.path(name), dirs_exist_ok=True)
        with workspace.path("said").open("wb") as said:
            process = subprocess.Popen(
                command(NETWORK, *arguments, config=CONFIG),
                cwd=workspace.folder,
                env=environment(cluster),
                stdout=said,
                stderr=said,
            )
        started.append(Training(workspace, cluster, process))
        return started[-1]

    yield start
    for training in started:
        training.process.kill()
        training.process.wait()
    cluster.run("scancel", "--user=root")


def on(node: int, **resources: object) -> list[str]:
    """Arguments that keep a training on a node, with a state saved after every step."""
    wanted = {"slurm_extra": f"'--nodelist=n{node}'", "checkpoint_seconds": 0, **resources}
    return ["--set-resources", *(f"train_dense:{key}={value}" for key, value in wanted.items())]


def same(training: Training, undisturbed: Workspace) -> bool:
    return training.workspace.path(NETWORK).read_bytes() == undisturbed.path(NETWORK).read_bytes()


def test_trainings_that_are_stopped_go_on(
    cluster: Cluster, undisturbed: Workspace, train: Callable[..., Training]
) -> None:
    """Side by side, to save time: a time limit, a signal, a requeue, and too little memory."""
    limited = train(*on(1, runtime=1))
    signalled = train(*on(1))
    requeued = train(*on(1))
    starved = train(*on(1, mem_mb="350*attempt**3"))

    signalled.wait_for_state()
    first = signalled.job
    cluster.run("scancel", "--signal=TERM", "--full", first)
    requeued.wait_for_state()
    same_job = requeued.job
    cluster.run("scontrol", "requeue", same_job)

    for training in (limited, signalled, requeued, starved):
        training.wait_for_end()
        assert same(training, undisturbed)
    for training in (limited, signalled, requeued):
        assert "going on from" in training.log
    assert "SIGTERM" in limited.log
    assert "SIGTERM" in signalled.log
    assert signalled.job != first
    assert requeued.job == same_job
    assert "Trying to restart" in starved.said


def test_trainings_outlive_their_nodes(
    cluster: Cluster, undisturbed: Workspace, train: Callable[..., Training]
) -> None:
    """A daemon that is killed and started again, then a node that is lost with its job."""
    training = train(*on(2))
    training.wait_for_state()
    cluster.kill_daemon(2)
    time.sleep(3)
    cluster.start_daemon(2)
    before = training.log
    training.wait(lambda: training.log != before)
    assert training.log.startswith(before)
    cluster.kill_node(2)
    time.sleep(1)
    cluster.start_daemon(2)
    training.wait_for_end()
    assert same(training, undisturbed)
    assert "going on from" in training.log
