from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from faulty_server import FaultyServer
from faulty_server import status
from streams import checked
from streams import logged
from support import by_name
from support import eventually
from support import OWN_PLUGINS
from support import RunPytest
from support import tree_results


pytestmark = [pytest.mark.one_worker, pytest.mark.in_process]

EVENTS = "--publish-events"


def outcomes(pubdir: Path) -> dict[str, str]:
    return {name: r["outcome"] for name, r in sorted(by_name(tree_results(pubdir)).items())}


def start(*args: str | Path, start_new_session: bool = False) -> subprocess.Popen[bytes]:
    """Start a session that is going to be signalled; it prints into a file."""
    command = [sys.executable, "-m", "pytest", *OWN_PLUGINS, *args]
    with Path("shown").open("wb") as shown:
        return subprocess.Popen(command, stdout=shown, start_new_session=start_new_session)


def check_finish(log: Path, run: pytest.RunResult) -> None:
    """Check that the last event tells of an interrupted run, and its exit code."""
    finish = checked(logged(log))[-1]
    assert (finish["reason"], finish["exitstatus"]) == ("interrupted", run.ret)


@pytest.mark.parametrize("limit", [("-x",), ("--maxfail", "2")])
def test_what_ran_before_maxfail_is_published(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    pubdir: Path,
    log: Path,
    mode: tuple[str, ...],
    limit: tuple[str, ...],
) -> None:
    pytester.makepyfile(
        """
        import pytest

        def test_first(): pass

        @pytest.mark.parametrize("number", range(20))
        def test_fails(number): assert 0
        """
    )
    run = run_pytest(*limit, "--pubdir", pubdir, f"--publish-log={log}", EVENTS, *mode)
    assert run.ret in (pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
    # xdist has exit codes of its own.
    assert mode or run.ret == pytest.ExitCode.TESTS_FAILED
    check_finish(log, run)
    published = list(outcomes(pubdir).values())
    shown = run.parseoutcomes()
    assert published.count("failed") == shown["failed"] < 20
    assert published.count("passed") == shown.get("passed", 0)
    assert len(published) == shown["failed"] + shown.get("passed", 0)


ENDINGS = ["pytest.exit('enough')", "pytest.exit('enough', 7)", "raise KeyboardInterrupt"]


@pytest.mark.parametrize("ending", ENDINGS[1:])
def test_an_exit_in_a_test_gives_it_no_result(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, log: Path, ending: str
) -> None:
    pytester.makepyfile(
        f"""
        import pytest
        def test_before(): pass
        def test_ends(): {ending}
        def test_never(): pass
        """
    )
    run = run_pytest("--pubdir", pubdir, f"--publish-log={log}", EVENTS)
    assert run.ret == (7 if "7" in ending else pytest.ExitCode.INTERRUPTED)
    check_finish(log, run)
    assert outcomes(pubdir) == {"test_before": "passed"}


@pytest.mark.parametrize("ending", [ENDINGS[0], ENDINGS[2]])
def test_an_exit_in_teardown_keeps_what_is_known(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, ending: str
) -> None:
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.fixture
        def ending():
            yield
            {ending}

        def test_passes(ending): print("done")
        def test_never(): pass
        """
    )
    run = run_pytest("--pubdir", pubdir)
    assert run.ret == pytest.ExitCode.INTERRUPTED
    (result,) = tree_results(pubdir)
    assert (result["name"], result["outcome"], result["stdout"]) == (
        "test_passes",
        "passed",
        "done\n",
    )
    assert [phase["when"] for phase in result["phases"]] == ["setup", "call"]


@pytest.mark.parametrize(("ending", "restarts"), [*zip(ENDINGS, (0, 0, 1), strict=True)])
def test_an_exit_in_a_worker_doubles_no_result(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    pubdir: Path,
    log: Path,
    ending: str,
    restarts: int,
) -> None:
    pytester.makepyfile(
        f"""
        import pytest
        def test_before(): pass
        def test_ends(): {ending}
        """
    )
    workers = ("-n1", f"--max-worker-restart={restarts}")
    run = run_pytest(*workers, "--pubdir", pubdir, f"--publish-log={log}", EVENTS)
    assert run.ret != pytest.ExitCode.OK
    check_finish(log, run)
    published = outcomes(pubdir)
    assert published.pop("test_before") == "passed"
    # To xdist (3.6 to 3.8) it is a crash, where it takes note of it at all.
    assert published in ({}, {"test_ends": "crashed"})
    assert len(published) == run.parseoutcomes().get("failed", 0)


SLOW = """
import time
from pathlib import Path

def test_before(): pass

def test_is_interrupted():
    Path("in_body").touch()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not Path("controller_was_interrupted").exists():
        time.sleep(0.01)
    # A worker that is told to end does this to itself too, but after 5 s (execnet 2.1).
    raise KeyboardInterrupt

def test_never(): pass
"""
TELL_OF_AN_INTERRUPT = """
from pathlib import Path

def pytest_keyboard_interrupt():
    Path("controller_was_interrupted").touch()
"""


@pytest.mark.usefixtures("own_plugins")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_loses_nothing_that_had_finished(
    pytester: pytest.Pytester,
    faulty_server: FaultyServer,
    pubdir: Path,
    mode: tuple[str, ...],
    number: signal.Signals,
) -> None:
    faulty_server.answer = lambda _post: status(503)
    pytester.makeconftest(TELL_OF_AN_INTERRUPT)
    pytester.makepyfile(SLOW)
    switches = ("--publish-grace=0.5", "--publish-log=log.jsonl", EVENTS)
    process = start("--pubdir", pubdir, "--publish", faulty_server.url, *switches, *mode)
    eventually((pytester.path / "in_body").exists)
    # Under xdist the report of the test before may still be on its way.
    eventually(lambda: list(pubdir.rglob("result.json")))
    eventually(lambda: faulty_server.posts, "the first to be tried")
    process.send_signal(number)
    process.wait(60)
    assert outcomes(pubdir) == {"test_before": "passed"}
    if number == signal.SIGINT:
        check_interrupted(process, faulty_server)


def check_interrupted(process: subprocess.Popen[bytes], faulty_server: FaultyServer) -> None:
    """Check what a session says of an interrupt: the exit code, the last event, the summary."""
    shown = Path("shown").read_text()
    assert process.returncode == pytest.ExitCode.INTERRUPTED, shown
    stream = checked(logged(Path("log.jsonl")))
    # Under xdist the second test's start may come before the first one's result.
    assert sorted(told["type"] for told in stream[2:]) == [
        *("result", "session_finish", "test_start", "test_start")
    ]
    assert (stream[-1]["reason"], stream[-1]["exitstatus"]) == ("interrupted", 2)
    # It ends although the endpoint does not take what it has got.
    assert f"to be sent to {faulty_server.url} (503 Whatever)" in shown


@pytest.mark.parametrize("when", ["call", "teardown"])
def test_an_internal_error_loses_nothing_finished(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    pubdir: Path,
    log: Path,
    mode: tuple[str, ...],
    when: str,
) -> None:
    pytester.makeconftest(
        f"""
        def pytest_runtest_logreport(report):
            if report.when == {when!r} and "test_second" in report.nodeid:
                raise RuntimeError("a bug")
        """
    )
    pytester.makepyfile(
        """
        def test_first(): pass
        def test_second(): pass
        def test_third(): pass
        """
    )
    run = run_pytest("--pubdir", pubdir, f"--publish-log={log}", EVENTS, *mode)
    assert run.ret == pytest.ExitCode.INTERNAL_ERROR
    check_finish(log, run)
    published = outcomes(pubdir)
    assert published.pop("test_first") == "passed"
    # Of the second, only what came before the error is known.
    expected = {"test_second": "passed"} if when == "teardown" else {}
    assert published == expected


def test_an_error_in_makereport_invents_no_result(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    pytester.makeconftest(
        """
        def pytest_runtest_makereport(item, call):
            if "second" in item.name:
                raise RuntimeError("a bug")
        """
    )
    pytester.makepyfile("def test_first(): pass\ndef test_second(): pass")
    run = run_pytest("--pubdir", pubdir, *mode)
    # What xdist makes of a worker's internal error depends on its version.
    assert mode or run.ret == pytest.ExitCode.INTERNAL_ERROR
    assert outcomes(pubdir) == {"test_first": "passed"}


def test_a_report_may_have_no_location(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_runtest_logreport(report):
            if "odd" in report.nodeid:
                report.location = None
        """
    )
    pytester.makepyfile("def test_odd(): pass\ndef test_a(): pass")
    run = run_pytest("--pubdir", pubdir, *mode)
    assert run.ret == pytest.ExitCode.OK
    assert outcomes(pubdir) == {"test_odd": "passed", "test_a": "passed"}
    run.stdout.no_fnmatch_line("publish: *lost*")


@pytest.mark.usefixtures("own_plugins")
def test_a_ctrl_c_for_all_processes_invents_nothing(
    pytester: pytest.Pytester, pubdir: Path
) -> None:
    pytester.makepyfile(SLOW)
    # As in a terminal, where all processes of the foreground group get it.
    process = start("--pubdir", pubdir, "-n", "1", start_new_session=True)
    eventually((pytester.path / "in_body").exists)
    eventually(lambda: list(pubdir.rglob("result.json")))
    os.killpg(process.pid, signal.SIGINT)
    process.wait(60)
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    published = outcomes(pubdir)
    assert published.pop("test_before") == "passed"
    # Where the controller hears of the worker's end before its own, xdist calls it a crash.
    assert published in ({}, {"test_is_interrupted": "crashed"})
