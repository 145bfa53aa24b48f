from __future__ import annotations

from pathlib import Path

import pytest

from support import by_name
from support import Result
from support import RunPytest
from support import tree_results


EXIT = "os._exit(3)"
KILL = "os.kill(os.getpid(), signal.SIGKILL)"


def crash_of(results: list[Result], name: str) -> Result:
    (crash,) = [result for result in results if result["name"] == name]
    assert (crash["result"], crash["outcome"]) == ("fail", "crashed")
    assert crash["xdist_worker"] in ("gw0", "gw1")
    assert crash["excinfo"]["type"] == "WorkerCrashed"
    assert crash["excinfo"]["traceback"] == []
    assert crash["nodeid"] in crash["excinfo"]["value"]
    assert crash["xdist_worker"] in crash["excinfo"]["value"]
    assert 0 < crash["start_time"] <= crash["stop_time"]
    return crash


@pytest.mark.parametrize(
    ("where", "death", "seen", "output"),
    [
        ("setup", KILL, [], ""),
        ("call", EXIT, ["setup"], "in setup\n"),
        ("call", KILL, ["setup"], "in setup\n"),
        ("teardown", EXIT, ["setup", "call"], "in setup\nin call\n"),
    ],
    ids=["setup-kill", "call-exit", "call-kill", "teardown-exit"],
)
def test_a_worker_that_dies_fails_its_test_and_no_other(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    pubdir: Path,
    where: str,
    death: str,
    seen: list[str],
    output: str,
) -> None:
    pytester.makepyfile(
        f"""
        import os, signal
        import pytest

        def die(where):
            print("in", where, flush=True)
            if where == {where!r}:
                {death}

        @pytest.fixture
        def deadly():
            die("setup")
            yield
            die("teardown")

        def test_dies(deadly):
            die("call")

        @pytest.mark.parametrize("number", range(6))
        def test_lives(number): pass
        """
    )
    run = run_pytest("-n", "2", "--pubdir", pubdir)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    results = tree_results(pubdir)
    crash = crash_of(results, "test_dies")
    assert [phase["when"] for phase in crash["phases"]] == seen
    assert all(phase["outcome"] == "passed" for phase in crash["phases"])
    assert crash["stdout"] == output
    assert crash["attempt"] == 1
    if where == "teardown":
        assert crash["start_time"] == crash["phases"][1]["start_time"]
    lives = by_name([result for result in results if result["name"] != "test_dies"])
    assert sorted(lives) == [f"test_lives[{number}]" for number in range(6)]
    assert {result["result"] for result in lives.values()} == {"pass"}


def test_a_crash_before_any_report_knows_where_its_test_stands(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path
) -> None:
    path = pytester.makepyfile(
        """
        import os
        import pytest

        class TestC:
            @pytest.fixture
            def deadly(self): os._exit(1)

            @pytest.mark.parametrize("a", ["x::y"])
            def test_dies(self, deadly, a): pass
        """
    )
    run_pytest("-n", "1", "--max-worker-restart", "0", "--pubdir", pubdir)
    (crash,) = tree_results(pubdir)
    crash_of([crash], "test_dies[x::y]")
    assert crash["nodeid"] == f"{path.name}::TestC::test_dies[x::y]"
    assert (crash["file"], crash["line"]) == (path.name, 8)


def test_without_restarts_a_crash_and_what_finished_before_are_published(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path
) -> None:
    pytester.makepyfile(
        """
        import os

        def test_before(): pass
        def test_dies(): os._exit(1)
        def test_after(): pass
        """
    )
    run = run_pytest("-n", "1", "--max-worker-restart", "0", "--pubdir", pubdir)
    results = tree_results(pubdir)
    crash_of(results, "test_dies")
    outcomes = {name: result["outcome"] for name, result in by_name(results).items()}
    # What xdist never ran has no result.
    assert outcomes == {"test_before": "passed", "test_dies": "crashed"}
    run.stdout.fnmatch_lines(["*worker gw0 crashed and worker restarting disabled*"])


@pytest.mark.parametrize("dist", ["load", "worksteal", "loadfile", "loadgroup", "each"])
def test_in_every_mode_each_crash_that_xdist_reports_is_an_attempt(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, dist: str
) -> None:
    # A worker for each scope: a crasher on a worker that had another scope can hang
    # loadgroup in xdist itself (3.6 to 3.8, pytest-xdist issues 1323 and 1371).
    pytester.makepyfile(
        """
        import os
        import pytest

        def test_lives(): pass

        @pytest.mark.xdist_group("g")
        def test_dies(): os._exit(1)
        """
    )
    run = run_pytest("-n", "2", "--dist", dist, "--max-worker-restart", "2", "--pubdir", pubdir)
    results = tree_results(pubdir)
    crashes = [result for result in results if result["name"] == "test_dies"]
    assert {result["outcome"] for result in crashes} == {"crashed"}
    assert len(crashes) == run.parseoutcomes()["failed"]
    if dist != "each":
        assert [result["attempt"] for result in crashes] == list(range(1, len(crashes) + 1))
    assert {result["nodeid"].rpartition("::")[2] for result in crashes} == {"test_dies"}
    if dist == "loadgroup":
        assert {result["xdist_scope"] for result in crashes} == {"g"}
