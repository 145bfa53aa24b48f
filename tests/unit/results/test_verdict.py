from __future__ import annotations

import itertools
from typing import Any

import pytest

from pytest_publish.results.report import Report
from report_factories import BEGINNINGS
from report_factories import crash
from report_factories import one
from report_factories import report
from report_factories import STRICT
from report_factories import subtest
from report_factories import verdict
from report_factories import XFAILED


@pytest.mark.parametrize(
    ("reports", "expected"),
    [
        ([report("setup"), report("call"), report("teardown")], ("pass", "passed", None)),
        (
            [report("setup"), report("call", "failed"), report("teardown")],
            ("fail", "failed", "no call"),
        ),
        ([report("setup", "failed"), report("teardown")], ("fail", "error", "no setup")),
        (
            [report("setup"), report("call"), report("teardown", "failed")],
            ("fail", "error", "no teardown"),
        ),
        (
            [report("setup"), report("call", "failed"), report("teardown", "failed")],
            ("fail", "failed", "no call"),
        ),
        (
            [report("setup", "failed"), report("teardown", "failed")],
            ("fail", "error", "no setup"),
        ),
        ([report("setup", "skipped"), report("teardown")], ("skip", "skipped", "no setup")),
        (
            [report("setup"), report("call", "skipped"), report("teardown")],
            ("skip", "skipped", "no call"),
        ),
        (
            [report("setup"), report("call"), report("teardown", "skipped")],
            ("skip", "skipped", "no teardown"),
        ),
        (
            [report("setup"), report("call", "skipped"), report("teardown", "failed")],
            ("fail", "error", "no teardown"),
        ),
        (
            [report("setup", "skipped", **XFAILED), report("teardown")],
            ("skip", "xfailed", "no setup"),
        ),
        (
            [report("setup"), report("call", "skipped", **XFAILED), report("teardown")],
            ("skip", "xfailed", "no call"),
        ),
        (
            [report("setup"), report("call", "passed", **XFAILED), report("teardown")],
            ("pass", "xpassed", None),
        ),
        (
            [report("setup", "passed", **XFAILED), report("call"), report("teardown")],
            ("pass", "passed", None),
        ),
        (
            [report("setup"), report("call", "passed", **XFAILED), report("teardown", "failed")],
            ("fail", "error", "no teardown"),
        ),
        (
            [report("setup"), report("call", "failed", **STRICT), report("teardown")],
            ("fail", "failed", "[XPASS(strict)] why"),
        ),
        (
            [report("setup"), report("call", "rerun"), report("teardown")],
            ("fail", "rerun", "no call"),
        ),
        ([report("setup", "rerun"), report("teardown")], ("fail", "rerun", "no setup")),
    ],
)
def test_a_test_is_judged_by_the_gravest_of_its_phases(
    reports: list[Report], expected: tuple[str, str, str | None]
) -> None:
    assert verdict(one(*reports)) == expected


PHASES = ["passed", "skipped", "failed", "xfailed"]


def phase(when: str, outcome: str) -> Report:
    if outcome == "xfailed":
        return report(when, "skipped", wasxfail="")
    return report(when, outcome)


@pytest.mark.parametrize(("call", "teardown"), list(itertools.product(PHASES, PHASES)))
def test_whatever_its_phases_a_result_keeps_to_the_schema(call: str, teardown: str) -> None:
    # That one() checks.
    result = one(report("setup"), phase("call", call), phase("teardown", teardown))
    assert (result.result == "fail") == ("failed" in (call, teardown))
    assert (result.result == "pass") == ({call, teardown} == {"passed"})
    assert [phase.outcome for phase in result.phases] == ["passed", call, teardown]


@pytest.mark.parametrize(
    ("reports", "when"),
    [
        ([report("setup", "failed"), report("teardown")], "setup"),
        ([report("setup", "skipped"), report("teardown", "failed")], "teardown"),
        ([report("setup"), report("call"), report("teardown", "failed")], "call"),
    ],
)
def test_the_times_are_of_the_call_or_of_the_phase_that_decided(
    reports: list[Report], when: str
) -> None:
    assert one(*reports).start_time == BEGINNINGS[when]


def test_a_test_without_a_word_of_its_call_has_not_passed() -> None:
    result = one(report("setup"), report("teardown"))
    assert (result.result, result.outcome) == ("skip", "skipped")
    assert result.excinfo is not None
    assert "no report of the test's call" in result.excinfo.value
    assert result.details == [("setup", result.excinfo.value)]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({"outcome": "rerun"}, ("fail", "rerun")),
        ({"outcome": "skipped", "wasxfail": "why"}, ("skip", "xfailed")),
        ({"outcome": "skipped"}, ("skip", "skipped")),
        ({"outcome": "passed"}, ("pass", "passed")),
        ({"outcome": None}, ("fail", "crashed")),
    ],
)
def test_a_crash_that_a_plugin_has_judged_keeps_its_outcome(
    more: dict[str, Any], expected: tuple[str, str]
) -> None:
    result = one(report("setup"), crash(**more), dist="load")
    assert (result.result, result.outcome) == expected
    assert (result.excinfo is None) == (expected[0] == "pass")


@pytest.mark.parametrize(
    ("outcome", "value"),
    [
        ("passed", "contains 2 failed subtests"),
        ("skipped", "contains 2 failed subtests"),
        ("failed", "no call"),
    ],
)
def test_a_test_with_a_failed_subtest_has_failed_whatever_its_own_report_says(
    outcome: str, value: str
) -> None:
    result = one(
        report("setup"),
        subtest("failed", "first"),
        subtest("failed", "second"),
        report("call", outcome),
        report("teardown"),
    )
    assert verdict(result) == ("fail", "failed", value)
    assert [phase.outcome for phase in result.phases] == ["passed", "failed", "passed"]
    assert [heading for heading, _text in result.details][:2] == [
        "subtest [first]",
        "subtest [second]",
    ]


def test_one_failed_subtest_is_told_as_one() -> None:
    result = one(report("setup"), subtest("failed", "a"), report("call"), report("teardown"))
    assert verdict(result) == ("fail", "failed", "contains 1 failed subtest")
