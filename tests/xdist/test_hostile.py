"""Tests that change the process which, in a serial run, they share with the plugin."""

from __future__ import annotations

from pathlib import Path

import pytest

from streams import checked
from streams import of_type
from support import by_name
from support import Endpoint
from support import Result
from support import RunPytest
from support import tree_results


pytestmark = pytest.mark.one_worker


SUITES = {
    "responses": """
        import pytest
        import requests
        import responses

        @pytest.fixture(scope="module", autouse=True)
        def mock():
            with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
                mock.get("http://service/", body="hello")
                yield mock

        def test_first(mock):
            assert requests.get("http://service/").text == "hello"

        def test_second(mock):
            assert len(mock.calls) == 1
    """,
    "requests-mock": """
        import pytest
        import requests
        import requests_mock

        @pytest.fixture(scope="module", autouse=True)
        def mock():
            with requests_mock.Mocker() as mock:
                mock.get("http://service/", text="hello")
                yield mock

        def test_first(mock):
            assert requests.get("http://service/").text == "hello"

        def test_second(mock):
            assert mock.call_count == 1
    """,
    "freezegun": """
        import datetime
        import pytest
        import freezegun

        @pytest.fixture(scope="module", autouse=True)
        def frozen():
            with freezegun.freeze_time("2001-02-03"):
                yield

        def test_first():
            assert datetime.date.today().year == 2001

        def test_second():
            assert datetime.date.today().year == 2001
    """,
    "time-machine": """
        import time
        import pytest
        import time_machine

        @pytest.fixture(scope="module", autouse=True)
        def travel():
            with time_machine.travel(1_000_000_000, tick=False):
                yield

        def test_first():
            assert time.time() == 1_000_000_000

        def test_second():
            assert time.time() == 1_000_000_000
    """,
    "pytest-socket": """
        import socket
        import pytest
        import pytest_socket

        def test_first():
            with pytest.raises(pytest_socket.SocketBlockedError):
                socket.socket()

        def test_second():
            with pytest.raises(pytest_socket.SocketBlockedError):
                socket.socket()
    """,
    "pyfakefs": """
        import os
        import pytest

        def test_first(fs_module):
            with open("/only-here", "w") as file:
                file.write("x")

        def test_second(fs_module):
            assert os.path.exists("/only-here")
            assert set(os.listdir("/")) <= {"only-here", "tmp"}
    """,
    "monkeypatch": """
        import builtins, io, os, socket, subprocess, time
        import pytest

        @pytest.fixture(scope="module", autouse=True)
        def broken():
            def broken(*args, **kwargs):
                raise RuntimeError("patched by a test")
            with pytest.MonkeyPatch.context() as patch:
                for name in ("open", "write", "read", "close", "mkdir", "makedirs", "rename",
                             "listdir", "unlink", "fsync", "lseek", "getppid"):
                    patch.setattr(os, name, broken)
                patch.setattr(builtins, "open", broken)
                patch.setattr(io, "open", broken)
                patch.setattr(socket, "socket", broken)
                patch.setattr(subprocess, "Popen", broken)
                for name in ("sleep", "monotonic", "time"):
                    patch.setattr(time, name, broken)
                yield

        def test_first():
            pass

        def test_second():
            pass
    """,
    "separator": """
        import os
        import time
        import pytest

        @pytest.fixture(scope="module", autouse=True)
        def windows():
            with pytest.MonkeyPatch.context() as patched:
                patched.setattr(os, "sep", "\\\\")
                patched.setattr(os, "getpid", lambda: 0)
                patched.setattr(time, "gmtime", None)
                yield

        def test_first(): pass
        def test_second(): pass
    """,
    "sources": """
        import os
        import pytest

        def refuse(*arguments, **options):
            raise AssertionError("no files here")

        def test_first(monkeypatch):
            monkeypatch.setattr(os, "stat", refuse)
            pytest.skip("not today")

        def test_second(): pass
    """,
    "environment": """
        import os, threading, time

        def test_first(tmp_path):
            os.environ.clear()
            os.chdir(tmp_path)
            os.rmdir(tmp_path)

        def test_second():
            if os.fork() == 0:
                time.sleep(3)  # outlives the run
                os._exit(0)
            threading.Thread(target=time.sleep, args=(1,), daemon=True).start()
    """,
}


#: Which undo what they did at the end of their files, so that one session has them all.
LIBRARIES = (
    *("responses", "requests-mock", "freezegun", "time-machine", "pytest-socket", "pyfakefs"),
)


def test_libraries_that_patch_do_no_harm(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    endpoint: Endpoint,
    pubdir: Path,
    mode: tuple[str, ...],
) -> None:
    modules = [name.replace("-", "_") for name in LIBRARIES]
    for module in modules:
        pytest.importorskip(module)
    pytester.makepyfile(
        **{f"test_{module}": SUITES[name] for module, name in zip(modules, LIBRARIES, strict=True)}
    )
    plugins = ("-p", "pyfakefs.pytest_plugin", "-p", "pytest_socket", "--disable-socket")
    arguments = (*plugins, *mode, *(("--dist", "loadfile") if mode else ()))
    switches = ("--publish", endpoint.url, "--publish-events", f"--pubdir={pubdir}")
    run = run_pytest(*switches, *arguments)
    run.assert_outcomes(passed=12)
    results = of_type("result", checked(endpoint.results))
    posted, written = ({r["nodeid"]: r for r in rs} for rs in (results, tree_results(pubdir)))
    assert posted == written
    assert len(results) == len(of_type("test_start", endpoint.results)) == len(posted) == 12
    run.stdout.no_fnmatch_line("publish: can't*")


def test_tests_may_patch_the_process(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    endpoint: Endpoint,
    pubdir: Path,
    mode: tuple[str, ...],
) -> None:
    names = ("monkeypatch", "separator", "sources", "environment")
    # In this order: the last one undoes nothing.
    pytester.makepyfile(
        **{f"test_{number}_{name}": SUITES[name] for number, name in enumerate(names)}
    )
    # pytest's captures are files too, and are broken by the patches. The two tests of a
    # file belong together.
    arguments = ("-s", "-p", "no:logging", *mode, *(("--dist", "loadfile") if mode else ()))
    run = run_pytest("--publish", endpoint.url, f"--pubdir={pubdir}", *arguments)
    run.assert_outcomes(passed=7, skipped=1)
    posted, written = (by_file(results) for results in (endpoint.results, tree_results(pubdir)))
    assert posted == written
    assert list(written) == [f"test_{number}_{name}.py" for number, name in enumerate(names)]
    for file, results in written.items():
        assert [result["name"] for result in results] == ["test_first", "test_second"], file
    assert len(endpoint.posts) == 8
    run.stdout.no_fnmatch_line("publish: can't*")
    # Another separator does not move the tree.
    assert sorted(path.name for path in pubdir.glob("test_*")) == ["test_first", "test_second"]
    skipped = written["test_2_sources.py"][0]
    assert (skipped["outcome"], skipped["excinfo"]["value"]) == ("skipped", "not today")


def by_file(results: list[Result]) -> dict[str, list[Result]]:
    """Return the results of each file, in their order."""
    found: dict[str, list[Result]] = {}
    for result in sorted(results, key=_number):
        found.setdefault(result["file"], []).append(result)
    return found


def test_a_fork_or_closed_files_double_no_result(
    pytester: pytest.Pytester, run_pytest: RunPytest, endpoint: Endpoint, pubdir: Path
) -> None:
    pytester.makepyfile(
        test_1_fork="""
        import os, sys

        def test_fork():
            child = os.fork()
            if child == 0:
                sys.exit(3)
            os.waitpid(child, 0)

        def test_after(): pass
        """,
        test_2_descriptors="""
        import os

        def test_closes_all():
            os.closerange(3, 256)

        def test_takes_their_numbers(tmp_path):
            global files
            files = [open(tmp_path / str(number), "w") for number in range(9)]

        def test_they_are_empty():
            for file in files:
                assert os.fstat(file.fileno()).st_size == 0, "somebody wrote into it"
                file.close()
        """,
    )
    # What would miss its files when pytest ends.
    without = ("-s", "-p", "no:logging", "-p", "no:faulthandler")
    run = run_pytest("--publish", endpoint.url, f"--pubdir={pubdir}", *without)
    assert run.ret == pytest.ExitCode.OK
    results = tree_results(pubdir)
    assert [(result["name"], result["seq"], result["result"]) for result in results] == [
        ("test_fork", 0, "pass"),
        ("test_after", 1, "pass"),
        ("test_closes_all", 2, "pass"),
        ("test_takes_their_numbers", 3, "pass"),
        ("test_they_are_empty", 4, "pass"),
    ]
    assert len(endpoint.posts) == 5
    assert by_name(results) == by_name(endpoint.results)


def test_a_conftest_may_patch_what_publishing_uses(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    endpoint: Endpoint,
    pubdir: Path,
    mode: tuple[str, ...],
) -> None:
    pytester.makeconftest(
        """
        import hashlib, json, os, random, subprocess, sys, types, uuid

        def broken(*args, **kwargs):
            raise RuntimeError("patched by a conftest")

        stub = types.ModuleType("orjson")
        stub.dumps = lambda value: repr(value).encode()
        sys.modules["orjson"] = sys.modules["fasteners"] = stub
        os.urandom = lambda count: bytes(count)
        same = uuid.UUID(int=0)
        uuid.uuid4 = lambda: same
        json.dumps = json.loads = hashlib.sha256 = broken
        if "PYTEST_XDIST_WORKER" not in os.environ and "-n" not in sys.argv:
            subprocess.Popen = broken
        """
    )
    pytester.makepyfile(
        test_file="""
        def test_first(record_property):
            record_property("a", 1)

        def test_second(): pass
        """
    )
    # pytest's cache is written by what is patched here.
    arguments = ("-p", "no:cacheprovider", "--publish-outbox=outbox", *mode)
    for _ in range(2):
        run = run_pytest("--publish", endpoint.url, f"--pubdir={pubdir}", *arguments)
        run.assert_outcomes(passed=2)
        run.stdout.no_fnmatch_line("publish: can't*")
    results = endpoint.results
    assert sorted(tree_results(pubdir), key=_number) == sorted(results, key=_number)
    assert len({_number(result) for result in results}) == 4
    assert len({result["run_id"] for result in results}) == 2
    found = {result["name"]: result["properties"] for result in results}
    assert found == {"test_first": {"a": 1}, "test_second": {}}


def _number(result: Result) -> tuple[str, int]:
    return result["session_id"], result["seq"]


def test_what_a_test_leaves_patched_loses_nothing(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    endpoint: Endpoint,
    pubdir: Path,
    mode: tuple[str, ...],
) -> None:
    pytester.makepyfile(
        """
        import builtins, hashlib, io, json, math, os, shutil, subprocess, sys, tempfile, time
        import traceback, uuid

        def broken(*args, **kwargs):
            raise RuntimeError("patched by a test")

        def test_first(record_property):
            record_property("a", 1)
            for module, names in {
                builtins: "open",
                hashlib: "sha256 md5",
                io: "open",
                json: "dumps loads",
                math: "isfinite",
                os: "unlink remove rmdir rename listdir kill urandom",
                shutil: "rmtree",
                subprocess: "Popen run",
                tempfile: "gettempdir mkdtemp TemporaryFile",
                time: "strftime gmtime sleep monotonic",
                traceback: "extract_tb",
                uuid: "uuid4",
            }.items():
                for name in names.split():
                    setattr(module, name, broken)
            ours = "pytest_publish.results.encoding"
            for name in ("orjson", "fasteners", "uuid", "requests", ours):
                sys.modules[name] = None

        def test_second():
            error = ValueError("second")
            raise error from KeyError("cause")

        def test_third(): pass
        """
    )
    arguments = ("-p", "no:cacheprovider", "--publish-outbox=outbox", *mode)
    run = run_pytest("--publish", endpoint.url, f"--pubdir={pubdir}", *arguments)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run.stdout.no_fnmatch_line("publish: *lost*")
    run.stdout.no_fnmatch_line("publish: can't*")
    results = by_name(tree_results(pubdir))
    assert by_name(endpoint.results) == results
    assert {name: result["result"] for name, result in results.items()} == {
        "test_first": "pass",
        "test_second": "fail",
        "test_third": "pass",
    }
    assert results["test_first"]["properties"] == {"a": 1}
    (frame,) = results["test_second"]["excinfo"]["traceback"]
    assert "in test_second" in frame
