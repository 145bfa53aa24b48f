from __future__ import annotations

import re
from pathlib import Path

import pytest

from streams import checked
from streams import logged
from support import by_name
from support import Result
from support import RunPytest
from support import tree_results


pytestmark = pytest.mark.in_process


def crash_of(results: list[Result], name: str) -> Result:
    (crash,) = [result for result in results if result["name"] == name]
    assert (crash["result"], crash["outcome"]) == ("fail", "crashed")
    assert re.fullmatch(r"gw\d", crash["xdist_worker"])
    assert crash["excinfo"]["type"] == "WorkerCrashed"
    assert crash["excinfo"]["traceback"] == []
    assert crash["nodeid"] in crash["excinfo"]["value"]
    assert crash["xdist_worker"] in crash["excinfo"]["value"]
    assert 0 < crash["start_time"] <= crash["stop_time"]
    return crash


#: By how a test dies: which phases had ended, and what they had printed.
DEATHS = {
    "setup-kill": ([], ""),
    "call-exit": (["setup"], "in setup\n"),
    "call-kill": (["setup"], "in setup\n"),
    "teardown-exit": (["setup", "call"], "in setup\nin call\n"),
}


def test_a_worker_that_dies_fails_only_its_test(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path
) -> None:
    pytester.makepyfile(
        f"""
        import os, signal
        import pytest

        def reach(where, death):
            print("in", where, flush=True)
            if death == f"{{where}}-kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if death == f"{{where}}-exit":
                os._exit(3)

        @pytest.fixture
        def deadly(death):
            reach("setup", death)
            yield
            reach("teardown", death)

        @pytest.mark.parametrize("death", {list(DEATHS)})
        def test_dies(deadly, death):
            reach("call", death)

        @pytest.mark.parametrize("number", range(6))
        def test_lives(number): pass
        """
    )
    run = run_pytest("-n", "2", "--max-worker-restart", "4", "--pubdir", pubdir)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    results = tree_results(pubdir)
    for death, (seen, output) in DEATHS.items():
        crash = crash_of(results, f"test_dies[{death}]")
        assert [phase["when"] for phase in crash["phases"]] == seen, death
        assert all(phase["outcome"] == "passed" for phase in crash["phases"]), death
        assert crash["stdout"] == output, death
        assert crash["attempt"] == 1, death
        if "call" in seen:
            assert crash["start_time"] == crash["phases"][1]["start_time"], death
    lives = by_name([result for result in results if result["outcome"] != "crashed"])
    assert sorted(lives) == [f"test_lives[{number}]" for number in range(6)]
    assert {result["result"] for result in lives.values()} == {"pass"}


def test_without_restarts_a_crash_in_setup_is_published(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, log: Path
) -> None:
    path = pytester.makepyfile(
        """
        import os
        import pytest

        def test_before(): pass

        class TestC:
            @pytest.fixture
            def deadly(self): os._exit(1)

            @pytest.mark.xdist_group("db")
            @pytest.mark.parametrize("a", ["x::y"])
            def test_dies(self, deadly, a): pass

        def test_after(): pass
        """
    )
    # Not more workers: xdist's loadgroup may hang after a crash (pytest-xdist issue 1323).
    workers = ("-n1", "--dist=loadgroup", "--max-worker-restart=0", "--maxfail=1")
    switches = (f"--pubdir={pubdir}", f"--publish-log={log}", "--publish-events")
    run = run_pytest(*workers, *switches)
    results = by_name(tree_results(pubdir))
    # What xdist never ran has no result.
    outcomes = {name: result["outcome"] for name, result in results.items()}
    assert outcomes == {"test_before": "passed", "test_dies[x::y]": "crashed"}
    crash = crash_of([*results.values()], "test_dies[x::y]")
    assert crash["nodeid"] == f"{path.name}::TestC::test_dies[x::y]"
    # The line and the group are known, although the setup crashed.
    assert (crash["file"], crash["line"], crash["xdist_scope"]) == (path.name, 10, "db")
    run.stdout.fnmatch_lines(["*worker gw0 crashed and worker restarting disabled*"])
    assert checked(logged(log))[-1]["reason"] == "interrupted"


@pytest.mark.parametrize("dist", ["load", "worksteal", "loadfile", "loadgroup", "each"])
def test_each_crash_is_an_attempt_in_every_mode(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, dist: str
) -> None:
    # A worker for each scope: a crasher on a worker that had another scope can hang
    # loadgroup in xdist itself (3.6 to 3.8, pytest-xdist issues 1323 and 1371).
    count = 2 if dist in ("loadgroup", "each") else 1
    pytester.makepyfile(
        """
        import os
        import pytest

        def test_lives(): pass

        @pytest.mark.xdist_group("g")
        def test_dies(): os._exit(1)
        """
    )
    workers = (f"-n{count}", f"--dist={dist}", "--max-worker-restart=1")
    run = run_pytest(*workers, "--pubdir", pubdir)
    results = tree_results(pubdir)
    crashes = [result for result in results if result["name"] == "test_dies"]
    assert {result["outcome"] for result in crashes} == {"crashed"}
    assert len(crashes) == run.parseoutcomes()["failed"]
    if dist != "each":
        assert [result["attempt"] for result in crashes] == list(range(1, len(crashes) + 1))
    assert {result["nodeid"].rpartition("::")[2] for result in crashes} == {"test_dies"}
    if dist == "loadgroup":
        assert {result["xdist_scope"] for result in crashes} == {"g"}
