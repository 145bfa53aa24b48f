"""Reports in, finished results out: what pytest said of a test, as one value.

No I/O and no hooks; what one report tells is read in :mod:`~pytest_publish.reports`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from json import loads
from typing import Any
from typing import Final

from . import plain
from .reports import captured_in
from .reports import CollectReport
from .reports import CRASH
from .reports import detail_of
from .reports import excinfo_of
from .reports import Forwarded
from .reports import Location
from .reports import name_in
from .reports import outcome_of
from .reports import properties_of
from .reports import Report
from .reports import Sections
from .reports import subtest_description
from .reports import text_of
from .reports import UNTOLD
from .reports import without_group
from .result import escaped
from .result import ExcInfo
from .result import Outcome
from .result import Phase
from .result import Subtest
from .result import TestResult
from .result import Verdict


@dataclasses.dataclass(slots=True)
class _Attempt:
    """What is known so far of one attempt of one test on one worker."""

    worker: str | None
    nodeid: str
    group: str | None
    name: str
    location: Location
    number: int | None
    phases: list[Phase] = dataclasses.field(default_factory=list)
    subtests: list[Subtest] = dataclasses.field(default_factory=list)
    properties: dict[str, Any] = dataclasses.field(default_factory=dict)
    added: dict[str, Any] = dataclasses.field(default_factory=dict)
    sections: Sections = dataclasses.field(default_factory=list)
    subtest_sections: Sections = dataclasses.field(default_factory=list)
    details: list[tuple[str, str]] = dataclasses.field(default_factory=list)
    call: Phase | None = None

    def is_over_at(self, report: Report, forwarded: Forwarded) -> bool:
        """Tell whether a report is of a later attempt of the same test."""
        if report.when == CRASH:
            return False
        # pytest-rerunfailures (14 to 16.7) sends the phases' reports when the attempt
        # is over, after those of its subtests.
        return forwarded.get("attempt", self.number) != self.number or (
            report.when == "setup" and bool(self.phases)
        )

    def captured(self, stream: str) -> list[str]:
        """Return what was captured: before the call, in its subtests, and after."""
        if not (self.sections or self.subtest_sections):
            return []
        setup = [part for part in self.sections if part[0].endswith(" setup")]
        after = [part for part in self.sections if not part[0].endswith(" setup")]
        return captured_in(stream, [*setup, *self.subtest_sections, *after])

    @property
    def has_passed(self) -> bool:
        return not self.details  # which whatever did not pass has

    @property
    def is_decided(self) -> bool:
        """Whether what was seen is a result even though no teardown will come."""
        return (
            any(phase.when == "call" or phase.outcome != "passed" for phase in self.phases)
            or self.has_failed_subtest
        )

    @property
    def has_failed_subtest(self) -> bool:
        return any(subtest.outcome == "failed" for subtest in self.subtests)


@dataclasses.dataclass(slots=True)
class _Verdict:
    result: Verdict
    outcome: Outcome
    excinfo: ExcInfo | None
    phase: Phase


class Aggregator:
    """Collects the reports of a run and returns each result when it is complete.

    A result is complete at its teardown report, at a crash report, at a new setup
    of the same test on the same worker, or at the end of the session.

    ``dist`` is the run's ``--dist`` mode or None. ``clock`` returns epoch seconds;
    it is asked only where pytest gives no time (crashes, and collection errors of
    a worker without this plugin).
    """

    def __init__(self, *, dist: str | None, clock: Callable[[], float]) -> None:
        self.dist = dist
        self._clock = clock
        # --dist each runs the same node id on every worker.
        self._attempts: dict[tuple[str | None, str], _Attempt] = {}
        self._started: dict[str, tuple[Location, float]] = {}
        self._uncollected: set[str] = set()
        # Only of tests that were attempted again, so that it does not grow with the run.
        self._next_attempt: dict[tuple[str | None, str], int] = {}

    def start(self, nodeid: str, location: Location) -> None:
        """Take note that a test begins: all that is known if its setup crashes."""
        self._started[nodeid] = (location, self._clock())

    def add(self, report: Report, worker: str | None) -> list[TestResult]:
        """Take in a report of a test; return the results that it completes."""
        completed: list[TestResult] = []
        forwarded: Forwarded = getattr(report, "pytest_publish", {})
        key = (worker, report.nodeid)
        attempt = self._attempts.get(key)
        if attempt is not None and attempt.is_over_at(report, forwarded):
            if attempt.is_decided:
                completed.append(self._again(self._finished(key)))
            attempt = None
        if attempt is None:
            attempt = self._attempts[key] = self._new_attempt(report, forwarded, worker)
        if report.when == CRASH:
            completed.append(self._again(self._crashed(key, report)))
            return completed
        _add_report(attempt, report, forwarded)
        if report.when == "teardown":
            completed.append(self._finished(key))
        return completed

    def add_collected(self, report: CollectReport) -> list[TestResult]:
        """Take in the report of a file, folder or class; return a result if it did not pass.

        Each worker collects all files, and xdist lets through whatever differs in
        its text from worker to worker: only the first report of a file counts.
        """
        if report.outcome == "passed" or report.nodeid in self._uncollected:
            return []
        self._uncollected.add(report.nodeid)
        forwarded: Forwarded = getattr(report, "pytest_publish", {})
        now = self._clock()
        excinfo = excinfo_of(report, forwarded)
        phase = Phase(
            "collect",
            report.outcome,
            forwarded.get("start", now),
            forwarded.get("stop", now),
            forwarded.get("duration", 0.0),
            excinfo,
        )
        nodeid = escaped(report.nodeid) or "."  # the session itself
        failed = report.outcome == "failed"
        result = TestResult(
            result="fail" if failed else "skip",
            outcome="error" if failed else "skipped",
            nodeid=nodeid,
            name=name_in(nodeid).rpartition("/")[2] or nodeid,
            start_time=phase.start_time,
            stop_time=phase.stop_time,
            duration=phase.duration,
            stdout="".join(captured_in("stdout", report.sections)),
            stderr="".join(captured_in("stderr", report.sections)),
            log="\n".join(captured_in("log", report.sections)),
            xdist_dist=self.dist,
            xdist_scope=nodeid if self.dist == "loadgroup" else None,
            excinfo=excinfo,
            file=nodeid.partition("::")[0],
            phases=[phase],
            _details=[("collection", text_of(report.longrepr))],
        )
        return [result]

    def finish(self) -> list[TestResult]:
        """End the session: return what finished without a teardown report.

        A test that was cut off before its body ended has no result.
        """
        decided = [key for key, attempt in self._attempts.items() if attempt.is_decided]
        completed = [self._finished(key) for key in decided]
        self._attempts.clear()
        return completed

    def _new_attempt(self, report: Report, forwarded: Forwarded, worker: str | None) -> _Attempt:
        location = report.location
        if report.when == CRASH and report.nodeid in self._started:
            location, _time = self._started[report.nodeid]
        nodeid, group = forwarded.get("nodeid"), forwarded.get("group")
        if nodeid is None:
            nodeid, group = escaped(report.nodeid), None
            if self.dist == "loadgroup":
                nodeid, group = without_group(nodeid, escaped(location[2]))
        return _Attempt(
            worker=worker,
            nodeid=nodeid,
            group=group,
            name=forwarded["name"] if "name" in forwarded else name_in(nodeid),
            location=location,
            number=forwarded.get("attempt"),
        )

    def _crashed(self, key: tuple[str | None, str], report: Report) -> TestResult:
        attempt = self._attempts[key]
        text = text_of(report.longrepr).replace(key[1], attempt.nodeid)
        excinfo = ExcInfo("WorkerCrashed", text)
        attempt.details.append(("crash", text))
        phase = attempt.call or self._cut_off(key)
        return self._result(key, _Verdict("fail", "crashed", excinfo, phase))

    def _finished(self, key: tuple[str | None, str]) -> TestResult:
        attempt = self._attempts[key]
        if attempt.call is None and attempt.has_failed_subtest:  # cut off in the body
            excinfo = _failed_subtests(attempt)
            return self._result(key, _Verdict("fail", "failed", excinfo, self._cut_off(key)))
        return self._result(key, _judge(attempt))

    def _cut_off(self, key: tuple[str | None, str]) -> Phase:
        """Return the times of a phase that never told of its end.

        It began after the last phase that was seen, and ended no later than now.
        """
        phases = self._attempts[key].phases
        now = self._clock()
        _location, begun = self._started.get(key[1], (None, now))
        start = phases[-1].stop_time if phases else begun
        return Phase("call", "failed", start, max(start, now), max(0.0, now - start))

    def _result(self, key: tuple[str | None, str], verdict: _Verdict) -> TestResult:
        attempt = self._attempts.pop(key)
        self._started.pop(key[1], None)
        number = self._next_attempt.get(self._attempt_key(attempt.worker, attempt.nodeid), 1)
        file, line, _domain = attempt.location
        result = TestResult(
            result=verdict.result,
            outcome=verdict.outcome,
            nodeid=attempt.nodeid,
            name=attempt.name,
            start_time=verdict.phase.start_time,
            stop_time=verdict.phase.stop_time,
            duration=verdict.phase.duration,
            stdout="".join(attempt.captured("stdout")),
            stderr="".join(attempt.captured("stderr")),
            log="\n".join(attempt.captured("log")),
            xdist_dist=self.dist,
            xdist_worker=attempt.worker,
            xdist_scope=self._scope(attempt, key[1]),
            excinfo=verdict.excinfo,
            attempt=number,
            file=escaped(file),
            line=None if line is None else line + 1,
            phases=attempt.phases,
            subtests=attempt.subtests,
            properties=attempt.properties | attempt.added,
            _details=attempt.details,
        )
        if result.outcome == "rerun":
            self._again(result)
        return result

    def _again(self, result: TestResult) -> TestResult:
        """Take note that another attempt of the same test may follow."""
        key = self._attempt_key(result.xdist_worker, result.nodeid)
        self._next_attempt[key] = result.attempt + 1
        return result

    def _attempt_key(self, worker: str | None, nodeid: str) -> tuple[str | None, str]:
        return (worker if self.dist == "each" else None, nodeid)

    def _scope(self, attempt: _Attempt, scheduled_nodeid: str) -> str | None:
        """Return what xdist 3.6 to 3.8 computes in its schedulers' ``_split_scope``."""
        if self.dist == "loadgroup":
            return attempt.group if attempt.group is not None else attempt.nodeid
        if self.dist == "loadscope":
            return escaped(scheduled_nodeid.rsplit("::", 1)[0])
        if self.dist == "loadfile":
            return escaped(scheduled_nodeid.split("::", 1)[0])
        return None


def _add_report(attempt: _Attempt, report: Report, forwarded: Forwarded) -> None:
    outcome = outcome_of(report)
    excinfo = None
    if outcome not in ("passed", "xpassed"):
        excinfo = excinfo_of(report, forwarded)
    sections = report.sections[forwarded.get("earlier_sections", 0) :]
    if "log_levels" in forwarded:
        sections = [_uncoloured_log(section, forwarded["log_levels"]) for section in sections]
    if "added" in forwarded:
        attempt.added |= loads(forwarded["added"])
    # A test that moves the clock (time-machine) moves pytest's too.
    duration = max(0.0, report.duration)
    description = forwarded.get("subtest", subtest_description(report))
    if description is not None:
        attempt.subtests.append(Subtest(description, outcome, duration, excinfo))
        # Not those of the phases before it, which its test's own reports have too.
        attempt.subtest_sections += [part for part in sections if part[0].endswith(" call")]
        heading = f"subtest {description}"
    else:
        phase = Phase(report.when, outcome, report.start, report.stop, duration, excinfo)
        attempt.phases.append(phase)
        if attempt.call is None and phase.when == "call":
            attempt.call = phase
        # Each report repeats those before it. The last tells most: pytest-retry (1.7)
        # sends a call report that was made before the call was tried again.
        if len(sections) >= len(attempt.sections):
            attempt.sections = sections
        attempt.properties = properties_of(report, forwarded)
        heading = phase.when
    if outcome != "passed":
        text = plain.uncoloured(detail_of(report), forwarded.get("coloured", {}))
        attempt.details.append((heading, text))


def _uncoloured_log(section: tuple[str, str], levels: plain.Coloured) -> tuple[str, str]:
    title, text = section
    return title, plain.uncoloured_log(text, levels) if " log" in title else text


def _judge(attempt: _Attempt) -> _Verdict:
    """Return what a test's reports come to, by section 2's order of gravity."""
    call = attempt.call
    if call is not None and attempt.has_passed:
        return _Verdict("pass", "passed", None, call)
    if call is not None and attempt.has_failed_subtest:
        excinfo = _failed_subtests(attempt)
        # pytest itself does this to the report only in its status hook, which is
        # not called under -p no:terminal, and not for unittest's subTest.
        if call.outcome not in ("failed", "rerun"):
            call.outcome, call.excinfo = "failed", excinfo
        elif call.excinfo == UNTOLD:  # pytest-rerunfailures reruns on its own judgement
            call.excinfo = excinfo
    decisive = _decisive(attempt.phases)
    result, outcome = _RESULTS[decisive.outcome]
    if outcome == "failed" and decisive.when != "call":
        outcome = "error"
    return _Verdict(result, outcome, decisive.excinfo, call or decisive)


def _failed_subtests(attempt: _Attempt) -> ExcInfo:
    count = sum(subtest.outcome == "failed" for subtest in attempt.subtests)
    return ExcInfo("Failed", f"contains {count} failed subtest{'s' if count > 1 else ''}")


_RESULTS: Final[dict[str, tuple[Verdict, Outcome]]] = {
    "rerun": ("fail", "rerun"),
    "failed": ("fail", "failed"),
    "xfailed": ("skip", "xfailed"),
    "skipped": ("skip", "skipped"),
    "xpassed": ("pass", "xpassed"),
    "passed": ("pass", "passed"),
}


def _decisive(phases: list[Phase]) -> Phase:
    """Return the gravest phase; of two alike the call, which tells more."""
    gravity = list(_RESULTS)
    return min(phases, key=lambda phase: (gravity.index(phase.outcome), phase.when != "call"))
