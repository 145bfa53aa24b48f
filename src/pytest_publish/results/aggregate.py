"""Reports in, finished results out: what pytest said of a test, as one value.

No I/O and no hooks; what one report tells is read in :mod:`~pytest_publish.results.report`.
"""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Callable
from json import loads
from typing import Any
from typing import Final
from typing import TypeAlias

from .annotations import WorkerAnnotations
from .colours import Coloured
from .colours import uncoloured
from .colours import uncoloured_log
from .report import as_text
from .report import captured_in
from .report import CollectReport
from .report import CRASH
from .report import detail_of
from .report import excinfo_of
from .report import Location
from .report import location_of
from .report import name_in
from .report import outcome_of
from .report import properties_of
from .report import Report
from .report import Sections
from .report import sections_of
from .report import subtest_description
from .report import text_of
from .report import times_of
from .report import UNTOLD
from .report import WHENS
from .report import without_group
from .result import ExcInfo
from .result import Outcome
from .result import Phase
from .result import Subtest
from .result import TestResult
from .result import Verdict
from .values import escape


#: One test on one worker: ``--dist each`` runs the same node id on every worker.
_Key: TypeAlias = tuple[str | None, str]

#: What stands for a text until it has been read, which a Ctrl-C may prevent.
_UNREAD: Final = "<its text was not read: the run was interrupted>"
_NO_CALL: Final = "no report of the test's call came: what became of its body is not known"


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
    crash: Phase | None = None
    # What did not pass is noted here before anything else is read of it.
    has_passed: bool = True
    # Another attempt follows, which is to have the next number.
    is_tried_again: bool = False

    def is_over_at(self, when: str, annotations: WorkerAnnotations) -> bool:
        """Tell whether a report is of a later attempt of the same test."""
        if when == CRASH:
            return False
        # pytest-rerunfailures (14 to 16.7) sends the phases' reports when the attempt
        # is over, after those of its subtests.
        return annotations.get("attempt", self.number) != self.number or (
            when == "setup" and bool(self.phases)
        )

    def captured(self, stream: str) -> list[str]:
        """Return what was captured: before the call, in its subtests, and after."""
        setup = [part for part in self.sections if part[0].endswith(" setup")]
        after = [part for part in self.sections if not part[0].endswith(" setup")]
        return captured_in(stream, [*setup, *self.subtest_sections, *after])

    @property
    def is_decided(self) -> bool:
        """Whether what was seen is a result even though no teardown will come."""
        return (
            self.crash is not None
            or any(phase.when != "setup" or phase.outcome != "passed" for phase in self.phases)
            or self.has_failed_subtest
        )

    @property
    def has_failed_subtest(self) -> bool:
        return any(subtest.outcome == "failed" for subtest in self.subtests)


@dataclasses.dataclass(slots=True)
class _Closing:
    """A result that is made, and what is let go of: an attempt, or a file if there is none.

    ``again`` is the test of which another attempt may follow.
    """

    result: TestResult
    key: _Key | None = None
    again: _Key | None = None


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

    A Ctrl-C may come at any point. So the outcome that a report tells is noted before
    its texts are read, and an attempt is let go of only when its result is made. What
    is returned is always the same queue: whoever takes a result out of it, has it.

    ``dist`` is the run's ``--dist`` mode or None. ``clock`` returns epoch seconds;
    it is asked only where pytest gives no time (crashes, and collection errors of
    a worker without this plugin).
    """

    def __init__(self, *, dist: str | None, clock: Callable[[], float]) -> None:
        self.dist = dist
        self._clock = clock
        self._attempts: dict[_Key, _Attempt] = {}
        self._completed: collections.deque[TestResult] = collections.deque()
        self._closing: _Closing | None = None
        self._started: dict[str, tuple[Location, float]] = {}
        # The outcome that was last published of each file that did not pass.
        self._uncollected: dict[str, Outcome] = {}
        # Only of tests that were attempted again, so that it does not grow with the run.
        self._next_attempt: dict[_Key, int] = {}

    def start(self, nodeid: str, location: Location) -> None:
        """Take note that a test begins: all that is known if its setup crashes."""
        self._started[nodeid] = (location, self._clock())

    def add(self, report: Report, worker: str | None) -> collections.deque[TestResult]:
        """Take in a report of a test; return the results that are complete."""
        if self._closing is not None:
            self._settle(self._closing)
        annotations: WorkerAnnotations = getattr(report, "pytest_publish", {})
        when: str = report.when
        if when not in WHENS:  # a plugin's own
            when = "call"
        # A plugin may change the node id of a report, and of one phase only.
        if "scheduled" in annotations:
            key = (worker, annotations["scheduled"])
        else:
            key = (worker, annotations.get("nodeid", report.nodeid))
        attempt = self._attempts.get(key)
        if attempt is not None and attempt.is_over_at(when, annotations):
            if attempt.is_decided:
                attempt.is_tried_again = True
                self._finish(key)
            attempt = None
        if attempt is None:
            attempt = self._attempts[key] = self._new_attempt(report, when, annotations, worker)
        if when == CRASH:
            self._add_crash(key, report)
        else:
            _add_report(attempt, report, when, annotations)
        if when in ("teardown", CRASH):
            self._finish(key)
        return self._completed

    def add_collected(self, report: CollectReport) -> collections.deque[TestResult]:
        """Take in the report of a file, folder or class, which is a result unless it passed.

        Each worker collects all files, and xdist lets through whatever differs in its
        text from worker to worker: of what one file comes to, only the first report
        counts. But no failure is hidden by a skip that was published before it: it is
        another result of the file.
        """
        if self._closing is not None:
            self._settle(self._closing)
        if report.outcome == "passed":
            return self._completed
        outcome: Outcome = "skipped" if report.outcome == "skipped" else "error"
        nodeid = as_text(report.nodeid) or "."  # the session itself
        if self._uncollected.get(nodeid) not in (outcome, "error"):
            self._closing = _Closing(self._collect_result(report, nodeid, outcome))
            self._settle(self._closing)
        return self._completed

    def _collect_result(self, report: CollectReport, nodeid: str, outcome: Outcome) -> TestResult:
        annotations: WorkerAnnotations = getattr(report, "pytest_publish", {})
        now = self._clock()
        sections = sections_of(report)
        phase = Phase(
            "collect",
            "failed" if outcome == "error" else "skipped",
            annotations.get("start", now),
            annotations.get("stop", now),
            annotations.get("duration", 0.0),
            excinfo_of(report, annotations),
        )
        return TestResult(
            result="fail" if outcome == "error" else "skip",
            outcome=outcome,
            nodeid=nodeid,
            name=name_in(nodeid).rpartition("/")[2] or nodeid,
            start_time=phase.start_time,
            stop_time=phase.stop_time,
            duration=phase.duration,
            stdout="".join(captured_in("stdout", sections)),
            stderr="".join(captured_in("stderr", sections)),
            log="\n".join(captured_in("log", sections)),
            xdist_dist=self.dist,
            xdist_scope=nodeid if self.dist == "loadgroup" else None,
            excinfo=phase.excinfo,
            attempt=2 if nodeid in self._uncollected else 1,
            file=nodeid.partition("::")[0],
            phases=[phase],
            _details=[("collection", text_of(report.longrepr))],
        )

    def finish(self) -> collections.deque[TestResult]:
        """End the session: return what finished without a teardown report.

        A test that was cut off before its body ended has no result.
        """
        if self._closing is not None:
            self._settle(self._closing)
        for key in [key for key, attempt in self._attempts.items() if attempt.is_decided]:
            self._finish(key)
        self._attempts.clear()
        return self._completed

    def _new_attempt(
        self, report: Report, when: str, annotations: WorkerAnnotations, worker: str | None
    ) -> _Attempt:
        location = location_of(report.location)
        if when == CRASH and report.nodeid in self._started:
            started, _time = self._started[report.nodeid]
            location = location_of(started)
        nodeid, group = annotations.get("nodeid"), annotations.get("group")
        if nodeid is None:
            nodeid, group = as_text(report.nodeid), None
            if self.dist == "loadgroup":
                nodeid, group = without_group(nodeid, as_text(location[2]))
        return _Attempt(
            worker=worker,
            nodeid=nodeid,
            group=group,
            name=annotations["name"] if "name" in annotations else name_in(nodeid),
            location=location,
            number=annotations.get("attempt"),
        )

    def _add_crash(self, key: _Key, report: Report) -> None:
        """Take in the report of a dead worker, or of a dead process of pytest-forked.

        A plugin may have judged it: pytest-rerunfailures says rerun, pytest-forked
        xfailed. The test lasted as long as the call that was seen, or until now.
        """
        attempt = self._attempts[key]
        attempt.has_passed = False
        outcome = outcome_of(report)
        excinfo = None if outcome in ("passed", "xpassed") else ExcInfo("Failed", _UNREAD)
        attempt.crash = dataclasses.replace(
            attempt.call or self._cut_off(key), outcome=outcome, excinfo=excinfo
        )
        text = text_of(report.longrepr).replace(key[1], attempt.nodeid)
        if excinfo is not None:
            attempt.crash.excinfo = ExcInfo("WorkerCrashed", text)
        attempt.details.append(("crash", detail_of(report).replace(key[1], attempt.nodeid)))

    def _finish(self, key: _Key) -> None:
        attempt = self._attempts[key]
        result = self._result(key, attempt, self._verdict(key, attempt))
        again = attempt.is_tried_again or attempt.crash is not None or result.outcome == "rerun"
        self._closing = _Closing(result, key, self._attempt_key(attempt) if again else None)
        self._settle(self._closing)

    def _settle(self, closing: _Closing) -> None:
        """Hand out a result that is made; done again after a Ctrl-C, it goes on."""
        result, key = closing.result, closing.key
        if not self._completed or self._completed[-1] is not result:
            self._completed.append(result)
        if closing.again is not None:
            self._next_attempt[closing.again] = result.attempt + 1
        if key is None:
            self._uncollected[result.nodeid] = result.outcome
        else:
            self._attempts.pop(key, None)
            self._started.pop(key[1], None)
        self._closing = None

    def _verdict(self, key: _Key, attempt: _Attempt) -> _Verdict:
        if attempt.crash is not None:
            result, outcome = _RESULTS[attempt.crash.outcome]
            outcome = "crashed" if outcome == "failed" else outcome
            return _Verdict(result, outcome, attempt.crash.excinfo, attempt.crash)
        if attempt.call is None and attempt.has_failed_subtest:  # cut off in the body
            excinfo = _failed_subtests(attempt)
            return _Verdict("fail", "failed", excinfo, self._cut_off(key))
        return _judge(attempt)

    def _cut_off(self, key: _Key) -> Phase:
        """Return the times of a phase that never told of its end.

        It began after the last phase that was seen, and ended no later than now.
        """
        phases = self._attempts[key].phases
        now = self._clock()
        _location, begun = self._started.get(key[1], (None, now))
        start = phases[-1].stop_time if phases else begun
        return Phase("call", "failed", start, max(start, now), max(0.0, now - start))

    def _result(self, key: _Key, attempt: _Attempt, verdict: _Verdict) -> TestResult:
        file, line, _domain = attempt.location
        result = TestResult(
            result=verdict.result,
            outcome=verdict.outcome,
            nodeid=attempt.nodeid,
            name=attempt.name,
            start_time=verdict.phase.start_time,
            stop_time=verdict.phase.stop_time,
            duration=verdict.phase.duration,
            xdist_dist=self.dist,
            xdist_worker=attempt.worker,
            xdist_scope=self._scope(attempt, key[1]),
            excinfo=verdict.excinfo,
            file=file or None,
            line=None if line is None else line + 1,
            phases=attempt.phases,
            subtests=attempt.subtests,
            properties=attempt.properties | attempt.added,
            _details=attempt.details,
        )
        if self._next_attempt:
            result.attempt = self._next_attempt.get(self._attempt_key(attempt), 1)
        if attempt.sections or attempt.subtest_sections:
            result.stdout = "".join(attempt.captured("stdout"))
            result.stderr = "".join(attempt.captured("stderr"))
            result.log = "\n".join(attempt.captured("log"))
        if result.excinfo is not None and not attempt.details:
            result.details.append((verdict.phase.when, result.excinfo.value))
        return result

    def _attempt_key(self, attempt: _Attempt) -> _Key:
        return (attempt.worker if self.dist == "each" else None, attempt.nodeid)

    def _scope(self, attempt: _Attempt, scheduled_nodeid: str) -> str | None:
        """Return what xdist 3.6 to 3.8 computes in its schedulers' ``_split_scope``."""
        if self.dist == "loadgroup":
            return attempt.group if attempt.group is not None else attempt.nodeid
        if self.dist == "loadscope":
            return escape(scheduled_nodeid.rsplit("::", 1)[0])
        if self.dist == "loadfile":
            return escape(scheduled_nodeid.split("::", 1)[0])
        return None


def _add_report(
    attempt: _Attempt, report: Report, when: str, annotations: WorkerAnnotations
) -> None:
    outcome = outcome_of(report)
    excinfo = None
    if outcome != "passed":
        attempt.has_passed = False
        excinfo = None if outcome == "xpassed" else ExcInfo("Failed", _UNREAD)
    start, stop, duration = times_of(report)
    description = annotations.get("subtest", subtest_description(report))
    part: Phase | Subtest
    if description is not None:
        heading = f"subtest {description}"
        # Of a subtest alone nothing is run again.
        part = Subtest(description, "failed" if outcome == "rerun" else outcome, duration, excinfo)
        attempt.subtests.append(part)
    else:
        heading = when
        if "withheld" in annotations:
            _add_withheld(attempt, annotations["withheld"])
        part = Phase(when, outcome, start, stop, duration, excinfo)
        attempt.phases.append(part)
        if attempt.call is None and when == "call":
            attempt.call = part
    # What the test comes to is noted; only now is anything read that may take long or raise.
    if excinfo is not None:
        part.excinfo = excinfo_of(report, annotations)
    _add_texts(attempt, report, annotations, is_subtest=description is not None)
    if outcome != "passed":
        text = uncoloured(detail_of(report), annotations.get("coloured", {}))
        attempt.details.append((heading, text))


def _uncoloured_log(section: tuple[str, str], levels: Coloured) -> tuple[str, str]:
    title, text = section
    return title, uncoloured_log(text, levels) if " log" in title else text


def _add_texts(
    attempt: _Attempt, report: Report, annotations: WorkerAnnotations, *, is_subtest: bool
) -> None:
    """Take what a report tells of output and properties."""
    if report.sections:
        sections = sections_of(report)[annotations.get("earlier_sections", 0) :]
        if "log_levels" in annotations:
            sections = [_uncoloured_log(section, annotations["log_levels"]) for section in sections]
        if is_subtest:
            # Not those of the phases before it, which its test's own reports have too.
            attempt.subtest_sections += [part for part in sections if part[0].endswith(" call")]
        # Each report repeats those before it. The last tells most: pytest-retry (1.7)
        # sends a call report that was made before the call was tried again.
        elif len(sections) >= len(attempt.sections):
            attempt.sections = sections
    if "added" in annotations:
        attempt.added |= loads(annotations["added"])
    if not is_subtest and ("properties" in annotations or "name" not in annotations):
        attempt.properties = properties_of(report, annotations)


def _add_withheld(attempt: _Attempt, withheld: list[dict[str, Any]]) -> None:
    """Take in the phases of which a plugin has kept the reports to itself.

    Whoever does that runs the test again (flaky), so that a failure is an attempt's.
    """
    known = [phase.when for phase in attempt.phases]
    for told in withheld:
        if told["when"] in known:
            continue
        outcome, excinfo = told["outcome"], told["excinfo"]
        if outcome == "failed":
            outcome = "rerun"
        if outcome not in ("passed", "xpassed"):
            excinfo = dataclasses.replace(UNTOLD) if excinfo is None else ExcInfo(**excinfo)
        attempt.has_passed = attempt.has_passed and outcome == "passed"
        attempt.is_tried_again = True
        phase = Phase(**{**told, "outcome": outcome, "excinfo": excinfo})
        attempt.phases.append(phase)
        if phase.when == "call":
            attempt.call = phase
        if phase.excinfo is not None:
            attempt.details.append((phase.when, _exception_text(phase.excinfo)))


def _exception_text(excinfo: ExcInfo) -> str:
    return "".join([*excinfo.traceback, f"{excinfo.type}: {excinfo.value}"])


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
    if call is None and decisive.outcome == "passed":
        return _Verdict("skip", "skipped", ExcInfo("Skipped", _NO_CALL), decisive)
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
