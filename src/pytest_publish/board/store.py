"""What the board keeps: every object as it came, and what its pages ask for.

One SQLite file (WAL). One thread at a time writes, a batch in a transaction; any reads.
An object is known by its session and ``seq``: one that comes again changes nothing.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sqlite3
import threading
import zlib
from collections.abc import Iterable
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from typing import Final
from urllib.parse import quote

import fasteners
import orjson

from . import schema
from .causes import cause_of
from .estimate import BETWEEN
from .estimate import Ending
from .estimate import Habit
from .estimate import habit_of
from .estimate import left_of
from .estimate import progress_of
from .recent import Entry
from .recent import letter_of
from .recent import newest
from .recent import pack
from .recent import PASSES
from .recent import RUNS
from .recent import summary
from .recent import unpack


#: Seconds without any object after which a session without an end is silent, and those
#: after which it is though a test is known to run, which may well take long.
SILENCE: Final = 60.0
SILENCE_IN_TEST: Final = 900.0
#: Seconds after which what arrives was not published just now, but sent later.
LATE: Final = 3600.0
#: The fields of a row, in their order.
COLUMNS: Final = (
    *("id", "key", "nodeid", "name", "file", "outcome", "worker", "scope"),
    *("start_time", "duration", "attempt", "problem"),
)

#: What a session tells of itself at its start.
_SHOWN: Final = (
    *("host", "platform", "versions", "rootdir", "args", "xdist_dist", "workers", "metadata"),
)

_ROWS: Final = (
    "SELECT results.id, session_id || '-' || seq, nodeid, name, file, outcome, worker, "
    "scope, start_time, results.duration, attempt, problem FROM results "
    "JOIN tests ON tests.id = results.test JOIN sessions ON sessions.id = results.session "
    "WHERE results.run = ? AND results.id > ?"
)
#: How the sessions of a project's last runs ended, the newest first.
_ENDINGS: Final = """
SELECT info, mean, last, stopped, (
    SELECT start_time FROM objects JOIN results ON results.id = objects.id
    WHERE objects.session = ended.id ORDER BY objects.seq LIMIT 1) AS begin
FROM (
    SELECT sessions.id, info, sessions.stopped, before.started,
        avg(workers.stopped) AS mean, max(workers.stopped) AS last
    FROM (SELECT id, started FROM runs WHERE project = ?1 AND started < ?2
        ORDER BY started DESC LIMIT ?3) AS before
    JOIN sessions ON sessions.run = before.id
    JOIN workers ON workers.session = sessions.id
    WHERE reason = 'finished' AND info IS NOT NULL AND total BETWEEN ?4 / 2 AND ?4 * 2
    GROUP BY sessions.id) AS ended
WHERE mean > begin ORDER BY started DESC
"""


class StoreError(Exception):
    """The file is no store that this program can use; the message says why."""


@dataclasses.dataclass(frozen=True, slots=True)
class Published:
    """One object as it was published: its bytes, and what they say."""

    body: bytes
    data: dict[str, Any]

    @property
    def type(self) -> str:
        """Return which kind of object it is; unknown kinds are kept and not looked into."""
        return str(self.data["type"])


@dataclasses.dataclass(slots=True)
class _Session:
    id: int
    run: int
    project: str | None
    started: float


@dataclasses.dataclass(frozen=True, slots=True)
class Filter:
    """Which results are asked for; ``text`` is looked for in node ids and problems."""

    outcomes: tuple[str, ...] = ()
    worker: str | None = None
    scope: str | None = None
    text: str | None = None
    cause: int | None = None

    def clause(self) -> tuple[str, list[str | int]]:
        """Return it as SQL, with placeholders only, and their values."""
        parts: list[tuple[str, tuple[str | int, ...]]] = []
        if self.outcomes:
            parts.append((f"outcome IN ({', '.join('?' * len(self.outcomes))})", self.outcomes))
        if self.worker is not None:
            parts.append(("coalesce(worker, '') = ?", (self.worker,)))
        if self.scope is not None:
            parts.append(("scope = ?", (self.scope,)))
        if self.cause is not None:
            parts.append(("cause = ?", (self.cause,)))
        if self.text:
            text = self.text.lower()
            both = "(instr(lower(nodeid), ?) OR instr(lower(coalesce(problem, '')), ?))"
            parts.append((both, (text, text)))
        clause = "".join(f" AND {part}" for part, _values in parts)
        return clause, [value for _part, values in parts for value in values]


EVERYTHING: Final = Filter()


class Store:
    """One file of runs, for any thread; who writes waits for who writes already."""

    def __init__(self, path: Path, *, is_read_only: bool = False) -> None:
        """Open the file, or make it. Raises StoreError.

        Any number may read while one writes; they change nothing.
        """
        self.path = path
        self._is_read_only = is_read_only
        self._local = threading.local()
        self._writing = threading.Lock()
        self._sessions: dict[str, _Session] = {}
        self._starts: dict[int, float] = {}
        self._lock = fasteners.InterProcessLock(f"{path}.lock")
        try:
            with contextlib.ExitStack() as held:
                (self._open_to_read if is_read_only else self._open)(held)
                self._held = held.pop_all()
        except OSError as error:
            raise StoreError(f"can't keep runs in {path}: {error.strerror}") from error
        except sqlite3.Error as error:
            raise StoreError(
                f"{path} is no store of a board ({error}): name another file"
            ) from error

    def _open_to_read(self, held: contextlib.ExitStack) -> None:
        self._writer = held.enter_context(contextlib.closing(self.reader))
        if self._check() != schema.VERSION:
            raise StoreError(
                f"{self.path} was written by an older pytest-publish: start a board on it once"
            )

    def _open(self, held: contextlib.ExitStack) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if not self._lock.acquire(blocking=False):
            self._lock.lockfile.close()  # which fasteners (0.20) leaves open
            raise StoreError(
                f"another board keeps its runs in {self.path}: stop it, or name another --store"
            )
        held.callback(self._lock.release)
        # What tests print is their owner's business.
        os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        self._writer = held.enter_context(contextlib.closing(self._connect()))
        self._prepare()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._address, uri=True, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA busy_timeout = 5000")
        return connection

    @property
    def _address(self) -> str:
        address = f"file:{quote(str(self.path.absolute()))}"
        if not self._is_read_only:
            return address
        # Without this file nobody writes, and then SQLite need not make any either.
        is_used = Path(f"{self.path}-wal").exists()
        return f"{address}?mode=ro{'' if is_used else '&immutable=1'}"

    def _check(self) -> int | None:
        """Return the version of the file, which has to be a board's; None of an empty one."""
        (version,) = self._writer.execute("PRAGMA user_version").fetchone()
        (application,) = self._writer.execute("PRAGMA application_id").fetchone()
        (tables,) = self._writer.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if tables and application != schema.APPLICATION:
            raise StoreError(f"{self.path} is a database of another program: name another file")
        if version > schema.VERSION:
            raise StoreError(
                f"{self.path} was written by a newer pytest-publish (format {version}, "
                f"this one knows {schema.VERSION}): update this one, or name another file"
            )
        return version if tables else None

    def _prepare(self) -> None:
        version = self._check()
        if version is None:  # so that the file can shrink; it is too late once there is a table
            self._writer.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self._writer.execute("PRAGMA journal_mode = WAL")
        # A killed board loses nothing; a machine without power may lose the last commits.
        self._writer.execute("PRAGMA synchronous = NORMAL")
        if version is None or version < schema.VERSION:
            with self.transaction() as connection:
                (schema.create if version is None else schema.update)(connection)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write in one transaction; if that fails, nothing is changed."""
        with self._writing:
            self._writer.execute("BEGIN IMMEDIATE")
            try:
                yield self._writer
                self._writer.execute("COMMIT")
            except BaseException:
                # What was remembered of rows may have been rolled back with them.
                self.forget()
                if self._writer.in_transaction:
                    self._writer.execute("ROLLBACK")
                raise

    def forget(self) -> None:
        """Forget what is remembered of rows, which may have changed or gone."""
        self._sessions.clear()
        self._starts.clear()

    def give_back(self, pages: int) -> None:
        """Cut free pages off the file, as far as it was made for that."""
        with self._writing:
            if pages:
                # execute() would stop after one page: each is a row, of no columns.
                self._writer.executescript(f"PRAGMA incremental_vacuum({pages:d})")
            # Only this makes the file itself smaller, unless somebody reads just now.
            self._writer.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    def close(self) -> None:
        """Close the file."""
        self._held.close()

    def add(self, objects: Iterable[Published], now: float) -> set[int]:
        """Keep objects in one transaction; return the ids of the runs that have changed.

        ``now`` is epoch seconds. Raises sqlite3.Error (a full disk, say), and then
        nothing of them is kept.
        """
        changed: set[int] = set()
        with self.transaction():
            for one in objects:
                session = self._session_of(one.data, now, changed)
                if self._keep(session, one, now):
                    changed.add(session.run)
        return changed

    def _session_of(self, data: dict[str, Any], now: float, changed: set[int]) -> _Session:
        session_id, project = data["session_id"], data.get("project")
        session = self._sessions.get(session_id) or self._load_session(session_id)
        if session is None:
            time = _time_of(data, now)
            run = self._run_of(project, data["run_id"], time)
            cursor = self._writer.execute(
                "INSERT INTO sessions(session_id, run, project, started, seen, heard) "
                "VALUES(?, ?, ?, ?, ?, ?)",
                (session_id, run, project, time, time, now),
            )
            assert cursor.lastrowid is not None
            session = _Session(cursor.lastrowid, run, project, time)
        elif session.project is None and project is not None:
            changed.add(session.run)
            self._name(session, project, data["run_id"])
        self._sessions[session_id] = session
        return session

    def _load_session(self, session_id: str) -> _Session | None:
        row = self._writer.execute(
            "SELECT id, run, project, started FROM sessions WHERE session_id = ?", (session_id,)
        ).fetchone()
        return None if row is None else _Session(*row)

    def _run_of(self, project: str | None, run_id: str, started: float) -> int:
        if project is None:  # not all objects tell it: take the run that has this id
            row = self._writer.execute(
                "SELECT id FROM runs WHERE run_id = ? ORDER BY id DESC LIMIT 1", (run_id,)
            ).fetchone()
            if row is not None:
                return int(row[0])
        row = self._writer.execute(
            "INSERT INTO runs(project, run_id, started) VALUES(?, ?, ?) "
            "ON CONFLICT DO UPDATE SET started = min(started, excluded.started) "
            "RETURNING id, started",
            (project or "", run_id, started),
        ).fetchone()
        self._starts[row[0]] = row[1]
        return int(row[0])

    def _start_of(self, run: int) -> float:
        """Return when a run started; one that was removed comes before all others."""
        started = self._starts.get(run)
        if started is None:
            row = self._writer.execute("SELECT started FROM runs WHERE id = ?", (run,)).fetchone()
            started = self._starts[run] = float("-inf") if row is None else row[0]
        return started

    def _name(self, session: _Session, project: str, run_id: str) -> None:
        """Give a session its project, which the objects that came first did not tell."""
        before, session.project = session.run, project
        self._writer.execute(
            "UPDATE OR IGNORE runs SET project = ? WHERE id = ? AND project = ''", (project, before)
        )
        session.run = self._run_of(project, run_id, session.started)
        move = (session.run, project, session.id)
        self._writer.execute("UPDATE sessions SET run = ?, project = ? WHERE id = ?", move)
        moved = self._writer.execute(
            "UPDATE results SET run = ? WHERE id IN (SELECT id FROM objects WHERE session = ?) "
            "RETURNING test",
            (move[0], move[2]),
        ).fetchall()
        for (test,) in dict.fromkeys(moved):
            self.recall(test)
        self._writer.execute(
            "DELETE FROM runs WHERE id = ? AND NOT EXISTS "
            "(SELECT 1 FROM sessions WHERE sessions.run = runs.id)",
            (before,),
        )

    def _keep(self, session: _Session, one: Published, now: float) -> bool:
        """Keep an object; False if it was there already."""
        cursor = self._writer.execute(
            "INSERT OR IGNORE INTO objects(session, seq, type, body) VALUES(?, ?, ?, ?)",
            (session.id, one.data["seq"], one.type, zlib.compress(one.body, 3)),
        )
        if not cursor.rowcount:
            return False
        assert cursor.lastrowid is not None
        start = _time_of(one.data, now)
        self._seen(session, start, one.data["stop_time"] if one.type == "result" else start, now)
        if one.type == "result":
            self._add_result(session, cursor.lastrowid, one.data)
        elif one.type == "session_start":
            self._add_session_start(session, one)
        elif one.type == "collected":
            self._add_collected(session, one.data)
        elif one.type == "test_start":
            self._add_test_start(session, one.data)
        elif one.type == "session_finish":
            self._add_session_finish(session, one.data)
        return True

    def _seen(self, session: _Session, start: float, stop: float, now: float) -> None:
        """Take note of a sign of life, by the clock of the machine that runs the tests."""
        self._writer.execute(
            "UPDATE sessions SET seen = max(seen, ?), heard = ? WHERE id = ?",
            (stop, now, session.id),
        )
        if start < session.started:  # it came late
            session.started = start
            earlier = (start, session.id)
            self._writer.execute("UPDATE sessions SET started = ? WHERE id = ?", earlier)
            self._writer.execute(
                "UPDATE runs SET started = min(started, ?) WHERE id = ?", (start, session.run)
            )
            self._starts.pop(session.run, None)

    def _add_result(self, session: _Session, id_: int, data: dict[str, Any]) -> None:
        worker, outcome = data.get("xdist_worker"), data["outcome"]
        test, usual, known = self._test_of(session.project or "", data)
        took = self._worker_time(session, worker or "", data)
        entry = Entry(
            *(id_, session.run, session.id, data.get("attempt") or 1, letter_of(outcome)),
            *(data["start_time"], data["duration"], took),
        )
        self._remember(test, [*known, entry])
        self._writer.execute(
            "INSERT INTO results(id, run, session, seq, test, outcome, worker, scope, "
            "start_time, duration, attempt, problem, cause) "
            "VALUES(?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(id_, session.run, session.id, data["seq"], test, outcome, worker),
                *(data.get("xdist_scope"), data["start_time"], data["duration"]),
                *(entry.attempt, _problem_of(data), self.cause_id(data)),
            ),
        )
        self._writer.execute(
            "INSERT INTO counts VALUES(?, ?, 1) ON CONFLICT DO UPDATE SET number = number + 1",
            (session.id, outcome),
        )
        if _is_done(data):
            self._writer.execute(
                "UPDATE sessions SET done = done + 1, done_new = done_new + ?, "
                "done_seconds = done_seconds + ?, done_took = done_took + ? WHERE id = ?",
                (
                    *(int(usual is None), usual or 0.0),
                    *(0.0 if usual is None else took, session.id),
                ),
            )

    def _test_of(self, project: str, data: dict[str, Any]) -> tuple[int, float | None, list[Entry]]:
        """Return the id of a result's test, what the test usually takes, and its last runs."""
        nodeid, name, file = data["nodeid"], data.get("name") or data["nodeid"], data.get("file")
        row = self._writer.execute(
            "SELECT id, usual, name, file, runs FROM tests LEFT JOIN recent ON test = id "
            "WHERE project = ? AND nodeid = ?",
            (project, nodeid),
        ).fetchone()
        if row is None:
            cursor = self._writer.execute(
                "INSERT INTO tests(project, nodeid, name, file) VALUES(?, ?, ?, ?)",
                (project, nodeid, name, file),
            )
            assert cursor.lastrowid is not None
            return cursor.lastrowid, None, []
        if (name, file) != row[2:4]:
            renamed = (name, file, row[0])
            self._writer.execute("UPDATE tests SET name = ?, file = ? WHERE id = ?", renamed)
        return row[0], row[1], unpack(row[4])

    def _worker_time(self, session: _Session, worker: str, data: dict[str, Any]) -> float:
        """Return the seconds of a worker that a test took, with what comes between two tests."""
        phases = data.get("phases") or []
        times = [phase.get(name) for phase in phases for name in ("start_time", "stop_time")]
        told = [time for time in times if isinstance(time, int | float)]
        begin = min([data["start_time"], *told])
        end = max([data["stop_time"], *told])
        row = self._writer.execute(
            "SELECT stopped FROM workers WHERE session = ? AND worker = ?", (session.id, worker)
        ).fetchone()
        self._writer.execute(
            "INSERT INTO workers(session, worker, result_seq, stopped) VALUES(?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET result_seq = max(result_seq, excluded.result_seq), "
            "stopped = max(coalesce(stopped, 0), excluded.stopped)",
            (session.id, worker, data["seq"], end),
        )
        before = begin if row is None or row[0] is None else row[0]
        waited = begin - before
        return float(max(end - begin, data["duration"]) + (waited if 0 < waited < BETWEEN else 0))

    def _remember(self, test: int, entries: Iterable[Entry]) -> None:
        """Keep a test's last runs, and what they tell."""
        kept = newest(entries, self._start_of)
        told = summary(kept)
        self._writer.execute("INSERT OR REPLACE INTO recent VALUES(?, ?)", (test, pack(kept)))
        self._writer.execute(
            "UPDATE tests SET usual = ?, median = ?, spread = ?, lately = ?, before = ?, "
            "unsteady = ?, last_run = ? WHERE id = ?",
            (*told[:5], told.flips + told.reruns, kept[-1].run, test),
        )

    def recall(self, test: int) -> None:
        """Make a test's last runs anew, from its results; in a transaction."""
        rows = self._writer.execute(
            "SELECT id, run, session, attempt, outcome, start_time, duration FROM results "
            "WHERE test = ?",
            (test,),
        )
        entries = [
            Entry(id_, run, session, attempt, letter_of(outcome), start, duration, duration)
            for id_, run, session, attempt, outcome, start, duration in rows
        ]
        if entries:
            self._remember(test, entries)

    def cause_id(self, data: dict[str, Any]) -> int | None:
        """Return the id of a result's cause, if it has one; in a transaction."""
        cause = cause_of(data)
        if cause is None:
            return None
        named = (cause.type, cause.message, cause.frame or "")
        query = "SELECT id FROM causes WHERE type = ? AND message = ? AND frame = ?"
        row = self._writer.execute(query, named).fetchone()
        if row is None:
            row = self._writer.execute(
                "INSERT INTO causes(type, message, frame) VALUES(?, ?, ?) RETURNING id", named
            ).fetchone()
        return int(row[0])

    def _add_session_start(self, session: _Session, one: Published) -> None:
        info = {name: one.data.get(name) for name in _SHOWN}
        self._writer.execute(
            "UPDATE sessions SET info = ? WHERE id = ?", (orjson.dumps(info), session.id)
        )
        self._writer.execute(
            "UPDATE runs SET revision = coalesce(revision, ?) WHERE id = ?",
            (schema.revision_of(info["metadata"]), session.run),
        )

    def _add_collected(self, session: _Session, data: dict[str, Any]) -> None:
        nodeids = data.get("nodeids") or []
        known, seconds = self._writer.execute(
            "SELECT count(usual), total(usual) FROM tests WHERE project = ? "
            "AND nodeid IN (SELECT value FROM json_each(?))",
            (session.project or "", orjson.dumps(nodeids)),
        ).fetchone()
        self._writer.execute(
            "UPDATE sessions SET total = ?, deselected = ?, planned = planned + ?, "
            "planned_new = planned_new + ?, planned_seconds = planned_seconds + ? WHERE id = ?",
            (
                *(data["total"], data.get("deselected"), len(nodeids)),
                *(max(0, len(nodeids) - known), seconds, session.id),
            ),
        )

    def _add_test_start(self, session: _Session, data: dict[str, Any]) -> None:
        # Of two that come out of order, the one with the higher number is the later one.
        self._writer.execute(
            "INSERT INTO workers(session, worker, start_seq, nodeid, attempt, since) "
            "VALUES(?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET start_seq = excluded.start_seq, "
            "nodeid = excluded.nodeid, attempt = excluded.attempt, since = excluded.since "
            "WHERE excluded.start_seq > start_seq",
            (
                *(session.id, data.get("xdist_worker") or "", data["seq"]),
                *(data["nodeid"], data.get("attempt", 1), data["start_time"]),
            ),
        )

    def _add_session_finish(self, session: _Session, data: dict[str, Any]) -> None:
        self._writer.execute(
            "UPDATE sessions SET stopped = ?, reason = ?, exitstatus = ?, end_seq = ? "
            "WHERE id = ? AND end_seq < ?",
            (
                *(data["time"], data["reason"], data.get("exitstatus")),
                *(data["seq"], session.id, data["seq"]),
            ),
        )

    # What the pages ask for.

    @property
    def reader(self) -> sqlite3.Connection:
        """Return this thread's own connection, which only reads."""
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._connect()
            connection.execute("PRAGMA query_only = ON")
            connection.row_factory = sqlite3.Row
            self._local.connection = connection
        return connection

    @contextlib.contextmanager
    def snapshot(self) -> Iterator[None]:
        """Let this thread read one state of the store, whatever is written meanwhile."""
        if self.reader.in_transaction:
            yield
            return
        self.reader.execute("BEGIN")
        try:
            yield
        finally:
            self.reader.execute("ROLLBACK")

    def run_ids(self, *, limit: int, before: float, project: str | None = None) -> list[int]:
        """Return the newest runs' ids, the newest first; those before a time, to page on."""
        of_one = "SELECT id FROM runs WHERE project = ? AND started < ? "
        of_all = "SELECT id FROM runs WHERE ? IS NULL AND started < ? "
        rows = self.reader.execute(
            (of_all if project is None else of_one) + "ORDER BY started DESC, id DESC LIMIT ?",
            (project, before, limit),
        )
        return [row["id"] for row in rows]

    def find_run(self, run_id: str, project: str | None = None) -> int | None:
        """Return the id of a run; of several projects' the newest, unless one is named."""
        row = self.reader.execute(
            "SELECT id FROM runs WHERE run_id = ?1 AND (?2 IS NULL OR project = ?2) "
            "ORDER BY started DESC LIMIT 1",
            (run_id, project),
        ).fetchone()
        return None if row is None else int(row["id"])

    def run(self, id_: int, now: float) -> dict[str, Any] | None:
        """Return what is known of a run as a whole; ``now`` is epoch seconds."""
        head = self.reader.execute("SELECT * FROM runs WHERE id = ?", (id_,)).fetchone()
        if head is None:
            return None
        rows = self.reader.execute(
            "SELECT *, (SELECT count(*) FROM workers WHERE session = sessions.id "
            "AND start_seq > result_seq) AS running FROM sessions WHERE run = ? "
            "ORDER BY started, id",
            (id_,),
        ).fetchall()
        sessions = [self._session(row, now) for row in rows]
        state = _state_of([session["state"] for session in sessions])
        stops = [session["stopped"] for session in sessions]
        totals = [session["total"] for session in sessions]
        outcomes: dict[str, int] = {}
        for session in sessions:
            for outcome, number in session["outcomes"].items():
                outcomes[outcome] = outcomes.get(outcome, 0) + number
        return {
            "id": id_,
            "run_id": head["run_id"],
            "project": head["project"],
            "state": state,
            "started": head["started"],
            "stopped": None if None in stops else max(stops, default=None),
            "seen": max((session["seen"] for session in sessions), default=head["started"]),
            "total": None if None in totals else sum(totals),
            "done": sum(session["done"] for session in sessions),
            "progress": None if None in totals else progress_of(map(dict, rows)),
            "left": self._left(rows, now) if state == "running" else None,
            "metadata": {
                name: value for session in sessions for name, value in session["metadata"].items()
            },
            "outcomes": outcomes,
            "sessions": sessions,
        }

    def _session(self, row: sqlite3.Row, now: float) -> dict[str, Any]:
        counts = self.reader.execute(
            "SELECT outcome, number FROM counts WHERE session = ?", (row["id"],)
        )
        info = orjson.loads(row["info"]) if row["info"] else {}
        return {
            "session_id": row["session_id"],
            "state": row["reason"] or ("silent" if _is_silent(row, now) else "running"),
            "started": row["started"],
            "stopped": row["stopped"],
            "seen": row["seen"],
            "exitstatus": row["exitstatus"],
            "total": row["total"],
            "deselected": row["deselected"],
            "done": row["done"],
            "outcomes": {count["outcome"]: count["number"] for count in counts},
            "has_events": bool(row["info"]),
            **{name: info.get(name) for name in _SHOWN},
            "metadata": info.get("metadata") or {},
        }

    def _left(self, sessions: list[sqlite3.Row], now: float) -> float | None:
        """Return the seconds that a run still takes; its sessions run beside each other."""
        known = [
            seconds
            for row in sessions
            if row["reason"] is None and (seconds := self._left_of(row, now)) is not None
        ]
        return max(known, default=None)

    def _left_of(self, session: sqlite3.Row, now: float) -> float | None:
        running = self.reader.execute(
            "SELECT since, usual FROM workers JOIN tests "
            "ON tests.project = ? AND tests.nodeid = workers.nodeid "
            "WHERE session = ? AND start_seq > result_seq AND usual IS NOT NULL",
            (session["project"], session["id"]),
        )
        # On a busy machine, a start is told before the result of the test before it.
        idle = self.reader.execute(
            "SELECT stopped FROM workers WHERE session = ? AND result_seq > start_seq "
            "AND stopped > coalesce(since, 0)",
            (session["id"],),
        )
        # By the clock of the machine that runs the tests, which may differ from this one's.
        there = session["seen"] + max(0.0, now - session["heard"])
        info = orjson.loads(session["info"]) if session["info"] else {}
        return left_of(
            dict(session),
            [(max(0.0, there - row["since"]), row["usual"]) for row in running],
            [max(0.0, there - row["stopped"]) for row in idle],
            workers=info.get("workers") or 1,
            habit=self._habit(session, info),
        )

    def _habit(self, session: sqlite3.Row, info: dict[str, Any]) -> Habit:
        """Return how the last sessions ended that had as many workers, and about as many tests."""
        rows = self.reader.execute(
            _ENDINGS, (session["project"], session["started"], RUNS, session["total"])
        )
        endings = [
            Ending(row["begin"], row["mean"], row["last"], row["stopped"])
            for row in rows
            if _distribution(orjson.loads(row["info"])) == _distribution(info)
        ]
        return habit_of(endings[:PASSES])

    def without_end(self, now: float) -> list[int]:
        """Return the ids of the runs that may have turned silent by now."""
        rows = self.reader.execute(
            "SELECT DISTINCT run FROM sessions INDEXED BY sessions_without_end "
            "WHERE reason IS NULL AND heard > ?",
            (now - 2 * SILENCE_IN_TEST,),
        )
        return [row["run"] for row in rows]

    def running(self, id_: int) -> list[dict[str, Any]]:
        """Return what each worker of a run runs now, or ran when it died, by their names."""
        rows = self.reader.execute(
            "SELECT session_id, worker, workers.nodeid, workers.attempt, since FROM workers "
            "JOIN sessions ON sessions.id = workers.session "
            "WHERE sessions.run = ? AND start_seq > result_seq "
            "AND coalesce(reason, '') != 'finished' "
            "ORDER BY sessions.id, length(worker), worker",
            (id_,),
        )
        return [{**row, "worker": row["worker"] or None} for row in map(dict, rows)]

    def rows(
        self, id_: int, wanted: Filter = EVERYTHING, *, after: int = 0, limit: int
    ) -> list[list[Any]]:
        """Return a run's results without their bodies (:data:`COLUMNS`), the oldest first.

        ``after`` is the id of the last row that is known already.
        """
        clause, values = wanted.clause()
        # The clause holds placeholders, and nothing that was asked for.
        query = f"{_ROWS}{clause} ORDER BY results.id LIMIT ?"
        found = self.reader.execute(query, (id_, after, *values, limit))
        return [list(row) for row in found]

    def has_more(self, id_: int, after: int, number: int) -> bool:
        """Tell whether a run has more than ``number`` results after a row."""
        row = self.reader.execute(
            "SELECT 1 FROM results WHERE run = ? AND id > ? LIMIT 1 OFFSET ?", (id_, after, number)
        ).fetchone()
        return row is not None

    def body(self, session_id: str, seq: int) -> bytes | None:
        """Return the very bytes that were published; None if there are none."""
        row = self.reader.execute(
            "SELECT body FROM objects WHERE seq = ? AND session = "
            "(SELECT id FROM sessions WHERE session_id = ?)",
            (seq, session_id),
        ).fetchone()
        return None if row is None else zlib.decompress(row["body"])

    def not_run(self, id_: int, limit: int) -> list[str]:
        """Return the node ids that were collected and have no result, in their order."""
        have = {
            row["nodeid"]
            for row in self.reader.execute(
                "SELECT DISTINCT nodeid FROM results JOIN tests ON tests.id = test WHERE run = ?",
                (id_,),
            )
        }
        planned = self.reader.execute(
            "SELECT body FROM objects JOIN sessions ON sessions.id = objects.session "
            "WHERE sessions.run = ? AND type = 'collected' ORDER BY objects.session, seq",
            (id_,),
        )
        nodeids = dict.fromkeys(
            nodeid
            for row in planned
            for nodeid in orjson.loads(zlib.decompress(row["body"])).get("nodeids") or ()
            if nodeid not in have
        )
        return list(nodeids)[:limit]


def _time_of(data: dict[str, Any], now: float) -> float:
    for name in ("start_time", "time"):
        if isinstance(time := data.get(name), int | float):
            return time
    return now


def _is_done(data: dict[str, Any]) -> bool:
    """Tell whether a test is done with it: no attempt that is run again, and no file."""
    phases: list[dict[str, Any]] = data.get("phases") or [{}]
    return data["outcome"] != "rerun" and phases[0].get("when") != "collect"


def _problem_of(data: dict[str, Any]) -> str | None:
    """Return one line that tells what went wrong, for lists."""
    excinfo = data.get("excinfo")
    if not excinfo:
        return None
    first = str(excinfo.get("value") or "").strip().split("\n", 1)[0]
    return f"{excinfo.get('type')}: {first}"[:200].removesuffix(": ")


def _distribution(info: dict[str, Any]) -> tuple[Any, Any]:
    """Return how a session spreads its tests, and over how many workers."""
    return info.get("xdist_dist"), info.get("workers")


def _is_silent(row: sqlite3.Row, now: float) -> bool:
    """Tell whether a session without an end has given no sign of life for too long."""
    was_sent_later = row["heard"] - row["seen"] > LATE
    quiet = now - (row["seen"] if was_sent_later else row["heard"])
    return bool(quiet > (SILENCE_IN_TEST if row["running"] else SILENCE))


def _state_of(states: list[str]) -> str:
    """Return a run's state by those of its sessions: whatever still needs a look comes first."""
    order = ("running", "silent", "killed", "interrupted", "finished")
    return min(states, key=lambda state: order.index(state) if state in order else 0)
