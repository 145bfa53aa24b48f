"""``pytest-publish board`` on the command line."""

from __future__ import annotations

import functools
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from boards import Board
from boards import WITH_A_LONG_TEST
from pytest_publish.board.schema import VERSION
from pytest_publish.board.store import Store
from reports import refused_line
from support import eventually
from support import RunPytest


SUITE = """
    import pytest, time

    @pytest.mark.parametrize("number", range(6))
    def test_some(number):
        print("sold", number)
        assert number != 3
    """


def test_what_keeps_it_from_starting_is_told_in_one_line(
    tmp_path: Path, board: Board, monkeypatch: pytest.MonkeyPatch
) -> None:
    refused = functools.partial(refused_line, "board")
    store = tmp_path / "store"
    assert "--port" in refused("--port", str(board.port), "--store", store)
    assert "another board" in refused("--port", "0", "--store", board.store)
    text = tmp_path / "notes.txt"
    text.write_text("no store, but something else that somebody wants to keep\n" * 20, "utf-8")
    assert "no store" in refused("--port", "0", "--store", text)
    assert "Is a directory" in refused("--port", "0", "--store", tmp_path)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    monkeypatch.delitem(sys.modules, "pytest_publish.board.server")
    monkeypatch.delattr("pytest_publish.board.server")
    assert "pip install 'pytest-publish[board]'" in refused("--port", "0")


def test_as_a_program_it_exits_with_2(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "pytest_publish", "board", "--port", "99999", "--store"]
    done = subprocess.run(
        [*command, tmp_path / "store"], capture_output=True, text=True, timeout=30, check=False
    )
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done
    assert "--port" in done.stderr


def test_a_store_of_a_newer_version_or_another_program_is_left_alone(tmp_path: Path) -> None:
    refused = functools.partial(refused_line, "board")
    other = tmp_path / "other"
    with sqlite3.connect(other) as database:
        database.execute("CREATE TABLE recipes(id)")
    database.close()
    assert "another program" in refused("--port", "0", "--store", other)
    newer = tmp_path / "newer"
    Store(newer).close()
    with sqlite3.connect(newer) as database:
        database.execute("PRAGMA user_version = 99")
    assert "format 99" in refused("--port", "0", "--store", newer)
    # Whoever was refused does not keep others from it.
    database.execute(f"PRAGMA user_version = {VERSION}")
    database.close()
    Board(newer).stop()


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
