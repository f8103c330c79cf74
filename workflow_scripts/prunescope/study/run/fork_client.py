"""Run a script in the warm Python of `prunescope.warm`, or, where there is none, in a plain one.

    python -I -S fork_client.py SOCKET SCRIPT [ARGUMENT ...]

Everything but its speed is as with `python SCRIPT [ARGUMENT ...]`: streams, folder, environment,
signals and status. It starts in ten milliseconds because it imports nearly nothing.
"""

import _socket
import os
import signal
import sys
from json import dumps

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def connect(path: str) -> "_socket.socket | None":
    """A connection to the server; None if there is none that may run this job."""
    if os.environ.get("OMP_NUM_THREADS") != "1":
        return None
    connection = _socket.socket(_socket.AF_UNIX)
    try:
        connection.connect(path)
    except OSError:
        return None
    return connection


def request(arguments: list[str]) -> bytes:
    """What the server has to know, after its length."""
    known = {"arguments": arguments, "environment": dict(os.environ), "folder": os.getcwd()}  # noqa: PTH109
    content = dumps(known).encode()
    return len(content).to_bytes(8, "little") + content


def run(connection: _socket.socket, arguments: list[str]) -> int:
    """Have a script run; return how it ended, as `os.waitpid` tells it."""
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
    """End as the script did, be it by a signal."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        if number != signal.SIGKILL:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    sys.exit(os.waitstatus_to_exitcode(status))


def main(path: str, arguments: list[str]) -> None:
    connection = connect(path)
    if connection is None:
        os.execv(sys.executable, [sys.executable, *arguments])
    end(run(connection, arguments))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
