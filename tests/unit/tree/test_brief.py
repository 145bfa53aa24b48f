from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given

from odd_values import anything
from odd_values import texts
from odd_values import Unprintable
from pytest_publish.results.result import ExcInfo
from pytest_publish.results.result import Phase
from pytest_publish.results.result import Subtest
from pytest_publish.results.result import TestResult
from pytest_publish.tree.brief import render


def make_result(**changed: Any) -> TestResult:
    fields: dict[str, Any] = {
        "result": "pass",
        "outcome": "passed",
        "nodeid": "tests/test_mod.py::test_a[1]",
        "name": "test_a[1]",
        "start_time": 1_700_000_000.25,
        "stop_time": 1_700_000_000.75,
        "duration": 0.5,
        "file": "tests/test_mod.py",
        "line": 3,
    }
    return TestResult(**(fields | changed))


def heading(title: str) -> str:
    return f" {title} ".center(80, "=")


def test_a_passed_test_is_told_in_a_few_lines() -> None:
    assert render(make_result()) == (
        "PASSED  tests/test_mod.py::test_a[1]\n"
        "\n"
        "result    pass\n"
        "file      tests/test_mod.py:3\n"
        "started   2023-11-14 22:13:20 UTC\n"
        "took      0.500 s\n"
    )


def test_a_failed_test_is_told_with_all_that_is_known_of_it() -> None:
    excinfo = ExcInfo("ValueError", "no")
    result = make_result(
        result="fail",
        outcome="failed",
        excinfo=excinfo,
        attempt=2,
        xdist_dist="loadgroup",
        xdist_worker="gw1",
        xdist_scope="group",
        stdout="out\n",
        stderr="err\n\n",
        log="log",
        phases=[
            Phase("setup", "passed", 0.0, 0.1, 0.1),
            Phase("call", "failed", 0.1, 0.6, 0.5, excinfo),
        ],
        subtests=[Subtest("[part] (i=1)", "failed", 0.1, excinfo)],
        properties={"seed": 5, "tags": ["a", "b"]},
        _details=[("call", "def test_a():\n>   raise ValueError('no')\n")],
    )
    assert render(result) == "\n".join(
        [
            "FAILED  tests/test_mod.py::test_a[1]",
            "",
            "result    fail",
            "file      tests/test_mod.py:3",
            "started   2023-11-14 22:13:20 UTC",
            "took      0.500 s (setup 0.100 s, call 0.500 s)",
            "attempt   2",
            "worker    gw1 (--dist loadgroup)",
            "scope     group",
            "property  seed = 5",
            "property  tags = ['a', 'b']",
            "subtest   failed  [part] (i=1)",
            "",
            heading("call"),
            "def test_a():",
            ">   raise ValueError('no')",
            "",
            heading("captured stdout"),
            "out",
            "",
            heading("captured stderr"),
            "err",
            "",
            heading("captured log"),
            "log",
            "",
        ]
    )


@pytest.mark.parametrize(
    ("changed", "line"),
    [
        ({"line": None}, "file      tests/test_mod.py"),
        ({"xdist_dist": "load"}, "worker    none (--dist load)"),
    ],
)
def test_what_is_not_known_is_not_made_up(changed: dict[str, Any], line: str) -> None:
    assert line in render(make_result(**changed)).splitlines()


def test_a_result_of_no_file_has_no_line_for_it() -> None:
    assert "\nfile" not in render(make_result(file=None, line=None))


@given(texts)
def test_any_text_is_shown(text: str) -> None:
    assert text.rstrip("\n") in render(make_result(stdout=text + "."))


@given(anything)
def test_any_property_that_a_hook_adds_is_shown(value: object) -> None:
    assert "property  odd = " in render(make_result(properties={"odd": value}))


def test_a_property_is_shown_as_it_is_published() -> None:
    redact_url = render(make_result(properties={"a": Unprintable(), "b": math.nan}))
    assert "property  a = <Unprintable object: its repr raised ZeroDivisionError>\n" in redact_url
    assert "property  b = nan\n" in redact_url
