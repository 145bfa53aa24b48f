"""An HTTP endpoint that accepts everything, as fast as Python can."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from typing import Final


_ANSWER: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Sink:
    """What each URL of the endpoint has received, and when."""

    def __init__(self) -> None:
        #: Seconds before each answer.
        self.delay = 0.0
        self.port = 0
        self._urls = 0
        self._bodies: defaultdict[bytes, list[tuple[float, bytes]]] = defaultdict(list)

    def url(self) -> str:
        """Return an unused URL."""
        self._urls += 1
        return f"http://127.0.0.1:{self.port}/{self._urls}"

    def received(self, url: str) -> list[tuple[float, Any]]:
        """Return the objects that a URL has received, with the times at which they arrived."""
        return [
            (at, each)
            for at, body in self._bodies[_path(url)]
            for each in (json.loads(body) if body.startswith(b"[") else [json.loads(body)])
        ]

    def take(self, path: bytes, body: bytes) -> None:
        """Store a POST."""
        self._bodies[path].append((time.time(), body))


def _path(url: str) -> bytes:
    return b"/" + url.rpartition("/")[2].encode()


class _Connection(asyncio.Protocol):
    """Parses only the part of HTTP/1.1 that is used here: bodies with a length."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._buffer = b""
        self._write: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._write = transport.write

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            request, *lines = self._buffer[:end].split(b"\r\n")
            headers = dict(line.lower().split(b": ", 1) for line in lines)
            stop = end + 4 + int(headers[b"content-length"])
            if len(self._buffer) < stop:
                return
            self._sink.take(request.split(b" ")[1], self._buffer[end + 4 : stop])
            self._buffer = self._buffer[stop:]
            if self._sink.delay:
                asyncio.get_running_loop().call_later(self._sink.delay, self._write, _ANSWER)
            else:
                self._write(_ANSWER)


@contextmanager
def running_sink() -> Iterator[Sink]:
    """Run a sink in a separate thread."""
    sink = Sink()
    loop = asyncio.new_event_loop()
    server = loop.run_until_complete(
        loop.create_server(lambda: _Connection(sink), "127.0.0.1", 0, backlog=256)
    )
    sink.port = server.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield sink
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        server.close()
        loop.close()
