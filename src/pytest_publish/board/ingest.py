"""Take in what is POSTed: check it, and keep it before it is answered."""

from __future__ import annotations

import asyncio
import dataclasses
import sqlite3
import time
import zlib
from collections.abc import AsyncIterable
from collections.abc import Callable
from typing import Any
from typing import Final

import orjson

from .store import Published
from .store import Store


#: The most bytes of one POST, as it comes and as it is unpacked.
MAX_BYTES: Final = 1 << 28
#: The most bytes that wait for the store; whoever comes then is to try again later.
MAX_WAITING: Final = 1 << 29

_TEXTS: Final = {
    "result": ("nodeid", "outcome"),
    "test_start": ("nodeid",),
    "session_finish": ("reason",),
}
_NUMBERS: Final = {
    "result": ("start_time", "stop_time", "duration"),
    "session_start": ("time",),
    "collected": ("time", "total"),
    "test_start": ("time", "start_time"),
    "session_finish": ("time",),
}


class RefusedError(Exception):
    """What was POSTed can't be taken: ``status`` and one line that says why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


async def read_body(parts: AsyncIterable[bytes], *, is_gzip: bool, limit: int = MAX_BYTES) -> bytes:
    """Return a body, unpacked, of at most ``limit`` bytes. Raises RefusedError."""
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16) if is_gzip else None
    body = bytearray()
    async for part in parts:
        try:
            body += part if unpack is None else unpack.decompress(part, limit + 1 - len(body))
        except zlib.error as error:
            raise RefusedError(400, f"the body is not gzip: {error}") from None
        if len(body) > limit or (unpack is not None and unpack.unconsumed_tail):
            raise RefusedError(413, f"the body has more than {limit:,} bytes")
    if unpack is not None and not unpack.eof:
        raise RefusedError(400, "the body is not gzip: it is cut short")
    return bytes(body)


def parse(body: bytes) -> list[Published]:
    """Return the objects of a body: one object, or an array. Raises RefusedError."""
    try:
        data = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        raise RefusedError(400, f"the body is not JSON: {error}") from None
    if isinstance(data, dict):
        return [_published(body.strip(), data, "the object")]
    if not isinstance(data, list):
        raise RefusedError(400, "the body is neither an object nor an array of objects")
    # orjson wrote what pytest-publish sends, and writes it again byte for byte.
    return [
        _published(orjson.dumps(one), one, f"object {number} of the array")
        for number, one in enumerate(data)
    ]


def _published(body: bytes, data: Any, which: str) -> Published:
    if not isinstance(data, dict):
        raise RefusedError(400, f"{which} is no object")
    kind = str(data.get("type"))
    for name in ("type", "session_id", "run_id", *_TEXTS.get(kind, ())):
        if not isinstance(data.get(name), str):
            raise RefusedError(400, f"{which} has no text for {name!r}")
    seq = data.get("seq")
    if not isinstance(seq, int) or isinstance(seq, bool) or seq < 0:
        raise RefusedError(400, f"{which} has no number for 'seq'")
    for name in _NUMBERS.get(kind, ()):
        if not isinstance(data.get(name), int | float):
            raise RefusedError(400, f"{which} has no number for {name!r}")
    return Published(body, data)


@dataclasses.dataclass(slots=True)
class _Waiting:
    objects: list[Published]
    size: int
    done: asyncio.Future[None]


class Ingest:
    """Hands objects to the store's one writer; what waits meanwhile shares a transaction."""

    def __init__(self, store: Store, on_change: Callable[[set[int]], None]) -> None:
        self._store = store
        self._on_change = on_change
        self._waiting: list[_Waiting] = []
        self._size = 0
        self._wake = asyncio.Event()

    async def add(self, objects: list[Published]) -> None:
        """Return once the objects are in the store. Raises RefusedError."""
        size = sum(len(one.body) for one in objects)
        if self._size and self._size + size > MAX_WAITING:
            raise RefusedError(503, "too much waits to be stored: try again later")
        waiting = _Waiting(objects, size, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._size += size
        self._wake.set()
        await waiting.done

    async def run(self) -> None:
        """Write batch after batch, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._waiting = self._waiting, []
            await self._write(batch)
            self._size -= sum(waiting.size for waiting in batch)

    async def _write(self, batch: list[_Waiting]) -> None:
        objects = [one for waiting in batch for one in waiting.objects]
        try:
            changed = await asyncio.to_thread(self._store.add, objects, time.time())
        except Exception as error:
            if len(batch) > 1 and not isinstance(error, sqlite3.OperationalError):
                for waiting in batch:  # whose fault it is, only shows one by one
                    await self._write([waiting])
                return
            for waiting in batch:
                _fail(waiting, error)
            return
        for waiting in batch:
            # Whoever sent it may have gone away meanwhile.
            if not waiting.done.done():
                waiting.done.set_result(None)
        self._on_change(changed)


def _fail(waiting: _Waiting, error: Exception) -> None:
    # A full disk, or one that can't be read, may be mended: the relay keeps it till then.
    is_passing = isinstance(error, sqlite3.OperationalError)
    refusal = RefusedError(503 if is_passing else 400, f"can't be stored: {error}")
    if not waiting.done.done():
        waiting.done.set_exception(refusal)
