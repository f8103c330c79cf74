"""Run a script in a child of the fork server, or in a plain Python if there is no server.

    python -I -S fork_client.py NAME SCRIPT [ARGUMENT ...]

Streams, folder, environment, signals and exit status are the same as with
`python SCRIPT [ARGUMENT ...]`; only the start is faster. This file starts in ten milliseconds
because it imports almost nothing: every further import costs each job time.

The protocol is described in `fork_server.Server`: change both files together.
"""

import _socket
import os
import signal
import sys
from json import dumps

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def connect(name: str) -> "_socket.socket | None":
    """A connection to the server; None if there is no server, or if it may not run this job."""
    if os.environ.get("OMP_NUM_THREADS") != "1":
        return None
    connection = _socket.socket(_socket.AF_UNIX)
    try:
        connection.connect(f"\0{name}")
        # The process, the user and the group on the other end, each of them four bytes.
        peer = connection.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12)
    except OSError:
        return None
    # Another user may have taken the name, to be told the environment of this job.
    return connection if int.from_bytes(peer[4:8], sys.byteorder) == os.geteuid() else None


def request(arguments: list[str]) -> bytes:
    """The request as bytes: its length, then its content."""
    known = {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}  # noqa: PTH109
    content = dumps(known).encode()
    return len(content).to_bytes(8, "little") + content


def run(connection: _socket.socket, arguments: list[str]) -> int:
    """Let the server run a script; return its status as from `os.waitpid`."""
    sent = request(arguments)
    streams = b"".join(number.to_bytes(4, sys.byteorder) for number in range(3))
    rights = (_socket.SOL_SOCKET, _socket.SCM_RIGHTS, streams)
    connection.sendmsg([sent[:8]], [rights])
    connection.sendall(sent[8:])
    for number in FORWARDED:
        signal.signal(number, lambda caught, _frame: connection.send(bytes([caught])))
    status = b""
    while len(status) < 4:
        part = connection.recv(4 - len(status))
        if not part:
            sys.exit(f"{arguments[0]}: the process that ran it is gone. Was the memory used up?")
        status += part
    return int.from_bytes(status, "little")


def end(status: int) -> None:
    """End this process as the script ended: with its exit status, or by the same signal."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    sys.exit(os.waitstatus_to_exitcode(status))


def main(name: str, arguments: list[str]) -> None:
    connection = connect(name)
    if connection is None:
        os.execv(sys.executable, [sys.executable, *arguments])
    end(run(connection, arguments))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
