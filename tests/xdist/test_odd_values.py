from __future__ import annotations

from pathlib import Path

import pytest

from support import by_name
from support import comparable
from support import Result
from support import RunPytest
from support import tree_results


pytestmark = pytest.mark.one_worker


SUITE = r"""
import enum
import logging
import sys
import unittest

import pytest

class Broken(Exception):
    def __str__(self): raise ValueError("no str")
    __repr__ = __str__

class Name(str): pass

class Number(enum.IntEnum):
    ONE = 1

def test_properties(record_property):
    loop = []
    loop.append(loop)
    for name, value in {
        "surrogate": "\udc80",
        "nul": "\0",
        "nan": float("nan"),
        "infinite": float("-inf"),
        "big": 2**64,
        "huge": 10**5000,
        "negative": -(2**40),
        "bytes": b"\xff\0",
        "object": object,
        "broken": Broken(),
        "loop": loop,
        "enum": Number.ONE,
        "str": Name("n"),
        "set": {1},
        "tuple": (1, 2),
        "keys": {1: "a", None: "b", (1, 2): "c"},
        "nested": {"a": [{"b": None}]},
    }.items():
        record_property(name, value)
    record_property("twice", 1)
    record_property("twice", 2)
    record_property(7, "number")

def test_surrogate(): raise ValueError("\udc80 and \0")
def test_broken(): raise Broken
def test_broken_skip(): pytest.skip("\udc80")
def test_output():
    print("\0 \x1b[31m \ud7ff ☃ \r")
    print("e", file=sys.stderr)
    logging.error("\udc80 %s", "x")

def test_recursion():
    def again(n): return again(n + 1)
    again(0)

def test_chained():
    try:
        {}["cause"]
    except KeyError as error:
        raise ValueError("effect") from error

def test_assertion():
    assert Name("\udc80") == "b", Broken

@pytest.mark.xfail(reason="\udc80")
def test_xfail(): assert 0

@pytest.mark.xfail(strict=True)
def test_strict(): pass

@pytest.mark.xfail
def test_xpass(): pass

@pytest.mark.parametrize("value", ["\udc80", "a/b", "..", "x::y", "\0", "é", "w" * 300, ""])
def test_id(value): pass

@pytest.fixture
def breaking():
    print("up")
    yield
    print("down")
    raise OSError(2, "gone")

def test_teardown(breaking): print("in")
def test_both(breaking): raise KeyError("call")

@pytest.fixture
def failing(): raise OSError("setup")
def test_setup(failing): pass

class TestCase(unittest.TestCase):
    def test_case(self): self.assertEqual(1, 2)
    @unittest.skip("why")
    def test_skipped(self): pass
    @unittest.expectedFailure
    def test_expected(self): self.fail()
"""


@pytest.fixture(autouse=True)
def printable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have sessions print lone surrogates so that the pytester can read them."""
    monkeypatch.setenv("PYTHONIOENCODING", "utf-8:backslashreplace")


def test_odd_values_arrive_serially_and_distributed(
    pytester: pytest.Pytester, run_pytest: RunPytest
) -> None:
    pytester.makepyfile(test_suite=SUITE)
    found = []
    for switches in ((), ("-n", "1")):
        run = run_pytest("--pubdir", f"tree{len(switches)}", *switches)
        assert run.ret == pytest.ExitCode.TESTS_FAILED
        results = by_name(tree_results(pytester.path / f"tree{len(switches)}"))
        # pytest counts what failed in its teardown twice.
        assert len(results) == sum(run.parseoutcomes().values()) - 2 == 25
        check(results)
        # The limit of recursion is counted from where a test begins.
        del results["test_recursion"]
        found.append({name: comparable(result) for name, result in results.items()})
    serial, distributed = found
    assert distributed == serial


def check(results: dict[str, Result]) -> None:
    """Check what became of the suite's odd values."""
    excinfo = {name: result["excinfo"] for name, result in results.items()}
    assert excinfo["test_surrogate"]["value"] == "\\udc80 and \0"
    assert excinfo["test_broken"]["value"] == "<Broken object: its str raised ValueError>"
    assert excinfo["test_broken_skip"]["value"] == "\\udc80"
    assert excinfo["test_recursion"]["type"] == "RecursionError"
    assert "again(n + 1)" in excinfo["test_recursion"]["traceback"][-1]
    assert (excinfo["test_chained"]["type"], excinfo["test_chained"]["value"]) == (
        "ValueError",
        "effect",
    )
    assert results["test_both"]["excinfo"]["type"] == "KeyError"
    assert results["test_both"]["phases"][2]["excinfo"]["type"] == "FileNotFoundError"
    assert (results["test_teardown"]["outcome"], results["test_teardown"]["stdout"]) == (
        "error",
        "up\nin\ndown\n",
    )
    assert "\\udc80 x" in results["test_output"]["log"]
    properties = results["test_properties"]["properties"]
    assert properties | {"object": 0, "loop": 0} == {
        "surrogate": "\\udc80",
        "nul": "\0",
        "nan": "nan",
        "infinite": "-inf",
        "big": str(2**64),
        "huge": hex(10**5000),
        "negative": -(2**40),
        "bytes": "\\xff\0",
        "object": 0,
        "broken": "<Broken object: its repr raised ValueError>",
        "loop": 0,
        "enum": 1,
        "str": "n",
        "set": "{1}",
        "tuple": [1, 2],
        "keys": {"1": "a", "None": "b", "[1, 2]": "c"},
        "nested": {"a": [{"b": None}]},
        "twice": [1, 2],
        "7": "number",
    }


@pytest.mark.skipif("sys.version_info < (3, 11)", reason="Python 3.10 has no exception groups")
@pytest.mark.in_process
def test_groups_and_causes_are_told_whole(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        """
        def test_a():
            group = ExceptionGroup("both", [KeyError("left"), OSError("right")])
            group.add_note("a note")
            raise group from ValueError("the cause")
        """
    )
    run_pytest("--pubdir", pubdir, *mode)
    (result,) = tree_results(pubdir)
    assert result["excinfo"]["type"] == "ExceptionGroup"
    assert result["excinfo"]["value"] == "both (2 sub-exceptions)"
    brief = (Path(result["pubdir_path"]) / "brief.txt").read_text("utf-8")
    for text in ("left", "right", "a note", "the cause"):
        assert text in brief


@pytest.mark.in_process
def test_huge_output_and_many_lines_arrive(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    pytester.makepyfile(
        """
        import logging

        def test_output(): print("x" * 5_000_000, end="")

        def test_log():
            for number in range(10_000):
                logging.warning("%d", number)
        """
    )
    run = run_pytest("--pubdir", pubdir, *mode)
    assert run.ret == pytest.ExitCode.OK
    results = by_name(tree_results(pubdir))
    assert results["test_output"]["stdout"] == "x" * 5_000_000
    lines = results["test_log"]["log"].split("\n")
    assert len(lines) == 10_000
    assert lines[-1].endswith(" 9999")


ODD_CONFTEST = """
import os

import pytest

ODD_REPORTS = {
    "test_wasxfail": ("call", {"wasxfail": True, "outcome": "skipped"}),
    "test_duration": ("call", {"duration": None, "start": "s", "stop": float("nan")}),
    "test_sections": ("call", {"sections": [("Captured stdout call", "kept"), 5, (1, 2, 3)]}),
    "test_line": ("setup", {"location": ("test_odd.py", -1, "test_line")}),
    "test_text_line": ("setup", {"location": ("test_odd.py", "7", "test_text_line")}),
    "test_when": ("call", {"when": "body", "outcome": "failed"}),
    "test_outcome": ("call", {"outcome": "failed", "longrepr": "seven"}),
    "test_no_properties": ("call", {"user_properties": None}),
}

@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    report = yield
    when, odd = ODD_REPORTS.get(item.name, ("", {}))
    if report.when == when:
        vars(report).update(odd)
    return report

def pytest_runtest_logreport(report):
    if not hasattr(report, "node"):  # on xdist's controller it is xdist's
        report.node = "mine"
    # On a worker xdist (3.6 to 3.8) insists on the test's own.
    if report.when == "call" and "test_nodeid" in report.nodeid:
        if "PYTEST_XDIST_WORKER" not in os.environ:
            report.nodeid = "another"
"""
ODD_SUITE = """
import asyncio

import pytest

@pytest.mark.xfail(reason=("bug 12",))
def test_reason_tuple(): assert 0

@pytest.mark.xfail(reason=12)
def test_reason_int(): assert 0

ENTRIES = [{"ticket": "A-1"}, ("a", "b", "c"), 5, None]

@pytest.mark.parametrize("entry", ENTRIES, ids=["dict", "triple", "int", "none"])
def test_property(request, entry):
    request.node.user_properties += [("good", 1), entry]
    raise KeyError("k")

@pytest.mark.parametrize("kind", [SystemExit, asyncio.CancelledError, GeneratorExit])
def test_raises(kind, record_property):
    class Odd(Exception):
        def __str__(self): raise kind
        __repr__ = __str__

    record_property("odd", Odd())
    raise Odd

def test_wasxfail(): pass
def test_duration(): pass
def test_sections(): raise KeyError("k")
def test_line(): pass
def test_text_line(): pass
def test_when(): pass
def test_outcome(): pass
def test_nodeid(): raise KeyError("k")
def test_no_properties(): pass
"""


@pytest.mark.in_process
def test_an_odd_report_costs_no_result_or_verdict(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path, mode: tuple[str, ...]
) -> None:
    pytester.makeconftest(ODD_CONFTEST)
    pytester.makepyfile(test_odd=ODD_SUITE)
    # What bare pytest's summary can't read of them is not of interest here.
    run = run_pytest("--pubdir", pubdir, "-q", "-rN", "--tb=no", *mode)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    run.stdout.no_fnmatch_line("*publish: a re*")
    results = by_name(tree_results(pubdir))
    assert {name: (r["result"], r["outcome"]) for name, r in results.items()} == {
        "test_reason_tuple": ("skip", "xfailed"),
        "test_reason_int": ("skip", "xfailed"),
        **dict.fromkeys(
            [f"test_property[{name}]" for name in ("dict", "triple", "int", "none")]
            + [f"test_raises[{kind}]" for kind in ("SystemExit", "CancelledError", "GeneratorExit")]
            + ["test_sections", "test_when", "test_outcome", "test_nodeid"],
            ("fail", "failed"),
        ),
        "test_wasxfail": ("skip", "xfailed"),
        **dict.fromkeys(
            ["test_duration", "test_line", "test_text_line", "test_no_properties"],
            ("pass", "passed"),
        ),
    }
    entry = {name: results[f"test_property[{name}]"]["properties"] for name in ("dict", "int")}
    assert entry["dict"] == {"good": 1, "user_properties": {"ticket": "A-1"}}
    assert entry["int"] == {"good": 1, "user_properties": 5}
    raised = results["test_raises[SystemExit]"]
    assert raised["excinfo"]["value"] == "<Odd object: its str raised SystemExit>"
    assert raised["properties"] == {"odd": "<Odd object: its repr raised SystemExit>"}
    assert results["test_sections"]["stdout"] == "kept"
    assert {results[name]["line"] for name in ("test_line", "test_text_line")} == {None}
    brief = (Path(results["test_reason_tuple"]["pubdir_path"]) / "brief.txt").read_text("utf-8")
    assert "expected to fail: ('bug 12',)" in brief


@pytest.mark.in_process
def test_a_ctrl_c_in_a_failures_text_is_no_pass(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path
) -> None:
    pytester.makeconftest(
        """
        import signal
        import pytest

        class Long:
            def __str__(self):
                signal.raise_signal(signal.SIGINT)

        @pytest.hookimpl(wrapper=True)
        def pytest_runtest_makereport():
            report = yield
            if report.failed:
                report.longrepr = Long()
            return report
        """
    )
    pytester.makepyfile("def test_a(): assert 0\ndef test_b(): pass")
    run = run_pytest("--pubdir", pubdir, "--tb=no", "-rN")
    assert run.ret == pytest.ExitCode.INTERRUPTED
    (result,) = tree_results(pubdir)
    assert (result["name"], result["outcome"]) == ("test_a", "failed")
    assert result["excinfo"]["type"] == "AssertionError"


def test_what_ends_bare_xdist_is_published(
    pytester: pytest.Pytester, run_pytest: RunPytest, pubdir: Path
) -> None:
    pytester.makepyfile(
        """
        def test_surrogate(): raise ValueError("\\udc80")
        def test_property(record_property): record_property("odd", object())
        def test_after(): pass
        """
    )
    for name in ("surrogate", "property"):
        bare = run_pytest("-n", "1", "-k", f"{name} or after")
        assert bare.ret == pytest.ExitCode.INTERNAL_ERROR, name
    run = run_pytest("-n", "1", "--pubdir", pubdir)
    assert run.ret == pytest.ExitCode.TESTS_FAILED
    outcomes = {name: result["outcome"] for name, result in by_name(tree_results(pubdir)).items()}
    assert outcomes == {
        "test_surrogate": "failed",
        "test_property": "passed",
        "test_after": "passed",
    }
