"""An endpoint that misbehaves: real sockets, answers byte for byte."""

from __future__ import annotations

import contextlib
import json
import socket
import socketserver
import ssl
import struct
import threading
import time
from collections.abc import Callable
from collections.abc import Iterator
from email.message import Message
from http.client import parse_headers

from support import Post
from support import Result
from support import valid


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def status(code: int, *headers: str, reason: str = "Whatever") -> bytes:
    """Return an answer without a body."""
    lines = [f"HTTP/1.1 {code} {reason}", *headers, "Content-Length: 0", "", ""]
    return "\r\n".join(lines).encode()


class ResetError(Exception):
    """Raised by an answer function: end the connection with a TCP reset."""


class CutError(Exception):
    """Raised by an answer function: end the connection in the middle of an answer."""


class FaultyServer:
    """A server whose ``answer`` gets each Post and returns the bytes to send back.

    ``accepted`` holds, by idempotency key, the results that were answered with 2xx in
    full, as an endpoint that removes duplicates keeps them.
    """

    def __init__(self, port: int = 0, tls: ssl.SSLContext | None = None) -> None:
        self.answer: Callable[[Post], bytes] = lambda _post: OK
        self.posts: list[Post] = []
        self.accepted: dict[str, Result] = {}
        self.connections = 0
        #: How many of them it has closed.
        self.closed = 0
        #: Whether it closes a connection after each answer.
        self.closes = False
        self.stopped = threading.Event()
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", port), self, tls)
        self.port = self._server.server_address[1]
        self.url = f"{'https' if tls else 'http'}://localhost:{self.port}/results"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()

    def take(self, post: Post) -> bytes:
        with self._lock:
            self.posts.append(post)
        answer = self.answer(post)
        if answer.startswith(b"HTTP/1.1 2"):
            with self._lock:
                self.accepted.setdefault(post.key, json.loads(post.text))
        return answer

    def wait(self, seconds: float) -> None:
        """Take time to answer, though not after the end of the test."""
        self.stopped.wait(seconds)

    @property
    def results(self) -> list[Result]:
        """The accepted results, each checked against the schema, in their order."""
        with self._lock:
            results = [valid(result) for result in self.accepted.values()]
        return sorted(results, key=lambda result: int(result["seq"]))


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(
        self, address: tuple[str, int], owner: FaultyServer, tls: ssl.SSLContext | None
    ) -> None:
        super().__init__(address, _Connection)
        self.owner = owner
        self.tls = tls

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: a client that goes away in the middle is what is tested."""


class _Connection(socketserver.StreamRequestHandler):
    server: _Server

    def setup(self) -> None:
        self.request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self.server.tls is not None:
            self.request = self.server.tls.wrap_socket(self.request, server_side=True)
        super().setup()

    def finish(self) -> None:
        with contextlib.suppress(OSError):
            super().finish()
        self.request.close()
        self.server.owner.closed += 1

    def handle(self) -> None:
        self.server.owner.connections += 1
        for headers, body in self._requests():
            post = Post(body, dict(headers.items()), time.time(), self.client_address[1])
            try:
                answer = self.server.owner.take(post)
                # Asked first: once the answer is there, the test goes on.
                closes = self.server.owner.closes
                self.wfile.write(answer)
                if closes:
                    return
            except CutError:
                self.wfile.write(OK[:-1])
                return
            except ResetError:
                linger = struct.pack("ii", 1, 0)
                self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                self.request.close()
                return

    def _requests(self) -> Iterator[tuple[Message, bytes]]:
        with contextlib.suppress(OSError):
            while self.rfile.readline():
                headers = parse_headers(self.rfile)
                yield headers, self.rfile.read(int(headers["Content-Length"]))
