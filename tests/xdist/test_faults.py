"""Delivery while the endpoint, the disk, or a process fails."""

from __future__ import annotations

import contextlib
import functools
import io
import itertools
import json
import os
import random
import re
import resource
import shlex
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
import trustme

from faulty_server import CutError
from faulty_server import FaultyServer
from faulty_server import OK
from faulty_server import ResetError
from faulty_server import status
from pytest_publish.cli import main
from pytest_publish.delivery.locks import sender_lock
from pytest_publish.delivery.outbox import Header
from pytest_publish.delivery.outbox import Outbox
from pytest_publish.delivery.outbox import OutboxWriter
from streams import logged
from support import eventually
from support import Post
from support import RunPytest
from support import tree_results


pytestmark = pytest.mark.one_worker


TESTS = 12
SUITE = f"""
    import pytest

    @pytest.mark.parametrize("number", range({TESTS}))
    def test_it(number):
        assert number != 3
"""
# Finds the relay from a test: the process that runs beside the controller.
FIND_RELAY = """
    import os, pathlib, signal, time

    def controller():
        return os.getppid() if "PYTEST_XDIST_WORKER" in os.environ else os.getpid()

    def relay():
        for path in pathlib.Path("/proc").glob("[0-9]*"):
            try:
                parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
                command = (path / "cmdline").read_text()
                if parent == controller() and "pytest_publish.delivery.relay" in command:
                    return int(path.name)
            except (OSError, ValueError):
                pass
"""


def send(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run the command that the summary names, in this process."""
    words = ["send", *map(str, arguments)]
    with (
        contextlib.redirect_stdout(io.StringIO()) as output,
        contextlib.redirect_stderr(io.StringIO()) as errors,
    ):
        try:
            code = main(words)
        except SystemExit as ended:  # argparse's way
            code = int(ended.code or 0)
    return subprocess.CompletedProcess(words, code, output.getvalue(), errors.getvalue())


def outboxes(pytester: pytest.Pytester) -> list[Path]:
    folder = pytester.path / ".pytest_cache/publish"
    return [path for path in folder.glob("*.jsonl") if "refused" not in path.name]


def outbox_of(pytester: pytest.Pytester) -> Path:
    (outbox,) = outboxes(pytester)
    return outbox


def numbers(faulty_server: FaultyServer) -> list[int]:
    """Return the numbers of the accepted results."""
    return [result["seq"] for result in faulty_server.results]


@pytest.mark.in_process
def test_what_a_dead_endpoint_missed_is_sent_later(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    faulty_server: FaultyServer,
    mode: tuple[str, ...],
) -> None:
    faulty_server.stop()
    pytester.makepyfile(SUITE)
    run = run_pytest("--publish", faulty_server.url, "--publish-grace", "0.5", *mode)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    outbox = outbox_of(pytester)
    assert outbox.stat().st_mode & 0o777 == 0o600
    waiting = f"{TESTS} results wait to be sent to {faulty_server.url} (Connection refused)"
    command = f"pytest-publish send {outbox.relative_to(pytester.path)} --to {faulty_server.url}"
    run.stdout.fnmatch_lines([f"publish: {waiting}; send with:", f"  {command}"])
    alive = FaultyServer(faulty_server.port)
    sent = send(outbox, "--to", alive.url)
    alive.stop()
    assert (sent.returncode, sent.stderr) == (0, "")
    assert sent.stdout == f"{outbox}: {TESTS} sent to {alive.url}\n"
    assert numbers(alive) == list(range(TESTS))
    assert len(alive.posts) == TESTS
    assert not outboxes(pytester)


@pytest.mark.in_process
def test_what_fails_for_a_time_is_delivered_once(
    pytester: pytest.Pytester, run_pytest: RunPytest, faulty_server: FaultyServer
) -> None:
    retry_after = status(429, "Retry-After: 1")
    failures: list[bytes | type[Exception]] = [
        *[ResetError] * 8,
        *[CutError] * 8,
        retry_after,
        *[status(503)] * 20,
    ]
    lock = threading.Lock()

    def answer(_post: Post) -> bytes:
        with lock:
            failure = failures.pop(0) if failures else OK
        if isinstance(failure, bytes):
            return failure
        raise failure

    faulty_server.answer = answer
    pytester.makepyfile(SUITE)
    run = run_pytest("--publish", faulty_server.url, "--publish-grace", "60")
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    assert numbers(faulty_server) == list(range(TESTS))
    bodies = {post.body for post in faulty_server.posts}
    assert len(bodies) == TESTS, "the same bytes at each try"
    assert not failures
    assert f"publish: {TESTS} results sent to {faulty_server.url}" in run.stdout.str()
    assert not outboxes(pytester)


@pytest.mark.in_process
@pytest.mark.parametrize(
    ("timeout", "reason"), [("0.3", "timed out"), ("30", "nothing got through")]
)
def test_an_endpoint_that_never_answers_is_left(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    faulty_server: FaultyServer,
    timeout: str,
    reason: str,
) -> None:
    def answer(_post: Post) -> bytes:
        faulty_server.wait(100)
        return OK

    faulty_server.answer = answer
    pytester.makepyfile(SUITE)
    limits = ("--publish-timeout", timeout, "--publish-grace", "0.5")
    run = run_pytest("--publish", faulty_server.url, *limits)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run.stdout.fnmatch_lines([f"publish: {TESTS} results wait to be sent to * ({reason});*"])


REFUSING_CODES = (400, 401, 413, 302)


@pytest.mark.in_process
def test_refused_results_are_set_aside(
    pytester: pytest.Pytester, run_pytest: RunPytest, faulty_server: FaultyServer
) -> None:
    def answer(post: Post) -> bytes:
        number = json.loads(post.text)["seq"]
        return status(REFUSING_CODES[number], reason="No") if number < 4 else OK

    faulty_server.answer = answer
    pytester.makepyfile(SUITE)
    run = run_pytest("--publish", faulty_server.url)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    assert len(faulty_server.posts) == TESTS
    assert numbers(faulty_server) == list(range(4, TESTS))
    (refused,) = (pytester.path / ".pytest_cache/publish").iterdir()
    url = faulty_server.url
    run.stdout.fnmatch_lines(
        [
            f"publish: 4 results were refused by {url} (??? No) and set aside; send with:",
            f"  pytest-publish send {refused.relative_to(pytester.path)} --to {url}",
        ]
    )
    for code in REFUSING_CODES:  # again, and each by itself
        faulty_server.answer = lambda _post, code=code: status(code, reason="No")  # type: ignore[misc]
        again = send(refused)
        assert again.returncode == 1
        assert f"4 refused ({code} No), set aside in {refused}\n" in again.stdout
        assert len(refused.read_bytes().splitlines()) == 5, "a header and the results, once"
        assert refused.stat().st_mode & 0o777 == 0o600
        assert list(refused.parent.iterdir()) == [refused]
    faulty_server.answer = lambda _post: OK
    assert send(refused).returncode == 0
    assert numbers(faulty_server) == list(range(TESTS))
    assert not list(refused.parent.iterdir())


@pytest.mark.in_process
def test_a_backlog_gets_several_connections(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    faulty_server: FaultyServer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def answer(post: Post) -> bytes:
        # The last one so long that the end is waited for, however slow the tests are.
        faulty_server.wait(1 if post.key.endswith("-39") else 0.1)
        return OK

    monkeypatch.setattr("pytest_publish.plugin.terminal.PATIENCE", 0.0)
    faulty_server.answer = answer
    pytester.makepyfile(SUITE.replace(f"range({TESTS})", "range(40)"))
    run = run_pytest("--publish", faulty_server.url)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    assert numbers(faulty_server) == list(range(40))
    assert 1 < faulty_server.connections <= 16
    run.stdout.fnmatch_lines([f"publish: * to be sent to {faulty_server.url}; gives up in *"])


@pytest.mark.in_process
def test_an_endpoint_that_keeps_up_gets_them_in_order(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    faulty_server: FaultyServer,
) -> None:
    def answer(_post: Post) -> bytes:
        # As a small web application in Python does.
        faulty_server.wait(random.uniform(0.005, 0.01))
        return OK

    faulty_server.answer = answer
    pytester.makepyfile(SUITE)
    run_pytest("--publish", faulty_server.url)
    assert [json.loads(post.body)["seq"] for post in faulty_server.posts] == list(range(TESTS))


@pytest.mark.in_process
def test_an_endpoint_that_appears_late_gets_all(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    faulty_server: FaultyServer,
) -> None:
    faulty_server.stop()
    flag = pytester.path / "finished"
    pytester.makeconftest(
        f"""
        import pathlib
        def pytest_sessionfinish():
            pathlib.Path({str(flag)!r}).touch()
        """
    )
    pytester.makepyfile(SUITE)
    late: list[FaultyServer] = []

    def appear() -> None:
        eventually(flag.exists, "the tests to be over")
        late.append(FaultyServer(faulty_server.port))

    thread = threading.Thread(target=appear)
    thread.start()
    run = run_pytest("--publish", faulty_server.url, "--publish-grace", "60")
    thread.join()
    (endpoint,) = late
    endpoint.stop()
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    assert numbers(endpoint) == list(range(TESTS))


# Other deaths are in test_events.py, where events are published too.
def test_what_finished_before_pytest_died_is_sent(
    pytester: pytest.Pytester, run_pytest: RunPytest, faulty_server: FaultyServer, pubdir: Path
) -> None:
    pytester.makepyfile(
        """
        import os, signal
        import pytest

        @pytest.mark.parametrize("number", range(9))
        def test_it(number):
            if number == 8:
                os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    run = run_pytest("--publish", faulty_server.url, f"--pubdir={pubdir}")
    assert run.ret == -signal.SIGKILL
    eventually(lambda: numbers(faulty_server) == list(range(8)), "the relay to send the rest")
    assert [result["seq"] for result in tree_results(pubdir)] == list(range(8))
    assert not list(pubdir.rglob(".*.tmp"))
    folder = pytester.path / ".pytest_cache/publish"
    eventually(lambda: not list(folder.iterdir()), "the relay to tidy up")


def test_a_killed_controllers_relay_sends_on(
    pytester: pytest.Pytester, run_pytest: RunPytest, faulty_server: FaultyServer, pubdir: Path
) -> None:
    pytester.makepyfile(
        FIND_RELAY
        + f"""
    import pytest

    @pytest.mark.parametrize("number", range(40))
    def test_it(number):
        if number == 20:
            # Until the controller has published some.
            deadline = time.monotonic() + 60
            while len(list(pathlib.Path({str(pubdir)!r}).rglob("result.json"))) < 10:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            os.kill(controller(), signal.SIGKILL)
            time.sleep(60)
"""
    )
    run = run_pytest("--publish", faulty_server.url, f"--pubdir={pubdir}", "-n", "1")
    assert run.ret == -signal.SIGKILL
    written = [result["seq"] for result in tree_results(pubdir)]
    assert len(written) >= 10
    eventually(lambda: not outboxes(pytester), "the relay to end")
    # The last may be in the outbox and not yet in the tree, or the other way round.
    assert set(written[:-1]) <= set(numbers(faulty_server)) <= {*written, len(written)}


def test_when_pytest_and_relay_are_killed_all_is_kept(
    pytester: pytest.Pytester, run_pytest: RunPytest, faulty_server: FaultyServer
) -> None:
    faulty_server.answer = lambda _post: status(503)
    pytester.makepyfile(
        FIND_RELAY
        + """
    import pytest

    @pytest.mark.parametrize("number", range(9))
    def test_it(number):
        if number == 8:
            os.kill(relay(), signal.SIGKILL)
            os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    assert run_pytest("--publish", faulty_server.url).ret == -signal.SIGKILL
    outbox = outbox_of(pytester)
    left = {path.suffix: path.stat().st_mode & 0o777 for path in outbox.parent.iterdir()}
    left.pop(".lock", None)  # in which there is nothing
    assert left.keys() >= {".jsonl", ".stderr"}
    assert set(left.values()) == {0o600}
    with outbox.open("ab") as file:
        file.write(b'{"type": "result", "nodeid": "cut off in the mid')
    faulty_server.answer = lambda _post: OK
    sent = send(outbox, "--to", faulty_server.url)
    assert sent.returncode == 1
    assert "its last line was cut off when the run died, and stays there" in sent.stdout
    assert numbers(faulty_server) == list(range(8))
    posts = len(faulty_server.posts)
    assert send(outbox, "--to", faulty_server.url).returncode == 1
    assert len(faulty_server.posts) == posts, "each line is sent once"
    assert outbox.read_bytes().endswith(b"in the mid")


@pytest.mark.in_process
def test_when_the_relay_dies_the_run_goes_on(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    faulty_server: FaultyServer,
    mode: tuple[str, ...],
) -> None:
    faulty_server.answer = lambda _post: status(503)
    pytester.makepyfile(
        FIND_RELAY
        + """
    import pytest

    @pytest.mark.parametrize("number", range(9))
    def test_it(number):
        if number == 4:
            os.kill(relay(), signal.SIGKILL)
"""
    )
    run = run_pytest("--publish", faulty_server.url, *mode)
    run.assert_outcomes(passed=9)
    assert run.ret == pytest.ExitCode.OK, "unless it is strict, no loss fails a run"
    run.stdout.fnmatch_lines(["publish: 9 results wait to be sent to * (*); send with:"])
    run.stdout.no_fnmatch_line("*--publish-strict*")
    faulty_server.answer = lambda _post: OK
    assert send(outbox_of(pytester), "--to", faulty_server.url).returncode == 0
    assert numbers(faulty_server) == list(range(9))


LIMIT_FILES = """
    import resource
    import pytest

    @pytest.hookimpl(trylast=True)
    def pytest_sessionstart(session):
        # As a full disk: no file of this process may get larger. The relay has started.
        resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, resource.RLIM_INFINITY))
"""


@pytest.fixture
def unlimited_later() -> Iterator[None]:
    """Let files get as large as before when the test is over."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.in_process
@pytest.mark.usefixtures("unlimited_later")
def test_a_full_disk_is_counted(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    faulty_server: FaultyServer,
    pubdir: Path,
    mode: tuple[str, ...],
) -> None:
    pytester.makeconftest(LIMIT_FILES.replace("LIMIT,", "20000,"))
    pytester.makepyfile(
        """
        def test_small(): pass
        def test_large(record_property): record_property("x", "x" * 10000)
        def test_huge(record_property): record_property("x", "x" * 30000)
        def test_last(record_property): record_property("x", "x" * 10000)
        """
    )
    switches = ("--publish", faulty_server.url, f"--pubdir={pubdir}", "-p", "no:cacheprovider")
    run = run_pytest(*switches, *mode)
    assert run.ret == pytest.ExitCode.OK
    # The outbox has all results in one file, the tree each in a file of its own.
    assert [result["name"] for result in faulty_server.results] == ["test_small", "test_large"]
    assert re.search(
        r"publish: can't write to the outbox \S+ \(2 times\): File too large", run.stdout.str()
    )
    written = {result["name"] for result in tree_results(pubdir)}
    assert written == {"test_small", "test_large", "test_last"}
    assert not list((pubdir / "test_huge").glob("[0-9]*"))
    run.stdout.fnmatch_lines([f"publish: can't write below {pubdir.name}: File too large"])
    run.stdout.fnmatch_lines(["*3 results written to*"])


FOR_A_WHILE = """
    import os
    import resource
    import pytest

    torn_down = 0
    sizes = resource.getrlimit(resource.RLIMIT_FSIZE)
    files = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = []

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_logreport(report):
        global torn_down
        if "PYTEST_XDIST_WORKER" in os.environ or report.when != "teardown":
            return
        torn_down += 1
        if torn_down == 3:  # pytest's own output goes into a file too, which is small
            resource.setrlimit(resource.RLIMIT_FSIZE, (5000, sizes[1]))
        if torn_down == 8:
            resource.setrlimit(resource.RLIMIT_FSIZE, sizes)
        if torn_down == 13:
            take_all_descriptors()
        if torn_down == 18:
            while taken:
                os.close(taken.pop())
            resource.setrlimit(resource.RLIMIT_NOFILE, files)

    def take_all_descriptors():
        resource.setrlimit(resource.RLIMIT_NOFILE, (100, files[1]))
        try:
            while True:
                taken.append(os.open(os.devnull, os.O_RDONLY))
        except OSError:
            pass
"""


def test_what_waits_for_room_is_published_later(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    faulty_server: FaultyServer,
    pubdir: Path,
    mode: tuple[str, ...],
) -> None:
    pytester.makeconftest(FOR_A_WHILE)
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(22))
        def test_it(number, record_property):
            record_property("large", "x" * 6000)
        """
    )
    in_order = ("--publish", faulty_server.url, "--publish-connections=1")
    run = run_pytest(*in_order, f"--pubdir={pubdir}", "--publish-strict", *mode)
    assert run.ret == pytest.ExitCode.OK
    run.stdout.no_fnmatch_line("publish: *can't*")
    run.stdout.fnmatch_lines(["publish: 22 results sent to *", "publish: 22 results written to *"])
    sent = [json.loads(post.body) for post in faulty_server.posts]
    assert [result["seq"] for result in sent] == list(range(22))
    assert [result["pubdir_path"] is None for result in sent] == [
        3 <= number < 8 or 13 <= number < 18 for number in range(1, 23)
    ]
    written = tree_results(pubdir)
    assert [result["seq"] for result in written] == list(range(22))
    assert all(Path(result["pubdir_path"]).is_dir() for result in written)
    assert {path.name for path in pubdir.glob("test_it*/*.*[a-z]")} == {".lock", "0.pass"}


@pytest.mark.in_process
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs FIFOs")
def test_a_link_or_a_fifo_in_the_tree_is_told(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    log: Path,
    pubdir: Path,
    mode: tuple[str, ...],
) -> None:
    pubdir.mkdir()
    outside = pytester.mkdir("outside")
    (pubdir / "test_linked").symlink_to(outside)
    (pubdir / "test_fifo").mkdir()
    os.mkfifo(pubdir / "test_fifo/.lock")
    pytester.makepyfile("def test_fifo(): pass\ndef test_linked(): pass\ndef test_free(): pass")
    run = run_pytest(f"--publish-log={log}", f"--pubdir={pubdir}", "--publish-strict", *mode)
    run.assert_outcomes(passed=3)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    assert not list(outside.iterdir())
    assert [result["seq"] for result in logged(log)] == [0, 1, 2]
    assert [result["name"] for result in tree_results(pubdir)] == ["test_free"]
    run.stdout.fnmatch_lines(
        [
            f"publish: can't write below {pubdir.name} (2 times): {pubdir}/test_*: remove it",
            "*publish: something went wrong, see above (--publish-strict)*",
        ]
    )


@pytest.mark.in_process
def test_a_tree_that_vanishes_is_counted(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    log: Path,
    pubdir: Path,
    mode: tuple[str, ...],
) -> None:
    pytester.makepyfile(
        f"""
        import pathlib, shutil
        import pytest

        @pytest.mark.parametrize("number", range(9))
        def test_it(number):
            if number == 4:
                tree = pathlib.Path({str(pubdir)!r})
                while not tree.is_file():  # the controller may just be making it
                    shutil.rmtree(tree, ignore_errors=True)
                    try:
                        tree.touch(exist_ok=False)
                    except FileExistsError:
                        pass
        """
    )
    run = run_pytest(f"--publish-log={log}", f"--pubdir={pubdir}", *mode)
    assert run.ret == pytest.ExitCode.OK
    assert [result["seq"] for result in logged(log)] == list(range(9))
    assert run.stdout.str().count("publish: can't write below") == 1
    unwritten = [result for result in logged(log) if result["pubdir_path"] is None]
    run.stdout.fnmatch_lines(
        [f"publish: can't write below {pubdir.name} ({len(unwritten)} times): *"]
    )
    run.stdout.no_fnmatch_line("*--publish-strict*")


@pytest.mark.in_process
def test_a_lock_that_somebody_holds_is_counted(
    pytester: pytest.Pytester, run_pytest: RunPytest, log: Path, pubdir: Path
) -> None:
    lock = pubdir / "test_held/.lock"
    lock.parent.mkdir(parents=True)
    hold = f"""
import fasteners
lock = fasteners.InterProcessLock({str(lock)!r})
lock.acquire()
print(flush=True)
input()
"""
    holder = subprocess.Popen(
        [sys.executable, "-c", hold],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    holder.stdout.readline()
    pytester.makepyfile("def test_held(): pass\ndef test_free(): pass")
    run = run_pytest(f"--publish-log={log}", f"--pubdir={pubdir}")
    holder.communicate()
    assert run.ret == pytest.ExitCode.OK
    assert [result["seq"] for result in logged(log)] == [0, 1]
    assert [result["name"] for result in tree_results(pubdir)] == ["test_free"]
    run.stdout.fnmatch_lines(["publish: can't write below *: *another process holds *test_held*"])


@pytest.mark.in_process
def test_two_endpoints_are_served_independently(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    faulty_server: FaultyServer,
) -> None:
    dead = FaultyServer()
    dead.stop()
    pytester.makepyfile(SUITE)
    urls = ("--publish", dead.url, "--publish", faulty_server.url)
    run = run_pytest(*urls, "--publish-grace", "0.5")
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    assert numbers(faulty_server) == list(range(TESTS))
    run.stdout.fnmatch_lines([f"publish: {TESTS} results wait to be sent to {dead.url} *"])
    run.stdout.no_fnmatch_line(f"*wait to be sent to {faulty_server.url}*")


@pytest.mark.in_process
def test_what_an_earlier_run_left_is_mentioned(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    faulty_server: FaultyServer,
    mode: tuple[str, ...],
) -> None:
    pytester.makepyfile(SUITE)
    folder = pytester.path / ".pytest_cache/publish"
    folder.mkdir(parents=True)
    left = make_outbox(folder, "0a1b2c3d4e", "http://localhost:1/", 1)
    # --cache-clear empties pytest's cache, and what waits there is no cache.
    run = run_pytest("--publish", faulty_server.url, "--cache-clear", *mode)
    command = f"  pytest-publish send {left.relative_to(pytester.path)} --to URL"
    waits = "publish: 1 outbox of an earlier run waits to be sent; send with:"
    assert (waits, command) in itertools.pairwise(run.stdout.lines)
    assert numbers(faulty_server) == list(range(TESTS))
    assert outboxes(pytester) == [left]


@pytest.mark.in_process
def test_strict_fails_for_an_undelivered_result(
    pytester: pytest.Pytester, run_pytest: RunPytest, mode: tuple[str, ...]
) -> None:
    dead = FaultyServer()
    dead.stop()
    pytester.makepyfile("def test_it(): pass")
    switches = ("--publish-grace=0", "--publish-strict", "--publish-outbox=kept")
    run = run_pytest("--publish", dead.url, "--publish-events", *switches, *mode)
    run.assert_outcomes(passed=1)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run.stdout.fnmatch_lines(
        [
            "publish: 5 results and events wait to be sent to http://*; send with:",
            "*publish: 5 results and events not delivered (--publish-strict)*",
        ]
    )
    # An outbox goes where it is asked to.
    assert len(list((pytester.path / "kept").glob("*.jsonl"))) == 1


@pytest.mark.in_process
def test_a_refused_batch_is_taken_apart(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    faulty_server: FaultyServer,
) -> None:
    bodies: list[bytes] = []

    def answer(post: Post) -> bytes:
        if b"test_it[5]" in post.body:
            return status(413)
        bodies.append(post.body)
        faulty_server.wait(0.01)
        return OK

    faulty_server.answer = answer
    pytester.makepyfile(SUITE.replace(f"range({TESTS})", "range(30)"))
    options = ("--publish-batch", "7", "--publish-connections", "1")
    run = run_pytest("--publish", faulty_server.url, *options)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    arrays = [json.loads(body) for body in bodies]
    assert all(1 <= len(array) <= 7 for array in arrays)
    assert sum(map(len, arrays)) == 29
    assert max(map(len, arrays)) > 1
    run.stdout.fnmatch_lines(["publish: 1 result was refused by *"])


@pytest.mark.in_process
def test_a_folder_is_sent_without_refused_results(
    pytester: pytest.Pytester, run_pytest: RunPytest, faulty_server: FaultyServer
) -> None:
    pytester.makepyfile(SUITE)
    folder = pytester.mkdir("kept")
    (folder / ".gitignore").write_text("*")
    make_outbox(folder, "0a1b2c3d4e", faulty_server.url, 1)
    faulty_server.answer = lambda _post: status(403)
    send(folder)
    (refused,) = folder.glob("*.jsonl")
    for session in ("1a1b2c3d4e", "2a1b2c3d4e"):
        make_outbox(folder, session, faulty_server.url, TESTS)
    faulty_server.answer = lambda _post: status(500)
    arguments = (f"--publish-outbox={folder}", "--publish", faulty_server.url)
    run = run_pytest(*arguments, "--publish-grace", "0")
    command = f"  pytest-publish send {folder.name} --to URL"
    waits = "publish: 2 outboxes of earlier runs wait to be sent; send with:"
    assert (waits, command) in itertools.pairwise(run.stdout.lines)
    faulty_server.answer = lambda _post: OK
    assert send(folder, "--to", faulty_server.url).returncode == 0
    assert len(faulty_server.accepted) == 3 * TESTS
    assert {path.name for path in folder.iterdir()} == {".gitignore", refused.name}
    sent = send(folder, "--to", faulty_server.url)
    assert sent.returncode == 1
    assert sent.stdout == f"{folder}: there is neither an outbox nor a result.json to send in it\n"


@pytest.mark.in_process
def test_the_command_of_the_summary_can_be_pasted(
    pytester: pytest.Pytester, run_pytest: RunPytest, faulty_server: FaultyServer
) -> None:
    faulty_server.stop()
    pytester.makepyfile(SUITE)
    arguments = ("--publish", faulty_server.url, "--publish-grace", "0")
    run = run_pytest(*arguments, "--publish-outbox", "Tom's $HOME (old)")
    command = re.search("send with:\n  pytest-publish (.*)", run.stdout.str())
    assert command is not None
    alive = FaultyServer(faulty_server.port)
    pasted = f"{shlex.quote(sys.executable)} -m pytest_publish {command[1]}"
    done = subprocess.run(["bash", "-c", pasted], check=False, timeout=60)
    alive.stop()
    assert done.returncode == 0
    assert numbers(alive) == list(range(TESTS))


@pytest.mark.in_process
def test_a_tree_can_be_sent_and_what_is_refused_is_set_aside(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    faulty_server: FaultyServer,
    pubdir: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    memory = Path("/dev/shm")  # mostly another file system, to which nothing can be renamed
    if memory.is_dir():
        monkeypatch.setenv("TMPDIR", str(memory))
    pytester.makepyfile(SUITE)
    run_pytest(f"--pubdir={pubdir}")
    sent = send(pubdir, "--to", faulty_server.url)
    assert (sent.returncode, sent.stdout) == (0, f"{pubdir}: {TESTS} sent to {faulty_server.url}\n")
    assert faulty_server.results == tree_results(pubdir)
    faulty_server.answer = lambda post: status(422) if b"test_it[5]" in post.body else OK
    for _times in (1, 2):
        sent = send(pubdir, "--to", faulty_server.url)
        assert sent.returncode == 1
        aside = pytester.path / "tree.refused.jsonl"
        assert sent.stdout.splitlines() == [
            f"{pubdir}: {TESTS - 1} sent to {faulty_server.url}",
            f"{pubdir}: 1 refused (422 Whatever), set aside in {aside}",
        ]
        _header, refused = map(json.loads, aside.read_bytes().splitlines())
        assert refused["name"] == "test_it[5]"
        assert aside.stat().st_mode & 0o777 == 0o600
    assert len(tree_results(pubdir)) == TESTS
    faulty_server.answer = lambda _post: OK
    assert send(aside).returncode == 0
    assert not aside.exists()
    aside.write_text("mine")
    faulty_server.answer = lambda _post: status(422)
    assert (
        f"not set aside, because {aside} is not ours"
        in send(pubdir, "--to", faulty_server.url).stdout
    )
    assert aside.read_text() == "mine"


def contents(folder: Path) -> dict[Path, bytes]:
    """Return what stands in all files of a folder."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.in_process
def test_what_is_no_outbox_is_left_alone(
    pytester: pytest.Pytester, run_pytest: RunPytest, faulty_server: FaultyServer, pubdir: Path
) -> None:
    pytester.makepyfile(SUITE)
    run_pytest(f"--pubdir={pubdir}")
    left = make_outbox(pytester.mkdir("kept"), "0a1b2c3d4e", faulty_server.url, TESTS)
    others = pytester.path / "others"
    others.mkdir()
    for name, text in {
        "pyproject.toml": "[project]\n",
        "data.jsonl": '{"type": "result", "mine": 1}\n',
        "poetry.lock": "a lock of others",
        "poetry.cursor": "a cursor of others",
        "empty.jsonl": "",
    }.items():
        (others / name).write_text(text)
    (others / "folder.jsonl").mkdir()
    os.mkfifo(others / "fifo.jsonl")
    renamed = others / "poetry.jsonl"
    renamed.write_bytes(left.read_bytes())
    copied = others / "log.txt"
    lines = left.read_bytes().splitlines(keepends=True)
    copied.write_bytes(b"".join([lines[1], b'{"mine": 1}\n', lines[2]]))
    before = contents(others), contents(pubdir)

    for name in ("pyproject.toml", "data.jsonl", "poetry.lock", "empty.jsonl", "fifo.jsonl"):
        sent = send(others / name, "--to", faulty_server.url)
        assert (sent.returncode, sent.stdout) == (
            1,
            f"{others / name}: is neither an outbox nor a result, and is left alone\n",
        )
    assert not faulty_server.posts
    one = send(copied, "--to", faulty_server.url)
    assert (one.returncode, len(faulty_server.posts)) == (1, 2)
    assert "lines that are not results, and were not sent: 1" in one.stdout
    result = min(pubdir.rglob("result.json"))
    (pretty := others / "result.json").write_text(
        json.dumps(json.loads(result.read_bytes()), indent=1)
    )
    before[0][pretty] = pretty.read_bytes()
    for path in (result, pretty):
        faulty_server.posts.clear()
        done = send(path, "--to", faulty_server.url)
        assert (done.returncode, done.stdout) == (0, f"{path}: 1 sent to {faulty_server.url}\n")
        assert len(faulty_server.posts) == 1
    assert faulty_server.posts[0].body == orjson.dumps(orjson.loads(result.read_bytes()))
    pretty.unlink()
    del before[0][pretty]
    faulty_server.posts.clear()
    folder = send(others)
    assert (folder.returncode, len(faulty_server.posts)) == (0, TESTS)
    assert folder.stdout.splitlines() == [
        f"{renamed}: {TESTS} sent to {faulty_server.url}",
        f"{renamed}: stays, because it does not have the name that a run gave it",
    ]
    assert (contents(others), contents(pubdir)) == before
    faulty_server.stop()


@pytest.mark.in_process
def test_each_outbox_is_sent_where_it_was_meant_for(
    pytester: pytest.Pytester, run_pytest: RunPytest, faulty_server: FaultyServer, pubdir: Path
) -> None:
    other = FaultyServer()
    # Not ones that fail: those may get a POST after their relays are gone.
    for endpoint in (faulty_server, other):
        endpoint.stop()
    pytester.makepyfile(SUITE)
    secret = other.url.replace("localhost", "user:hunter2@localhost") + "?token=hunter2"
    folder = pubdir / "outbox"
    arguments = (f"--publish-outbox={folder}", f"--pubdir={pubdir}", "--publish-grace=0")
    run_pytest("--publish", faulty_server.url, "--publish", secret, *arguments)
    first, second = sorted(folder.glob("*.jsonl"), key=lambda path: len(path.name))
    assert b"hunter2" not in first.read_bytes() + second.read_bytes()
    faulty_server, other = FaultyServer(faulty_server.port), FaultyServer(other.port)
    shown = f"{other.url}?…"

    elsewhere = send(pubdir, "--to", "http://localhost:1/", "--grace", "0")
    assert elsewhere.returncode == 1
    for path, url in ((first, faulty_server.url), (second, shown)):
        line = f"{path}: is for {url}, and is left alone: name it to send it to another URL"
        assert line in elsewhere.stdout.splitlines()

    done = send(pubdir, "--to", faulty_server.url)
    assert done.returncode == 1
    assert numbers(faulty_server) == list(range(TESTS))
    assert len(faulty_server.posts) == TESTS, "the tree in it has the same results"
    assert not other.posts
    assert [first.exists(), second.exists()] == [False, True]

    unnamed = send(pubdir)
    assert unnamed.returncode == 1
    assert unnamed.stdout.splitlines() == [
        f"{second}: is for {shown}, without its secret parts: give the whole URL with --to",
        f"{pubdir}: only an outbox says where to send it: give a URL with --to",
    ]
    copy = pytester.path / second.name
    copy.write_bytes(second.read_bytes())
    assert send(second, "--to", secret).returncode == 0
    assert numbers(other) == list(range(TESTS))
    assert other.posts[0].headers["Authorization"].startswith("Basic ")
    # Named by itself, it is sent to any URL.
    assert send(copy, "--to", faulty_server.url).returncode == 0
    assert [second.exists(), copy.exists()] == [False, False]
    before = len(other.posts)
    assert send(pubdir, "--to", other.url).returncode == 0, "now all of the tree"
    assert len(other.posts) - before == TESTS
    for endpoint in (faulty_server, other):
        endpoint.stop()


def make_outbox(
    folder: Path, session: str, url: str, count: int, will: dict[str, Any] | None = None
) -> Path:
    """Leave an outbox behind, as a run does that was killed."""
    path = folder / f"20261123T010203Z-{session[:8]}.jsonl"
    writer = OutboxWriter(Outbox(path), Header(url, is_whole=True, will=will))
    for number in range(count):
        body = {"type": "result", "session_id": session, "seq": number}
        writer.append(orjson.dumps(body))
    return path


def test_without_a_url_each_outbox_goes_to_its_own(
    tmp_path: Path, faulty_server: FaultyServer
) -> None:
    other = FaultyServer()
    first = make_outbox(tmp_path, "0a1b2c3d4e", faulty_server.url, 2)
    second = make_outbox(tmp_path, "1a1b2c3d4e", other.url, 1)
    killed_at_once = make_outbox(tmp_path, "2a1b2c3d4e", faulty_server.url, 0)
    sent = send(tmp_path)
    other.stop()
    assert (sent.returncode, sent.stdout.splitlines()) == (
        0,
        [
            f"{first}: 2 sent to {faulty_server.url}",
            f"{second}: 1 sent to {other.url}",
            f"{killed_at_once}: 0 sent to {faulty_server.url}",
        ],
    )
    assert sorted(faulty_server.accepted) == ["0a1b2c3d4e-0", "0a1b2c3d4e-1"]
    assert list(other.accepted) == ["1a1b2c3d4e-0"]
    assert not list(tmp_path.iterdir())


def test_what_has_no_room_for_a_runs_end_is_kept(
    tmp_path: Path, faulty_server: FaultyServer
) -> None:
    will = {"type": "session_finish", "time": 1.0, "session_id": "0a1b2c3d4e", "seq": 0}
    outbox = make_outbox(tmp_path, "0a1b2c3d4e", faulty_server.url, 1, will)
    before = outbox.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 10, hard))  # as a full disk
    try:
        sent = send(outbox)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (sent.returncode, sent.stdout) == (1, f"{outbox}: can't be sent: File too large\n")
    assert outbox.read_bytes() == before
    assert send(outbox).returncode == 0
    assert list(faulty_server.accepted) == ["0a1b2c3d4e-0", "0a1b2c3d4e-1"]
    assert not list(tmp_path.iterdir())


def test_refused_results_wait_while_more_may_come(
    tmp_path: Path, faulty_server: FaultyServer
) -> None:
    outbox = make_outbox(tmp_path, "0a1b2c3d4e", faulty_server.url, 1)
    left = make_outbox(tmp_path, "1a1b2c3d4e", faulty_server.url, 1)
    refused = left.rename(Outbox(outbox).refused.path)
    lock = sender_lock(Outbox(outbox))
    assert lock is not None
    # In a process of its own, because a lock is its process's.
    command = [sys.executable, "-m", "pytest_publish", "send", str(refused)]
    held = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60)
    assert (held.returncode, faulty_server.posts) == (1, [])
    assert "a process is still sending it" in held.stdout
    lock.close()
    before = outbox.read_bytes()
    assert send(refused).returncode == 0
    assert [post.key for post in faulty_server.posts] == ["1a1b2c3d4e-0"]
    assert not refused.exists()
    assert outbox.read_bytes() == before


def test_an_earlier_versions_outbox_needs_a_url(
    tmp_path: Path, faulty_server: FaultyServer
) -> None:
    outbox = make_outbox(tmp_path, "0a1b2c3d4e", faulty_server.url, 3)
    outbox.write_bytes(outbox.read_bytes().partition(b"\n")[2])
    sent = send(outbox.parent)
    assert (sent.returncode, sent.stdout) == (
        1,
        f"{outbox}: does not say which URL it is for: give one with --to\n",
    )
    assert send(outbox.parent, "--to", faulty_server.url).returncode == 0
    assert list(faulty_server.accepted) == [f"0a1b2c3d4e-{number}" for number in range(3)]
    assert not list(outbox.parent.iterdir())


@pytest.mark.in_process
def test_send_does_not_race_a_relay_at_work(
    pytester: pytest.Pytester, run_pytest: RunPytest, faulty_server: FaultyServer
) -> None:
    faulty_server.answer = lambda _post: status(503)
    pytester.makepyfile(
        """
        import pathlib, subprocess, sys

        def test_first(): pass

        def test_send():
            (outbox,) = pathlib.Path(".pytest_cache/publish").glob("*.jsonl")
            deadline = __import__("time").monotonic() + 60
            while not outbox.with_suffix(".lock").exists():  # the relay is only starting
                assert __import__("time").monotonic() < deadline
            command = [sys.executable, "-m", "pytest_publish", "send", outbox, "--to", "http://h/"]
            sent = subprocess.run(command, capture_output=True, text=True)
            assert "a process is still sending it" in sent.stdout
            assert sent.returncode == 1
        """
    )
    run_pytest("--publish", faulty_server.url, "--publish-grace", "0").assert_outcomes(passed=2)


def test_a_second_interrupt_ends_all_waiting(
    pytester: pytest.Pytester,
    faulty_server: FaultyServer,
    mode: tuple[str, ...],
    own_plugins: tuple[str, ...],
) -> None:
    flag = pytester.path / "started"
    faulty_server.answer = lambda _post: status(503)
    pytester.makepyfile(
        f"""
        import pathlib, time

        def test_first(): pass
        def test_second(): pass

        def test_long():
            pathlib.Path({str(flag)!r}).touch()
            time.sleep(60)
        """
    )
    other = f"{faulty_server.url}?other"
    urls = ("--publish", faulty_server.url, "--publish", other, "--publish-grace", "60")
    process = subprocess.Popen(
        [sys.executable, "-m", "pytest", *own_plugins, *urls, *mode],
        cwd=pytester.path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    eventually(flag.exists, "the long test")
    eventually(lambda: faulty_server.posts, "the first two to be tried")
    # As in a terminal: a worker that does not get it runs its test for 5 s more (execnet 2.1).
    os.killpg(process.pid, signal.SIGINT)
    for outbox in (both := outboxes(pytester)):
        eventually(functools.partial(has_ended, outbox), "the run to be over")
    os.killpg(process.pid, signal.SIGINT)
    output = process.communicate(timeout=60)[0].decode()
    assert process.returncode == pytest.ExitCode.INTERRUPTED, output
    assert f"to be sent to {faulty_server.url} (interrupted)" in output
    assert output.count("(interrupted)") == 2, output
    # The second has a query, which is not shown: the command has a place for it.
    assert f"--to {faulty_server.url}\n" in output
    assert "--to URL\n" in output
    assert [len(outbox.read_bytes().splitlines()) >= 2 for outbox in both] == [True, True]


def has_ended(outbox: Path) -> bool:
    return outbox.read_bytes().endswith(b"\n\n")


@pytest.mark.in_process
def test_the_relay_shows_no_secret_and_holds_no_file(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    faulty_server: FaultyServer,
    pubdir: Path,
    mode: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Valid base64, and nothing else in the run looks like it.
    secrets = ("aHVudGVyMg+signing0", "hunter2-header")
    monkeypatch.setenv("PYTEST_PUBLISH_SECRET", secrets[0])
    monkeypatch.setenv("PYTEST_PUBLISH_HEADERS", f"X-Api-Key: {secrets[1]}")
    faulty_server.answer = lambda _post: status(503)
    pytester.makepyfile(
        FIND_RELAY
        + f"""
    def test_command_lines():
        assert relay()
        lines = [path.read_text() for path in pathlib.Path("/proc").glob("[0-9]*/cmdline")]
        lines.append(pathlib.Path(f"/proc/{{relay()}}/environ").read_text())
        assert not [line for line in lines for secret in {secrets!r} if secret in line]

    def test_files_of_the_relay():
        process = pathlib.Path("/proc", str(relay()))
        files = [os.readlink(file) for file in (process / "fd").iterdir()]
        assert files
        assert not [file for file in files if file.startswith(({str(pubdir)!r}, "/dev/pts"))]
        assert os.readlink(process / "fd/1") == os.devnull
    """
    )
    run = run_pytest(
        *(
            "--publish",
            faulty_server.url,
            "--publish-grace",
            "0.5",
            f"--pubdir={pubdir}",
            "-vv",
            *mode,
        )
    )
    run.assert_outcomes(passed=2)
    assert faulty_server.posts[0].headers["X-Api-Key"] == secrets[1]
    assert faulty_server.posts[0].headers["webhook-signature"]
    shown = run.stdout.str() + run.stderr.str()
    for path in (*pubdir.rglob("*"), *(pytester.path / ".pytest_cache").rglob("*")):
        shown += path.read_text() if path.is_file() else path.name
    assert not [secret for secret in secrets if secret in shown]


@pytest.mark.in_process
@pytest.mark.parametrize("python", ["/nowhere/python", None])
def test_a_relay_that_can_not_start_is_said_once(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    faulty_server: FaultyServer,
    monkeypatch: pytest.MonkeyPatch,
    python: str | None,
) -> None:
    monkeypatch.setattr(sys, "executable", python)
    pytester.makepyfile(SUITE)
    run = run_pytest("--publish", faulty_server.url)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    assert run.stdout.str().count("sending can't be started") == 1
    run.stdout.fnmatch_lines([f"publish: {TESTS} results wait to be sent to *; send with:"])
    assert send(outbox_of(pytester), "--to", faulty_server.url).returncode == 0
    assert numbers(faulty_server) == list(range(TESTS))


def test_a_conftest_that_goes_on_in_a_child_process_has_a_relay_too(
    pytester: pytest.Pytester, run_pytest: RunPytest, faulty_server: FaultyServer
) -> None:
    pytester.makeconftest(
        """
        import os

        if child := os.fork():
            os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        """
    )
    pytester.makepyfile(SUITE)
    run = run_pytest("--publish", faulty_server.url)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run.stdout.no_fnmatch_line("*to be sent to*")
    assert numbers(faulty_server) == list(range(TESTS))


def test_send_tells_what_it_can_not_send(tmp_path: Path) -> None:
    nothing = send(tmp_path / "gone.jsonl", "--to", "http://localhost/")
    assert (nothing.returncode, nothing.stdout) == (
        1,
        f"{tmp_path}/gone.jsonl: can't be sent: No such file or directory\n",
    )
    assert not list(tmp_path.iterdir())
    odd = tmp_path / "20261123T010203Z-0a1b2c3d.jsonl"
    odd.write_bytes(Header("ftp://elsewhere/", is_whole=True).to_line())
    assert f"{odd}: can't be sent: 'ftp://elsewhere/' is not a URL like " in send(odd).stdout
    odd.unlink()
    (lines := tmp_path / "result.json").symlink_to("result.json")
    assert f"{lines}: can't be sent: " in send(lines).stdout
    lines.unlink()
    empty = send(tmp_path, "--to", "http://localhost/")
    assert (empty.returncode, empty.stdout) == (
        1,
        f"{tmp_path}: there is neither an outbox nor a result.json to send in it\n",
    )
    bad = send(tmp_path, "--to", "user:hunter2@localhost")
    assert bad.returncode == 2
    assert "'localhost' is not a URL like" in bad.stderr
    assert "hunter2" not in bad.stderr


@pytest.mark.in_process
def test_a_bad_certificate_is_told_once(
    pytester: pytest.Pytester, run_pytest: RunPytest, secure: FaultyServer
) -> None:
    pytester.makepyfile(SUITE)
    run = run_pytest("--publish", secure.url)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    assert not secure.posts
    line = (
        f"publish: {TESTS} results were refused by {secure.url} (the certificate does not verify*"
    )
    run.stdout.fnmatch_lines([line])
    (refused,) = (pytester.path / ".pytest_cache/publish").iterdir()
    assert len(refused.read_bytes().splitlines()) == 1 + TESTS


@pytest.mark.in_process
def test_the_environment_names_authority_and_proxy(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    faulty_server: FaultyServer,
    secure: FaultyServer,
    authority: trustme.CA,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bundle = pytester.path / "authority.pem"
    authority.cert_pem.write_to_path(str(bundle))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(bundle))
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://localhost:{faulty_server.port}")
    pytester.makepyfile(SUITE)
    urls = ("--publish", secure.url, "--publish", "http://results.invalid/hook")
    run_pytest(*urls, "--publish-gzip")
    assert numbers(secure) == list(range(TESTS)), "by a private authority's certificate"
    assert numbers(faulty_server) == list(range(TESTS)), "through the proxy"
    # And results are compressed on request.
    for endpoint in (secure, faulty_server):
        assert {post.headers["Content-Encoding"] for post in endpoint.posts} == {"gzip"}


@pytest.mark.in_process
def test_removing_the_outbox_costs_nothing_before_it(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    faulty_server: FaultyServer,
    mode: tuple[str, ...],
) -> None:
    pytester.makepyfile(
        """
        import pathlib, shutil, time

        def test_first(): pass

        def test_removes():
            folder = pathlib.Path(".pytest_cache/publish")
            deadline = time.monotonic() + 60
            while not list(folder.glob("*.cursor")):  # the first is delivered
                assert time.monotonic() < deadline
                time.sleep(0.01)
            shutil.rmtree(folder)

        def test_last(): pass
        """
    )
    run = run_pytest("--publish", faulty_server.url, *mode)
    run.assert_outcomes(passed=3)
    assert numbers(faulty_server) == [0]
    run.stdout.fnmatch_lines(
        [
            f"*publish: 1 result sent to {faulty_server.url}*",
            "publish: can't write to the outbox * (2 times): No such file or directory",
        ]
    )
    run.stdout.no_fnmatch_line("*to be sent*")


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user")
def test_a_run_may_become_another_user(
    own_plugins: tuple[str, ...], faulty_server: FaultyServer
) -> None:
    # pytest's own temporary folders are closed to others, and pytest goes back to its own.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        Path(folder, "test_it.py").write_text(
            "import os\n"
            "def test_first(): pass\n"
            "def test_gives_up_its_rights(): os.setuid(65534)\n"
            "def test_last(): pass\n"
        )
        options = (
            "--publish",
            faulty_server.url,
            "--publish-outbox=kept",
            "-p",
            "no:cacheprovider",
        )
        run = subprocess.run(
            [sys.executable, "-m", "pytest", *own_plugins, *options],
            check=False,
            capture_output=True,
            text=True,
            timeout=60,
            cwd=folder,
        )
        assert (run.returncode, run.stderr) == (pytest.ExitCode.OK, "")
        assert numbers(faulty_server) == [0]
        assert f"publish: 1 result sent to {faulty_server.url}" in run.stdout
        assert re.search(
            r"can't write to the outbox \S+ \(2 times\): Permission denied", run.stdout
        )
        # The user that it is now may not remove that.
        assert [path.name for path in Path(folder, "kept").iterdir()] == [".gitignore"]


def children() -> set[str]:
    """Return the ids of the processes that this one has started."""
    return set(Path("/proc/thread-self/children").read_text().split())


@pytest.mark.in_process
@pytest.mark.parametrize(
    ("hook", "answer"),
    [
        ("pytest_sessionstart", OK),  # before there is anything to answer
        ("pytest_sessionfinish", OK),
        ("pytest_sessionfinish", status(503)),
    ],
    ids=["start", "finish and accepts", "finish and fails"],
)
def test_a_hook_that_ends_the_session_leaves_no_relay(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    faulty_server: FaultyServer,
    capfd: pytest.CaptureFixture[str],
    hook: str,
    answer: bytes,
) -> None:
    faulty_server.answer = lambda _post: answer
    pytester.makeconftest(f"def {hook}(): raise RuntimeError('a bug')")
    pytester.makepyfile(test_it="def test_it(): pass")
    before = children()
    run = run_pytest("--publish", faulty_server.url, "--publish-grace=0.2")
    assert run.ret != pytest.ExitCode.OK
    assert children() <= before
    if hook == "pytest_sessionstart":
        assert not outboxes(pytester)
    elif answer == OK:
        assert numbers(faulty_server) == [0]
        assert not outboxes(pytester)
    else:
        # pytest shows no summary.
        assert "publish: 1 result waits to be sent to " in capfd.readouterr().err


@pytest.mark.in_process
def test_a_session_within_this_one_leaves_its_outbox(
    pytester: pytest.Pytester, run_pytest: RunPytest, faulty_server: FaultyServer
) -> None:
    faulty_server.answer = lambda _post: status(503)
    pytester.makeconftest("pytest_plugins = 'pytester'")
    pytester.makepyfile(
        f"""
        import pathlib, subprocess, sys

        kept = pathlib.Path("kept").absolute()
        options = (
            "--publish={faulty_server.url}", f"--publish-outbox={{kept}}", "--publish-grace=0"
        )

        def test_first(): pass

        def test_plugin(pytester):
            (outer,) = kept.glob("*.jsonl")
            pytester.makepyfile("def test_inner(): pass")
            run = pytester.runpytest_inprocess("-p", "publish", *options)
            run.assert_outcomes(passed=1)
            run.stdout.no_fnmatch_line("*of an earlier run*")
            command = [sys.executable, "-m", "pytest_publish", "send", outer, "--to", "http://h/"]
            sent = subprocess.run(command, capture_output=True, text=True)
            assert "a process is still sending it" in sent.stdout
        """
    )
    options = ("--publish-outbox=kept", "--publish-grace=0")
    run_pytest("--publish", faulty_server.url, *options).assert_outcomes(passed=2)


@pytest.mark.in_process
def test_a_run_killed_at_once_leaves_no_outbox(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    faulty_server: FaultyServer,
    own_plugins: tuple[str, ...],
) -> None:
    pytester.makepyfile("def test_it(): pass")
    options = ("--publish", faulty_server.url, "--publish-outbox=kept")
    command = [sys.executable, "-m", "pytest", *own_plugins, *options]
    process = subprocess.Popen(command, cwd=pytester.path, stdout=subprocess.DEVNULL)
    kept = pytester.path / "kept"
    while not list(kept.glob("*.jsonl")) and process.poll() is None:
        time.sleep(0.001)  # to be there before its relay is
    process.kill()
    process.wait()
    run_pytest(*options).stdout.no_fnmatch_line("*of an earlier run*")
    eventually(lambda: not list(kept.glob("*.jsonl")), "the relay, if there was one, to end")


@pytest.mark.in_process
def test_where_nothing_can_be_kept_it_is_told_once(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    faulty_server: FaultyServer,
    pubdir: Path,
    mode: tuple[str, ...],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As in a container where nothing can be written to.
    monkeypatch.setattr("pytest_publish.plugin.outbox_folder._IN_MEMORY", Path("/nowhere"))
    monkeypatch.setattr(tempfile, "tempdir", tempfile.gettempdir())
    pytester.makeconftest("import tempfile; tempfile.tempdir = '/nowhere'")
    pytester.makepyfile("def test_it(): pass")
    urls = ("--publish", faulty_server.url, "--publish", f"{faulty_server.url}?other")
    line = (
        "publish: nothing is sent, because no folder could be written to that keeps results: "
        "name one with --publish-outbox DIR"
    )
    if not mode:
        with monkeypatch.context() as patch:
            patch.setattr(tempfile, "tempdir", tempfile.tempdir)
            run = run_pytest(*urls, "-p", "no:cacheprovider")
        assert run.ret == pytest.ExitCode.OK
        assert run.stdout.lines.count(line) == 1
    strict = ("--publish-strict", f"--pubdir={pubdir}")
    both = run_pytest(*urls, "-p", "no:cacheprovider", *strict, *mode)
    assert both.ret == pytest.ExitCode.TESTS_FAILED
    both.stdout.fnmatch_lines([f"*publish: 1 result written to {pubdir.name}*", line])
    assert both.stdout.lines.count(line) == 1
    assert not faulty_server.posts
