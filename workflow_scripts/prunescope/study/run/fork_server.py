"""A Python that has imported the slow packages already, and forks for every job of a run.

Importing torch takes longer than many jobs take. A run of many jobs on one machine therefore
keeps one process, the server, that has imported what jobs import. `fork_client.py` stands in for
Python where Snakemake starts a script: it hands script, environment and standard streams to the
server, whose child runs the script, and ends as the child ends. Where there is no server, or not
yet, it becomes a plain Python. A result does not depend on which of the two made it.

The server imports, and computes nothing: it has a single thread and no GPU context, so that its
children are as good as new. It lives as long as the run that started it, and until its last job
has ended.
"""

import atexit
import contextlib
import ctypes
import gc
import importlib
import json
import os
import pkgutil
import runpy
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path

# Of third parties, what many jobs import.
PACKAGES = ("numpy", "polars", "torch", "altair", "snakemake.iocontainers", "snakemake.logging")
# What jobs of one thread find in their environment. Libraries read it when they are imported, so
# only such jobs may share an import.
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "GOTO", "NUMEXPR")}
LAUNCHER = Path(__file__).resolve().with_name("fork_client.py")
SCRIPTS = Path(__file__).resolve().parents[3]
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
MOST_BYTES = 1 << 24


def start() -> str:
    """Start a server that lives as long as this process; return its socket's path.

    Nothing waits for it: jobs that come before it is ready start as they always do.
    """
    folder = tempfile.mkdtemp(prefix="prunescope-")
    path = f"{folder}/socket"
    # Its standard input is the lifeline: it ends with this process, however that ends.
    server = subprocess.Popen(
        [sys.executable, __file__, path], stdin=subprocess.PIPE, env={**os.environ, **ONE_THREAD}
    )
    atexit.register(_stop, server, folder)
    return path


def _stop(server: subprocess.Popen, folder: str) -> None:
    assert server.stdin is not None
    server.stdin.close()
    shutil.rmtree(folder, ignore_errors=True)


def shell_prefix(path: str) -> str:
    """What makes a shell start `sys.executable` by way of the server at `path`, and nothing else.

    A function of that name: the braces are doubled for `shell.prefix`, which formats its argument.
    """
    python = shlex.quote(sys.executable)
    launch = f"exec {python} -I -S {shlex.quote(str(LAUNCHER))} {shlex.quote(path)}"
    return f'set -euo pipefail; function {python} {{{{ {launch} "$@"; }}}}; '


# --- the server -----------------------------------------------------------------------------------


class Server:
    """Forks a child for each request, tells its end, passes signals on to it.

    A request is a length (8 bytes), so many bytes of JSON (`arguments`, `environment`, `folder`),
    and three file descriptors. The answer is the child's status as `os.waitpid` gives it (4
    bytes). In between, each byte that comes is the number of a signal. Who hangs up before the end
    was killed, and its child is killed too.
    """

    def __init__(self, path: str) -> None:
        self.selector = selectors.DefaultSelector()
        self.jobs: dict[int, socket.socket] = {}
        self.wakeup, writer = socket.socketpair()
        for end in (self.wakeup, writer):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self.wakeup_writer = writer
        self.listener = socket.socket(socket.AF_UNIX)
        # Bound under another name first: what can be found can be connected to.
        self.listener.bind(f"{path}.new")
        self.listener.listen(64)
        Path(f"{path}.new").rename(path)
        for source in (self.listener, self.wakeup, sys.stdin):
            self.selector.register(source, selectors.EVENT_READ)

    def serve(self) -> list[str]:
        """Serve until the lifeline breaks. Returns in each child, with its arguments."""
        alive = True
        while alive or self.jobs:
            for key, _ in self.selector.select():
                if key.fileobj is self.listener:
                    arguments = self._accept()
                    if arguments is not None:
                        return arguments
                elif key.fileobj is self.wakeup:
                    self._reap()
                elif key.fileobj is sys.stdin:
                    alive = False
                    self.selector.unregister(sys.stdin)
                    self.selector.unregister(self.listener)
                    self.listener.close()
                else:
                    self._hear(key.data)
        sys.exit(0)

    def _accept(self) -> list[str] | None:
        connection, _ = self.listener.accept()
        try:
            connection.settimeout(10)
            request, streams = receive(connection)
        except (OSError, ValueError):
            connection.close()
            return None
        server = os.getpid()
        child = os.fork()
        if child:
            for stream in streams:
                os.close(stream)
            self.jobs[child] = connection
            self.selector.register(connection, selectors.EVENT_READ, child)
            return None
        self._leave(connection)
        become(request, streams, server)
        return request["arguments"]

    def _leave(self, connection: socket.socket) -> None:
        """In the child: keep nothing of the server's."""
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        self.selector.close()
        for end in (
            connection, self.listener, self.wakeup, self.wakeup_writer, *self.jobs.values()
        ):  # fmt: skip
            end.close()

    def _reap(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self.wakeup.recv(4096):
                pass
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                child, status = ended
                connection = self.jobs.pop(child)
                with contextlib.suppress(KeyError):
                    self.selector.unregister(connection)
                with contextlib.suppress(OSError):
                    connection.sendall(status.to_bytes(4, "little"))
                connection.close()

    def _hear(self, child: int) -> None:
        # A child that has ended is a zombie until `_reap`, so that its number is still its own.
        try:
            signals = self.jobs[child].recv(64)
        except KeyError:
            return
        except OSError:
            signals = b""
        for number in signals or [signal.SIGKILL]:
            os.kill(child, number)
        if not signals:
            self.selector.unregister(self.jobs[child])


def receive(connection: socket.socket) -> tuple[dict, list[int]]:
    """Read a request: its content, and the file descriptors of the streams."""
    head, streams, _, _ = socket.recv_fds(connection, 8, 3)
    size = int.from_bytes(head, "little")
    if len(streams) != 3 or len(head) != 8 or size > MOST_BYTES:
        raise ValueError("not a request")
    with connection.makefile("rb") as file:
        content = file.read(size)
    return json.loads(content), list(streams)


def become(request: dict, streams: Iterable[int], server: int) -> None:
    """In the child: take on what a process started by Snakemake itself would have."""
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)  # It ended before it could end this process.
    libc.prctl(PR_SET_NAME, Path(request["arguments"][0]).stem.partition(".")[2].encode()[:15])
    # Signals to the group of the run reach the launcher, which passes them on: not twice.
    os.setpgid(0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(request["folder"])
    os.environ.clear()
    os.environ.update(request["environment"])
    tempfile.tempdir = None


def run_script(arguments: list[str]) -> None:
    """Run a script as `python SCRIPT ...` does, and end the process as that does.

    Only the interpreter's own end is left out: the system takes the memory back faster.
    """
    path = arguments[0]
    sys.argv[:] = arguments
    sys.path[0] = str(Path(path).parent)
    status = 0
    try:
        runpy.run_path(path, run_name="__main__")
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
        if not isinstance(end.code, int | None):
            print(end.code, file=sys.stderr)
    except BaseException as error:
        sys.excepthook(type(error), error, error.__traceback__)
        status = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status & 0xFF)


def preload() -> None:
    """Import what jobs import, and keep the garbage collector from touching it ever again."""
    for name in PACKAGES:
        importlib.import_module(name)
    library = importlib.import_module("prunescope")
    for module in pkgutil.walk_packages(library.__path__, "prunescope."):
        importlib.import_module(module.name)
    gc.collect()
    gc.freeze()


def main(path: str) -> None:
    # Ctrl-C is for the jobs; this process ends after them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # This file's own folder must not shadow modules of that name elsewhere.
    sys.path[0] = str(SCRIPTS)
    preload()
    run_script(Server(path).serve())


if __name__ == "__main__":
    main(sys.argv[1])
