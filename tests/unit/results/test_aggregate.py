from __future__ import annotations

import sys
from types import FrameType
from types import SimpleNamespace
from typing import Any
from typing import cast

import pytest

from pytest_publish.results.aggregate import Aggregator
from pytest_publish.results.annotations import annotations_of
from pytest_publish.results.attempt import Attempt
from pytest_publish.results.report import CollectReport
from pytest_publish.results.report import Report
from pytest_publish.results.result import ExcInfo
from pytest_publish.results.result import TestResult
from pytest_publish.results.verdict import judge
from report_factories import bare
from report_factories import crash
from report_factories import excinfo
from report_factories import feed
from report_factories import finished
from report_factories import LOCATION
from report_factories import make_aggregator
from report_factories import NODEID
from report_factories import NOW
from report_factories import one
from report_factories import report
from report_factories import subtest
from report_factories import taken
from report_factories import verdict
from report_factories import worker_annotations
from report_factories import XFAILED


def test_each_attempt_of_a_rerun_test_is_a_result_with_its_number() -> None:
    outcomes = ["rerun", "rerun", "passed"]
    reports = [
        report(
            when,
            outcome if when == "call" else "passed",
            pytest_publish=worker_annotations(attempt=number, excinfo=excinfo()),
        )
        for number, outcome in enumerate(outcomes, 1)
        for when in ("setup", "call", "teardown")
    ]
    results = feed(reports)
    assert [(result.outcome, result.attempt) for result in results] == [
        ("rerun", 1),
        ("rerun", 2),
        ("passed", 3),
    ]
    assert [len(result.phases) for result in results] == [3, 3, 3]


def test_a_test_that_runs_again_later_begins_to_count_anew() -> None:
    # As with pytest-repeat's or a flaky plugin's own way, without a rerun's outcome.
    reports = [report(when) for when in ("setup", "call", "teardown")] * 2
    assert [result.attempt for result in feed(reports)] == [1, 1]


def test_a_new_setup_ends_an_attempt_that_had_no_teardown() -> None:
    aggregator = make_aggregator()
    assert feed([report("setup"), report("call", "failed")], aggregator) == []
    (first,) = feed([report("setup")], aggregator)
    assert (first.outcome, first.attempt, len(first.phases)) == ("failed", 1, 2)
    (second,) = feed([report("call"), report("teardown")], aggregator)
    assert (second.outcome, second.attempt, len(second.phases)) == ("passed", 2, 3)


def test_an_attempt_that_never_came_to_its_body_is_forgotten_at_a_new_setup() -> None:
    aggregator = make_aggregator()
    (result,) = feed(
        [report("setup"), report("setup"), report("call"), report("teardown")], aggregator
    )
    assert (result.attempt, len(result.phases)) == (1, 3)


def test_the_same_test_on_two_workers_is_two_results() -> None:
    aggregator = make_aggregator("each")
    whens = ("setup", "call", "teardown")
    results = [
        result
        for when in whens
        for worker in ("gw0", "gw1")
        for result in feed(
            [report(when, "failed" if (when, worker) == ("call", "gw1") else "passed")],
            aggregator,
            worker,
        )
    ]
    assert [(result.xdist_worker, result.result, result.attempt) for result in results] == [
        ("gw0", "pass", 1),
        ("gw1", "fail", 1),
    ]


def test_a_report_whose_node_id_a_plugin_changed_stays_its_tests() -> None:
    changed = report("call", "failed", nodeid="A nicer name")
    result = one(report("setup"), changed, report("teardown"))
    assert (result.nodeid, result.outcome) == (NODEID, "failed")


class Interrupting:
    """Text that takes long to make: while it is made, there comes a Ctrl-C."""

    def __str__(self) -> str:
        raise KeyboardInterrupt


OUR_FILES = {
    sys.modules[part.__module__].__file__ for part in (Aggregator, Attempt, judge, ExcInfo)
}


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (report("call", "failed", longrepr=Interrupting()), ("fail", "failed")),
        (report("call", "skipped", longrepr=Interrupting(), **XFAILED), ("skip", "xfailed")),
        (report("call", "rerun", longrepr=Interrupting()), ("fail", "rerun")),
        (bare("call", "failed", longrepr=Interrupting()), ("fail", "failed")),
        (subtest("failed", "part", longrepr=Interrupting()), ("fail", "failed")),
        (crash(longrepr=Interrupting()), ("fail", "crashed")),
    ],
)
def test_a_ctrl_c_while_a_text_is_read_changes_no_verdict(
    last: Report, expected: tuple[str, str]
) -> None:
    aggregator = make_aggregator("load")
    feed([report("setup")], aggregator, "gw0")
    with pytest.raises(KeyboardInterrupt):
        feed([last], aggregator, "gw0")
    (result,) = finished(aggregator)
    assert (result.result, result.outcome) == expected
    assert finished(aggregator) == []


def interrupted_at(step: int) -> list[TestResult] | None:
    """Feed three tests, with a Ctrl-C at a step of our own code; None if it has fewer."""
    aggregator = make_aggregator()
    names = [f"m.py::test_{number}" for number in range(3)]
    steps = 0

    def trace(frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal steps
        if frame.f_code.co_filename not in OUR_FILES:
            return None
        if event in ("line", "return"):
            steps += 1
            if steps == step:
                raise KeyboardInterrupt
        return trace

    taken_out: list[TestResult] = []
    is_interrupted = False
    for name in names:
        for when in ("setup", "call", "teardown"):
            outcome = "failed" if when == "call" else "passed"
            fed = report(when, outcome, nodeid=name, pytest_publish=worker_annotations(nodeid=name))
            if name == names[1] and when != "setup":
                sys.settrace(trace)
            try:
                queue = aggregator.add(fed, annotations_of(fed), None)
            except KeyboardInterrupt:
                is_interrupted = True
                continue
            finally:
                sys.settrace(None)
            taken_out += taken(queue)
    return taken_out + finished(aggregator) if is_interrupted else None


def test_whenever_a_ctrl_c_comes_each_result_is_handed_out_once() -> None:
    step = 1
    while (results := interrupted_at(step)) is not None:
        found = sorted((result.nodeid, result.attempt) for result in results)
        # A report that was not taken in at all is as if it had never come.
        assert found == [(f"m.py::test_{number}", 1) for number in range(3)], step
        verdicts = {result.nodeid: result.result for result in results}
        assert verdicts.pop("m.py::test_1") in ("fail", "skip")
        assert set(verdicts.values()) == {"fail"}
        step += 1
    assert step > 100


@pytest.mark.parametrize(
    ("reports", "decided"),
    [
        ([report("setup")], False),
        ([report("setup", "failed")], True),
        ([report("setup", "skipped")], True),
        ([report("setup"), report("call")], True),
        ([report("setup"), report("call", "failed")], True),
        ([report("setup"), subtest("passed", "part")], False),
        ([report("setup"), subtest("failed", "part")], True),
    ],
)
def test_at_the_end_only_what_is_decided_is_published(
    reports: list[Report], *, decided: bool
) -> None:
    aggregator = make_aggregator()
    assert feed(reports, aggregator) == []
    assert len(finished(aggregator)) == decided
    assert finished(aggregator) == []


# Only pytest-rerunfailures sends subtests before their test's setup.
def test_a_failed_subtest_of_a_test_without_a_phase_is_published_at_the_end() -> None:
    aggregator = make_aggregator()
    feed([subtest("failed", "part")], aggregator)
    (result,) = finished(aggregator)
    assert verdict(result) == ("fail", "failed", "contains 1 failed subtest")


def test_a_crash_in_the_setup_is_told_by_what_was_known_when_it_began() -> None:
    aggregator = make_aggregator("load")
    aggregator.start(NODEID, LOCATION)
    (result,) = feed([crash()], aggregator, "gw0")
    assert (result.result, result.outcome, result.phases) == ("fail", "crashed", [])
    assert result.excinfo == ExcInfo(
        "WorkerCrashed", f"worker 'gw0' crashed while running '{NODEID}'"
    )
    assert (result.nodeid, result.name, result.line) == (NODEID, "test_a[1]", 5)
    assert (result.start_time, result.stop_time) == (NOW, NOW)
    assert result.xdist_worker == "gw0"


def test_a_crash_without_anything_before_it_is_a_result_too() -> None:
    (result,) = feed([crash()], make_aggregator("load"), "gw0")
    assert (result.outcome, result.nodeid, result.line) == ("crashed", NODEID, None)
    assert result.start_time == NOW


def test_a_crash_in_the_body_lasts_from_the_last_phase_until_it_is_known() -> None:
    (result,) = feed([report("setup"), crash()], make_aggregator("load"), "gw0")
    assert (result.result, result.outcome) == ("fail", "crashed")
    assert (result.start_time, result.stop_time, result.duration) == (101.0, NOW, NOW - 101.0)
    assert [phase.when for phase in result.phases] == ["setup"]


@pytest.mark.parametrize("outcome", ["passed", "failed", "skipped"])
def test_a_crash_in_the_teardown_keeps_the_times_of_the_call(outcome: str) -> None:
    (result,) = feed(
        [report("setup"), report("call", outcome), crash()], make_aggregator("load"), "gw0"
    )
    assert (result.result, result.outcome) == ("fail", "crashed")
    assert (result.start_time, result.duration) == (200.0, 0.5)
    assert [phase.outcome for phase in result.phases] == ["passed", outcome]


def test_a_clock_that_was_set_back_gives_no_negative_times() -> None:
    aggregator = Aggregator(dist="load", clock=lambda: 5.0)
    (result,) = feed([report("setup"), crash()], aggregator, "gw0")
    assert (result.start_time, result.stop_time, result.duration) == (101.0, 101.0, 0.0)


def test_a_test_that_runs_again_after_a_crash_is_another_attempt() -> None:
    aggregator = make_aggregator("load")
    (first,) = feed([report("setup"), crash()], aggregator, "gw0")
    (second,) = feed([report("setup"), report("call"), report("teardown")], aggregator, "gw2")
    assert [(result.outcome, result.attempt) for result in (first, second)] == [
        ("crashed", 1),
        ("passed", 2),
    ]


@pytest.mark.parametrize("is_started", [True, False])
@pytest.mark.parametrize(
    ("name", "domain", "group"),
    [
        ("test_a", "test_a", "g"),
        ("test_a[x@y]", "test_a[x@y]", "g"),
        ("TestC::test_a[1]", "TestC.test_a[1]", "g"),
        ("test_a", "test_a", "a_b"),
        ("test_a", "test_a", None),
        ("test_a[x@y]", "test_a[x@y]", None),
    ],
)
def test_a_crash_in_a_group_is_told_without_the_suffix(
    name: str, domain: str, group: str | None, *, is_started: bool
) -> None:
    own = f"tests/test_mod.py::{name}"
    scheduled = own if group is None else f"{own}@{group}"
    aggregator = make_aggregator("loadgroup")
    if is_started:
        aggregator.start(scheduled, ("tests/test_mod.py", 4, domain))
    (result,) = feed([crash(nodeid=scheduled)], aggregator, "gw0")
    assert (result.nodeid, result.xdist_scope) == (own, own if group is None else group)
    assert result.name == name.rpartition("TestC::")[2]
    assert result.excinfo is not None
    assert result.excinfo.value == f"worker 'gw0' crashed while running '{own}'"


@pytest.mark.parametrize("group", ["a@b", "@", "g]h", "a::b", "m.py::test_a"])
@pytest.mark.parametrize("name", ["test_a", "test_a[x]", "test_a[x::y@z]"])
def test_a_group_may_hold_any_sign_if_the_test_was_seen_to_start(name: str, group: str) -> None:
    own = f"tests/test_mod.py::TestC::{name}"
    aggregator = make_aggregator("loadgroup")
    aggregator.start(f"{own}@{group}", ("tests/test_mod.py", 4, f"TestC.{name}"))
    (result,) = feed([crash(nodeid=f"{own}@{group}")], aggregator, "gw0")
    assert (result.nodeid, result.name, result.xdist_scope) == (own, name, group)


def test_an_at_sign_is_no_group_where_nothing_is_scheduled_by_groups() -> None:
    nodeid = "tests/test_mod.py::test_a@g"
    (result,) = feed([crash(nodeid=nodeid)], make_aggregator("load"), "gw0")
    assert result.nodeid == nodeid


@pytest.mark.parametrize(
    ("dist", "nodeid", "scope"),
    [
        ("load", NODEID, None),
        ("each", NODEID, None),
        ("worksteal", NODEID, None),
        ("no", NODEID, None),
        ("loadfile", NODEID, "tests/test_mod.py"),
        ("loadscope", NODEID, "tests/test_mod.py::TestC"),
        ("loadscope", "m.py::test_a", "m.py"),
        # As xdist computes it, for better or worse.
        ("loadscope", "m.py::test_a[x::y]", "m.py::test_a[x"),
        ("loadgroup", NODEID, NODEID),
    ],
)
def test_the_scope_is_that_by_which_xdist_schedules(
    dist: str, nodeid: str, scope: str | None
) -> None:
    told = worker_annotations(nodeid=nodeid)
    reports = [
        report(when, nodeid=nodeid, pytest_publish=told) for when in ("setup", "call", "teardown")
    ]
    result = one(*reports, dist=dist)
    assert (result.xdist_dist, result.xdist_worker) == (dist, "gw0")
    assert result.xdist_scope == scope


@pytest.mark.parametrize("is_shown", [True, False])
@pytest.mark.parametrize("group", ["g", "a@b", ""])
def test_in_a_loadgroup_run_the_group_is_the_scope_and_never_in_the_node_id(
    group: str, *, is_shown: bool
) -> None:
    scheduled = f"{NODEID}@{group}" if is_shown else NODEID
    reports = [
        report(when, nodeid=scheduled, pytest_publish=worker_annotations(group=group))
        for when in ("setup", "call", "teardown")
    ]
    result = one(*reports, dist="loadgroup")
    assert (result.nodeid, result.xdist_scope) == (NODEID, group)


def collected(outcome: str, **more: Any) -> CollectReport:
    fields: dict[str, Any] = {
        "nodeid": "tests/test_mod.py",
        "outcome": outcome,
        "longrepr": "text of the error",
        "sections": [("Captured stdout", "out"), ("Captured stderr", "err"), ("Captured log", "l")],
    }
    return cast("CollectReport", SimpleNamespace(**(fields | more)))


def collect(*reports: CollectReport, dist: str | None = None) -> list[TestResult]:
    aggregator = make_aggregator(dist)
    return [
        result
        for one in reports
        for result in taken(aggregator.add_collected(one, annotations_of(one)))
    ]


def test_a_file_that_was_collected_is_no_result() -> None:
    assert collect(collected("passed")) == []


@pytest.mark.parametrize(
    ("outcome", "expected"),
    [("failed", ("fail", "error", "no")), ("skipped", ("skip", "skipped", "no"))],
)
def test_a_file_that_was_not_collected_is_a_result(
    outcome: str, expected: tuple[str, str, str]
) -> None:
    told = {"start": 10.0, "stop": 12.0, "duration": 2.0, "excinfo": excinfo("ImportError")}
    (result,) = collect(collected(outcome, pytest_publish=told))
    assert verdict(result) == expected
    assert (result.nodeid, result.name) == ("tests/test_mod.py", "test_mod.py")
    assert (result.file, result.line) == ("tests/test_mod.py", None)
    assert (result.start_time, result.stop_time, result.duration) == (10.0, 12.0, 2.0)
    assert (result.stdout, result.stderr, result.log) == ("out", "err", "l")
    assert [(phase.when, phase.outcome) for phase in result.phases] == [("collect", outcome)]
    assert result.details == [("collection", "text of the error")]


def test_without_forwarded_data_a_files_error_is_told_by_its_text() -> None:
    (result,) = collect(collected("failed"))
    assert result.excinfo == ExcInfo("Failed", "text of the error")
    assert (result.start_time, result.stop_time, result.duration) == (NOW, NOW, 0.0)


def test_a_file_that_no_worker_can_collect_is_one_result() -> None:
    reports = [collected("failed", longrepr=f"on worker {number}") for number in range(3)]
    assert len(collect(*reports, dist="load")) == 1


@pytest.mark.parametrize(
    ("outcomes", "published"),
    [
        (["skipped", "failed"], [("skip", 1), ("fail", 2)]),
        (["failed", "skipped"], [("fail", 1)]),
        (["skipped", "skipped", "failed", "failed", "skipped"], [("skip", 1), ("fail", 2)]),
        (["passed", "failed"], [("fail", 1)]),
        ([None], [("fail", 1)]),
    ],
)
def test_of_a_file_that_is_collected_again_no_failure_is_hidden(
    outcomes: list[str], published: list[tuple[str, int]]
) -> None:
    results = collect(*map(collected, outcomes), dist="load")
    assert [(result.result, result.attempt) for result in results] == published


def test_the_error_of_the_session_itself_has_a_name() -> None:
    (result,) = collect(collected("failed", nodeid=""))
    assert (result.nodeid, result.name) == (".", ".")


@pytest.mark.parametrize(("dist", "scope"), [("load", None), ("loadgroup", "tests/test_mod.py")])
def test_a_file_has_a_scope_only_where_the_tree_needs_it(dist: str, scope: str | None) -> None:
    (result,) = collect(collected("failed"), dist=dist)
    assert (result.xdist_dist, result.xdist_worker, result.xdist_scope) == (dist, None, scope)
