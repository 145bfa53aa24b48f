"""An HTTP endpoint that takes all it is sent, as fast as it can, in a process of its own.

Started as a program it prints its port. ``POST /control`` with ``{"delay": seconds,
"record": bool}`` makes it forget everything, ``GET /control`` tells what it got.
"""

from __future__ import annotations

import asyncio
import dataclasses
import http.client
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from typing import Final


_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
_CONTROL: Final = b"/control"


class _Store:
    """What the sink got since it was last told to forget."""

    def __init__(self) -> None:
        self.reset(delay=0.0, record=False)

    def reset(self, *, delay: float, record: bool) -> None:
        self.delay = delay
        self.posts = 0
        self.first = self.last = 0.0
        self.keys: set[bytes] = set()
        self._record = record
        self._bodies: list[tuple[float, bytes]] = []

    def take(self, key: bytes, body: bytes) -> None:
        self.last = time.time()
        self.first = self.first or self.last
        self.posts += 1
        if key:
            self.keys.add(key)
        if self._record:
            self._bodies.append((self.last, body))

    def told(self) -> bytes:
        recorded = [(at, json.loads(body)) for at, body in self._bodies]
        told = {
            "posts": self.posts,
            "keys": len(self.keys),
            "seconds": self.last - self.first,
            "recorded": recorded,
        }
        return json.dumps(told).encode()


class _Connection(asyncio.Protocol):
    """Parses just as much of HTTP/1.1 as the peers speak: bodies with a length."""

    def __init__(self, store: _Store) -> None:
        self._store = store
        self._buffer = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].split(b"\r\n")
            headers = dict(line.lower().split(b": ", 1) for line in head[1:])
            size = int(headers.get(b"content-length", b"0"))
            if len(self._buffer) < end + 4 + size:
                return
            body = self._buffer[end + 4 : end + 4 + size]
            self._buffer = self._buffer[end + 4 + size :]
            method, path, _version = head[0].split(b" ")
            self._answer(method, path, headers, body)

    def _answer(self, method: bytes, path: bytes, headers: dict[bytes, bytes], body: bytes) -> None:
        assert self._transport is not None
        if path != _CONTROL:
            self._store.take(headers.get(b"idempotency-key", b""), body)
            if self._store.delay:
                asyncio.get_running_loop().call_later(
                    self._store.delay, self._transport.write, _ANSWER
                )
                return
        elif method == b"POST":
            self._store.reset(**json.loads(body))
        else:
            told = self._store.told()
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(told)
            self._transport.write(head + told)
            return
        self._transport.write(_ANSWER)


async def _serve() -> None:
    store = _Store()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: _Connection(store), "127.0.0.1", 0, backlog=256)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


@dataclasses.dataclass(frozen=True)
class Received:
    """What a sink got: POSTs, distinct keys, seconds from the first to the last POST.

    ``recorded`` has the time and the JSON of each body, if that was asked for.
    """

    posts: int
    keys: int
    seconds: float
    recorded: list[tuple[float, Any]]


class Sink:
    """A running sink, as the benchmark sees it."""

    def __init__(self, port: int, pid: int) -> None:
        self.pid = pid
        self._port = port
        self.url = f"http://127.0.0.1:{port}"

    def reset(self, *, delay: float = 0.0, record: bool = False) -> None:
        """Make it forget; from now on it answers after ``delay`` seconds."""
        self._ask("POST", json.dumps({"delay": delay, "record": record}))

    def received(self) -> Received:
        """Return what it got since the last reset."""
        return Received(**self._ask("GET"))

    def _ask(self, method: str, body: str | None = None) -> Any:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=600)
        try:
            connection.request(method, _CONTROL.decode(), body)
            return json.loads(connection.getresponse().read())
        finally:
            connection.close()


@contextmanager
def running_sink() -> Iterator[Sink]:
    """Start a sink in a process of its own, and end it."""
    command = [sys.executable, __file__]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Sink(int(process.stdout.readline()), process.pid)
        finally:
            process.terminate()


@contextmanager
def dead_url() -> Iterator[str]:
    """Hold a port on which nobody listens, so that each connection is refused."""
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{held.getsockname()[1]}"


if __name__ == "__main__":
    asyncio.run(_serve())
