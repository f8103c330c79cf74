"""What a cluster does to a training: whatever it is, the network has the same bytes.

All trainings run side by side, to save time. Before something is done to a job it is halted, so
that no job is finished before its fault, however fast the machine.
"""

import os
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml
from workspaces import TINY, Workspace, copy_project, temporary_project

from cluster.slurm import Cluster
from cluster.submission import command, environment, fill_in

pytestmark = pytest.mark.slow

CONFIG = "config/long.yaml"
DENSE = "networks/dense/none/rate0.00/seed0"
NETWORK = f"results/tiny/{DENSE}/network.safetensors"
LEASE = f"results/tiny/{DENSE}/training.lease"
LOG = f"results/logs/tiny/{DENSE}/train_dense.log"
EPOCHS = 4
# Many trainings on few cores: threads that wait for each other would cost more than they do.
THREADS = ["--set-threads", "train_dense=1"]
SECONDS = 600


@dataclass
class Training:
    """One training, submitted to the cluster by a Snakemake of its own."""

    workspace: Workspace
    cluster: Cluster
    processes: list[subprocess.Popen] = field(default_factory=list)
    job: str = ""
    halted: int = 0
    held: str = ""

    def submit(self) -> None:
        """Start Snakemake, the first time or again."""
        with self.workspace.path("said").open("ab") as said:
            process = subprocess.Popen(
                command(*THREADS, "--", NETWORK, config=CONFIG),
                cwd=self.workspace.folder,
                env=environment(self.cluster),
                stdout=said,
                stderr=said,
            )
        self.processes.append(process)

    @property
    def log(self) -> str:
        path = self.workspace.path(LOG)
        return path.read_text(errors="replace") if path.exists() else ""

    @property
    def said(self) -> str:
        return self.workspace.path("said").read_text()

    @property
    def jobs(self) -> list[str]:
        """The numbers of its SLURM jobs, in order."""
        lines = self.cluster.run("squeue", "-h", "--states=all", "-o", "%i %Z").splitlines()
        own = [line.split()[0] for line in lines if line.endswith(f" {self.workspace.folder}")]
        return sorted(own, key=int)

    def state(self, job: str) -> str:
        return self.cluster.run("squeue", "-h", "--states=all", "-j", job, "-o", "%T")

    @property
    def scripts(self) -> set[int]:
        """The processes that train, of whichever of its jobs."""
        scripts = f"{self.workspace.folder}/.snakemake/scripts/"
        return {
            int(folder.name)
            for folder in Path("/proc").glob("[0-9]*")
            if first_argument_of(folder).startswith(scripts)
        }

    def wait(self, ready: Callable[[], object]) -> None:
        end = time.monotonic() + SECONDS
        while not ready():
            assert time.monotonic() < end, self.said + self.log
            time.sleep(0.2)

    def has_state(self) -> bool:
        """Whether there is something to go on from."""
        folder = self.workspace.path(f"results/tiny/{DENSE}")
        return bool(list(folder.glob("training.*.previous.safetensors")))

    def halt(self) -> bool:
        """Once there is something to go on from, let the job do nothing more. False before.

        Nothing else is done here: meanwhile the other trainings go on.
        """
        scripts = self.scripts if self.has_state() else set()
        if not scripts:
            return False
        (self.halted,) = scripts
        os.kill(self.halted, signal.SIGSTOP)
        return True

    def look(self) -> None:
        """Learn what the halted job holds."""
        assert not self.workspace.path(NETWORK).exists(), "too late: nothing would be tested"
        (self.job,) = self.jobs
        self.held = self.workspace.path(LEASE).read_text()

    def go_on(self) -> None:
        os.kill(self.halted, signal.SIGCONT)

    def wait_for_end(self) -> None:
        self.wait(lambda: self.processes[-1].poll() is not None)
        assert self.processes[-1].returncode == 0, self.said + self.log


def first_argument_of(process: Path) -> str:
    try:
        return (process / "cmdline").read_text().split("\0")[1]
    except (OSError, IndexError):
        return ""


def lengthen(workspace: Workspace) -> None:
    config = yaml.safe_load(workspace.path(TINY).read_text())
    config["recipes"]["from_scratch"]["epochs"] = EPOCHS
    workspace.path(CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))


@pytest.fixture(scope="module")
def undisturbed(
    finished: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Workspace]:
    """The network as trained on this machine, and what its training reads."""
    with temporary_project(tmp_path_factory, "undisturbed") as workspace:
        lengthen(workspace)
        for name in ("results/datasets", ".snakemake"):
            shutil.copytree(finished.path(name), workspace.path(name))
        done = workspace.snakemake(NETWORK, *THREADS, config=CONFIG)
        assert done.returncode == 0, done.stderr[-4000:]
        yield workspace


def stop_in_time(training: Training) -> None:
    training.cluster.run("scontrol", "update", f"JobId={training.job}", "TimeLimit=1")
    # SLURM itself lets it go on (SIGCONT) and then asks it to stop, before it kills it.
    training.wait(lambda: training.state(training.job) != "RUNNING")


def send_sigterm(training: Training) -> None:
    training.cluster.run("scancel", "--signal=TERM", training.job)
    training.go_on()


def requeue(training: Training) -> None:
    training.cluster.run("scontrol", "requeue", training.job)


def lose_node(training: Training) -> None:
    training.cluster.kill_node(3)
    time.sleep(1)
    training.cluster.start_daemon(3)


def kill_snakemake(training: Training) -> None:
    training.processes[-1].kill()
    training.processes[-1].wait()
    unlocked = subprocess.run(
        command("--unlock", config=CONFIG),
        cwd=training.workspace.folder,
        env=environment(training.cluster),
        capture_output=True,
        check=False,
    )
    assert unlocked.returncode == 0, unlocked.stderr


def kill_snakemake_and_start_again(training: Training) -> None:
    kill_snakemake(training)
    training.submit()


def kill_daemon(training: Training) -> None:
    training.cluster.kill_daemon(2)


# What is done to each training once it is halted, and where it starts. The two whose node breaks
# are alone on it; the second of them can go on elsewhere.
FAULTS: dict[str, tuple[Callable[[Training], None], str]] = {
    "signalled": (send_sigterm, "--nodelist=n1"),
    "requeued": (requeue, "--nodelist=n1"),
    "orphaned": (kill_snakemake_and_start_again, "--nodelist=n1"),
    "lost": (lose_node, "--nodelist=n3"),
    "mistaken": (kill_daemon, "--exclude=n1"),
    # Last, because it waits for the time limit.
    "limited": (stop_in_time, "--nodelist=n1"),
}
STARVED = "starved"


@pytest.fixture(scope="module")
def trainings(
    cluster: Cluster, undisturbed: Workspace, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Training]]:
    """One training for each fault, which has just happened to it. All save every step."""
    started = {}
    workspaces = ExitStack()
    for name, (_, place) in [*FAULTS.items(), (STARVED, (None, "--nodelist=n1"))]:
        workspace = workspaces.enter_context(temporary_project(tmp_path_factory, name))
        fill_in(workspace, slurm_extra=f"'{place}'", save_state_seconds=0)
        lengthen(workspace)
        for copied in ("results/datasets", ".snakemake"):
            shutil.copytree(undisturbed.path(copied), workspace.path(copied), dirs_exist_ok=True)
        started[name] = Training(workspace, cluster)
    starve(started[STARVED].workspace)
    try:
        for training in started.values():
            training.submit()
        waiting = set(FAULTS)
        while waiting:
            waiting -= {name for name in waiting if started[name].halt()}
            for name in waiting:
                ended = started[name].processes[-1].poll() is not None
                assert not ended, started[name].said + started[name].log
            time.sleep(0.05)
        for name in FAULTS:
            started[name].look()
        for name, (fault, _) in FAULTS.items():
            fault(started[name])
        yield started
    finally:
        for training in started.values():
            for process in training.processes:
                process.kill()
                process.wait()
        cluster.run("scancel", "--user=root")
        # SLURM does not reach those on a node that it took for dead.
        for training in started.values():
            for script in training.scripts:
                os.kill(script, signal.SIGKILL)
    # After a failure they stay, to be looked at.
    workspaces.close()


def starve(workspace: Workspace) -> None:
    """Take the first attempt's memory away: what a training asks for is far too little."""
    resources = workspace.path("workflow_scripts/prunescope/study/resources.py")
    text = resources.read_text()
    assert text.count("(4000 + WORKER_MEGABYTES") == 1
    resources.write_text(text.replace("(4000 + WORKER_MEGABYTES", "(650 + WORKER_MEGABYTES"))


def assert_same(training: Training, undisturbed: Workspace) -> None:
    """The network and its history are those of the training that was left alone, and no more."""
    folder, expected = (
        workspace.path(NETWORK).parent for workspace in (training.workspace, undisturbed)
    )
    names = ["history.parquet", "network.safetensors"]
    assert sorted(path.name for path in folder.iterdir()) == names
    for name in names:
        assert (folder / name).read_bytes() == (expected / name).read_bytes(), name


def test_a_job_past_its_time_limit_goes_on_in_another(
    trainings: dict[str, Training], undisturbed: Workspace
) -> None:
    training = trainings["limited"]
    training.wait_for_end()
    assert training.state(training.job) == "TIMEOUT"
    assert "asked to stop after step" in told_by_slurm(training)
    assert len(training.jobs) == 2
    assert "going on from" in training.log
    assert_same(training, undisturbed)


def test_a_job_that_gets_sigterm_goes_on_in_another(
    trainings: dict[str, Training], undisturbed: Workspace
) -> None:
    training = trainings["signalled"]
    training.wait_for_end()
    assert len(training.jobs) == 2
    assert "asked to stop after step" in told_by_slurm(training)
    assert "going on from" in training.log
    assert_same(training, undisturbed)


@pytest.mark.parametrize("fault", ["requeued", "lost"])
def test_a_job_that_starts_once_more_goes_on(
    trainings: dict[str, Training], undisturbed: Workspace, fault: str
) -> None:
    """`scontrol requeue`; a node that is lost with its job."""
    training = trainings[fault]
    training.wait_for_end()
    assert training.jobs == [training.job]
    assert "going on from" in training.log
    assert_same(training, undisturbed)


@pytest.mark.parametrize(("fault", "jobs"), [("orphaned", 2), ("mistaken", 1)])
def test_of_two_jobs_that_train_the_same_network_the_older_one_stops(
    trainings: dict[str, Training], undisturbed: Workspace, fault: str, jobs: int
) -> None:
    """Snakemake was killed and started again; a node that only seemed dead: its daemon was."""
    training = trainings[fault]
    lease = training.workspace.path(LEASE)
    training.wait(lambda: not lease.exists() or lease.read_text() != training.held)
    training.go_on()
    training.wait(lambda: not Path(f"/proc/{training.halted}").exists())
    training.wait_for_end()
    assert len(training.jobs) == jobs
    if jobs > 1:  # else its log is that of the job that went well, which is not kept
        training.wait(lambda: "another job trains this network" in told_by_slurm(training))
    assert_same(training, undisturbed)


def test_a_run_stops_while_jobs_of_a_killed_one_are_pending(
    cluster: Cluster, undisturbed: Workspace, tmp_path: Path
) -> None:
    """The pending job would delete what the new run made, and make it anew."""
    workspace = copy_project(tmp_path)
    fill_in(workspace, slurm_extra="'--hold'")
    lengthen(workspace)
    for name in ("results/datasets", ".snakemake"):
        shutil.copytree(undisturbed.path(name), workspace.path(name), dirs_exist_ok=True)
    training = Training(workspace, cluster)
    try:
        training.submit()
        training.wait(lambda: training.jobs)
        kill_snakemake(training)
        (left,) = training.jobs
        training.submit()
        training.wait(lambda: training.processes[-1].poll() is not None)
        assert training.processes[-1].returncode != 0
        assert f"scancel {left}\n" in training.said
        assert training.jobs == [left]
        # Cancel it, as the message says.
        cluster.run("scancel", left)
        training.submit()
        training.wait(lambda: len(training.jobs) == 2)
    finally:
        kill_snakemake(training)
        cluster.run("scancel", *training.jobs)


def told_by_slurm(training: Training) -> str:
    """What is in the logs of its SLURM jobs: those of jobs that failed are kept."""
    logs = training.workspace.path("results/logs/slurm").rglob("*.log")
    return "\n".join(path.read_text(errors="replace") for path in logs)


def test_a_job_without_enough_memory_gets_more(
    trainings: dict[str, Training], undisturbed: Workspace
) -> None:
    training = trainings[STARVED]
    training.wait_for_end()
    assert "Trying to restart" in training.said
    asked = re.findall(r"mem_mb=(\d+)", training.said)
    assert [int(megabytes) for megabytes in asked[:2]] == [650, 1300]
    assert_same(training, undisturbed)


def test_a_training_that_diverges_is_not_tried_again(
    cluster: Cluster, undisturbed: Workspace, tmp_path: Path
) -> None:
    """Its job runs on a node, and only its log tells why it failed."""
    workspace = copy_project(tmp_path)
    fill_in(workspace)
    config = yaml.safe_load(workspace.path(TINY).read_text())
    config["recipes"]["from_scratch"]["lr"] = 1e30
    workspace.path(CONFIG).write_text(yaml.safe_dump(config, sort_keys=False))
    for copied in ("results/datasets", ".snakemake"):
        shutil.copytree(undisturbed.path(copied), workspace.path(copied), dirs_exist_ok=True)
    training = Training(workspace, cluster)
    training.submit()
    training.wait(lambda: training.processes[-1].poll() is not None)
    assert training.processes[-1].returncode != 0
    assert "Trying to restart" not in training.said
    assert len(training.jobs) == 1
    assert "Lower `lr` of the recipe" in training.log
    assert "not tried again" in training.log.splitlines()[-1]
    assert not workspace.path(NETWORK).exists()
