"""Tell open pages what has changed, by server-sent events.

Nothing is queued for a page: each stream knows what it sent last and reads what came
after that from the store. A page that reads slowly falls behind and costs no memory.
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import AsyncIterator
from collections.abc import Iterable
from typing import Any
from typing import Final

import orjson
from starlette.responses import StreamingResponse
from starlette.types import Message
from starlette.types import Send

from .store import Store


#: Seconds for which changes are collected before they are sent.
BATCH: Final = 0.15
#: Seconds after which a silent stream says that it is still there.
KEEP_ALIVE: Final = 15.0
#: Seconds between two looks for runs that have turned silent.
WATCH: Final = 5.0
#: Seconds that a page may take to read what it was sent.
SLOWEST: Final = 30.0
#: The most rows of one event, and the most that a page which was away catches up on;
#: beyond that it is told to load the run anew.
MOST_ROWS: Final = 500
MOST_MISSED: Final = 5_000


@dataclasses.dataclass(slots=True)
class _Shown:
    """The run that a page shows, and the last of its rows that was sent."""

    run: int
    after: int


class Live:
    """Knows which runs have changed, and when; wakes the streams."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._version = 0
        self._changed: dict[int, int] = {}
        self._summaries: dict[int, tuple[int, dict[str, Any]]] = {}
        self._wake = asyncio.Event()
        self._closed = False

    def changed(self, runs: Iterable[int]) -> None:
        """Take note that runs have changed."""
        self._version += 1
        self._changed.update(dict.fromkeys(runs, self._version))
        self._wake_streams()

    async def watch(self) -> None:
        """Take note of runs that have turned silent, until cancelled."""
        known: dict[int, str] = {}
        while True:
            now = time.time()
            ids = await asyncio.to_thread(self._store.without_end, now)
            runs = {id_: await asyncio.to_thread(self._store.run, id_, now) for id_ in ids}
            states = {id_: run["state"] for id_, run in runs.items() if run is not None}
            if turned := {id_ for id_, state in states.items() if known.get(id_, state) != state}:
                self.changed(turned)
            known = states
            await asyncio.sleep(WATCH)

    def close(self) -> None:
        """End all streams: with one open, uvicorn (0.54) does not stop by itself."""
        self._closed = True
        self._wake_streams()

    def _wake_streams(self) -> None:
        self._wake.set()
        self._wake = asyncio.Event()

    async def stream(self, run: int | None, after: int) -> AsyncIterator[bytes]:
        """Yield the events for a page that shows ``run`` and knows its rows up to ``after``.

        ``runs`` has the runs that changed, ``rows`` new rows of the run that is shown,
        ``reset`` says that too many were missed, ``bye`` that the board stops. ``hello``
        has the board's clock.
        """
        version = self._version
        yield b"retry: 1000\n\n"
        yield _event("hello", {"now": time.time()})
        shown = None
        if run is not None:
            if await asyncio.to_thread(self._store.has_more, run, after, MOST_MISSED):
                yield _event("reset", None)
                return
            yield _event("runs", [await self._summary(run)])
            shown = _Shown(run, after)
            async for event in self._new_rows(shown):
                yield event
        while await self._goes_on(version):
            if version == self._version:
                yield b": still here\n\n"
                continue
            since, version = version, self._version
            changed = [id_ for id_, when in self._changed.items() if when > since]
            yield _event("runs", [await self._summary(id_) for id_ in changed])
            if shown is not None and shown.run in changed:
                async for event in self._new_rows(shown):
                    yield event
        yield _event("bye", None)

    async def _goes_on(self, version: int) -> bool:
        """Wait for a change since ``version`` and for what comes with it; False at the end."""
        if version == self._version and not self._closed:
            with contextlib.suppress(asyncio.TimeoutError):
                await asyncio.wait_for(self._wake.wait(), KEEP_ALIVE)
        if version != self._version and not self._closed:
            await asyncio.sleep(BATCH)
        return not self._closed

    async def _new_rows(self, shown: _Shown) -> AsyncIterator[bytes]:
        number = MOST_ROWS
        while number == MOST_ROWS:
            event, number = await asyncio.to_thread(self._rows_event, shown)
            if number:
                yield event

    def _rows_event(self, shown: _Shown) -> tuple[bytes, int]:
        # Of what waits for a slow reader, only the bytes are held.
        rows = self._store.rows(shown.run, after=shown.after, limit=MOST_ROWS)
        if rows:
            shown.after = rows[-1][0]
        return _event("rows", rows, shown.after), len(rows)

    async def _summary(self, id_: int) -> dict[str, Any]:
        """Return a run as a whole, read once for all pages."""
        version = self._changed.get(id_, 0)
        known = self._summaries.get(id_)
        if known is None or known[0] != version:
            known = version, await asyncio.to_thread(self._read, id_)
            self._summaries[id_] = known
        return known[1]

    def _read(self, id_: int) -> dict[str, Any]:
        run = self._store.run(id_, time.time())
        if run is None:  # it turned out to be a part of another one
            return {"id": id_, "state": "gone"}
        return {**run, "running": self._store.running(id_)}


def _event(name: str, data: Any, id_: int | None = None) -> bytes:
    head = b"" if id_ is None else b"id: %d\n" % id_
    return head + b"event: %s\ndata: %s\n\n" % (name.encode(), orjson.dumps(data))


class EventStream(StreamingResponse):
    """A stream of events that is given up if nobody reads it."""

    media_type = "text/event-stream"

    async def stream_response(self, send: Send) -> None:
        """Send the stream, each part in a bounded time."""

        async def bounded(message: Message) -> None:
            await asyncio.wait_for(send(message), SLOWEST)

        with contextlib.suppress(asyncio.TimeoutError):
            await super().stream_response(bounded)
