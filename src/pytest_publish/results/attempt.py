"""One attempt of a test: what its reports say, gathered."""

from __future__ import annotations

import dataclasses
from json import loads
from typing import Any
from typing import Final
from typing import TypeAlias

from .annotations import SwallowedPhase
from .annotations import WorkerAnnotations
from .colours import uncoloured
from .colours import uncoloured_log
from .report import captured_in
from .report import detail_of
from .report import excinfo_of
from .report import Location
from .report import outcome_of
from .report import properties_of
from .report import Report
from .report import Sections
from .report import sections_of
from .report import subtest_description
from .report import text_of
from .report import times_of
from .report import UNTOLD
from .result import ExcInfo
from .result import Phase
from .result import Subtest
from .result import When


#: A worker and the node id by which it knows a test: ``--dist each`` runs the same test
#: on every worker.
Key: TypeAlias = tuple[str | None, str]

#: What stands for a text until it has been read, which a Ctrl-C may prevent.
_UNREAD: Final = "<its text was not read: the run was interrupted>"


class Attempt:
    """What is known so far of one attempt of one test on one worker."""

    group: str | None = None
    # Which attempt it is by the worker's count, and the worker's machine.
    number: int | None = None
    host: str | None = None
    # If it was cut off, it has no report and is not among the phases.
    call: Phase | None = None
    # The phase in which the process died.
    crash: Phase | None = None
    has_passed = True
    # Another attempt follows, which gets the next number.
    is_tried_again = False

    def __init__(self, key: Key, nodeid: str, name: str, location: Location) -> None:
        self.key = key
        # As its worker tells them, or its first report.
        self.nodeid = nodeid
        self.name = name
        self.location = location
        self.phases: list[Phase] = []
        self.subtests: list[Subtest] = []
        self.properties: dict[str, Any] = {}
        self.added: dict[str, Any] = {}
        self.sections: Sections = []
        self.subtest_sections: Sections = []
        self.details: list[tuple[str, str]] = []

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
        """Whether a subtest failed, which fails its test."""
        return any(subtest.outcome == "failed" for subtest in self.subtests)

    def captured(self) -> tuple[str, str, str]:
        """Return stdout, stderr and log: before the call, in its subtests, and after."""
        setup = [part for part in self.sections if part[0].endswith(" setup")]
        after = [part for part in self.sections if not part[0].endswith(" setup")]
        return captured_in([*setup, *self.subtest_sections, *after])

    def add(self, report: Report, when: When, annotations: WorkerAnnotations) -> None:
        """Take in the report of a phase or of a subtest."""
        outcome = outcome_of(report)
        excinfo = None
        if outcome != "passed":
            self.has_passed = False
            excinfo = None if outcome == "xpassed" else ExcInfo("Failed", _UNREAD)
        start, stop, duration = times_of(report)
        description = (
            annotations.get("subtest", subtest_description(report)) if when == "call" else None
        )
        part: Phase | Subtest
        if description is not None:
            heading = f"subtest {description}"
            # A subtest is never run again by itself.
            seen = "failed" if outcome == "rerun" else outcome
            part = Subtest(description, seen, duration, excinfo)
            self.subtests.append(part)
        else:
            heading = when
            if "swallowed" in annotations:
                self._add_swallowed(annotations["swallowed"])
            part = Phase(when, outcome, start, stop, duration, excinfo)
            self.phases.append(part)
            if self.call is None and when == "call":
                self.call = part
        # The outcome is noted first: reading the rest may take long, raise, or be interrupted.
        if excinfo is not None:
            part.excinfo = excinfo_of(report, annotations)
        if report.sections:
            self._add_sections(report, annotations, is_subtest=description is not None)
        if "added" in annotations:
            self.added |= loads(annotations["added"])
        if description is None and ("properties" in annotations or "name" not in annotations):
            self.properties = properties_of(report, annotations)
        if outcome != "passed":
            text = uncoloured(detail_of(report), annotations.get("coloured", {}))
            part.text = text or None
            self.details.append((heading, text))

    def add_crash(self, report: Report, phase: Phase) -> None:
        """Take in the report of a dead worker, or of a dead process of pytest-forked.

        ``phase`` is the one whose times the crash gets. A plugin may have judged the
        report: pytest-rerunfailures says rerun, pytest-forked xfailed.
        """
        self.has_passed = False
        outcome = outcome_of(report)
        excinfo = None if outcome in ("passed", "xpassed") else ExcInfo("WorkerCrashed", _UNREAD)
        self.crash = dataclasses.replace(phase, outcome=outcome, excinfo=excinfo)
        scheduled = self.key[1]
        if excinfo is not None:
            excinfo.value = text_of(report.longrepr).replace(scheduled, self.nodeid)
        self.details.append(("crash", detail_of(report).replace(scheduled, self.nodeid)))

    def fail_for_subtests(self, call: Phase) -> None:
        """Fail the call, because a subtest failed. Called again after an interrupt, it goes on.

        pytest itself does this to the report only in its status hook, which is not
        called under -p no:terminal, and not for unittest's subTest.
        """
        self.call = call
        # A rerun by pytest-rerunfailures' own decision has no exception of its own.
        if call.outcome not in ("failed", "rerun") or call.excinfo in (None, UNTOLD):
            count = sum(subtest.outcome == "failed" for subtest in self.subtests)
            text = f"contains {count} failed subtest{'s' if count > 1 else ''}"
            call.excinfo = ExcInfo("Failed", text)
            if call.outcome != "rerun":
                call.outcome = "failed"
            call.text = call.text or text

    def _add_swallowed(self, swallowed: list[SwallowedPhase]) -> None:
        """Take in the phases whose reports a plugin has swallowed.

        A plugin that does so runs the test again (flaky); a failure is only an attempt's.
        """
        known = [phase.when for phase in self.phases]
        for told in swallowed:
            if told["when"] in known:
                continue
            outcome = "rerun" if told["outcome"] == "failed" else told["outcome"]
            excinfo = None
            if outcome not in ("passed", "xpassed"):
                data = told["excinfo"]
                excinfo = dataclasses.replace(UNTOLD) if data is None else ExcInfo(**data)
            self.has_passed = self.has_passed and outcome == "passed"
            self.is_tried_again = True
            times = told["start_time"], told["stop_time"], told["duration"]
            phase = Phase(told["when"], outcome, *times, excinfo)
            self.phases.append(phase)
            if phase.when == "call":
                self.call = phase
            if excinfo is not None:
                phase.text = "".join([*excinfo.traceback, f"{excinfo.type}: {excinfo.value}"])
                self.details.append((phase.when, phase.text))

    def _add_sections(
        self, report: Report, annotations: WorkerAnnotations, *, is_subtest: bool
    ) -> None:
        sections = sections_of(report)[annotations.get("earlier_sections", 0) :]
        if "log_levels" in annotations:
            levels = annotations["log_levels"]
            sections = [
                (title, uncoloured_log(text, levels) if " log" in title else text)
                for title, text in sections
            ]
        if is_subtest:
            # Not those of the phases before it, which its test's own reports have too.
            self.subtest_sections += [part for part in sections if part[0].endswith(" call")]
        # Each report repeats those before it. The last tells most: pytest-retry (1.7)
        # sends a call report that was made before the call was tried again.
        elif len(sections) >= len(self.sections):
            self.sections = sections
