"""A server of files on this machine that behaves as badly as a test asks it to."""

import http.server
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager


class Server(http.server.ThreadingHTTPServer):
    """Serves `body`; each request first takes the next answer of `script`, then whole files."""

    def __init__(self, body: bytes) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.body = body
        self.script: list[Callable[[Handler], None]] = []
        self.ranges: list[str | None] = []
        self.knows_ranges = True

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/weights/net.pth"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.ranges.append(self.headers["Range"])
        answer = self.server.script.pop(0) if self.server.script else whole
        answer(self)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def start(self) -> int:
        """Send the head of the answer; return where its body starts."""
        body = self.server.body
        found = re.fullmatch(r"bytes=(\d+)-", self.headers["Range"] or "")
        begin = int(found[1]) if found and self.server.knows_ranges else 0
        if begin >= len(body):
            self.send_error(416)
            return begin
        self.send_response(206 if begin else 200)
        self.send_header("Content-Length", str(len(body) - begin))
        self.end_headers()
        return begin


def whole(request: Handler) -> None:
    request.wfile.write(request.server.body[request.start() :])


def truncated(count: int) -> Callable[[Handler], None]:
    """Send `count` bytes of what is asked for, then end the answer in good order."""

    def answer(request: Handler) -> None:
        begin = request.start()
        request.wfile.write(request.server.body[begin : begin + count])

    return answer


def dropped(request: Handler) -> None:
    """Send some bytes, then reset the connection."""
    truncated(300_000)(request)
    request.wfile.flush()
    # Linger for no time: close with a reset instead of an orderly end.
    request.connection.setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\x00\x00\x00\x00\x00\x00\x00"
    )
    request.connection.close()


def status(code: int) -> Callable[[Handler], None]:
    return lambda request: request.send_error(code)


@contextmanager
def serving(body: bytes) -> Iterator[Server]:
    """Run a server in a thread."""
    with Server(body) as running:
        threading.Thread(target=running.serve_forever, args=(0.01,), daemon=True).start()
        yield running
        running.shutdown()
