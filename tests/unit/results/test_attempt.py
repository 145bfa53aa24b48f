from __future__ import annotations

import orjson
import pytest

from pytest_publish.results.annotations import SwallowedPhase
from pytest_publish.results.result import ExcInfo
from pytest_publish.results.result import PhaseOutcome
from pytest_publish.results.result import When
from report_factories import bare
from report_factories import excinfo
from report_factories import feed
from report_factories import make_aggregator
from report_factories import NODEID
from report_factories import one
from report_factories import report
from report_factories import subtest
from report_factories import verdict
from report_factories import worker_annotations


def test_a_result_has_all_that_the_reports_tell() -> None:
    sections = [
        ("Captured stdout setup", "out 1\n"),
        ("Captured log setup", "log 1"),
    ]
    more = [("Captured stdout call", "out 2\n"), ("Captured stderr call", "err\n")]
    last = [("Captured log teardown", "log 2"), ("Captured stdout teardown", "out 3\n")]
    result = one(
        report("setup", sections=sections),
        report("call", "failed", sections=sections + more),
        report("teardown", sections=sections + more + last),
    )
    assert (result.nodeid, result.name) == (NODEID, "test_a[1]")
    assert (result.file, result.line) == ("tests/test_mod.py", 5)
    assert (result.stdout, result.stderr) == ("out 1\nout 2\nout 3\n", "err\n")
    assert result.log == "log 1\nlog 2"
    assert (result.start_time, result.stop_time, result.duration) == (200.0, 201.0, 0.5)
    assert result.excinfo == ExcInfo("ValueError", "no call", ["frame of no call\n"])
    assert [(phase.when, phase.outcome, phase.start_time) for phase in result.phases] == [
        ("setup", "passed", 100.0),
        ("call", "failed", 200.0),
        ("teardown", "passed", 300.0),
    ]
    assert [phase.excinfo for phase in result.phases] == [None, result.excinfo, None]
    assert (result.xdist_dist, result.xdist_worker, result.xdist_scope) == (None, None, None)
    assert result.details == [("call", "text of call")]


def test_if_call_and_teardown_fail_each_phase_tells_its_own() -> None:
    result = one(report("setup"), report("call", "failed"), report("teardown", "failed"))
    values = [phase.excinfo and phase.excinfo.value for phase in result.phases]
    assert values == [None, "no call", "no teardown"]
    assert result.details == [("call", "text of call"), ("teardown", "text of teardown")]


def test_what_an_earlier_attempt_printed_is_not_published_again() -> None:
    earlier = [("Captured stdout call", "first\n")]
    aggregator = make_aggregator()
    first = [report("setup"), report("call", "rerun", sections=earlier), report("teardown")]
    again = worker_annotations(attempt=2, earlier_sections=1)
    sections = [*earlier, ("Captured stdout call", "second\n")]
    second = [
        report("setup", sections=earlier, pytest_publish=again),
        report("call", sections=sections, pytest_publish=again),
        report("teardown", sections=sections, pytest_publish=again),
    ]
    results = feed(first + second, aggregator)
    assert [result.stdout for result in results] == ["first\n", "second\n"]


def swallowed(when: When, outcome: PhaseOutcome) -> SwallowedPhase:
    error = None if outcome == "passed" else excinfo(value="swallowed")
    return {
        "when": when,
        "outcome": outcome,
        "start_time": 5.0,
        "stop_time": 6.0,
        "duration": 1.0,
        "excinfo": error,
    }


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [
        ("failed", ("fail", "rerun", "swallowed")),
        ("passed", ("pass", "passed", None)),
        ("skipped", ("skip", "skipped", "swallowed")),
    ],
)
def test_a_call_whose_report_was_swallowed_is_told_with_the_teardown(
    outcome: PhaseOutcome, expected: tuple[str, str, str | None]
) -> None:
    aggregator = make_aggregator()
    late = worker_annotations(swallowed=[swallowed("setup", "passed"), swallowed("call", outcome)])
    first, second = feed(
        [
            *(report("setup"), report("teardown", pytest_publish=late)),
            *(report(when) for when in ("setup", "call", "teardown")),
        ],
        aggregator,
    )
    assert verdict(first) == expected
    assert (first.start_time, first.attempt) == (5.0, 1)
    assert [phase.when for phase in first.phases] == ["setup", "call", "teardown"]
    assert (second.outcome, second.attempt) == ("passed", 2)


def test_what_a_plugin_only_held_back_is_told_once() -> None:
    late = worker_annotations(swallowed=[swallowed("call", "failed")])
    result = one(report("setup"), report("call"), report("teardown", pytest_publish=late))
    assert verdict(result) == ("pass", "passed", None)
    assert [phase.when for phase in result.phases] == ["setup", "call", "teardown"]


def test_subtests_are_children_of_their_tests_result() -> None:
    result = one(
        report("setup"),
        subtest("passed", "first"),
        subtest("skipped", "second"),
        subtest("skipped", "third", wasxfail="why"),
        report("call"),
        report("teardown"),
    )
    assert verdict(result) == ("pass", "passed", None)
    assert [(child.description, child.outcome) for child in result.subtests] == [
        ("[first]", "passed"),
        ("[second]", "skipped"),
        ("[third]", "xfailed"),
    ]
    assert [child.excinfo and child.excinfo.value for child in result.subtests] == [
        None,
        "no call",
        "no call",
    ]
    assert [phase.when for phase in result.phases] == ["setup", "call", "teardown"]


def test_the_output_of_a_test_is_taken_once_though_its_subtests_repeat_it() -> None:
    setup = [("Captured stdout setup", "setup\n")]
    result = one(
        report("setup", sections=setup),
        subtest("passed", "a", sections=[*setup, ("Captured stdout call", "in a\n")]),
        report("call", sections=[*setup, ("Captured stdout call", "in call\n")]),
        report("teardown", sections=[*setup, ("Captured stdout call", "in call\n")]),
    )
    assert result.stdout == "setup\nin a\nin call\n"


PAIRS = [("seed", 5), ("tag", "a"), ("tag", ["b"]), ("tag", None)]


@pytest.mark.parametrize("is_forwarded", [True, False])
def test_a_property_of_a_repeated_name_has_a_list_of_its_values(*, is_forwarded: bool) -> None:
    if is_forwarded:
        told = worker_annotations(properties=orjson.dumps(PAIRS).decode())
        reports = [report(when, pytest_publish=told) for when in ("setup", "call", "teardown")]
    else:
        reports = [bare(when, user_properties=PAIRS) for when in ("setup", "call", "teardown")]
    assert one(*reports).properties == {"seed": 5, "tag": ["a", ["b"], None]}


def test_the_last_report_has_all_properties() -> None:
    recorded = [orjson.dumps(PAIRS[:count]).decode() for count in (0, 1, 2)]
    reports = [
        report(when, pytest_publish=worker_annotations(properties=text))
        for when, text in zip(("setup", "call", "teardown"), recorded, strict=True)
    ]
    assert one(*reports).properties == {"seed": 5, "tag": "a"}


def test_properties_that_are_not_forwarded_are_made_plain() -> None:
    pairs = [("set", {1}), (5, 2**70)]
    reports = [bare(when, user_properties=pairs) for when in ("setup", "call", "teardown")]
    assert one(*reports).properties == {"set": "{1}", "5": str(2**70)}
