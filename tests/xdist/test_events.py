"""What a session tells besides its results, with ``--publish-events``."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from pytest_publish.cli import main
from streams import checked
from streams import logged
from streams import nodeids_of
from streams import of_type
from support import Endpoint
from support import eventually
from support import Post
from support import Result
from support import RunPytest
from support import tree_results


EVENTS = "--publish-events"
RERUNS = ("-p", "pytest_rerunfailures", "--reruns=1")
MANY = """
import pathlib

import pytest

@pytest.mark.xdist_group("db")
@pytest.mark.parametrize("n", range(3))
def test_many(n): pass

class TestIt:
    def test_fails(self): assert [1] == [2]

@pytest.fixture
def broken(): raise ValueError("no")

def test_error(broken): pass

def test_skipped(): pytest.skip("not here")

def test_left_out(): pass

import unittest

class TestUnit(unittest.TestCase):
    def test_subtests(self):
        with self.subTest("inner"):
            assert 1 == 2
"""
#: By --dist mode, the scope of the test in a class.
SCOPES = {
    "load": None,
    "loadscope": "test_many.py::TestIt",
    "loadfile": "test_many.py",
    "loadgroup": "test_many.py::TestIt::test_fails",
    "worksteal": None,
    "each": None,
}


@pytest.mark.in_process
@pytest.mark.parametrize("dist", [None, *SCOPES], ids=lambda dist: dist or "serial")
def test_a_session_tells_all_in_order(
    pytester: pytest.Pytester, run_pytest: RunPytest, log: Path, pubdir: Path, dist: str | None
) -> None:
    pytester.makepyfile(test_many=MANY, test_broken="import nothing_of_that_name")
    count = 2 if dist in ("loadgroup", "each") else 1
    run_pytest(
        *(*((f"-n{count}", f"--dist={dist}") if dist else ()), *RERUNS, "-k", "not left_out"),
        *(f"--publish-log={log}", EVENTS, f"--pubdir={pubdir}", "--publish-project=shop"),
        "--continue-on-collection-errors",
    )
    stream = checked(logged(log))
    assert tree_results(pubdir) == of_type("result", stream)
    workers = 2 if dist == "each" else 1
    start, finish = stream[0], stream[-1]
    assert (start["project"], start["workers"]) == ("shop", count if dist else None)
    assert start["versions"]["pytest"] == pytest.__version__
    assert (finish["reason"], finish["exitstatus"]) == ("finished", 1)
    # Of files that can't be collected there are results, and no tests.
    results = [told for told in of_type("result", stream) if told["name"] != "test_broken.py"]
    final = [told for told in results if told["outcome"] != "rerun"]
    assert {told["attempt"] for told in results} == {1, 2}
    collected = of_type("collected", stream)[0]
    assert collected["total"] == len(final) == 7 * workers
    assert collected["deselected"] == 1 * workers
    assert set(nodeids_of(stream)) == {told["nodeid"] for told in final}
    assert len(nodeids_of(stream)) == 7
    assert len(of_type("test_start", stream)) == len(results)
    assert {(told["project"], told["host"]) for told in results} == {("shop", os.uname().nodename)}
    check_scope([told for told in results if told["name"] == "test_fails"], dist)
    check_texts(final)


def check_scope(results: list[Result], dist: str | None) -> None:
    """Check what a test's results say about how xdist scheduled it."""
    scope = SCOPES[dist] if dist else None
    assert {(told["xdist_dist"], told["xdist_scope"]) for told in results} == {(dist, scope)}
    workers = {told["xdist_worker"] for told in results}
    if dist in ("each", None):
        assert workers == ({"gw0", "gw1"} if dist else {None})
    assert all(Path(told["pubdir_path"], "brief.txt").is_file() for told in results)


def check_texts(final: list[Result]) -> None:
    """Check that what did not pass has the text of pytest, on each worker that ran it."""
    found: dict[str, list[Result]] = {}
    for told in final:
        found.setdefault(told["name"], []).append(told)
    for told in found["test_fails"]:
        assert re.search(r"E +assert \[1\] == \[2\]", told["phases"][1]["text"])
    for told in found["test_error"]:
        assert "ValueError: no" in told["phases"][0]["text"]
    for told in found["test_skipped"]:
        assert told["phases"][1]["text"].endswith("not here")
    for told in found["test_subtests"]:  # of pytest 9 and newer
        assert all("assert 1 == 2" in subtest["text"] for subtest in told["subtests"])
        assert bool(told["subtests"]) == (pytest.version_tuple >= (9,))
    for told in found["test_many[0]"]:
        assert [phase["text"] for phase in told["phases"]] == [None] * 3


@pytest.mark.in_process
@pytest.mark.one_worker
def test_a_start_arrives_while_the_test_runs(
    pytester: pytest.Pytester, run_pytest: RunPytest, endpoint: Endpoint, mode: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        """
        import os, pathlib, time

        def test_waits():
            deadline = time.monotonic() + 30
            while not pathlib.Path("seen").exists():
                assert time.monotonic() < deadline
                time.sleep(0.01)
            expected = os.environ.get("PYTEST_XDIST_WORKER", "None")
            assert pathlib.Path("seen").read_text() == expected
        """
    )

    def answer(post: Post) -> int:
        told = json.loads(post.body)
        if told["type"] == "test_start":
            whole = pytester.path / "seen.tmp"
            whole.write_text(str(told["xdist_worker"]))
            whole.rename(pytester.path / "seen")
        return 200

    endpoint.answer = answer
    run_pytest(*mode, f"--publish={endpoint.url}", EVENTS).assert_outcomes(passed=1)
    checked(endpoint.results)


# Others are in test_endings.py.
ENDINGS = {
    "collection": ("import nothing_of_that_name", "interrupted", 2),
    "none": ("", "finished", 5),
}


@pytest.mark.in_process
@pytest.mark.one_worker
@pytest.mark.parametrize("ending", ENDINGS)
def test_a_session_without_tests_says_how_it_ended(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    log: Path,
    mode: tuple[str, ...],
    ending: str,
) -> None:
    code, reason, status = ENDINGS[ending]
    pytester.makepyfile(code)
    run = run_pytest(*mode, f"--publish-log={log}", EVENTS)
    finish = checked(logged(log))[-1]
    assert finish["exitstatus"] == run.ret
    if mode:  # xdist has exit codes of its own, and runs what could be collected
        assert finish["reason"] == "finished"
    else:
        assert (finish["reason"], finish["exitstatus"]) == (reason, status)


# Without events, test_faults.py kills a serial session.
KILLED = {
    "segfault": ("import faulthandler; faulthandler._sigsegv()", ()),
    "exit": ("os._exit(0)", ()),
    "controller": ("os.kill(os.getppid(), 9); time.sleep(20)", ("-n1",)),
}


@pytest.mark.parametrize("how", KILLED)
def test_of_a_killed_session_the_relay_tells_the_end(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    endpoint: Endpoint,
    log: Path,
    pubdir: Path,
    how: str,
) -> None:
    code, mode = KILLED[how]
    pytester.makepyfile(f"import os, time\ndef test_a(): pass\ndef test_it(): {code}")
    switches = (f"--publish={endpoint.url}", EVENTS, f"--publish-log={log}", f"--pubdir={pubdir}")
    run_pytest(*mode, *switches)
    eventually(lambda: of_type("session_finish", endpoint.results), "the end to be told")
    stream = checked(endpoint.results)
    assert stream[-1]["reason"] == "killed"
    assert stream[-1]["exitstatus"] is stream[-1]["results"] is stream[-1]["outcomes"] is None
    assert not of_type("session_finish", logged(log))  # nobody writes it there
    names = [told["name"] for told in of_type("result", stream)]
    # What is on its way from a worker is lost with the controller.
    assert names == ["test_a"] or (how == "controller" and not names)
    if how != "controller":  # which may have been killed between the two
        assert tree_results(pubdir) == of_type("result", stream)
    assert not list(pubdir.rglob(".*.tmp"))
    folder = pytester.path / ".pytest_cache" / "publish"
    eventually(lambda: not list(folder.glob("*.jsonl")), "the outbox to be removed")


def send(outbox: Path) -> int:
    return main(["send", str(outbox)])


@pytest.mark.in_process
def test_where_the_relay_is_killed_too_send_tells_the_end(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    endpoint: Endpoint,
    own_plugins: tuple[str, ...],
) -> None:
    pytester.makepyfile(
        """
        import os, pathlib, time

        def test_it():
            while not pathlib.Path("seen").exists():
                time.sleep(0.01)
            children = pathlib.Path(f"/proc/self/task/{os.getpid()}/children")
            for child in children.read_text().split():
                os.kill(int(child), 9)
            os.kill(os.getpid(), 9)
        """
    )

    def answer(post: Post) -> int:
        if json.loads(post.body)["type"] == "test_start":
            (pytester.path / "seen").touch()
        return 200

    endpoint.answer = answer
    options = (f"--publish={endpoint.url}", "--publish-outbox=kept")
    killed = pytester.runpytest_subprocess(*own_plugins, *options, EVENTS, timeout=120)
    assert killed.ret == -9
    assert not of_type("session_finish", endpoint.results)
    (outbox,) = (pytester.path / "kept").glob("*.jsonl")
    # A later run does not take it for one in which nothing waits.
    pytester.makepyfile(test_later="def test_later(): pass")
    run = run_pytest(*options, "test_later.py")
    run.stdout.fnmatch_lines(["*1 outbox of an earlier run waits*"])
    copy = outbox.read_bytes()
    assert send(outbox) == 0
    assert not outbox.exists()
    first = endpoint.results[0]["session_id"]
    posted = {told["seq"]: told for told in endpoint.results if told["session_id"] == first}
    stream = checked(list(posted.values()))
    assert stream[-1]["reason"] == "killed"
    # Whoever sends it again sends the same, also under another name.
    outbox.write_bytes(copy)
    assert send(outbox) == 0
    renamed = pytester.path / "renamed.jsonl"
    renamed.write_bytes(copy)
    before = len(endpoint.results)
    assert send(renamed) == 0
    assert renamed.read_bytes() == copy
    assert len(endpoint.results) - before == len(stream)
    again = [told for told in endpoint.results if told["session_id"] == first]
    assert len({told["seq"] for told in again}) == len(stream)


@pytest.mark.in_process
@pytest.mark.one_worker
def test_a_hook_changes_and_withholds_events(
    pytester: pytest.Pytester, run_pytest: RunPytest, log: Path, mode: tuple[str, ...]
) -> None:
    pytester.makeconftest(
        """
        import pathlib, threading

        def pytest_publish_event(config, event):
            is_main = threading.current_thread() is threading.main_thread()
            with pathlib.Path("asked").open("a") as file:
                print(event.type, getattr(event, "reason", ""), is_main, file=file)
            if event.type == "session_start":
                event.project = 7
                raise SystemExit("no")
            if event.type == "collected":
                event.deselected = 3
            if event.type == "test_start" and event.name == "test_quiet":
                return False
        """
    )
    pytester.makepyfile("def test_quiet(): pass\ndef test_loud(): pass")
    run = run_pytest(*mode, f"--publish-log={log}", EVENTS, "--publish-metadata=key=s3cr3t")
    stream = sorted(logged(log), key=lambda told: told["seq"])
    assert [told["seq"] for told in stream] == list(range(6))
    # First of all, of the end that is told if pytest is killed.
    first, *asked, last = (pytester.path / "asked").read_text().splitlines()
    assert (first, last) == ("session_finish killed True", "session_finish finished True")
    assert mode or "test_start  False" not in asked  # only under xdist in another thread
    start, collected, *_ = stream
    assert start["project"] == pytester.path.name
    why = "withheld, because a pytest_publish_event hook raised SystemExit"
    assert (start["args"], start["metadata"]) == ([why], {"withheld": why})
    assert (collected["total"], collected["deselected"]) == (2, 3)
    assert [told["name"] for told in of_type("test_start", stream)] == ["test_loud"]
    run.stdout.fnmatch_lines(
        [
            "publish: a pytest_publish_event hook raised: SystemExit: no",
            "publish: a pytest_publish_event hook set what an event can't hold: project",
        ]
    )


@pytest.mark.in_process
def test_no_secret_is_in_arguments_and_metadata(
    pytester: pytest.Pytester, run_pytest: RunPytest, endpoint: Endpoint
) -> None:
    pytester.makeconftest("def pytest_addoption(parser): parser.addoption('--api-token')")
    pytester.makepyfile("def test_it(): pass")
    secret = "hunter2"
    url = endpoint.url.replace("http://", f"http://me:{secret}@")
    run_pytest(
        *(f"--publish={url}?key={secret}", EVENTS, "--publish-header", f"X-Api: {secret}"),
        *("--api-token", secret, f"--publish-metadata=token={secret}"),
        *("--publish-metadata=build=42", f"--publish-metadata=git=https://u:{secret}@git/x?a=1"),
    )
    stream = checked(endpoint.results)
    assert secret not in json.dumps(stream)
    metadata = stream[0]["metadata"]
    assert metadata == {"token": "***", "build": "42", "git": "https://git/x?a=1"}
    assert "--api-token" in stream[0]["args"]


@pytest.mark.in_process
@pytest.mark.parametrize("what", ["lacks the plugin", "closes its channel"])
def test_a_worker_that_tells_nothing_does_no_harm(
    pytester: pytest.Pytester, run_pytest: RunPytest, log: Path, what: str
) -> None:
    code = "config.pluginmanager.unregister(name='publish_worker')\n"
    code += "    config.pluginmanager.unregister(name='publish_teller')"
    if what == "closes its channel":
        code = "config.workerinput['pytest_publish']['channel'].close()"
    pytester.makeconftest(
        "import pytest\n@pytest.hookimpl(trylast=True)\ndef pytest_sessionstart(session):\n"
        "    config = session.config\n    if not hasattr(config, 'workerinput'): return\n"
        f"    {code}"
    )
    pytester.makepyfile("def test_one(): pass\ndef test_two(): pass")
    run = run_pytest("-n1", f"--publish-log={log}", EVENTS, "-k", "test_one")
    run.assert_outcomes(passed=1)
    stream = sorted(logged(log), key=lambda told: told["seq"])
    assert [told["type"] for told in stream] == [
        *("session_start", "collected", "result", "session_finish")
    ]
    assert stream[1]["nodeids"] == [stream[2]["nodeid"]]
    assert "publish:" not in run.stdout.str().replace("publish: published.jsonl", "").replace(
        "publish: 4 results and events appended", ""
    )


@pytest.mark.in_process
@pytest.mark.one_worker
def test_a_large_collection_is_told_in_parts(
    pytester: pytest.Pytester, run_pytest: RunPytest, log: Path, mode: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("n", range(1020))
        def test_it(n): pytest.exit("enough")
        """
    )
    run_pytest(*mode, "--max-worker-restart=0", f"--publish-log={log}", EVENTS)
    stream = checked(logged(log))
    assert [len(told["nodeids"]) for told in of_type("collected", stream)] == [1000, 20]
    assert nodeids_of(stream) == [
        f"{Path('test_a_large_collection_is_told_in_parts.py')}::test_it[{n}]" for n in range(1020)
    ]


@pytest.mark.in_process
def test_a_log_has_several_sessions_and_no_events_unless_asked(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, log: Path
) -> None:
    pytester.makeini(f"[pytest]\npublish_log = {log.name}\n")
    pytester.makepyfile("def test_it(): pass")
    run = run_pytest(f"--pubdir={pubdir}")
    run.stdout.fnmatch_lines(["publish: tree, published.jsonl", "*1 result appended to *"])
    run_pytest(EVENTS)
    first, *second = logged(log)
    (in_tree,) = tree_results(pubdir)
    assert first == in_tree
    checked(second)
    assert second[0]["session_id"] != first["session_id"]


@pytest.mark.one_worker
def test_events_survive_a_test_that_patches_all(
    pytester: pytest.Pytester, run_pytest: RunPytest, log: Path, mode: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        """
        import os, socket, threading, time

        def test_patches(monkeypatch):
            monkeypatch.setattr(time, "time", lambda: 0.0)
            monkeypatch.setattr(os, "write", None)
            monkeypatch.setattr(os, "open", None)
            monkeypatch.setattr(threading, "RLock", None)
            monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")

        def test_closes():
            os.closerange(30, 256)

        def test_forks():
            pid = os.fork()
            if pid == 0 and "PYTEST_XDIST_WORKER" in os.environ:
                os._exit(0)
            if pid == 0:
                return  # and this child comes back to pytest
            os.waitpid(pid, 0)

        def test_leaves_threads():
            for _ in range(9):
                threading.Thread(target=time.sleep, args=(9,), daemon=True).start()

        def test_last(): pass
        """
    )
    run_pytest(*mode, f"--publish-log={log}", EVENTS)
    stream: list[Result] = checked(logged(log))
    assert (stream[-1]["reason"], stream[-1]["exitstatus"]) == ("finished", 0)
    assert len(of_type("test_start", stream)) == len(of_type("result", stream)) == 5
    assert all(told["time"] > 1e9 for told in stream if told["type"] != "result")
