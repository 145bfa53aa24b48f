"""The board's addresses: what can be POSTed, and what can be asked for."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import time
from collections.abc import AsyncIterator
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import Final

import orjson
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.responses import PlainTextResponse
from starlette.responses import Response
from starlette.routing import Mount
from starlette.routing import Route
from starlette.staticfiles import StaticFiles

from .history import History
from .ingest import Ingest
from .ingest import parse
from .ingest import read_body
from .ingest import RefusedError
from .live import EventStream
from .live import Live
from .safety import Guard
from .safety import has_signature
from .safety import policy_for
from .safety import Safety
from .store import COLUMNS
from .store import Filter
from .store import Store
from .upkeep import Keep
from .upkeep import Upkeep


STATIC: Final = Path(__file__).with_name("static")
#: Seconds between two pieces of the store's upkeep, and until it is looked for more.
PAUSE: Final = 0.01
IDLE: Final = 5.0
#: The most runs, and rows, of one answer.
MOST_RUNS: Final = 200
MOST_ROWS: Final = 20_000
#: The most tests, and results of one test, of one answer.
MOST_TESTS: Final = 1_000
MOST_RESULTS: Final = 2_000


class Board:
    """Answers requests out of one store.

    ``signing_key`` is the key that POSTs must be signed with, empty for none; ``keep`` tells
    which runs are kept, None for all;
    ``on_start`` is called when the server is up.
    """

    def __init__(
        self,
        store: Store,
        *,
        safety: Safety,
        signing_key: bytes = b"",
        keep: Keep | None = None,
        on_start: Callable[[], None] | None = None,
    ) -> None:
        self._store = store
        self._history = History(store)
        self._upkeep = Upkeep(store, keep)
        self._key = signing_key
        self._on_start = on_start
        self.live = Live(store)
        self._ingest = Ingest(store, self.live.changed)
        self.app = Starlette(
            routes=[
                Route("/", self._page, methods=["GET"]),
                Route("/api/runs", self._runs),
                # A run's id may have slashes in it: a branch's name, say.
                Route("/api/runs/{run_id:path}/results", self._results),
                Route("/api/runs/{run_id:path}/not-run", self._not_run),
                Route("/api/runs/{run_id:path}/changes", self._changes),
                Route("/api/runs/{run_id:path}", self._run),
                Route("/api/projects", self._projects),
                Route("/api/tests", self._test),
                Route("/api/flaky", self._flaky),
                Route("/api/slow", self._slow),
                Route("/api/causes", self._causes),
                Route("/api/compare", self._compare),
                Route("/api/results/{session_id:path}-{seq:int}", self._result),
                Route("/api/stream", self._stream),
                Route("/{path:path}", self._post, methods=["POST"]),
                Mount("/static", StaticFiles(directory=STATIC, check_dir=False)),
                Route("/{path:path}", _nothing),
            ],
            middleware=[Middleware(Guard, safety=safety)],
            lifespan=self._lifespan,
        )

    @contextlib.asynccontextmanager
    async def _lifespan(self, _app: Starlette) -> AsyncIterator[None]:
        duties = (self._ingest.run(), self.live.watch(), self._look_after())
        tasks = [asyncio.create_task(duty) for duty in duties]
        if self._on_start is not None:
            self._on_start()
        yield
        for task in tasks:
            task.cancel()

    async def _look_after(self) -> None:
        """Look after the store, a piece at a time, until cancelled."""
        while True:
            is_busy = False
            with contextlib.suppress(sqlite3.Error):  # a full disk, say: later, then
                is_busy, gone = await asyncio.to_thread(self._upkeep.step, time.time())
                if gone:
                    self.live.changed(gone)
            await asyncio.sleep(PAUSE if is_busy else IDLE)

    async def _page(self, _request: Request) -> Response:
        page = (STATIC / "index.html").read_text("utf-8")
        return HTMLResponse(page, headers={"Content-Security-Policy": policy_for(page)})

    async def _post(self, request: Request) -> Response:
        """Take in what was published, on any path: 204 once it is in the store."""
        if f"{request.path_params['path']}/".startswith("api/"):
            return PlainTextResponse("nothing is POSTed below /api\n", 404)
        try:
            with self._ingest.room() as take:
                await self._ingest.add(await parse(await self._body_of(request, take)))
        except RefusedError as refusal:
            again = {"Retry-After": "5"} if refusal.status == 503 else None
            return PlainTextResponse(f"{refusal.reason}\n", refusal.status, again)
        except ClientDisconnect:
            return Response(status_code=400)
        return Response(status_code=204)

    async def _body_of(self, request: Request, take: Callable[[int], None]) -> bytes:
        encoding = request.headers.get("content-encoding", "identity").lower()
        if encoding not in ("identity", "gzip"):
            raise RefusedError(415, f"Content-Encoding {encoding!r} is not known here")
        length = _integer(request.headers.get("content-length", ""), 0)
        body = await read_body(
            request.stream(), is_gzip=encoding == "gzip", length=length, take=take
        )
        if self._key and not has_signature(request.headers, body, self._key, time.time()):
            raise RefusedError(401, "the POST is not signed with this board's secret")
        return body

    async def _runs(self, request: Request) -> Response:
        limit = _number(request, "limit", 50, MOST_RUNS)
        try:
            before = float(request.query_params.get("before") or "inf")
        except ValueError:
            return PlainTextResponse("'before' is epoch seconds\n", 400)
        project = _project(request)
        return _json(await asyncio.to_thread(self._read_runs, limit, before, project))

    def _read_runs(self, limit: int, before: float, project: str | None) -> list[dict[str, Any]]:
        now = time.time()
        ids = self._store.run_ids(limit=limit, before=before, project=project)
        found = (self._store.run(id_, now) for id_ in ids)
        return [run for run in found if run is not None]

    async def _run(self, request: Request) -> Response:
        id_ = await self._find(request)
        if id_ is None:
            return _unknown(request)
        run = await asyncio.to_thread(self._store.run, id_, time.time())
        running = await asyncio.to_thread(self._store.running, id_)
        return _unknown(request) if run is None else _json({**run, "running": running})

    async def _results(self, request: Request) -> Response:
        id_ = await self._find(request)
        if id_ is None:
            return _unknown(request)
        asked = request.query_params
        outcomes = asked.get("outcome")
        wanted = Filter(
            outcomes=tuple(outcomes.split(",")) if outcomes else (),
            worker=asked.get("worker"),
            scope=asked.get("scope"),
            text=asked.get("text"),
            cause=_number(request, "cause", 0) if asked.get("cause") else None,
        )
        limit = _number(request, "limit", 1_000, MOST_ROWS)
        after = _number(request, "after", 0)
        rows = await asyncio.to_thread(self._store.rows, id_, wanted, after=after, limit=limit)
        following = rows[-1][0] if len(rows) == limit else None
        return _json({"columns": COLUMNS, "rows": rows, "next": following})

    async def _not_run(self, request: Request) -> Response:
        id_ = await self._find(request)
        if id_ is None:
            return _unknown(request)
        return _json(await asyncio.to_thread(self._store.not_run, id_, MOST_ROWS))

    async def _changes(self, request: Request) -> Response:
        id_ = await self._find(request)
        if id_ is None:
            return _unknown(request)
        changes = await asyncio.to_thread(self._history.changes, id_)
        return _unknown(request) if changes is None else _json(changes)

    async def _projects(self, _request: Request) -> Response:
        return _json(await asyncio.to_thread(self._history.projects))

    async def _test(self, request: Request) -> Response:
        nodeid = request.query_params.get("nodeid")
        if nodeid is None:
            return PlainTextResponse("'nodeid' has to name a test\n", 400)
        limit = _number(request, "limit", 200, MOST_RESULTS)
        found = await asyncio.to_thread(self._history.test, _project(request), nodeid, limit=limit)
        return (
            PlainTextResponse(f"no test {nodeid!r} here\n", 404) if found is None else _json(found)
        )

    async def _flaky(self, request: Request) -> Response:
        return await self._list(request, self._history.flaky)

    async def _slow(self, request: Request) -> Response:
        return await self._list(request, self._history.slow)

    async def _causes(self, request: Request) -> Response:
        try:
            days = float(request.query_params.get("days") or 7)
        except ValueError:
            return PlainTextResponse("'days' is a number\n", 400)
        return await self._list(request, self._history.causes, since=time.time() - days * 86_400)

    async def _list(
        self, request: Request, answer: Callable[..., dict[str, Any]], **asked: Any
    ) -> Response:
        limit = _number(request, "limit", 100, MOST_TESTS)
        return _json(await asyncio.to_thread(answer, _project(request), limit=limit, **asked))

    async def _compare(self, request: Request) -> Response:
        asked = [request.query_params.get(side) for side in "ab"]
        if None in asked:
            return PlainTextResponse("'a' and 'b' have to name two runs\n", 400)
        ids = [
            await asyncio.to_thread(self._store.find_run, str(run_id), _project(request))
            for run_id in asked
        ]
        a, b = ids
        if a is None or b is None:
            return PlainTextResponse(f"no run {asked[ids.index(None)]!r} here\n", 404)
        told = await asyncio.to_thread(self._history.compare, a, b, time.time())
        return PlainTextResponse("a run has gone meanwhile\n", 404) if told is None else _json(told)

    async def _result(self, request: Request) -> Response:
        session_id, seq = request.path_params["session_id"], request.path_params["seq"]
        is_possible = seq < 1 << 63  # more than SQLite can be asked for
        body = await asyncio.to_thread(self._store.body, session_id, seq) if is_possible else None
        if body is None:
            return PlainTextResponse("no such result\n", 404)
        return Response(body, media_type="application/json")

    async def _stream(self, request: Request) -> Response:
        run_id = request.query_params.get("run")
        id_ = None
        if run_id is not None:
            id_ = await asyncio.to_thread(self._store.find_run, run_id, _project(request))
        known = request.headers.get("last-event-id") or request.query_params.get("after") or ""
        after = _integer(known, 0)
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        return EventStream(self.live.stream(id_, after), headers=headers)

    async def _find(self, request: Request) -> int | None:
        run_id = request.path_params["run_id"]
        return await asyncio.to_thread(self._store.find_run, run_id, _project(request))


def _project(request: Request) -> str | None:
    return request.query_params.get("project")


def _number(request: Request, name: str, default: int, most: int = 2**62) -> int:
    return min(_integer(request.query_params.get(name, ""), default), most)


def _integer(text: str, default: int) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else default


def _json(data: Any) -> Response:
    headers = {"Cache-Control": "no-store"}
    return Response(orjson.dumps(data), media_type="application/json", headers=headers)


def _unknown(request: Request) -> Response:
    return PlainTextResponse(f"no run {request.path_params['run_id']!r} here\n", 404)


async def _nothing(_request: Request) -> Response:
    """Answer whoever opens the address that results are POSTed to."""
    return PlainTextResponse("results are POSTed here; the page is at /\n", 404)
