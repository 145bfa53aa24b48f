"""Reports in, finished results out: what pytest said of a test, as one value.

No I/O and no hooks: a report is anything that has a report's attributes.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from collections.abc import Iterable
from typing import Any
from typing import Final
from typing import Protocol
from typing import TypeAlias

from .result import escaped
from .result import ExcInfo
from .result import jsonable
from .result import Outcome
from .result import Phase
from .result import Subtest
from .result import TestResult
from .result import Verdict


#: What pytest calls a location: file, line counted from 0, name in the file.
Location: TypeAlias = tuple[str, "int | None", str]

#: What was captured, and whatever else plugins attach: heading and text.
Sections: TypeAlias = list[tuple[str, str]]

#: What the process that ran the test added to its report.
Forwarded: TypeAlias = dict[str, Any]

#: ``when`` of the report by which xdist (3.6 to 3.8) tells of a dead worker.
CRASH: Final = "???"


class Report(Protocol):
    """What is read of a pytest.TestReport; ``pytest_publish`` may be missing."""

    nodeid: str
    location: Location
    when: Any
    outcome: Any
    longrepr: Any
    duration: float
    start: float
    stop: float
    sections: Sections
    user_properties: list[tuple[str, object]]


class CollectReport(Protocol):
    """What is read of a pytest.CollectReport; ``pytest_publish`` may be missing."""

    nodeid: str
    outcome: Any
    longrepr: Any
    sections: Sections


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
        return _captured(stream, [*setup, *self.subtest_sections, *after])

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
        excinfo = _excinfo(report, forwarded)
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
            name=_name_in(nodeid).rpartition("/")[2] or nodeid,
            start_time=phase.start_time,
            stop_time=phase.stop_time,
            duration=phase.duration,
            stdout="".join(_captured("stdout", report.sections)),
            stderr="".join(_captured("stderr", report.sections)),
            log="\n".join(_captured("log", report.sections)),
            xdist_dist=self.dist,
            xdist_scope=nodeid if self.dist == "loadgroup" else None,
            excinfo=excinfo,
            file=nodeid.partition("::")[0],
            phases=[phase],
            _details=[("collection", _text_of(report.longrepr))],
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
                nodeid, group = _without_group(nodeid, escaped(location[2]))
        return _Attempt(
            worker=worker,
            nodeid=nodeid,
            group=group,
            name=forwarded["name"] if "name" in forwarded else _name_in(nodeid),
            location=location,
            number=forwarded.get("attempt"),
        )

    def _crashed(self, key: tuple[str | None, str], report: Report) -> TestResult:
        attempt = self._attempts[key]
        text = _text_of(report.longrepr).replace(key[1], attempt.nodeid)
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
    outcome = _outcome(report)
    excinfo = None
    if outcome not in ("passed", "xpassed"):
        excinfo = _excinfo(report, forwarded)
    sections = report.sections[forwarded.get("earlier_sections", 0) :]
    if "added" in forwarded:
        attempt.added |= json.loads(forwarded["added"])
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
        attempt.properties = _properties(report, forwarded)
        heading = phase.when
    if outcome != "passed":
        attempt.details.append((heading, _detail(report)))


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
        elif call.excinfo == _UNTOLD:  # pytest-rerunfailures reruns on its own judgement
            call.excinfo = excinfo
    decisive = _decisive(attempt.phases)
    result, outcome = _RESULTS[decisive.outcome]
    if outcome == "failed" and decisive.when != "call":
        outcome = "error"
    return _Verdict(result, outcome, decisive.excinfo, call or decisive)


#: What is known of a failure that has neither an exception nor a text.
_UNTOLD: Final = ExcInfo("Failed", "")


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


def _outcome(report: Report) -> str:
    """Return a report's outcome in pytest's words, as its status hook does."""
    outcome: str = report.outcome
    if hasattr(report, "wasxfail"):
        if outcome == "skipped":
            return "xfailed"
        if outcome == "passed" and report.when == "call":
            return "xpassed"
    # pytest-retry (1.7) has a word of its own for an attempt that does not count.
    return outcome if outcome in _RESULTS else "rerun"


def _excinfo(report: Report | CollectReport, forwarded: Forwarded) -> ExcInfo:
    """Return what was forwarded of the exception, else what its text tells."""
    data = forwarded.get("excinfo")
    if data is not None:
        return ExcInfo(**data)
    text = _text_of(report.longrepr)
    if text.startswith("[XPASS(strict)]"):
        return ExcInfo("StrictXPass", text)
    # A worker without this plugin, or a plugin that judged the report by itself.
    crash = getattr(report.longrepr, "reprcrash", None)
    if crash is None:
        return ExcInfo("Skipped", text) if report.outcome == "skipped" else ExcInfo("Failed", text)
    message = escaped(crash.message)
    kind, _colon, value = message.partition(": ")
    if kind.replace(".", "_").isidentifier():
        return ExcInfo(kind.rpartition(".")[2], value)
    # pytest leaves out the name of this class where its own text begins.
    return ExcInfo("AssertionError" if message.startswith("assert ") else "Failed", message)


def _detail(report: Report) -> str:
    text = _text_of(report.longrepr)
    reason = getattr(report, "wasxfail", None)
    if reason is None:
        return text
    expected = "expected to fail"
    if reason:
        expected += f": {escaped(reason)}"
    return f"{expected}\n{text}".rstrip()


def _text_of(longrepr: Any) -> str:
    """Return pytest's text of a failure; ``file:line: reason`` of a skip."""
    if longrepr is None:
        return ""
    if isinstance(longrepr, tuple) and len(longrepr) == 3:
        file, line, reason = longrepr
        return escaped(f"{file}:{line}: {reason}")
    try:
        return escaped(str(longrepr))
    except Exception as error:  # a plugin's own representation
        return f"<no text: {type(error).__name__} in {type(longrepr).__name__}>"


def _captured(stream: str, sections: Sections) -> list[str]:
    """Return what was captured of stdout, stderr or log, in all phases."""
    heading = f"Captured {stream}"
    return [
        escaped(text)
        for title, text in sections
        if title == heading or title.startswith(f"{heading} ")
    ]


def _properties(report: Report, forwarded: Forwarded) -> dict[str, Any]:
    pairs: Iterable[Any]
    if "properties" in forwarded:
        pairs = json.loads(forwarded["properties"])
    elif "name" not in forwarded:
        pairs = jsonable([tuple(pair) for pair in report.user_properties])
    else:
        return {}
    values: dict[str, list[Any]] = {}
    for name, value in pairs:
        values.setdefault(str(name), []).append(value)
    return {name: found[0] if len(found) == 1 else found for name, found in values.items()}


def subtest_description(report: object) -> str | None:
    """Return how pytest names a subtest; None for the report of a whole test.

    Both pytest 9's SubtestReport and pytest-subtests' SubTestReport have a
    ``context`` with the message and the keyword arguments, and a method that
    describes it.
    """
    context = getattr(report, "context", None)
    if context is None or not hasattr(context, "msg") or not hasattr(context, "kwargs"):
        return None
    private = hasattr(report, "_sub_test_description")
    describe = getattr(report, "_sub_test_description" if private else "sub_test_description", None)
    try:
        return escaped(describe())  # type: ignore[misc]
    except Exception:  # there is none any more, or an argument's __repr__ raised
        return "(<subtest>)" if context.msg is None else escaped(f"[{context.msg}]")


def _without_group(nodeid: str, domain: str) -> tuple[str, str | None]:
    """Split the group off a node id of which nothing was forwarded.

    The location's name in the file, which has no group, tells where it begins;
    where that does not fit, xdist's own rule.
    """
    path, _colons, names = nodeid.partition("::")
    dotted = names.replace("::", ".")
    domain = domain.replace("::", ".")
    if dotted == domain:
        return nodeid, None
    at = names.find("@")
    while at != -1:
        if names[:at].replace("::", ".") == domain:
            return f"{path}::{names[:at]}", names[at + 1 :]
        at = names.find("@", at + 1)
    if names.rfind("@") > names.rfind("]"):
        name, _at, group = names.rpartition("@")
        return f"{path}::{name}", group
    return nodeid, None


def _name_in(nodeid: str) -> str:
    """Return the last name of a node id with its parameters, which may hold ``::``."""
    _path, _colons, names = nodeid.partition("::")
    names, bracket, parameters = (names or nodeid).partition("[")
    return names.rpartition("::")[2] + bracket + parameters
