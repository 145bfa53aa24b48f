from __future__ import annotations

from pathlib import Path

import pytest

from streams import checked
from streams import logged
from streams import of_type
from support import Result
from support import RunPytest
from support import tree_results


pytestmark = [pytest.mark.one_worker, pytest.mark.in_process]


pytest.importorskip("pytest_rerunfailures")

RERUNS = ("-p", "rerunfailures", "--reruns", "2")


def attempts(results: list[Result]) -> list[tuple[str, int, str, str]]:
    return sorted((r["name"], r["attempt"], r["result"], r["outcome"]) for r in results)


SUITE = """
    import logging, sys
    import pytest

    flaky, outputs, setups = [], [], []

    def test_flaky():
        flaky.append(1)
        assert len(flaky) > 1

    def test_steady(): pass

    def test_fails(): raise KeyError("k")

    @pytest.fixture
    def announced(record_property):
        outputs.append(1)
        print(f"up {len(outputs)}")
        record_property("try", len(outputs))
        yield
        print(f"down {len(outputs)}")

    def test_output(announced):
        number = len(outputs)
        print(f"body {number}")
        print(f"error {number}", file=sys.stderr)
        logging.warning("log %s", number)
        assert number > 2

    @pytest.fixture
    def unready():
        setups.append(1)
        if len(setups) == 1:
            raise OSError("not yet")

    def test_setup(unready): pass
"""
PROPERTY_OF_ALL = """
    def pytest_collection_modifyitems(items):
        for item in items:
            item.user_properties.append(("ticket", "T1"))
"""


def test_each_attempt_is_a_result_of_its_own(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    pytester.makeconftest(PROPERTY_OF_ALL)
    pytester.makepyfile(SUITE)
    run = run_pytest(*RERUNS, "--pubdir", pubdir, *mode)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run.assert_outcomes(passed=4, failed=1)
    results = tree_results(pubdir)
    assert attempts(results) == [
        ("test_fails", 1, "fail", "rerun"),
        ("test_fails", 2, "fail", "rerun"),
        ("test_fails", 3, "fail", "failed"),
        ("test_flaky", 1, "fail", "rerun"),
        ("test_flaky", 2, "pass", "passed"),
        ("test_output", 1, "fail", "rerun"),
        ("test_output", 2, "fail", "rerun"),
        ("test_output", 3, "pass", "passed"),
        ("test_setup", 1, "fail", "rerun"),
        ("test_setup", 2, "pass", "passed"),
        ("test_steady", 1, "pass", "passed"),
    ]
    assert sorted(path.name for path in (pubdir / "test_flaky").glob("[0-9]*")) == [
        "0.fail",
        "1.pass",
    ]
    assert {r["excinfo"]["type"] for r in results if r["name"] == "test_fails"} == {"KeyError"}
    check_outputs([r for r in results if r["name"] == "test_output"])
    unready = next(r for r in results if r["name"] == "test_setup")
    assert unready["excinfo"]["value"] == "not yet"
    assert unready["phases"][0]["when"] == "setup"
    assert unready["phases"][0]["outcome"] == "rerun"


def check_outputs(results: list[Result]) -> None:
    """Check that each attempt shows its own output, log and properties only."""
    assert [r["attempt"] for r in results] == [1, 2, 3]
    for number, result in enumerate(results, 1):
        # pytest-rerunfailures before 16.0 keeps the teardown of an attempt to itself.
        phases = [phase["when"] for phase in result["phases"]]
        down = [f"down {number}"] if "teardown" in phases else []
        assert result["stdout"].split("\n")[:-1] == [f"up {number}", f"body {number}", *down]
        assert result["stderr"] == f"error {number}\n"
        assert result["log"].endswith(f"log {number}")
        assert result["log"].count("\n") == 0
        assert result["properties"] == {"ticket": "T1", "try": number}
    assert [phase["when"] for phase in results[-1]["phases"]] == ["setup", "call", "teardown"]


def test_a_crash_is_an_attempt(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, log: Path
) -> None:
    pytester.makepyfile(
        """
        import os
        from pathlib import Path
        import pytest

        @pytest.fixture
        def is_read(request):
            # An answer from the controller, which has then read how often to rerun:
            # a crash before that is final (pytest-rerunfailures 14 to 16.7).
            request.config.failures_db.get_test_reruns(request.node.nodeid)

        def test_a(is_read):
            crashed = Path("crashed")
            if not crashed.exists():
                crashed.touch()
                os._exit(1)

        def test_b(): pass

        @pytest.fixture
        def deadly(is_read): os._exit(3)

        @pytest.mark.flaky(reruns=1)
        def test_dies(deadly): pass

        def test_last(): pass
        """
    )
    events = (f"--publish-log={log}", "--publish-events")
    run = run_pytest(*RERUNS, "-n1", "--max-worker-restart=4", f"--pubdir={pubdir}", *events)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    results = tree_results(pubdir)
    assert attempts(results) == [
        ("test_a", 1, "fail", "rerun"),
        ("test_a", 2, "pass", "passed"),
        ("test_b", 1, "pass", "passed"),
        ("test_dies", 1, "fail", "rerun"),
        ("test_dies", 2, "fail", "crashed"),
        ("test_last", 1, "pass", "passed"),
    ]
    first, second = (r for r in results if r["name"] == "test_a")
    assert [r["xdist_worker"] for r in (first, second)] == ["gw0", "gw1"]
    assert first["excinfo"]["type"] == "WorkerCrashed"
    # The stream goes on with each worker that takes the place of another.
    stream = checked(logged(log))
    assert of_type("result", stream) == results
    assert stream[-1]["reason"] == "finished"


# pytest-retry keeps a server for as long as its process lives.
@pytest.mark.in_process(False)
def test_a_first_attempt_of_pytest_retry_is_told(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    pytest.importorskip("pytest_retry")
    pytester.makepyfile(
        """
        tries = []

        def test_flaky():
            tries.append(1)
            print("try", len(tries))
            assert len(tries) > 1
        """
    )
    run = run_pytest("-p", "pytest-retry", "--retries", "2", "--pubdir", pubdir, *mode)
    assert run.ret == pytest.ExitCode.OK
    first, second = tree_results(pubdir)
    assert attempts([first, second]) == [
        ("test_flaky", 1, "fail", "rerun"),
        ("test_flaky", 2, "pass", "passed"),
    ]
    assert (first["stdout"], second["stdout"]) == ("try 1\n", "try 2\n")
    assert first["excinfo"]["type"] == "AssertionError"


def test_an_attempt_that_a_plugin_hides_is_a_result(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    pytest.importorskip("flaky")
    pytester.makepyfile(
        """
        import pytest
        from flaky import flaky

        calls, setups = [], []

        @flaky(max_runs=3)
        def test_never():
            print("in it")
            raise KeyError("k")

        @flaky
        def test_second():
            calls.append(1)
            assert len(calls) > 1

        @flaky(max_runs=3, min_passes=2)
        def test_twice(): pass

        @pytest.fixture
        def late():
            setups.append(1)
            if len(setups) == 1:
                raise OSError("not yet")

        @flaky
        def test_setup(late): pass

        def test_steady(): pass
        """
    )
    run = run_pytest("-p", "flaky", "--pubdir", pubdir, *mode)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    results = tree_results(pubdir)
    assert attempts(results) == [
        ("test_never", 1, "fail", "rerun"),
        ("test_never", 2, "fail", "rerun"),
        ("test_never", 3, "fail", "failed"),
        ("test_second", 1, "fail", "rerun"),
        ("test_second", 2, "pass", "passed"),
        ("test_setup", 1, "fail", "rerun"),
        ("test_setup", 2, "pass", "passed"),
        ("test_steady", 1, "pass", "passed"),
        ("test_twice", 1, "pass", "passed"),
        ("test_twice", 2, "pass", "passed"),
    ]
    for result in results:
        assert [phase["when"] for phase in result["phases"]][-1] == "teardown"
        if result["name"] == "test_never":
            assert result["excinfo"]["type"] == "KeyError"
            assert result["excinfo"]["traceback"]
            assert result["stdout"] == "in it\n"
            brief = (Path(result["pubdir_path"]) / "brief.txt").read_text("utf-8")
            assert "KeyError" in brief


def test_dist_each_counts_attempts_by_worker(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path
) -> None:
    pytester.makepyfile("def test_a(worker_id): assert worker_id == 'gw1'")
    run_pytest(*RERUNS, "-n", "2", "--dist", "each", "--pubdir", pubdir)
    found = {(r["xdist_worker"], r["attempt"], r["outcome"]) for r in tree_results(pubdir)}
    # pytest-rerunfailures counts by node id: how often gw0 tries depends on gw1.
    assert ("gw1", 1, "passed") in found
    assert ("gw0", 1, "rerun") in found
    assert len([worker for worker, _attempt, _outcome in found if worker == "gw1"]) == 1


def test_a_test_run_again_at_the_end_shows_its_own(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path
) -> None:
    pytester.makeconftest(
        """
        def pytest_runtestloop(session):
            items = session.items
            for item, following in zip(items * 2, [*items[1:], *items, None]):
                item.ihook.pytest_runtest_protocol(item=item, nextitem=following)
            return True
        """
    )
    pytester.makepyfile(
        """
        tries = []

        def test_a(record_property):
            tries.append(1)
            record_property("try", len(tries))
            print(f"body {len(tries)}")

        def test_b(): pass
        """
    )
    run = run_pytest("--pubdir", pubdir)
    assert run.ret == pytest.ExitCode.OK
    results = [result for result in tree_results(pubdir) if result["name"] == "test_a"]
    assert [(r["properties"], r["stdout"]) for r in results] == [
        ({"try": 1}, "body 1\n"),
        ({"try": 2}, "body 2\n"),
    ]
