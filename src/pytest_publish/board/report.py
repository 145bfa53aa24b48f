"""One run as one file: what the board's page would ask for, answered in advance."""

from __future__ import annotations

import contextlib
import errno
import itertools
import math
import os
import shlex
import sqlite3
import tempfile
import time
from collections.abc import Callable
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import Final
from typing import TypeAlias

import orjson

from .history import History
from .ingest import parsed
from .ingest import RefusedError
from .single_file import page_with
from .store import COLUMNS
from .store import LATE
from .store import Published
from .store import Store
from .store import StoreError


#: Bytes of JSON that the page unpacks at once, to show one result.
_BLOCK: Final = 1 << 18
_ALL: Final = 1 << 40
#: The most runs that are shown to choose from.
_SHOWN: Final = 20
#: The most tests, or causes, of a list across runs; the times for which there are causes.
_LISTED: Final = 100
_DAYS: Final = (1, 7, 30, 365)
#: The most tests whose history comes along, and the most results of one.
_MOST_HISTORIES: Final = 1_000
_MOST_PAST: Final = 100
_KEY, _NODEID = COLUMNS.index("key"), COLUMNS.index("nodeid")

#: What the page asks for, without what only limits the answer; and the answer as JSON.
_Answer: TypeAlias = tuple[str, bytes]


class ReportError(Exception):
    """There can be no report; the message says why, and what to do."""


def opened(path: Path, read: Callable[[Path], Iterable[bytes]], copy: Path, now: float) -> Store:
    """Return what a path has as a store: that itself, or a copy of what ``read`` finds there.

    Raises ReportError.
    """
    try:
        if is_store(path):
            return Store(path, is_read_only=True)
        store = Store(copy)
        # As if it were sent long after the run: then only its own times tell how old it is.
        for part in _parts(_objects(read(path))):
            store.add(part, now + LATE)
    except StoreError as error:
        raise ReportError(str(error)) from None
    except OSError as error:
        reason = error.strerror or error
        raise ReportError(f"can't read {error.filename or path}: {reason}") from None
    except sqlite3.Error as error:  # a full disk, say
        raise ReportError(f"can't copy {path}: {error}") from None
    return store


def is_store(path: Path) -> bool:
    """Tell whether a file is a database of SQLite. Raises OSError."""
    if path.is_dir():
        return False
    if path.exists() and not path.is_file():  # reading a FIFO would wait for ever
        raise ReportError(f"{path} is neither a file nor a folder")
    with path.open("rb") as file:
        return file.read(16) == b"SQLite format 3\0"


def _objects(bodies: Iterable[bytes]) -> Iterator[Published]:
    for body in bodies:
        with contextlib.suppress(RefusedError):  # of somebody else
            yield from parsed(body)


def _parts(objects: Iterator[Published]) -> Iterator[list[Published]]:
    while part := list(itertools.islice(objects, 1_000)):
        yield part


def chosen(store: Store, path: Path, run_id: str | None, now: float) -> int:
    """Return the run that is meant. Raises ReportError."""
    if run_id is not None:
        found = store.find_run(run_id)
        if found is None:
            raise ReportError(f"{path} has no run {run_id!r}\n{_listed(store, now)}")
        return found
    ids = store.run_ids(limit=2, before=math.inf)
    if not ids:
        raise ReportError(
            f"{path} has nothing that pytest-publish wrote: name a tree, an outbox, "
            "a file of --publish-log, or a board's store"
        )
    if len(ids) > 1:
        raise ReportError(f"{path} has several runs: choose one with --run\n{_listed(store, now)}")
    return ids[0]


def _listed(store: Store, now: float) -> str:
    """Return the newest runs, a line each."""
    runs = [store.run(id_, now) for id_ in store.run_ids(limit=_SHOWN, before=math.inf)]
    return "\n".join(_line(run) for run in runs if run is not None)


def _line(run: dict[str, Any]) -> str:
    when = time.strftime("%Y-%m-%d %H:%M", time.localtime(run["started"]))
    return f"  --run {shlex.quote(run['run_id'])}  {when}, {run['done']} tests, {run['project']}"


def write_report(store: Store, run: int, now: float, output: Path) -> None:
    """Write the report of a run, whole or not at all. Raises ReportError.

    ``now`` is the time, in epoch seconds, as of which it is told.
    """
    try:
        with store.snapshot():
            answers = _Answers(store, run, now)
            title = f"{answers.run['project'] or answers.run['run_id']}: report"
            _write(output, page_with(answers.blocks(), title))
    except OSError as error:
        raise ReportError(f"can't write {output}: {error.strerror or error}") from None
    except sqlite3.Error as error:
        raise ReportError(f"can't read {store.path}: {error}") from None


class _Answers:
    """What the page asks about one run, answered out of a store."""

    def __init__(self, store: Store, run: int, now: float) -> None:
        self._store = store
        self._history = History(store)
        self._now = now
        self.run = _told(store, run, now)
        self._rows = store.rows(run, limit=_ALL)
        self._changes = self._history.changes(run) or {}
        self._before = self._changes.get("before")

    def blocks(self) -> Iterator[tuple[str, bytes]]:
        """Yield what is unpacked when it is asked for, and last what the page needs at once."""
        index: list[list[str]] = []
        for number, block in enumerate(_split(self._later())):
            index.append([asked for asked, _answer in block])
            yield f"block-{number}", _object(block)
        first = {
            "made": self._now,
            "hasHistory": self._before is not None,
            "index": index,
            "answers": orjson.Fragment(_object(self._at_once())),
        }
        yield "index", orjson.dumps(first)

    def _at_once(self) -> Iterator[_Answer]:
        one = f"/api/runs/{self.run['run_id']}"
        named = {name: self.run[name] for name in ("run_id", "project", "started")}
        project = {"project": self.run["project"], "runs": 1, "last": named}
        results = {"columns": COLUMNS, "rows": self._rows, "next": None}
        yield "/api/runs", orjson.dumps([self.run])
        yield "/api/projects", orjson.dumps([project])
        yield one, orjson.dumps(self.run)
        yield f"{one}/changes", orjson.dumps(self._changes)
        yield f"{one}/results", orjson.dumps(results)
        yield f"{one}/not-run", orjson.dumps(self._store.not_run(self.run["id"], _ALL))

    def _later(self) -> Iterator[_Answer]:
        yield from self._bodies()
        if self._before is not None:
            yield from self._across_runs(self._before["run_id"])
            yield from self._of_tests()

    def _bodies(self) -> Iterator[_Answer]:
        for key in (str(row[_KEY]) for row in self._rows):
            session_id, _dash, seq = key.rpartition("-")
            body = self._store.body(session_id, int(seq))
            if body is not None:
                yield f"/api/results/{key}", body

    def _across_runs(self, before: str) -> Iterator[_Answer]:
        history, project = self._history, self.run["project"]
        earlier = self._store.find_run(before, project)
        if earlier is not None:
            compared = history.compare(earlier, self.run["id"], self._now)
            yield f"/api/compare?a={before}?b={self.run['run_id']}", orjson.dumps(compared)
        yield "/api/flaky", orjson.dumps(history.flaky(project, limit=_LISTED))
        yield "/api/slow", orjson.dumps(history.slow(project, limit=_LISTED))
        for days in _DAYS:
            causes = history.causes(project, since=self._now - days * 86_400, limit=_LISTED)
            yield f"/api/causes?days={days}", orjson.dumps(causes)

    def _of_tests(self) -> Iterator[_Answer]:
        """Answer for each test, first for those that somebody will look at."""
        mended = (one["nodeid"] for one in self._changes["mended"])
        nodeids = (*self._changes["failures"], *mended, *(row[_NODEID] for row in self._rows))
        for nodeid in list(dict.fromkeys(nodeids))[:_MOST_HISTORIES]:
            answer = self._history.test(self.run["project"], nodeid, limit=_MOST_PAST)
            yield f"/api/tests?nodeid={nodeid}", orjson.dumps(answer)


def _told(store: Store, run: int, now: float) -> dict[str, Any]:
    """Return a run as a whole. Without events, nothing tells how it ended."""
    told = store.run(run, now)
    assert told is not None
    if not any(session["has_events"] for session in told["sessions"]):
        for one in (told, *told["sessions"]):
            one["state"] = "untold"
    return {**told, "running": store.running(run)}


def _object(answers: Iterable[_Answer]) -> bytes:
    return orjson.dumps({asked: orjson.Fragment(answer) for asked, answer in answers})


def _split(answers: Iterable[_Answer]) -> Iterator[list[_Answer]]:
    """Yield the answers in parts of about one block each."""
    block: list[_Answer] = []
    size = 0
    for asked, answer in answers:
        block.append((asked, answer))
        size += len(answer)
        if size > _BLOCK:
            yield block
            block, size = [], 0
    yield block


def _write(output: Path, parts: Iterable[str]) -> None:
    """Write a file beside its place, and put it there when it is whole."""
    if output.exists() and not output.is_file():  # a folder, or a device that must stay one
        raise OSError(errno.EEXIST, "it is no ordinary file")
    fd, name = tempfile.mkstemp(prefix=f".{output.name}-", dir=output.parent)
    try:
        with open(fd, "w", encoding="utf-8") as file:
            file.writelines(parts)
            os.fchmod(file.fileno(), 0o666 & ~_umask())
        os.replace(name, output)
    except BaseException:
        os.unlink(name)
        raise


def _umask() -> int:
    umask = os.umask(0)
    os.umask(umask)
    return umask
