from __future__ import annotations

from pathlib import Path

import pytest

from streams import logged
from support import by_name
from support import Endpoint
from support import RunPytest
from support import tree_results


pytestmark = [pytest.mark.one_worker, pytest.mark.in_process]


def test_a_hook_masks_adds_and_withholds(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    endpoint: Endpoint,
    pubdir: Path,
    mode: tuple[str, ...],
) -> None:
    pytester.makeconftest(
        """
        def pytest_publish_result(config, result):
            result.mask("s3cret")
            result.properties["rootdir"] = config.rootpath.name
            if result.name == "test_private":
                return False

        def pytest_publish_properties(item, report):
            import os

            if report.when == "call":
                return {
                    "worker": os.environ.get("PYTEST_XDIST_WORKER"),
                    "marks": [mark.name for mark in item.iter_markers()],
                    "odd": {1: object, "big": 2**70, "surrogate": chr(0xdc80)},
                }
            return {"last": report.when}
        """
    )
    pytester.makepyfile(
        """
        import sys
        import pytest

        def test_a(record_property):
            record_property("token", ["s3cret"])
            print("s3cret")
            print("s3cret", file=sys.stderr)
            assert "s3cret" == 0

        @pytest.mark.filterwarnings("default")
        def test_b(record_property):
            record_property("recorded", 1)

        def test_private(): pass
        """
    )
    run_pytest("--pubdir", pubdir, "--publish", endpoint.url, *mode)
    results = tree_results(pubdir)
    assert by_name(results).keys() == {"test_a", "test_b"}
    assert [result["seq"] for result in results] == [0, 1]
    assert {result["properties"]["rootdir"] for result in results} == {pytester.path.name}
    assert by_name(endpoint.results) == by_name(results)
    # What one adds where the test runs.
    (added,) = (result for result in results if result["name"] == "test_b")
    assert added["properties"] == {
        "recorded": 1,
        "worker": added["xdist_worker"],
        "marks": ["filterwarnings"],
        "odd": {"1": "<class 'object'>", "big": str(2**70), "surrogate": "\\udc80"},
        "last": "teardown",
        "rootdir": pytester.path.name,
    }
    # The node id and the source in a traceback may hold what they like: not here.
    for path in pubdir.rglob("*.*"):
        assert not path.is_file() or "s3cret" not in path.read_text("utf-8")
    assert not (pubdir / "test_private").exists()


def test_a_hook_that_raises_is_told_once(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    pytester.makeconftest(
        """
        import sys
        import pytest

        class Odd(Exception):
            def __str__(self): raise SystemExit

        def pytest_publish_result(result):
            if result.name == "test_a":
                raise Odd
            if result.name == "test_b":
                pytest.fail("no")
            if result.name == "test_c":
                sys.exit("enough")
            if result.name == "test_d":
                pytest.exit("enough")
            result.sdtout = "***"  # misspelt: it masks nothing

        def pytest_publish_properties(item):
            if item.name == "test_a":
                return 7
            if item.name == "test_b":
                pytest.skip("no")
            sys.exit("enough")
        """
    )
    pytester.makepyfile("".join(f"def test_{name}(): pass\n" for name in "abcde"))
    run = run_pytest("--pubdir", pubdir, *mode)
    assert run.ret == pytest.ExitCode.OK
    results = by_name(tree_results(pubdir))
    assert sorted(results) == [f"test_{name}" for name in "abcde"]
    for result in results.values():
        assert "sdtout" not in result
        assert result["result"] == "pass"
    told = sorted(line for line in run.outlines if "hook raised" in line)
    assert len(told) == 2
    assert told[0].startswith("publish: a pytest_publish_properties hook raised (15 times): ")
    assert told[1].startswith("publish: a pytest_publish_result hook raised (5 times): ")


def test_what_a_hook_sets_never_costs_the_result(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    log: Path,
    pubdir: Path,
    mode: tuple[str, ...],
) -> None:
    pytester.makeconftest(
        """
        def spoil(result):
            result.stdout = 5
            result.start_time = float("nan")
            result.name = None
            result.phases[0].when = None

        ANSWERS = {"test_zero": 0, "test_none": None, "test_empty": "", "test_true": True}

        def pytest_publish_result(result):
            if result.name == "test_spoiled":
                spoil(result)
            if result.name == "test_judged":
                result.result, result.outcome = "pass", "passed"
            if result.name == "test_misjudged":
                result.result = "wonderful"
                result.excinfo.value = 5
            return ANSWERS.get(result.name)
        """
    )
    pytester.makepyfile(
        """
        def test_spoiled(): pass
        def test_judged(): assert 0
        def test_misjudged(): assert 0
        def test_zero(): pass
        def test_none(): pass
        def test_empty(): pass
        def test_true(): pass
        """
    )
    run = run_pytest("--pubdir", pubdir, f"--publish-log={log}", *mode)
    results = by_name(tree_results(pubdir))
    assert by_name(logged(log)) == results
    assert {name: result["result"] for name, result in results.items()} == {
        "test_spoiled": "pass",
        "test_judged": "pass",
        "test_misjudged": "fail",
        **dict.fromkeys(("test_zero", "test_none", "test_empty", "test_true"), "pass"),
    }
    assert results["test_misjudged"]["excinfo"]["value"] == "assert 0"
    spoiled = results["test_spoiled"]
    assert spoiled["stdout"] == "5"
    assert spoiled["start_time"] > 0
    (line,) = [line for line in run.outlines if line.startswith("publish: a")]
    assert line == (
        "publish: a pytest_publish_result hook set what a result can't hold (2 times): "
        "stdout, start_time, name, phases"
    )


def test_where_masking_fails_secrets_are_left_out(
    pytester: pytest.Pytester,
    run_pytest: RunPytest,
    log: Path,
    pubdir: Path,
    mode: tuple[str, ...],
) -> None:
    pytester.makeconftest(
        """
        def pytest_publish_result(result):
            raise KeyError("hunter2")
        """
    )
    pytester.makepyfile(
        """
        import logging
        import unittest

        class Test(unittest.TestCase):
            def test_fails(self):
                secret = "hunter2"
                print(secret)
                logging.warning(secret)
                with self.subTest(secret):
                    self.fail(secret)
                raise ValueError(secret) from KeyError(secret)

        def test_passes(record_property):
            record_property("hunter2", "hunter2")
        """
    )
    run = run_pytest(f"--publish-log={log}", "--pubdir", pubdir, *mode)
    results = by_name(tree_results(pubdir))
    assert by_name(logged(log)) == results
    files = [path.read_text("utf-8") for path in pubdir.rglob("*") if path.is_file()]
    assert not [text for text in files if "hunter2" in text]
    why = "withheld, because a pytest_publish_result hook raised KeyError"
    failed, passed = results["test_fails"], results["test_passes"]
    assert (failed["result"], failed["outcome"], passed["result"]) == ("fail", "failed", "pass")
    # pytest before 9 has no subtests: the first failure is the test's.
    assert failed["excinfo"].pop("type") in ("ValueError", "AssertionError")
    assert failed["excinfo"] == {"value": why, "traceback": []}
    assert {phase["when"] for phase in failed["phases"]} == {"setup", "call", "teardown"}
    assert failed["stdout"] == failed["log"] == why
    assert failed["stderr"] == ""
    assert failed["duration"] > 0
    assert passed["properties"] == {"withheld": why}
    assert any(line.startswith("publish: a pytest_publish_result hook") for line in run.outlines)


def test_hooks_may_stay_when_nothing_is_published(
    pytester: pytest.Pytester, run_pytest: RunPytest, mode: tuple[str, ...]
) -> None:
    pytester.makeconftest(
        """
        def pytest_publish_result(result): 1 / 0
        def pytest_publish_properties(item, report): 1 / 0
        """
    )
    pytester.makepyfile("def test_a(): pass")
    run = run_pytest(*mode)
    assert run.ret == pytest.ExitCode.OK
    run.stdout.no_fnmatch_line("*publish:*")
