"""No question makes SQLite read a whole table of results, and each index answers one."""

from __future__ import annotations

import itertools
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from published import body
from published import Session
from pytest_publish.board.history import History
from pytest_publish.board.store import Filter
from pytest_publish.board.store import Published
from pytest_publish.board.store import Store
from pytest_publish.board.upkeep import Keep
from pytest_publish.board.upkeep import Upkeep


NODEIDS = ("test_a.py::test_one", "test_a.py::test_two")
#: Tables with a row for each result, test, object or run.
LARGE = ("results", "objects", "tests", "recent", "causes", "sessions", "counts", "workers")


def published(session: Session, outcomes: tuple[str, ...]) -> Iterator[Published]:
    objects = [session.start(), session.collected(NODEIDS)]
    for nodeid, outcome in zip(NODEIDS, outcomes, strict=False):
        objects += [session.test_start(nodeid), session.result(nodeid, outcome)]
    for one in [*objects, session.finish()]:
        yield Published(body(one)[1:-1], one)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """Make a store of a few runs, with some of everything; the last one still runs."""
    store = Store(tmp_path / "store.sqlite3")
    outcomes = itertools.cycle([("passed", "failed"), ("rerun", "passed"), ("failed", "skipped")])
    for number, told in zip(range(12), outcomes, strict=False):
        session = Session("shop", f"run {number}", begin=1e9 + number)
        store.add(published(session, told), 1e9 + number)
    begun = itertools.islice(published(Session("shop", begin=1e9 + 12), ()), 2)
    store.add(begun, 1e9 + 12)
    yield store
    store.close()


def ask(store: Store) -> None:
    """Ask for all that the pages and the board itself ask for."""
    history = History(store)
    id_ = store.find_run("run 10", "shop") or 0
    for run in store.run_ids(limit=9, before=2e9):
        store.run(run, 1e9)
    store.run_ids(limit=9, before=2e9, project="shop")
    store.without_end(2e9)
    store.running(id_)
    store.rows(id_, Filter(("failed",), "gw0", "a", "b", 1), limit=9)
    store.rows(id_, limit=9)
    store.has_more(id_, 0, 9)
    store.not_run(id_, 9)
    store.body("none", 0)
    history.projects()
    history.changes(id_)
    history.test(None, NODEIDS[0], limit=9)
    history.flaky(None, limit=9)
    history.slow("shop", limit=9)
    history.causes("shop", since=0, limit=9)
    history.compare(id_, store.find_run("run 3") or 0, 1e9)


def look_after(store: Store) -> None:
    """Remove runs, and move a session to the run that it turns out to belong to."""
    upkeep = Upkeep(store, Keep(runs=5))
    while upkeep.step(2e9)[0]:
        pass
    nameless = Session(None, "late")
    store.add([Published(b"{}", nameless.collected(NODEIDS))], 2e9)
    named = {**nameless.result(NODEIDS[0], "failed"), "project": "shop"}
    store.add([Published(b"{}", named)], 2e9)


def plans(connection: sqlite3.Connection, statements: list[str]) -> dict[str, list[str]]:
    """Return by statement how SQLite would answer it."""
    found = {}
    for statement in statements:
        if re.match(r"\s*(SELECT|INSERT|UPDATE|DELETE)", statement):
            # Python 3.10 shows statements without their values.
            places = [int(number or 1) for number in re.findall(r"\?(\d*)", statement)]
            values = [None] * max(len(places), *places, 0) if places else []
            rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", values)
            found[statement] = [row[3] for row in rows]
    return found


def test_no_large_table_is_read_as_a_whole(store: Store) -> None:
    statements: list[str] = []
    store.reader.set_trace_callback(statements.append)
    with store.transaction() as writer:
        writer.set_trace_callback(statements.append)
    ask(store)
    look_after(store)
    store.reader.set_trace_callback(None)
    writer.set_trace_callback(None)
    told = plans(store.reader, statements)
    read = {
        (statement, step)
        for statement, steps in told.items()
        for step in steps
        if re.match(rf"SCAN (TABLE )?({'|'.join(LARGE)})\b(?!.* COVERING INDEX)", step)
    }
    assert read == set()
    indexes = store.reader.execute(
        "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
    )
    steps = " ".join(itertools.chain.from_iterable(told.values()))
    assert [name for (name,) in indexes if not re.search(rf"\b{name}\b", steps)] == []
