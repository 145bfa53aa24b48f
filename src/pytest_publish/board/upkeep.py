"""What is done to a store while the board serves, a small piece in a transaction at a time.

What a file of an older format lacks is filled in, and the oldest runs are removed. A
board that is killed goes on where it was: a run that is being removed is in the table
``removed``, and has no row in ``runs`` any more.
"""

from __future__ import annotations

import dataclasses
import re
import sqlite3
import zlib
from typing import Final

import orjson

from .causes import FAILING
from .store import Store


#: How much is done in one transaction: results removed, causes and tests filled in, and
#: pages given back.
_RESULTS: Final = 1_000
_CAUSES: Final = 200
_TESTS: Final = 20
_PAGES: Final = 500
#: What ``PRAGMA auto_vacuum`` is in files that can shrink.
_INCREMENTAL: Final = 2

_DAY: Final = 86_400.0


@dataclasses.dataclass(frozen=True, slots=True)
class Keep:
    """Which runs are kept: the newest of each project, or those of the last seconds."""

    runs: int | None = None
    seconds: float | None = None


def parse_keep(text: str) -> Keep:
    """Return what ``200`` (runs) or ``30d`` (days) stands for. Raises ValueError."""
    found = re.fullmatch(r"0*([1-9][0-9]{0,8})(d?)", text)
    if found is None:
        raise ValueError(f"{text!r} is neither a number of runs, as 200, nor of days, as 30d")
    number = int(found[1])
    return Keep(seconds=number * _DAY) if found[2] else Keep(runs=number)


class Upkeep:
    """Looks after one store."""

    def __init__(self, store: Store, keep: Keep | None = None) -> None:
        self._store = store
        self._keep = keep or Keep()

    def step(self, now: float) -> tuple[bool, set[int]]:
        """Do a small piece; return whether more is left, and the runs that have gone.

        Raises sqlite3.Error, and then nothing was done.
        """
        gone = self._begin_removal(now)
        is_busy = (
            gone is not None
            or self._remove()
            or self._fill_causes()
            or self._fill_recent()
            or self._shrink()
        )
        return is_busy, set() if gone is None else {gone}

    # Runs that are not kept.

    def _begin_removal(self, now: float) -> int | None:
        """Take the oldest run that is not kept out of everybody's sight."""
        if self._store.reader.execute("SELECT 1 FROM removed").fetchone():
            return None
        for id_ in self._not_kept(now):
            with self._store.transaction() as connection:  # nothing comes in meanwhile
                run = self._store.run(id_, now)
                if run is not None and run["state"] != "running":
                    connection.execute("INSERT INTO removed VALUES(?)", (id_,))
                    connection.execute("DELETE FROM runs WHERE id = ?", (id_,))
                    self._store.forget()
                    return id_
        return None

    def _not_kept(self, now: float) -> list[int]:
        read = self._store.reader.execute
        if self._keep.seconds is not None:
            rows = read(
                "SELECT id FROM runs WHERE started < ? ORDER BY started, id",
                (now - self._keep.seconds,),
            )
        elif self._keep.runs is not None:
            rows = read(
                "SELECT id FROM (SELECT id, started, row_number() OVER "
                "(PARTITION BY project ORDER BY started DESC, id DESC) AS place FROM runs) "
                "WHERE place > ? ORDER BY started, id",
                (self._keep.runs,),
            )
        else:
            return []
        return [row["id"] for row in rows]

    def _remove(self) -> bool:
        """Remove a piece of a run that is not kept; False if there is none."""
        row = self._store.reader.execute("SELECT run FROM removed").fetchone()
        if row is None:
            return False
        run = row["run"]
        with self._store.transaction() as connection:
            if not _remove_results(connection, run) and not _remove_objects(connection, run):
                for table in ("counts", "workers"):
                    connection.execute(
                        f"DELETE FROM {table} WHERE session IN "  # noqa: S608, one of two
                        "(SELECT id FROM sessions WHERE run = ?)",
                        (run,),
                    )
                connection.execute("DELETE FROM sessions WHERE run = ?", (run,))
                connection.execute("DELETE FROM removed WHERE run = ?", (run,))
                self._store.forget()
        return True

    def _shrink(self) -> bool:
        """Give free pages back; False if there are no more, or the file can't shrink."""
        free, mode, pages, size = (
            int(self._store.reader.execute(f"PRAGMA {name}").fetchone()[0])
            for name in ("freelist_count", "auto_vacuum", "page_count", "page_size")
        )
        # A few are soon used again.
        has_free = mode == _INCREMENTAL and free >= _PAGES
        if has_free or self._store.path.stat().st_size > pages * size:
            self._store.give_back(_PAGES if has_free else 0)
        return has_free

    # What a file of an older format lacks.

    def _fill_causes(self) -> bool:
        position = self._position("causes")
        if position is None:
            return False
        rows = self._store.reader.execute(
            "SELECT results.id, body FROM results JOIN objects ON objects.id = results.id "
            "WHERE results.id < ? AND cause IS NULL AND outcome IN "
            "(SELECT value FROM json_each(?)) ORDER BY results.id DESC LIMIT ?",
            (position, orjson.dumps(list(FAILING)), _CAUSES),
        ).fetchall()
        with self._store.transaction() as connection:
            for row in rows:
                cause = self._store.cause_id(orjson.loads(zlib.decompress(row["body"])))
                filled = (cause, row["id"])
                connection.execute("UPDATE results SET cause = ? WHERE id = ?", filled)
            _note(connection, "causes", rows[-1]["id"] if rows else None)
        return True

    def _fill_recent(self) -> bool:
        position = self._position("recent")
        if position is None:
            return False
        rows = self._store.reader.execute(
            "SELECT id FROM tests WHERE id < ? ORDER BY id DESC LIMIT ?", (position, _TESTS)
        ).fetchall()
        with self._store.transaction() as connection:
            for row in rows:
                self._store.recall(row["id"])
            _note(connection, "recent", rows[-1]["id"] if rows else None)
        return True

    def _position(self, name: str) -> int | None:
        row = self._store.reader.execute(
            "SELECT position FROM unfinished WHERE name = ?", (name,)
        ).fetchone()
        return None if row is None else int(row["position"])


def _note(connection: sqlite3.Connection, name: str, position: int | None) -> None:
    """Note how far it has got; None for the end."""
    if position is None:
        connection.execute("DELETE FROM unfinished WHERE name = ?", (name,))
    else:
        connection.execute("UPDATE unfinished SET position = ? WHERE name = ?", (position, name))


def _remove_results(connection: sqlite3.Connection, run: int) -> bool:
    """Remove some results of a run, and what none is left of; False if it has none."""
    rows = connection.execute(
        "SELECT id, test, cause FROM results WHERE run = ? LIMIT ?", (run, _RESULTS)
    ).fetchall()
    ids = orjson.dumps([row[0] for row in rows])
    for table in ("results", "objects"):
        connection.execute(
            f"DELETE FROM {table} WHERE id IN (SELECT value FROM json_each(?))",  # noqa: S608, one of two
            (ids,),
        )
    tests = orjson.dumps(list({row[1] for row in rows}))
    (unknown,) = connection.execute(
        "SELECT json_group_array(value) FROM json_each(?) WHERE NOT EXISTS "
        "(SELECT 1 FROM results WHERE test = value)",
        (tests,),
    ).fetchone()
    for table, name in (("recent", "test"), ("tests", "id")):
        connection.execute(
            f"DELETE FROM {table} WHERE {name} IN (SELECT value FROM json_each(?))",  # noqa: S608
            (unknown,),
        )
    causes = orjson.dumps(list({row[2] for row in rows} - {None}))
    connection.execute(
        "DELETE FROM causes WHERE id IN (SELECT value FROM json_each(?)) AND NOT EXISTS "
        "(SELECT 1 FROM results WHERE cause = causes.id)",
        (causes,),
    )
    return bool(rows)


def _remove_objects(connection: sqlite3.Connection, run: int) -> bool:
    """Remove some of a run's other objects; False if it has none."""
    cursor = connection.execute(
        "DELETE FROM objects WHERE id IN (SELECT objects.id FROM sessions "
        "JOIN objects ON objects.session = sessions.id WHERE run = ? LIMIT ?)",
        (run, _RESULTS),
    )
    return cursor.rowcount > 0
