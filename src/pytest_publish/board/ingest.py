"""Take in what is POSTed: check it, and keep it before it is answered."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import sqlite3
import time
import zlib
from collections.abc import AsyncIterable
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import Final
from typing import TypeAlias

import orjson

from .store import Published
from .store import Store


#: The most bytes of one POST, as it comes and as it is unpacked.
MAX_BYTES: Final = 1 << 26
#: The most bytes of POSTs at a time; any more of them are asked to try again.
MAX_HELD: Final = 1 << 27
#: Bytes of a body that is parsed at once; what is larger would hold up other requests.
_SMALL: Final = 1 << 16

_TEXT: Final = (str, "text")
_NUMBER: Final = ((int, float), "number")
_INTEGER: Final = (int, "whole number")
_OBJECT: Final = (dict, "object")
_ARRAY: Final = (list, "array")
_Kind: TypeAlias = tuple[Any, str]

#: What the board needs of the objects that it knows: by type, what must be there.
_NEEDED: Final[dict[str, dict[str, _Kind]]] = {
    "result": {
        "nodeid": _TEXT,
        "outcome": _TEXT,
        "start_time": _NUMBER,
        "stop_time": _NUMBER,
        "duration": _NUMBER,
    },
    "session_start": {"time": _NUMBER},
    "collected": {"time": _NUMBER, "total": _INTEGER},
    "test_start": {"time": _NUMBER, "nodeid": _TEXT, "start_time": _NUMBER},
    "session_finish": {"time": _NUMBER, "reason": _TEXT},
}
_NEEDED_BY_ALL: Final = {"type": _TEXT, "session_id": _TEXT, "run_id": _TEXT, "seq": _INTEGER}
#: What may be missing or null, and must be this if it is there.
_OPTIONAL: Final = {
    "project": _TEXT,
    "name": _TEXT,
    "file": _TEXT,
    "xdist_worker": _TEXT,
    "xdist_scope": _TEXT,
    "attempt": _INTEGER,
    "deselected": _INTEGER,
    "exitstatus": _INTEGER,
    "excinfo": _OBJECT,
    "phases": _ARRAY,
    "nodeids": _ARRAY,
    "metadata": _OBJECT,
}
#: What the elements of an array must be.
_ELEMENTS: Final = {"phases": _OBJECT, "nodeids": _TEXT}


class RefusedError(Exception):
    """What was POSTed can't be taken: ``status`` and one line that says why."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


async def parse(body: bytes) -> list[Published]:
    """Do what :func:`parsed` does, and hold nobody up."""
    return parsed(body) if len(body) < _SMALL else await asyncio.to_thread(parsed, body)


def parsed(body: bytes) -> list[Published]:
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
    for name, kind in _NEEDED_BY_ALL.items():
        _check(which, name, data.get(name), kind)
    if data["seq"] < 0:
        raise RefusedError(400, f"{which} has a 'seq' below 0")
    if data["type"] in _NEEDED:
        _check_known(data, which)
    return Published(body, data)


def _check_known(data: dict[str, Any], which: str) -> None:
    for name, kind in _NEEDED[data["type"]].items():
        _check(which, name, data.get(name), kind)
    for name, kind in _OPTIONAL.items():
        if (value := data.get(name)) is not None:
            _check(which, name, value, kind)
    for name, kind in _ELEMENTS.items():
        for element in data.get(name) or ():
            _check(which, name, element, kind)


def _check(which: str, name: str, value: Any, kind: _Kind) -> None:
    types, word = kind
    if not isinstance(value, types):
        raise RefusedError(400, f"{which} has no {word} for {name!r}")
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise RefusedError(400, f"{which} has a number for {name!r} that is too large")


@dataclasses.dataclass(slots=True)
class _Waiting:
    objects: list[Published]
    done: asyncio.Future[None]


class Ingest:
    """Hands objects to the store's one writer; what waits meanwhile shares a transaction."""

    def __init__(self, store: Store, on_change: Callable[[set[int]], None]) -> None:
        self._store = store
        self._on_change = on_change
        self._waiting: list[_Waiting] = []
        self._held = 0
        self._wake = asyncio.Event()

    @contextlib.contextmanager
    def room(self) -> Iterator[Callable[[int], None]]:
        """Count the bytes of a POST for as long as they are held.

        Yields what is called with each number of bytes; it raises RefusedError.
        """
        taken = 0

        def take(size: int) -> None:
            nonlocal taken
            taken += size
            self._held += size
            if self._held > MAX_HELD and taken < self._held:
                raise RefusedError(503, "too much waits to be stored: try again later")

        try:
            yield take
        finally:
            self._held -= taken

    async def add(self, objects: list[Published]) -> None:
        """Return once the objects are in the store. Raises RefusedError."""
        waiting = _Waiting(objects, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._wake.set()
        await waiting.done

    async def run(self) -> None:
        """Write batch after batch, until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            batch, self._waiting = self._waiting, []
            await self._write(batch)

    async def _write(self, batch: list[_Waiting]) -> None:
        objects = [one for waiting in batch for one in waiting.objects]
        try:
            changed = await asyncio.to_thread(self._store.add, objects, time.time())
        except Exception as error:
            if len(batch) > 1 and not _may_pass(error):
                for waiting in batch:  # one by one, which shows whose fault it is
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
    refusal = RefusedError(503 if _may_pass(error) else 400, f"can't be stored: {error}")
    if not waiting.done.done():
        waiting.done.set_exception(refusal)


def _may_pass(error: Exception) -> bool:
    """Tell whether the store is at fault: a full disk may be mended, the relay waits till then.

    What SQLite can't hold is the object's own fault.
    """
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(
        error, sqlite3.DataError | sqlite3.ProgrammingError
    )


async def read_body(
    parts: AsyncIterable[bytes],
    *,
    is_gzip: bool,
    length: int = 0,
    take: Callable[[int], None] = lambda _size: None,
    limit: int = MAX_BYTES,
) -> bytes:
    """Return a body, unpacked, of at most ``limit`` bytes. Raises RefusedError.

    ``length`` is how many bytes it says it has; what is too long is not even read.
    ``take`` is called with the number of bytes of each part.
    """
    too_large = RefusedError(413, f"the body has more than {limit:,} bytes")
    if length > limit:
        raise too_large
    unpack = zlib.decompressobj(zlib.MAX_WBITS | 16) if is_gzip else None
    body = bytearray()
    async for packed in parts:
        try:
            part = packed if unpack is None else unpack.decompress(packed, limit + 1 - len(body))
        except zlib.error as error:
            raise RefusedError(400, f"the body is not gzip: {error}") from None
        take(len(part))
        body += part
        if len(body) > limit:
            raise too_large
    if unpack is not None and not unpack.eof:
        raise RefusedError(400, "the body is not gzip: it is cut short")
    return bytes(body)
