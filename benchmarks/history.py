"""Measures how fast the board answers queries across many runs, and prints a table.

    python benchmarks/history.py [--runs 1000] [--tests 10000] [--store FILE]

Makes a store (10 million results need 8 GB of disk and 15 minutes) and sends a board the
queries of each page. With --store, the file is kept and used again next time.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from board import fill
from board import many


ROOT: Final = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "tests"))

from boards import Board  # noqa: E402, found by the line above
from published import Session  # noqa: E402
from pytest_publish.board.store import Published  # noqa: E402
from pytest_publish.board.store import Store  # noqa: E402


PROJECT: Final = "large"
#: Seconds from one run to the next: the last 168 runs are one week.
APART: Final = 3_600.0
REPEATS: Final = 5
#: The number of results that are published to the full store.
NEW: Final = 10_000
BAR: Final = 200.0

#: Copies the first run. One test in 100 fails, a different one in each run, and one in 1,000
#: fails for twenty runs in a row; durations vary by a fifth.
_COPY: Final = """
INSERT INTO runs(id, project, run_id, started)
    SELECT :run, project, 'run ' || :run, started + :later FROM runs WHERE id = 1;
INSERT INTO sessions(id, session_id, run, project, started, stopped, seen, heard, reason,
        exitstatus, end_seq, total, deselected, done, info)
    SELECT :run, 'session ' || :run, :run, project, started + :later, stopped + :later,
        seen + :later, heard + :later, 'finished', 1, :size, :size, 0, :size, info
    FROM sessions WHERE id = 1;
INSERT INTO objects SELECT id + :offset, :run, seq, type, body FROM objects
    WHERE session = 1 AND type = 'result'
"""
_RESULTS: Final = """
INSERT INTO results SELECT id + :offset, :run, :run, seq, test,
    iif(fails, 'failed', 'passed'), worker, scope, start_time + :later,
    duration * (0.9 + 0.2 * chance / 100.0), 1,
    iif(fails, 'AssertionError: sold more than we have', NULL), iif(fails, 1 + test % :causes, NULL)
FROM (SELECT *, chance = 7 OR (test % 1000 = :run / 20 % 1000) AS fails FROM (
    SELECT *, (test * 104729 + :run * 7919 + (test + :run) * (test % 89 + :run % 83) * 31) % 100
    AS chance FROM results WHERE run = 1))
"""
CAUSES: Final = 40


def make(path: Path, runs: int, tests: int) -> None:
    """Make a store with many copies of a published run."""
    begin = time.time() - runs * APART
    session = Session(PROJECT, "run 1", begin=begin)
    objects = [session.start(), *many(session, tests), session.finish()]
    store = Store(path)
    for first in range(0, len(objects), 1_000):
        part = objects[first : first + 1_000]
        store.add([Published(json.dumps(one).encode(), one) for one in part], begin)
    with store.transaction() as connection:
        connection.execute("PRAGMA cache_size = -2000000")
        for number in range(CAUSES):
            connection.execute(
                "INSERT OR IGNORE INTO causes(type, message, frame) VALUES(?, ?, ?)",
                ("ValueError", f"sold more than we have of {number}", "test_shop.py:test_sell"),
            )
    for run in range(2, runs + 1):
        _copy(store, run, tests)
    for test in range(1, tests + 1, 200):
        with store.transaction():
            for one in range(test, min(test + 200, tests + 1)):
                store.recall(one)
    store.close()


def _copy(store: Store, run: int, tests: int) -> None:
    values = {
        "run": run,
        "later": (run - 1) * APART,
        "offset": (run - 1) * (tests + 2),
        "size": tests,
        "causes": CAUSES,
    }
    with store.transaction() as connection:
        for statement in (*_COPY.split(";\n"), _RESULTS):
            connection.execute(statement, values)
        for outcome in ("passed", "failed"):
            connection.execute(
                "INSERT INTO counts SELECT ?1, ?2, count(*) FROM results "
                "WHERE run = ?1 AND outcome = ?2",
                (run, outcome),
            )


def asked(runs: int) -> Iterator[tuple[str, str, dict[str, str]]]:
    """Yield the queries of the pages: a name, a path and its parameters."""
    newest, old = f"run {runs}", f"run {runs // 2}"
    project = {"project": PROJECT}
    nodeid = "tests/unit/test_0.py::TestSome0::test_name_13[value-13]"
    yield "list of runs", "/api/runs", {"limit": "50"}
    yield "a run", f"/api/runs/{newest}", project
    yield "its rows", f"/api/runs/{newest}/results", {**project, "limit": "1000"}
    yield "its failures", f"/api/runs/{newest}/results", {**project, "outcome": "failed,error"}
    yield "a search in it", f"/api/runs/{newest}/results", {**project, "text": "name_77"}
    yield "what changed in it", f"/api/runs/{newest}/changes", project
    yield "what changed in an old run", f"/api/runs/{old}/changes", project
    yield "a test's runs", "/api/tests", {**project, "nodeid": nodeid}
    yield "flaky tests", "/api/flaky", project
    yield "flaky tests of all projects", "/api/flaky", {}
    yield "slow tests", "/api/slow", project
    yield "causes of a week", "/api/causes", project
    yield "causes of all runs", "/api/causes", {**project, "days": "10000"}
    yield "two runs compared", "/api/compare", {**project, "a": old, "b": newest}
    yield "projects", "/api/projects", {}


class Stopwatch:
    """Measures the time that passes, and the CPU time of the board, in ms."""

    def __init__(self, board: Board) -> None:
        self._stat = Path(f"/proc/{board.process.pid}/stat")
        self._computed = self._computed_so_far()
        self._begin = time.perf_counter()

    def read(self) -> tuple[float, float]:
        """Return both times since the stopwatch was made."""
        computed = self._computed_so_far() - self._computed
        return (time.perf_counter() - self._begin) * 1e3, computed

    def _computed_so_far(self) -> float:
        fields = self._stat.read_text("utf-8").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) * 1e3 / os.sysconf("SC_CLK_TCK")


def measure(path: Path, runs: int) -> Iterator[tuple[str, str, str]]:
    """Yield the name of each figure, its value, and its limit."""
    board = Board(path)
    for name, place, query in asked(runs):
        times = []
        whole = Stopwatch(board)
        for _ in range(REPEATS):
            watch = Stopwatch(board)
            board.get(place, **query)
            times.append(watch.read()[0])
        computed = whole.read()[1] / REPEATS
        told = f"{statistics.median(times):.0f} ms (first {times[0]:.0f}, computed {computed:.0f})"
        yield name, told, f"{BAR:.0f} ms"
    os.sched_setaffinity(board.process.pid, {0})
    session = Session(PROJECT, f"new {time.time()}")
    board.post(session.start())
    watch = Stopwatch(board)
    speed = fill(board, session, NEW)
    told = f"{speed:,.0f} results/s (computed {NEW * 1e3 / watch.read()[1]:,.0f}/s)"
    yield "ingest, batches of 100, one core", told, "≥ 1,500"
    yield "board's memory", f"{board.memory() / 1e6:.0f} MB", ""
    board.stop()


def removal(path: Path, runs: int) -> Iterator[tuple[str, str, str]]:
    """Yield the time to remove 1 % of the runs, and the time of queries during the removal."""
    keep = runs - max(1, runs // 100)
    board = Board(path, "--keep", str(keep))
    begin, times = time.perf_counter(), []
    while True:
        watch = Stopwatch(board)
        board.get("/api/flaky", project=PROJECT)
        times.append(watch.read()[0])
        with contextlib.closing(sqlite3.connect(path)) as connection:
            (left,) = connection.execute("SELECT count(*) FROM runs").fetchone()
            if left <= keep and not connection.execute("SELECT 1 FROM removed").fetchone():
                break
        time.sleep(0.1)
    took = time.perf_counter() - begin
    yield f"removing {runs - keep + 1} runs", f"{took:.1f} s", ""
    yield "flaky tests during the removal", f"{statistics.median(times):.0f} ms", f"{BAR:.0f} ms"
    board.stop()


def estimates(folder: Path) -> Iterator[tuple[str, str, str]]:
    """Yield how far the estimates of the time left in a real run were from the real time."""
    board = Board(folder / "estimates.sqlite3")
    # An estimate uses all earlier runs for durations, but only those with as many workers for
    # how evenly they end.
    for workers in ("2", "2", "2", "0", "0"):
        load = os.getloadavg()[0]
        told = run_suite(board, workers)
        if told:
            at, left = told[0]
            end = board.get("/api/runs", limit="1")[0]["stopped"]
            off = [abs(one - (end - when)) / (end - at) for when, one in told]
            yield (
                f"left of {end - at:.0f} s, -n {workers}, first estimate",
                f"{left:.1f} s",
                f"{0.8 * (end - at):.1f} to {1.2 * (end - at):.1f} s",
            )
            yield (
                f"its error, median and largest; load {load:.1f} before",
                f"{statistics.median(off):.0%}, {max(off):.0%} of the run",
                "20 %",
            )
    board.stop()


def run_suite(board: Board, workers: str) -> list[tuple[float, float]]:
    """Run this project's unit tests; return the estimates, and when the board sent them."""
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:randomly", "-n", workers),
        *("--max-worker-restart", "2", "--publish", board.url, "--publish-events"),
        *("--publish-project", "suite", "tests/unit"),
    ]
    with board.stream() as events:
        pytest = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL)
        told = []
        for event in events:
            for run in event.data if event.name == "runs" else ():
                if run["running"] and run["left"] is not None:
                    told.append((time.time(), run["left"]))
                if run["state"] == "finished":
                    pytest.wait()
                    return told
    return told


def sizes(path: Path) -> Iterator[tuple[str, str, str]]:
    """Yield the size of the store."""
    size = sum(part.stat().st_size for part in path.parent.glob(f"{path.name}*"))
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (results,) = connection.execute("SELECT count(*) FROM results").fetchone()
        yield f"store of {results:,} results", f"{size / 1e9:.2f} GB", ""


def main() -> None:
    """Make a store, measure, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=1_000)
    parser.add_argument("--tests", type=int, default=10_000)
    parser.add_argument("--store", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        path = options.store or Path(name) / "store.sqlite3"
        if not path.exists():
            begin = time.perf_counter()
            make(path, options.runs, options.tests)
            print(f"made in {time.perf_counter() - begin:.0f} s\n", flush=True)
        print("| figure | measured | limit |\n|---|---|---|")
        parts = (
            estimates(Path(name)),
            sizes(path),
            measure(path, options.runs),
            removal(path, options.runs),
        )
        for part in parts:
            for row in part:
                print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
