"""``pytest-publish board`` on the command line."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from boards import Board
from boards import WITH_A_LONG_TEST
from support import eventually
from support import RunPytest


SUITE = """
    import pytest, time

    @pytest.mark.parametrize("number", range(6))
    def test_some(number):
        print("sold", number)
        assert number != 3
    """


def refused(*arguments: str | Path, code: str = "") -> str:
    """Return the one line with which the command gives up."""
    start = [sys.executable, "-c", code] if code else [sys.executable, "-m", "pytest_publish"]
    done = subprocess.run(
        [*start, "board", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 2, done
    assert done.stderr.count("\n") == 1, done.stderr
    assert done.stdout == ""
    return done.stderr


def test_what_keeps_it_from_starting_is_told_in_one_line(tmp_path: Path, board: Board) -> None:
    store = tmp_path / "store"
    assert "--port" in refused("--port", str(board.port), "--store", store)
    assert "--port" in refused("--port", "99999", "--store", store)
    assert "another board" in refused("--port", "0", "--store", board.store)
    text = tmp_path / "notes.txt"
    text.write_text("no store, but something else that somebody wants to keep\n" * 20, "utf-8")
    assert "no store" in refused("--port", "0", "--store", text)
    assert "Is a directory" in refused("--port", "0", "--store", tmp_path)
    missing = "import sys; sys.modules['uvicorn'] = None; from pytest_publish import cli as m;"
    told = refused("--port", "0", code=f"{missing} sys.exit(m.main())")
    assert "pip install 'pytest-publish[board]'" in told


def test_a_store_of_a_newer_version_or_another_program_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "other"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE recipes(id)")
    database.close()
    assert "another program" in refused("--port", "0", "--store", other)
    newer = tmp_path / "newer"
    Board(newer).stop()
    with sqlite3.connect(newer) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    assert "format 99" in refused("--port", "0", "--store", newer)


def test_without_the_extra_nothing_of_it_is_loaded() -> None:
    code = """if True:
        import sys
        from pytest_publish import cli, plugin
        loaded = {"starlette", "uvicorn", "platformdirs", "sqlite3"} & sys.modules.keys()
        sys.exit(str(loaded) if loaded else 0)
    """
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)


def test_runs_publish_to_it_and_what_was_left_behind_fills_in(
    board: Board, pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path
) -> None:
    pytester.makepyfile(SUITE)
    url = f"{board.url}/test-update"
    ran = run_pytest("-n", "2", "--publish", url, "--pubdir", pubdir, "--publish-batch", "5")
    ran.assert_outcomes(passed=5, failed=1)
    run = board.get("/api/runs")[0]
    assert (run["done"], run["outcomes"]) == (6, {"passed": 5, "failed": 1})
    # A tree that is sent later has the same results: nothing is there twice.
    subprocess.run(
        [sys.executable, "-m", "pytest_publish", "send", pubdir, "--to", url],
        check=True,
        timeout=60,
    )
    assert board.run(run["run_id"])["outcomes"] == run["outcomes"]
    rows = board.results(run["run_id"])
    assert {row["name"] for row in rows} == {f"test_some[{number}]" for number in range(6)}
    (failed,) = (row for row in rows if row["outcome"] == "failed")
    assert board.get(f"/api/results/{failed['key']}")["stdout"] == "sold 3\n"


def test_it_runs_pytest_beside_itself(
    start_board: Callable[..., Board],
    pytester: pytest.Pytester,
    own_plugins: tuple[str, ...],
) -> None:
    pytester.makepyfile(SUITE)
    board = start_board(
        *("--", *own_plugins, "-n", "1", "-q"), PYTEST_PUBLISH_BOARD_TOKEN="letmein"
    )
    board.session.headers["Authorization"] = "Bearer letmein"
    eventually(lambda: sum(run["done"] for run in board.get("/api/runs")) == 6, "the results")


def test_a_run_beside_it_ends_with_it_and_still_tells_how(
    start_board: Callable[..., Board],
    pytester: pytest.Pytester,
    own_plugins: tuple[str, ...],
) -> None:
    pytester.makepyfile(WITH_A_LONG_TEST)
    board = start_board("--", *own_plugins, "-q")
    eventually(lambda: any(run["done"] for run in board.get("/api/runs")), "the first result")
    assert board.stop() == 0
    again = start_board(port=board.port)
    assert "test_first" in str(again.results(again.get("/api/runs")[0]["run_id"]))
