"""Keep a Python process that has imported the slow packages, and fork it for every job of a run.

Importing torch takes longer than many jobs. A run of many jobs on one machine therefore starts one
process, the server, that imports what jobs import. Where Snakemake starts a script, it starts
`fork_client.py` instead of Python. The client sends the script, the environment and the standard
streams to the server. A child of the server runs the script, and the client ends as the child ends.
If the server does not exist or is not ready yet, the client becomes a plain Python. The results are
the same either way.

The server only imports and never computes: it must have one thread and no GPU context, so that its
children start clean. It lives until the run that started it and the last of its jobs have ended.

The socket has a name in Linux's abstract namespace and no file: it needs no folder with a short
name, and nothing is left of it, however the run ends. Such a socket has no permissions, so both
sides ask the kernel who is on the other end, and talk to the same user only.

This file is started as a script, so no file in its folder may have the name of a module of the
standard library.
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
import secrets
import selectors
import shlex
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterable
from pathlib import Path

# The packages of others that many jobs import.
PACKAGES = ("numpy", "polars", "torch", "altair", "snakemake.iocontainers", "snakemake.logging")
# What only the run itself imports, with much of Snakemake.
OF_RUNS = ("prunescope.study.run.", "prunescope.study.progress.")
# The environment of jobs with one thread. Libraries read it when they are imported, so only jobs
# with this environment may share an import.
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL", "GOTO", "NUMEXPR")}
LAUNCHER = Path(__file__).resolve().with_name("fork_client.py")
SCRIPTS = Path(__file__).resolve().parents[3]
PR_SET_PDEATHSIG, PR_SET_NAME = 1, 15
MOST_BYTES = 1 << 24


def start() -> str:
    """Start a server that lives as long as this process; return the name of its socket.

    Nothing waits for it: jobs that start before it is ready, or where it fails, start in a plain
    Python. Therefore it prints nothing. What a job prints goes to the streams of its client.
    """
    name = f"prunescope-{secrets.token_hex(16)}"
    # The standard input of the server is its lifeline: it closes when this process ends, however
    # it ends. In a group of its own, it gets neither the Ctrl-C nor the hangup of a terminal.
    server = subprocess.Popen(
        [sys.executable, __file__, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **ONE_THREAD},
        process_group=0,
    )
    assert server.stdin is not None
    atexit.register(server.stdin.close)
    return name


def command(name: str) -> str:
    """What to write in a shell instead of Python, to run a script by way of the server `name`."""
    return f"exec {shlex.quote(sys.executable)} -I -S {shlex.quote(str(LAUNCHER))} {name}"


# --- the server -----------------------------------------------------------------------------------


class Server:
    """Fork a child for each request, pass signals on to it, and report its exit status.

    A request is a length (8 bytes), then JSON of that length (`arguments`, `environment`,
    `folder`), and the file descriptors of the three standard streams. The answer is the status of
    the child as from `os.waitpid` (4 bytes). While the child runs, each byte that the client sends
    is the number of a signal. A client that closes the connection before the answer was killed, so
    its child is killed too.
    """

    def __init__(self, name: str) -> None:
        self.selector = selectors.DefaultSelector()
        self.jobs: dict[int, socket.socket] = {}
        self.wakeup, writer = socket.socketpair()
        for end in (self.wakeup, writer):
            end.setblocking(False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
        self.wakeup_writer = writer
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(f"\0{name}")
        self.listener.listen(64)
        for source in (self.listener, self.wakeup, sys.stdin):
            self.selector.register(source, selectors.EVENT_READ)

    def serve(self) -> list[str]:
        """Serve until the lifeline closes. Return only in a child: the arguments of its script."""
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
            if user_of(connection) != os.geteuid():
                raise PermissionError("a process of another user")
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
        """In the child: close everything that belongs to the server."""
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
        # A child that has ended stays a zombie until `_reap`, so its process id is not reused yet.
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


def user_of(connection: socket.socket) -> int:
    """The user whose process is on the other end."""
    size = struct.calcsize("3i")
    _, user, _ = struct.unpack(
        "3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    )
    return user


def receive(connection: socket.socket) -> tuple[dict, list[int]]:
    """Read a request: its content and the file descriptors of the streams.

    Raises
    ------
    ValueError
        The bytes are not a request.
    """
    head, streams, _, _ = socket.recv_fds(connection, 8, 3)
    size = int.from_bytes(head, "little")
    if len(streams) != 3 or len(head) != 8 or size > MOST_BYTES:
        raise ValueError("not a request")
    with connection.makefile("rb") as file:
        content = file.read(size)
    return json.loads(content), list(streams)


def become(request: dict, streams: Iterable[int], server: int) -> None:
    """In the child: set up the process as if Snakemake had started it.

    Parameters
    ----------
    request, streams
        From `receive`.
    server
        The process id of the server.
    """
    libc = ctypes.CDLL(None)
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != server:
        os._exit(1)  # The server ended before `prctl`, so its end would not end this process.
    libc.prctl(PR_SET_NAME, Path(request["arguments"][0]).stem.partition(".")[2].encode()[:15])
    # The client passes signals on. In the group of the run, the child would get them a second time.
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
    """Run a script as `python SCRIPT ...` does, and end the process with the same status.

    The interpreter is not finalised, because the system frees the memory faster.
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
    """Import what jobs import, and exempt it from garbage collection so that children share it."""
    for name in PACKAGES:
        importlib.import_module(name)
    library = importlib.import_module("prunescope")
    for module in pkgutil.walk_packages(library.__path__, "prunescope."):
        if not module.name.startswith(OF_RUNS):
            importlib.import_module(module.name)
    gc.collect()
    gc.freeze()


def main(name: str) -> None:
    # Ctrl-C must only reach the jobs: this process ends after them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # The folder of this file must not be searched for modules.
    sys.path[0] = str(SCRIPTS)
    preload()
    run_script(Server(name).serve())


if __name__ == "__main__":
    main(sys.argv[1])
