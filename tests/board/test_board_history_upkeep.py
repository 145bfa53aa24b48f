"""Older files, and runs that are not kept."""

from __future__ import annotations

import random
import signal
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from typing import Final

import pytest

from boards import Board
from published import body
from published import Object
from published import Session
from pytest_publish.board.store import Published
from pytest_publish.board.store import Store
from pytest_publish.board.upkeep import parse_keep
from pytest_publish.board.upkeep import Upkeep
from reports import refused_line
from support import eventually


#: Three nightly runs, as the board kept them in format 1: sqlite3's ``.dump``.
FORMAT_1: Final = Path(__file__).with_name("store-1.sql")
RUNS: Final = 5
#: More than are removed in one transaction.
TESTS: Final = 1_200
COUNT: Final = "SELECT count(*) FROM results"


def query(path: Path, question: str) -> list[Any]:
    """Ask a store's file itself."""
    connection = sqlite3.connect(path)
    try:
        return connection.execute(question).fetchall()
    finally:
        connection.close()


def test_a_file_of_format_1_is_brought_up_to_date(
    tmp_path: Path, start_board: Callable[..., Board]
) -> None:
    path = tmp_path / "store.sqlite3"
    connection = sqlite3.connect(path)
    connection.executescript(FORMAT_1.read_text("utf-8"))
    connection.close()
    board = start_board()
    assert [run["run_id"] for run in board.get("/api/runs")] == [
        "nightly-2",
        "nightly-1",
        "nightly-0",
    ]
    eventually(lambda: not query(path, "SELECT * FROM unfinished"), "all to be filled in")
    sold = "test_shop.py::test_sell[pears]"
    changes = board.get("/api/runs/nightly-2/changes")
    assert changes["failures"][sold]["mark"] == "flaky"  # all three were of one commit
    assert changes["failures"][sold]["since"]["run_id"] == "nightly-1"
    (cause,) = board.get("/api/causes", days="10000")["causes"]
    assert (cause["id"], cause["number"]) == (changes["failures"][sold]["cause"], 2)
    assert board.get("/api/tests", nodeid="test_shop.py::test_buy")["median"] == 2.0
    assert board.get("/api/tests", nodeid=sold)["results"][0]["commit"] == "3f2c1a"
    # It goes on as if it had always been of this format.
    again = Session("shop")
    board.post(again.start(), again.collected([sold]), again.result(sold))
    assert board.get("/api/flaky")["tests"][0]["outcomes"] == "pffp"
    assert board.run(again.run_id)["progress"] == 1


def add(store: Store, *objects: Object) -> None:
    """Have a store keep objects as if they had been published."""
    store.add([Published(body(one)[1:-1], one) for one in objects], time.time())


def fill(store: Store, number: int) -> None:
    """Keep a run; the first has tests that no other has."""
    session = Session("kept", f"run {number}", begin=time.time() + 3600 * number - 86_400)
    file = "test_all.py" if number else "test_old.py"
    tests = [f"{file}::test_{one}" for one in range(TESTS)]
    text = random.Random(number).randbytes(1_000).hex()  # of which little can be packed
    results = [session.result(one, "passed", duration=0.01, stdout=text) for one in tests]
    results[-1] = session.result(tests[-1] + "[fails]", "failed")
    add(store, session.start(), *results, session.finish())


def test_the_oldest_runs_go_despite_a_kill(
    tmp_path: Path, start_board: Callable[..., Board]
) -> None:
    store = tmp_path / "store.sqlite3"
    kept = Store(store)
    for number in range(RUNS):
        fill(kept, number)
    kept.close()
    size = store.stat().st_size
    board = start_board("--keep", "2")
    # It serves, and shows no run of which a part is gone.
    eventually(lambda: query(store, COUNT) != [(RUNS * TESTS,)], "a part of a run to go")
    assert {run["done"] for run in board.get("/api/runs")} == {TESTS}
    board.stop(signal.SIGKILL)
    assert query(store, COUNT) >= [(2 * TESTS,)]
    assert query(store, "PRAGMA integrity_check") == [("ok",)]

    board = start_board("--keep", "2")
    live = Session("kept", "live")
    board.post(live.start(), live.result("test_all.py::test_0"))
    # Three are newer than the two that are kept: one of them goes as well.
    eventually(lambda: len(board.get("/api/runs")) == 2, "two runs to be left")
    eventually(lambda: not query(store, "SELECT * FROM removed"), "the rest to go")
    shown = board.get("/api/runs")
    assert [(run["run_id"], run["done"]) for run in shown] == [("live", 1), ("run 4", TESTS)]
    assert len(board.results("run 4", limit="20000")) == TESTS
    assert board.session.get(f"{board.url}/api/runs/run 3").status_code == 404
    counted = "SELECT (SELECT count(*) FROM results), (SELECT count(*) FROM objects)"
    eventually(
        lambda: query(store, counted) == [(TESTS + 1, TESTS + 1 + 3)], "nothing of the others"
    )
    # What no run has any more is forgotten: the tests of the first run.
    tests = board.session.get(f"{board.url}/api/tests", params={"nodeid": "test_old.py::test_0"})
    assert tests.status_code == 404
    assert query(store, "SELECT count(*) FROM recent") == [(TESTS,)]
    assert len(query(store, "SELECT * FROM causes")) == 1
    eventually(lambda: store.stat().st_size < size / 2, "the file to shrink")


def test_a_run_that_is_running_is_kept(tmp_path: Path) -> None:
    # Not by a board, which looks for old runs only now and then.
    store = Store(tmp_path / "store.sqlite3")
    upkeep = Upkeep(store, parse_keep("1d"))

    def kept() -> list[int]:
        while upkeep.step(time.time())[0]:
            pass
        return store.run_ids(limit=10, before=time.time())

    old, running = Session("days"), Session("days")
    old.begin = old.now = time.time() - 3 * 86_400
    running.begin = old.begin
    add(store, old.start(), old.result("test_a.py::test"), old.finish())
    add(store, {**running.start(), "time": running.begin}, running.result("test_a.py::test"))
    assert kept() == [store.find_run(running.run_id)]
    add(store, running.finish())
    assert kept() == []
    store.close()


def test_as_many_free_pages_go_as_were_asked_for(tmp_path: Path) -> None:
    store = Store(tmp_path / "store.sqlite3")
    fill(store, 0)
    with store.transaction() as connection:
        connection.execute("DELETE FROM objects")
    (free,) = store.reader.execute("PRAGMA freelist_count").fetchone()
    assert free > 300
    store.give_back(300)
    assert tuple(store.reader.execute("PRAGMA freelist_count").fetchone()) == (free - 300,)
    store.close()


@pytest.mark.parametrize("text", ["0", "-3", "30w", "", "1.5d"])
def test_a_wrong_keep_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    told = refused_line("board", "--port=0", f"--keep={text}", "--store", tmp_path / "store")
    assert "--keep" in told
    assert "as 30d" in told
