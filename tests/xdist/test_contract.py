"""The JSON of every way in which a test ends, the same serially and under xdist."""

from __future__ import annotations

import dataclasses
import functools
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pytest

from support import by_name
from support import comparable
from support import Endpoint
from support import EndpointServer
from support import OF_THIS_SESSION
from support import OWN_PLUGINS
from support import Post
from support import Result
from support import tree_results
from support import valid


pytestmark = [pytest.mark.one_worker, pytest.mark.in_process]


SUITE = {
    "test_plain": """
        import logging
        import sys
        import unittest

        import pytest

        @pytest.fixture
        def broken_setup():
            print("setting up")
            raise RuntimeError("no database")

        @pytest.fixture
        def broken_teardown():
            yield
            raise OSError("no goodbye")

        def test_pass(record_property):
            print("to stdout")
            print("to stderr", file=sys.stderr)
            logging.getLogger("shop").warning("to the log")
            record_property("colour", "blue")

        def test_fail():
            left = 1
            assert left == 2

        def test_skip_inside():
            pytest.skip("not today")

        @pytest.mark.skip(reason="never")
        def test_skip_mark():
            pass

        @pytest.mark.xfail(reason="known")
        def test_xfail():
            raise ValueError("as expected")

        def test_xfail_inside():
            pytest.xfail("given up")

        @pytest.mark.xfail(reason="mended?")
        def test_xpass():
            pass

        @pytest.mark.xfail(reason="mended!", strict=True)
        def test_xpass_strict():
            pass

        def test_setup_error(broken_setup):
            pass

        def test_teardown_error(broken_teardown):
            pass

        def test_both_fail(broken_teardown):
            raise KeyError("first")

        @pytest.mark.parametrize("value", ["a/b", "c::d", "e@f"])
        def test_parameters(value):
            pass

        class TestClass:
            def test_method(self):
                pass

        class TestUnittest(unittest.TestCase):
            def test_unittest_fail(self):
                self.assertEqual(1, 2)

            def test_unittest_skip(self):
                self.skipTest("no need")

            @unittest.expectedFailure
            def test_unittest_xfail(self):
                self.fail("expected")
    """,
    "test_broken": "import there_is_no_such_module",
    "test_skipped_module": """
        import pytest
        pytest.skip("wrong platform", allow_module_level=True)
    """,
    "documented": '''
        def one():
            """
            >>> 1 + 1
            3
            """
    ''',
}
# name: (result, outcome, type of the exception, its value or a part of it)
EXPECTED: dict[str, tuple[str, str, str | None, str]] = {
    "test_pass": ("pass", "passed", None, ""),
    "test_fail": ("fail", "failed", "AssertionError", "assert 1 == 2"),
    "test_skip_inside": ("skip", "skipped", "Skipped", "not today"),
    "test_skip_mark": ("skip", "skipped", "Skipped", "never"),
    "test_xfail": ("skip", "xfailed", "ValueError", "as expected"),
    "test_xfail_inside": ("skip", "xfailed", "XFailed", "given up"),
    "test_xpass": ("pass", "xpassed", None, ""),
    "test_xpass_strict": ("fail", "failed", "StrictXPass", "[XPASS(strict)] mended!"),
    "test_setup_error": ("fail", "error", "RuntimeError", "no database"),
    "test_teardown_error": ("fail", "error", "OSError", "no goodbye"),
    "test_both_fail": ("fail", "failed", "KeyError", "'first'"),
    "test_parameters[a/b]": ("pass", "passed", None, ""),
    "test_parameters[c::d]": ("pass", "passed", None, ""),
    "test_parameters[e@f]": ("pass", "passed", None, ""),
    "test_method": ("pass", "passed", None, ""),
    "test_unittest_fail": ("fail", "failed", "AssertionError", "1 != 2"),
    "test_unittest_skip": ("skip", "skipped", "Skipped", "no need"),
    "test_unittest_xfail": ("skip", "xfailed", "XFailed", ""),
    "test_broken.py": ("fail", "error", "ModuleNotFoundError", "there_is_no_such_module"),
    "test_skipped_module.py": ("skip", "skipped", "Skipped", "wrong platform"),
    "documented.one": ("fail", "failed", "DocTestFailure", ""),
}
FIXED_FIELDS = (
    *("type", "result", "nodeid", "start_time", "stop_time", "duration"),
    *("stdout", "stderr", "log", "xdist_dist", "xdist_worker", "xdist_scope", "excinfo"),
)
ARGUMENTS = ("--doctest-modules", "--continue-on-collection-errors", "-p", "no:randomly")


@dataclasses.dataclass(frozen=True)
class Published:
    """What one run of the suite published."""

    results: dict[str, Result]
    posts: list[Post]


PublishSuite: TypeAlias = Callable[[tuple[str, ...]], Published]


@pytest.fixture(scope="module")
def publish_suite(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[tuple[str, ...]], Published]:
    """Run the suite once in each mode, however many tests look at what was published."""

    folder = tmp_path_factory.mktemp("suite")
    for name, source in SUITE.items():
        (folder / f"{name}.py").write_text(textwrap.dedent(source), "utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n")

    @functools.cache
    def publish(mode: tuple[str, ...]) -> Published:
        tree = folder / f"tree{''.join(mode)}"
        server = EndpointServer(port=0, threaded=True)
        server.start()
        endpoint = Endpoint(server)
        switches = (f"--pubdir={tree}", f"--publish={endpoint.url}")
        command = (sys.executable, "-m", "pytest", *OWN_PLUGINS, *switches, *ARGUMENTS, *mode)
        environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        for variable in OF_THIS_SESSION:
            environment.pop(variable, None)
        run = subprocess.run(command, cwd=folder, env=environment, check=False, timeout=60)
        server.stop()
        assert run.returncode == pytest.ExitCode.TESTS_FAILED
        return Published(by_name(tree_results(tree)), endpoint.posts)

    return publish


@pytest.fixture
def published(publish_suite: PublishSuite, mode: tuple[str, ...]) -> Published:
    return publish_suite(mode)


def test_every_ending_has_its_verdict(published: Published) -> None:
    results = published.results
    assert results.keys() == EXPECTED.keys()
    for name, (verdict, outcome, kind, value) in EXPECTED.items():
        result = results[name]
        assert (result["result"], result["outcome"]) == (verdict, outcome), name
        excinfo = result["excinfo"] or {"type": None, "value": ""}
        assert excinfo["type"] == kind, name
        assert value in excinfo["value"], name


def test_serial_and_distributed_runs_agree(publish_suite: PublishSuite) -> None:
    serial, distributed = publish_suite(()).results, publish_suite(("-n", "1")).results
    assert comparable(list(serial.values())) == comparable([distributed[name] for name in serial])
    for name, result in distributed.items():
        assert result["xdist_dist"] == "load"
        assert (result["xdist_worker"] is None) == name.endswith(".py"), "collected by all"
        assert serial[name]["xdist_dist"] is serial[name]["xdist_worker"] is None


def test_fixed_fields_come_first_and_file_is_post(published: Published) -> None:
    assert len(published.posts) == len(EXPECTED)
    results = [valid(json.loads(post.body)) for post in published.posts]
    for post, result in zip(published.posts, results, strict=True):
        assert tuple(result)[: len(FIXED_FIELDS)] == FIXED_FIELDS
        written = Path(result["pubdir_path"], "result.json").read_bytes()
        assert written.rstrip(b"\n") == post.body
        assert post.headers["Content-Type"] == "application/json"
    # Several connections may be open, so the order of arrival is not promised.
    assert {result["seq"] for result in results} == set(range(len(EXPECTED)))


def test_output_times_and_place_are_published(published: Published) -> None:
    results = published.results
    passed = results["test_pass"]
    assert (passed["stdout"], passed["stderr"]) == ("to stdout\n", "to stderr\n")
    assert "to the log" in passed["log"]
    assert passed["properties"] == {"colour": "blue"}
    assert (passed["file"], passed["nodeid"]) == ("test_plain.py", "test_plain.py::test_pass")
    assert [phase["when"] for phase in passed["phases"]] == ["setup", "call", "teardown"]
    call = passed["phases"][1]
    assert all(passed[field] == call[field] for field in ("start_time", "stop_time", "duration"))
    assert results["test_setup_error"]["stdout"] == "setting up\n"
    assert (
        results["test_setup_error"]["start_time"]
        == (results["test_setup_error"]["phases"][0]["start_time"])
    )


def test_the_traceback_has_only_the_users_frames(
    published: Published,
) -> None:
    results = published.results
    (frame,) = results["test_fail"]["excinfo"]["traceback"]
    assert frame.splitlines()[0].endswith("in test_fail")
    assert "assert left == 2" in frame
    assert results["test_unittest_fail"]["excinfo"]["traceback"][-1].count("assertEqual(1, 2)")
    (frame,) = results["test_broken.py"]["excinfo"]["traceback"]
    assert "import there_is_no_such_module" in frame


def test_each_failing_phase_has_its_exception(published: Published) -> None:
    result = published.results["test_both_fail"]
    _setup, call, teardown = result["phases"]
    assert call["excinfo"] == result["excinfo"]
    assert teardown["excinfo"]["type"] == "OSError"
