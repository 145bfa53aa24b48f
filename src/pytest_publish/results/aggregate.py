"""Reports in, finished results out: which report belongs to which attempt of a test.

No I/O and no hooks. What an attempt's reports tell is gathered in
:mod:`~pytest_publish.results.attempt`, and judged in :mod:`~pytest_publish.results.verdict`.
"""

from __future__ import annotations

import collections
from collections.abc import Callable
from typing import Final

from .annotations import name_in
from .annotations import WorkerAnnotations
from .attempt import Attempt
from .attempt import Key
from .report import as_text
from .report import captured_in
from .report import CollectReport
from .report import CRASH
from .report import excinfo_of
from .report import Location
from .report import location_of
from .report import Report
from .report import sections_of
from .report import text_of
from .report import without_group
from .result import Outcome
from .result import Phase
from .result import TestResult
from .result import VERDICTS
from .values import escape
from .verdict import judge


_PHASES: Final = ("setup", "call", "teardown")


class Aggregator:
    """Collects the reports of a run and returns each result when it is complete.

    A result is complete at its teardown report, at a crash report, at a new setup
    of the same test on the same worker, or at the end of the session.

    A Ctrl-C may come at any point. So an attempt is forgotten only when its result is
    made. All methods return the same queue: a result stays in it until it is taken out.

    ``dist`` is the run's ``--dist`` mode or None. ``clock`` returns epoch seconds;
    it is asked only where pytest gives no time (crashes, and collection errors of
    a worker without this plugin).
    """

    def __init__(self, *, dist: str | None, clock: Callable[[], float]) -> None:
        self.dist = dist
        #: The machine of each worker, and of this process; None if it is not known.
        self.hosts: dict[str | None, str | None] = {}
        self._clock = clock
        self._attempts: dict[Key, Attempt] = {}
        self._completed: collections.deque[TestResult] = collections.deque()
        # A result that is made, and the attempt that it closes; None for that of a file.
        self._closing: tuple[TestResult, Attempt | None] | None = None
        self._started: dict[str, tuple[Location, float]] = {}
        # Of the test that each worker began last: its scheduled node id, and what was told of it.
        self._begun: dict[str | None, tuple[str, WorkerAnnotations]] = {}
        # The outcome that was last published of each file that did not pass.
        self._uncollected: dict[str, Outcome] = {}
        # Only of tests that were attempted again, so that memory stays constant.
        self._next_attempt: dict[Key, int] = {}

    def start(self, nodeid: str, location: Location) -> None:
        """Take note that a test begins: all that is known if its setup crashes."""
        self._started[nodeid] = (location, self._clock())

    def note_start(
        self, worker: str | None, scheduled: str, annotations: WorkerAnnotations
    ) -> None:
        """Take note of what a worker tells of a test that begins, in any thread."""
        self._begun[worker] = (scheduled, annotations)

    def next_attempt(self, worker: str | None, nodeid: str) -> int:
        """Return the number that a test's next attempt has, as far as reports have come."""
        return self._next_attempt.get(self._number_key(worker, nodeid), 1)

    def add(
        self, report: Report, annotations: WorkerAnnotations, worker: str | None
    ) -> collections.deque[TestResult]:
        """Take in a report of a test; return the results that are complete."""
        if self._closing is not None:
            self._settle()
        # A plugin may change the node id of a report, and of one phase only.
        if "scheduled" in annotations:
            key = worker, annotations["scheduled"]
        elif "nodeid" in annotations:
            key = worker, annotations["nodeid"]
        else:
            key = worker, report.nodeid
        attempt = self._attempts.get(key)
        when = report.when
        # Whether it is of a later attempt of the test: pytest-rerunfailures (14 to 16.7) sends
        # the phases' reports when the attempt is over, after those of its subtests.
        if attempt is not None and (
            ("attempt" in annotations and annotations["attempt"] != attempt.number)
            or (when == "setup" and attempt.phases)
        ):
            if attempt.is_decided:
                attempt.is_tried_again = True
                self._finish(attempt)
            attempt = None
        if attempt is None:
            attempt = self._attempts[key] = self._new_attempt(key, report, annotations)
        if when == CRASH:
            attempt.add_crash(report, attempt.call or self._cut_off(attempt))
            self._finish(attempt)
        else:
            # A plugin may have a word of its own.
            attempt.add(report, when if when in _PHASES else "call", annotations)
            if when == "teardown":
                self._finish(attempt)
        return self._completed

    def add_collected(
        self, report: CollectReport, annotations: WorkerAnnotations
    ) -> collections.deque[TestResult]:
        """Take in the report of a file, folder or class, which is a result unless it passed.

        Each worker collects all files, and xdist lets through each report whose text
        differs from the other workers'. So only the first report of a file counts. But
        no failure is hidden by a skip that was published before it: it is another result
        of the file.
        """
        self._settle()
        if report.outcome == "passed":
            return self._completed
        outcome: Outcome = "skipped" if report.outcome == "skipped" else "error"
        nodeid = as_text(report.nodeid) or "."  # the session itself
        if self._uncollected.get(nodeid) not in (outcome, "error"):
            self._closing = self._collect_result(report, annotations, nodeid, outcome), None
            self._settle()
        return self._completed

    def finish(self) -> collections.deque[TestResult]:
        """End the session: return what finished without a teardown report.

        A test that was cut off before its body ended has no result.
        """
        self._settle()
        for attempt in [attempt for attempt in self._attempts.values() if attempt.is_decided]:
            self._finish(attempt)
        self._attempts.clear()
        return self._completed

    def _collect_result(
        self, report: CollectReport, annotations: WorkerAnnotations, nodeid: str, outcome: Outcome
    ) -> TestResult:
        now = self._clock()
        stdout, stderr, log = captured_in(sections_of(report))
        phase = Phase(
            "collect",
            "failed" if outcome == "error" else "skipped",
            annotations.get("start", now),
            annotations.get("stop", now),
            annotations.get("duration", 0.0),
            excinfo_of(report, annotations),
            text_of(report.longrepr) or None,
        )
        return TestResult(
            result=VERDICTS[outcome],
            outcome=outcome,
            nodeid=nodeid,
            name=name_in(nodeid).rpartition("/")[2] or nodeid,
            start_time=phase.start_time,
            stop_time=phase.stop_time,
            duration=phase.duration,
            stdout=stdout,
            stderr=stderr,
            log=log,
            xdist_dist=self.dist,
            xdist_scope=nodeid if self.dist == "loadgroup" else None,
            excinfo=phase.excinfo,
            attempt=2 if nodeid in self._uncollected else 1,
            file=nodeid.partition("::")[0],
            phases=[phase],
            host=annotations.get("host", self.hosts.get(None)),
            _details=[("collection", phase.text or "")],
        )

    def _new_attempt(self, key: Key, report: Report, annotations: WorkerAnnotations) -> Attempt:
        location = report.location
        if report.when == CRASH:  # which tells nothing but the node id
            location, _time = self._started.get(report.nodeid, (location, 0.0))
            scheduled, begun = self._begun.get(key[0], (None, annotations))
            if scheduled == report.nodeid:
                annotations = begun
        location = location_of(location)
        if "nodeid" in annotations:
            nodeid, name = annotations["nodeid"], annotations["name"]
            group = annotations.get("group")
        else:
            nodeid, group = as_text(report.nodeid), None
            if self.dist == "loadgroup":
                nodeid, group = without_group(nodeid, as_text(location[2]))
            name = name_in(nodeid)
        attempt = Attempt(key, nodeid, name, location)
        attempt.group = group
        attempt.number = annotations.get("attempt")
        attempt.host = annotations.get("host")
        return attempt

    def _cut_off(self, attempt: Attempt) -> Phase:
        """Return a call of which no report came.

        It began after the last phase that was seen, and ended no later than now.
        """
        now = self._clock()
        if attempt.phases:
            start = attempt.phases[-1].stop_time
        else:
            _location, start = self._started.get(attempt.key[1], (None, now))
        return Phase("call", "failed", start, max(start, now), max(0.0, now - start))

    def _finish(self, attempt: Attempt) -> None:
        if not attempt.has_passed and attempt.crash is None and attempt.has_failed_subtest:
            attempt.fail_for_subtests(attempt.call or self._cut_off(attempt))
        self._closing = self._result(attempt), attempt
        self._settle()

    def _settle(self) -> None:
        """Hand out the result that is made, if one is; done again after a Ctrl-C, it goes on."""
        if self._closing is None:
            return
        result, attempt = self._closing
        if not self._completed or self._completed[-1] is not result:
            self._completed.append(result)
        if attempt is None:
            self._uncollected[result.nodeid] = result.outcome
        else:
            if attempt.is_tried_again or attempt.crash is not None or result.outcome == "rerun":
                key = self._number_key(attempt.key[0], attempt.nodeid)
                self._next_attempt[key] = result.attempt + 1
            self._attempts.pop(attempt.key, None)
            if self._started:
                self._started.pop(attempt.key[1], None)
        self._closing = None

    def _result(self, attempt: Attempt) -> TestResult:
        outcome, excinfo, phase = judge(attempt)
        worker, scheduled = attempt.key
        file, line, _domain = attempt.location
        if attempt.host is not None:
            self.hosts[worker] = attempt.host
        result = TestResult(
            VERDICTS[outcome],
            attempt.nodeid,
            phase.start_time,
            phase.stop_time,
            phase.duration,
            attempt.name,
            outcome,
            file or None,
            None if line is None else line + 1,
            attempt.phases,
            attempt.subtests,
            attempt.properties | attempt.added if attempt.added else attempt.properties,
            self.hosts.get(worker),
            attempt.details,
        )
        if self.dist is not None:
            result.xdist_dist = self.dist
            result.xdist_worker = worker
            result.xdist_scope = self.scope(attempt.nodeid, attempt.group, scheduled)
        if self._next_attempt:
            result.attempt = self.next_attempt(worker, attempt.nodeid)
        if attempt.sections or attempt.subtest_sections:
            result.stdout, result.stderr, result.log = attempt.captured()
        if excinfo is not None:
            result.excinfo = excinfo
            if not attempt.details:
                attempt.details.append((phase.when, excinfo.value))
        return result

    def _number_key(self, worker: str | None, nodeid: str) -> Key:
        """Return by what a test's attempts are counted: under --dist each, on each worker alone."""
        return worker if self.dist == "each" else None, nodeid

    def scope(self, nodeid: str, group: str | None, scheduled: str) -> str | None:
        """Return what xdist 3.6 to 3.8 computes in its schedulers' ``_split_scope``."""
        if self.dist == "loadgroup":
            return group if group is not None else nodeid
        if self.dist == "loadscope":
            return escape(scheduled.rsplit("::", 1)[0])
        if self.dist == "loadfile":
            return escape(scheduled.split("::", 1)[0])
        return None
