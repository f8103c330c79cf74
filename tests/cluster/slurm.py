"""A real SLURM on this machine for the tests: a controller and three nodes on loopback.

All its files lie in one folder (with a short path: sockets have names of at most 108 characters),
and it ends with the processes that it started. Nodes have fake GPUs. There is no
accounting, as on small clusters.
"""

import contextlib
import os
import shutil
import signal
import socket
import stat
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

PROGRAMS = ("munged", "munge", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel")
# Snakemake's job steps lose SLURM's variables, so each client gets a wrapper that sets them.
CLIENTS = ("sbatch", "srun", "squeue", "sinfo", "scancel", "scontrol", "sacct")
NODES = 3
GPUS = 6
SECONDS = 60


def missing() -> str | None:
    """Why there can be no cluster here, or None."""
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"not installed: {', '.join(absent)} (Debian: slurmctld slurmd slurm-client munge)"
    return None if os.geteuid() == 0 else "munge and slurmd need root"


def free_ports(number: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [bound.getsockname()[1] for bound in sockets]
    for bound in sockets:
        bound.close()
    return ports


def _descendants(process: int) -> list[int]:
    found = [process]
    for children in Path(f"/proc/{process}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in children.read_text().split():
                found += _descendants(int(child))
    return found


@dataclass
class Cluster:
    """A cluster under `folder`; `start` it, and `stop` it whatever happens."""

    folder: Path
    cpus: int = 16
    # More than the machine has: a group of jobs asks for the sum of what they may need.
    memory: int = 64000
    processes: list[subprocess.Popen] = field(default_factory=list)
    _nodes: dict[int, subprocess.Popen] = field(default_factory=dict)

    @property
    def config(self) -> Path:
        return self.folder / "slurm.conf"

    @property
    def environment(self) -> dict[str, str]:
        """What a user's shell has."""
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return {**os.environ, "SLURM_CONF": str(self.config), "PATH": path}

    def start(self) -> None:
        self._write()
        munge = self.folder / "munge"
        self._launch(
            "munged", "--foreground", f"--socket={munge / 'socket'}", f"--key-file={munge / 'key'}",
            f"--log-file={munge / 'log'}", f"--pid-file={munge / 'pid'}",
            f"--seed-file={munge / 'seed'}",
        )  # fmt: skip
        self._wait(lambda: self._succeeds("munge", "-n", "-S", str(munge / "socket")))
        self._launch("slurmctld", "-D", "-i", "-f", str(self.config))
        self._wait(lambda: self._succeeds("scontrol", "ping"))
        for node in range(1, NODES + 1):
            self.start_daemon(node)
        self._wait(lambda: self._nodes_are("idle"))

    def _nodes_are(self, state: str) -> bool:
        return self.run("sinfo", "-h", "-N", "-p", "cpu", "-o", "%t").split() == [state] * NODES

    def stop(self) -> None:
        """End the jobs, then the daemons."""
        self._succeeds("scancel", "--user=root")
        end = time.monotonic() + 20
        while time.monotonic() < end and self.run("squeue", "-h"):
            time.sleep(0.2)
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
        for process in reversed(self.processes):
            try:
                process.wait(timeout=10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def kill_node(self, node: int) -> None:
        """End a node's daemon, and with it its jobs, as when the power fails."""
        daemon = self._nodes[node]
        for process in [daemon.pid, *self._steps(node)]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        daemon.wait()

    def kill_daemon(self, node: int) -> None:
        """End a node's daemon alone: the job steps on it go on."""
        self._nodes[node].kill()
        self._nodes[node].wait()

    def start_daemon(self, node: int) -> None:
        """Start a node's daemon, the first time or again."""
        if node in self._nodes:
            self.processes.remove(self._nodes[node])
        self._nodes[node] = self._launch("slurmd", "-D", "-N", f"n{node}", "-f", str(self.config))

    def _steps(self, node: int) -> list[int]:
        """The processes of the jobs on a node: its step daemons and all that descends from them."""
        spool = f"{self.folder}/spool/n{node}/"
        sockets = {
            f"socket:[{line.split()[6]}]"
            for line in Path("/proc/net/unix").read_text().splitlines()
            if spool in line
        }
        found: list[int] = []
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if sockets & {str(file.readlink()) for file in (folder / "fd").iterdir()}:
                    found += _descendants(int(folder.name))
        return found

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, timeout=30, check=False
        )
        return done.stdout.strip()

    def _succeeds(self, *command: str) -> bool:
        try:
            done = subprocess.run(
                command, env=self.environment, capture_output=True, timeout=10, check=False
            )
        except subprocess.TimeoutExpired:
            return False
        return done.returncode == 0

    def _launch(self, *command: str) -> subprocess.Popen:
        log = (self.folder / "log" / f"{command[0]}{len(self.processes)}").open("wb")
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=self.environment,
            start_new_session=True,
        )
        self.processes.append(process)
        return process

    def _wait(self, ready: Callable[[], bool]) -> None:
        end = time.monotonic() + SECONDS
        while not ready():
            ended = [process.args for process in self.processes if process.poll() is not None]
            if ended or time.monotonic() > end:
                logs = [path.read_text()[-1500:] for path in (self.folder / "log").iterdir()]
                raise RuntimeError(f"the cluster did not start: {ended}\n" + "\n".join(logs))
            time.sleep(0.1)

    def _write(self) -> None:
        spools = [f"spool/n{node}" for node in range(1, NODES + 1)]
        for name in ("bin", "log", "munge", "state", "dev", *spools):
            (self.folder / name).mkdir(parents=True)
        self.folder.chmod(0o755)
        (self.folder / "munge" / "key").write_bytes(os.urandom(1024))
        (self.folder / "munge" / "key").chmod(0o600)
        for gpu in range(GPUS):
            # slurmd wants a device for each GPU: twins of /dev/null.
            os.mknod(self.folder / "dev" / f"gpu{gpu}", stat.S_IFCHR | 0o666, os.makedev(1, 3))
        devices = [f"Name=gpu Type=fake File={self.folder}/dev/gpu{gpu}" for gpu in range(GPUS)]
        (self.folder / "gres.conf").write_text("\n".join(["AutoDetect=off", *devices, ""]))
        self.config.write_text(self._configuration())
        for client in CLIENTS:
            path = self.folder / "bin" / client
            program = shutil.which(client)
            path.write_text(f'#!/bin/sh\nSLURM_CONF={self.config} exec {program} "$@"\n')
            path.chmod(0o755)

    def _configuration(self) -> str:
        host = socket.gethostname().partition(".")[0]
        controller, *ports = free_ports(1 + NODES)
        nodes = "".join(
            f"NodeName=n{place} NodeHostname={host} NodeAddr=127.0.0.1 Port={port} "
            # The first nodes first.
            f"CPUs={self.cpus} RealMemory={self.memory} Gres=gpu:fake:{GPUS} Weight={place} "
            "State=UNKNOWN\n"
            for place, port in enumerate(ports, start=1)
        )
        return f"""\
ClusterName=tests
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={controller}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={self.folder}/munge/socket,cred_expire=30
CredType=cred/munge
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
StateSaveLocation={self.folder}/state
SlurmdSpoolDir={self.folder}/spool/%n
SlurmctldPidFile={self.folder}/state/pid
SlurmdPidFile={self.folder}/spool/%n.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
MailProg=/bin/true
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
SchedulerType=sched/backfill
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=0
SlurmdParameters=config_overrides
PropagateResourceLimits=NONE
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/none
ReturnToService=2
SlurmdTimeout=30
KillWait=10
MinJobAge=3600
JobRequeue=1
GresTypes=gpu
{nodes}PartitionName=cpu Nodes=ALL MaxTime=INFINITE DefMemPerCPU=500 State=UP
PartitionName=gpu Nodes=ALL MaxTime=INFINITE DefMemPerCPU=500 State=UP
"""
