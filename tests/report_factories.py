"""Reports as pytest makes them, and what an aggregator makes of them."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any
from typing import cast

from pytest_publish.results.aggregate import Aggregator
from pytest_publish.results.annotations import annotations_of
from pytest_publish.results.annotations import ExceptionData
from pytest_publish.results.annotations import WorkerAnnotations
from pytest_publish.results.encoding import to_json
from pytest_publish.results.report import Report
from pytest_publish.results.result import TestResult
from support import valid


NODEID = "tests/test_mod.py::TestC::test_a[1]"
LOCATION = ("tests/test_mod.py", 4, "TestC.test_a[1]")
NOW = 1000.0
#: When the phases of a test begin, so that each has times of its own.
BEGINNINGS = {"setup": 100.0, "call": 200.0, "teardown": 300.0, "???": 0.0}


def excinfo(kind: str = "ValueError", value: str = "no") -> ExceptionData:
    return {"type": kind, "value": value, "traceback": [f"frame of {value}\n"]}


def worker_annotations(**more: Any) -> WorkerAnnotations:
    """Return what a process that runs tests adds to a report."""
    names = {"name": "test_a[1]", "nodeid": NODEID}
    return cast("WorkerAnnotations", {**names, "excinfo": None, "attempt": 1, **more})


def bare(when: str, outcome: str = "passed", **more: Any) -> Report:
    """Return a report as pytest makes it, of a process without the plugin."""
    begun = BEGINNINGS[when]
    fields: dict[str, Any] = {
        "nodeid": NODEID,
        "location": LOCATION,
        "when": when,
        "outcome": outcome,
        "longrepr": None if outcome == "passed" else f"text of {when}",
        "duration": 0.5,
        "start": begun,
        "stop": begun + 1.0,
        "sections": [],
        "user_properties": [],
    }
    return cast("Report", SimpleNamespace(**(fields | more)))


def report(when: str, outcome: str = "passed", **more: Any) -> Report:
    """Return a report with what the plugin adds to it."""
    error = None if outcome == "passed" else excinfo(value=f"no {when}")
    return bare(when, outcome, **({"pytest_publish": worker_annotations(excinfo=error)} | more))


def crash(**more: Any) -> Report:
    """Return the report by which xdist tells that a worker died in a test."""
    nodeid: str = more.get("nodeid", NODEID)
    file = nodeid.split("::", maxsplit=1)[0]
    fields: dict[str, Any] = {
        "outcome": "failed",
        "location": (file, None, file),
        "longrepr": f"worker 'gw0' crashed while running '{nodeid}'",
        "start": 0,
        "stop": 0,
        "duration": 0,
    }
    return bare("???", **(fields | more))


def subtest(outcome: str, text: str, **more: Any) -> Report:
    """Return the report of a subtest, which pytest sends as one more call."""
    context = SimpleNamespace(msg=text, kwargs={})
    return report(
        "call",
        outcome,
        **({"context": context, "_sub_test_description": lambda: f"[{text}]"} | more),
    )


def make_aggregator(dist: str | None = None) -> Aggregator:
    return Aggregator(dist=dist, clock=lambda: NOW)


def checked(result: TestResult) -> TestResult:
    """Return a result that keeps to the published schema."""
    before = result.run_id, result.session_id
    result.run_id = result.session_id = "id"
    valid(json.loads(to_json(result)))
    result.run_id, result.session_id = before
    return result


def feed(
    reports: Iterable[Report], aggregator: Aggregator | None = None, worker: str | None = None
) -> list[TestResult]:
    """Add reports and return the results that they complete."""
    used = aggregator or make_aggregator()
    return [
        result for one in reports for result in taken(used.add(one, annotations_of(one), worker))
    ]


def finished(aggregator: Aggregator) -> list[TestResult]:
    """End the session and return the results of what was still open."""
    return taken(aggregator.finish())


def taken(queue: deque[TestResult]) -> list[TestResult]:
    """Take all results out of an aggregator's queue."""
    return [checked(queue.popleft()) for _ in range(len(queue))]


def one(*reports: Report, dist: str | None = None) -> TestResult:
    """Return the one result that reports complete."""
    aggregator = make_aggregator(dist)
    (result,) = feed(reports, aggregator, "gw0" if dist else None)
    assert finished(aggregator) == []
    return result


def verdict(result: TestResult) -> tuple[str, str, str | None]:
    value = None if result.excinfo is None else result.excinfo.value
    return result.result, result.outcome, value


XFAILED = {"wasxfail": "why"}
STRICT = {
    "longrepr": "[XPASS(strict)] why",
    "pytest_publish": worker_annotations(),
}
