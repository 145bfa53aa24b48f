"""What a process that runs tests adds to its reports.

xdist carries a report's attributes from a worker to the controller if they were
set while the report was made, and if all of it are exact builtins that UTF-8 can
hold. In a serial run the same reports reach the controller's code directly.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Generator
from json import dumps
from typing import Any
from typing import Final

import pytest

from pytest_publish.results.annotations import ATTRIBUTE
from pytest_publish.results.annotations import WorkerAnnotations
from pytest_publish.results.colours import levels_of
from pytest_publish.results.colours import noted
from pytest_publish.results.colours import uncoloured
from pytest_publish.results.guard import guarded
from pytest_publish.results.report import outcome_of
from pytest_publish.results.report import pairs_of
from pytest_publish.results.report import subtest_description
from pytest_publish.results.report import times_of
from pytest_publish.results.values import escape
from pytest_publish.results.values import jsonable
from pytest_publish.results.values import transportable

from .exceptions import cause_of_collect_error
from .exceptions import error_text
from .exceptions import exception_data


#: The key in it that tells the process which made a report that it has been logged.
LOGGED: Final = "logged"


# Lines that are remembered of coloured comparisons.
_MOST_COLOURED: Final = 1000


@dataclasses.dataclass(slots=True)
class _Attempt:
    """An item's current attempt, and what the item already carried when it began.

    ``own_properties`` were there before its first attempt and are all attempts'.
    ``made`` are its last report of each phase, and what was forwarded with it.
    """

    names: WorkerAnnotations
    own_properties: int = 0
    number: int = 0
    sections: int = 0
    properties: int = 0
    made: dict[str, tuple[pytest.TestReport, WorkerAnnotations]] = dataclasses.field(
        default_factory=dict
    )


_ATTEMPT: Final = pytest.StashKey[_Attempt]()


class ReportAnnotator:
    """Puts on each report what the controller can't know.

    ``loadgroup`` tells whether xdist schedules this run by ``xdist_group`` marks.
    """

    def __init__(self, *, loadgroup: bool) -> None:
        self._loadgroup = loadgroup
        self._last: pytest.Item | None = None
        # What pytest has coloured: the names of log levels, and lines of comparisons
        # in the current test.
        self._log_levels: dict[str, str] = {}
        self._coloured: dict[str, str] = {}

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self, session: pytest.Session) -> None:
        """Worker: learn, before any test runs, how pytest colours what is logged."""
        logging = session.config.pluginmanager.getplugin("logging-plugin")
        # Private (8.2 to 9.2), where a level's name has its colours; test_colours.py fails
        # if it moves.
        formats = getattr(getattr(logging, "formatter", None), "_level_to_fmt_mapping", {})
        # It may be another plugin's formatter.
        self._log_levels = guarded(lambda: levels_of(formats.values()), lambda _error: {})

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_assertrepr_compare(self, config: pytest.Config) -> Generator[None, object, object]:
        """Worker: take note of what pytest colours in a comparison that failed."""
        with _noting_colours(config, self._coloured):
            return (yield)

    # Outermost, because what comes before it may capture, record, and raise.
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None]:
        """Worker: take note of what an earlier attempt left on the item.

        pytest-rerunfailures (14 to 16.7) runs the same item again.
        """
        # What it raises comes again with the report, and is told then.
        guarded(self._begin, _ignored, item)
        return (yield)

    def _begin(self, item: pytest.Item) -> None:
        if self._coloured:
            self._coloured = {}
        attempt = item.stash.get(_ATTEMPT, None)
        if attempt is None:
            attempt = item.stash[_ATTEMPT] = _Attempt(self._names(item))
        else:
            attempt.names = self._names(item)
        attempt.number += 1
        # Private, and known to no hook (8.2 to 9.2); test_reruns.py fails if it moves.
        attempt.sections = len(getattr(item, "_report_sections", ()))
        attempt.made = {}
        # Last, because a plugin may have put anything in their place.
        attempt.properties = len(item.user_properties)
        if attempt.number == 1:
            attempt.own_properties = attempt.properties

    # Outermost, so that the outcome is the one after xfail and other plugins.
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Worker: add the test's names and its exception to the report."""
        report = yield
        annotations = guarded(self._annotations, _lacking, item, call, report)
        setattr(report, ATTRIBUTE, annotations)
        if call.when == "teardown":
            self._forget_one_before(item)
        return report

    def _annotations(
        self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
    ) -> WorkerAnnotations:
        attempt = item.stash.get(_ATTEMPT, None)
        if attempt is None:  # of a plugin that runs tests by other hooks
            attempt = _Attempt(self._names(item))
        excinfo = None
        if call.excinfo is not None and not report.passed:
            excinfo = exception_data(call.excinfo)
        annotations = {**attempt.names, "excinfo": excinfo, "attempt": attempt.number}
        if self._coloured and excinfo is not None:
            annotations["coloured"] = self._coloured
            for name in excinfo.keys() & {"value", "_text"}:
                excinfo[name] = uncoloured(excinfo[name], self._coloured)
        if self._log_levels and report.sections:
            annotations["log_levels"] = self._log_levels
        if call.when == "teardown":
            _add_withheld(attempt, annotations)
        else:
            attempt.made[call.when] = report, annotations
        if attempt.sections:
            annotations["earlier_sections"] = attempt.sections
        if item.user_properties:
            # As JSON text, because execnet's numbers are narrower than JSON's.
            pairs = guarded(_recorded, pairs_of, item, attempt)
            annotations["properties"] = dumps(pairs)
        # Asking for an item's own hooks costs far more than to see that there are none.
        if item.config.hook.pytest_publish_properties.get_hookimpls():
            _ask_hooks(item, report, annotations)
        return annotations

    def _names(self, item: pytest.Item) -> WorkerAnnotations:
        nodeid, group = split_group(item) if self._loadgroup else (item.nodeid, None)
        names = {"name": escape(item.name), "nodeid": escape(nodeid), "group": group}
        if names["nodeid"] != item.nodeid:
            # The reports of a test belong together by this, whatever a plugin makes of
            # the node id of one of them.
            names["scheduled"] = item.nodeid
        return names

    def _forget_one_before(self, item: pytest.Item) -> None:
        """Let go of what is known of the item before, lest memory grows with the run.

        Whoever reruns an item does it at once, but for plugins that run all items over
        and over (pytest-loop): to those, what an item has recorded has to be known.
        """
        last, self._last = self._last, item
        if last is None or last is item or last.user_properties:
            return
        if _ATTEMPT in last.stash:
            del last.stash[_ATTEMPT]

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_make_collect_report(
        self,
    ) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
        """Worker: add the exception and the times to a report of a failed collection."""
        report = yield
        # pytest hands the call over in this attribute and removes it afterwards
        # (8.2 to 9.2); a CollectReport has no times of its own.
        call: pytest.CallInfo[object] | None = getattr(report, "call", None)
        if not report.passed and call is not None and call.excinfo is not None:
            annotations = {
                "start": call.start,
                "stop": call.stop,
                "duration": call.duration,
                "excinfo": exception_data(cause_of_collect_error(call.excinfo)),
            }
            setattr(report, ATTRIBUTE, annotations)
        return report

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_report_to_serializable(
        self, report: pytest.TestReport | pytest.CollectReport
    ) -> Generator[None, dict[str, Any] | None, dict[str, Any] | None]:
        """Worker: reduce the report to what execnet can carry.

        A lone surrogate or an object of a user's class in a report ends a whole
        run of bare xdist (measured with 3.8).
        """
        data = yield
        if data is None:
            return None
        subtest = subtest_description(report)
        if subtest is not None and ATTRIBUTE in data:
            # pytest 9.0 to 9.2 makes a repr of the arguments on either side.
            data[ATTRIBUTE] = {**data[ATTRIBUTE], "subtest": subtest}
        sendable: dict[str, Any] = transportable(data)
        getattr(report, ATTRIBUTE, {})[LOGGED] = True
        return sendable


@contextlib.contextmanager
def _noting_colours(config: pytest.Config, coloured: dict[str, str]) -> Generator[None]:
    """Take note of what pytest's terminal writer colours, line by line."""
    # There is none, or only a plugin's.
    writer: Any = guarded(config.get_terminal_writer, _ignored)
    # Private (8.2 to 9.2), and where all colours of a comparison come from;
    # test_colours.py fails if it moves.
    highlight = getattr(writer, "_highlight", None)
    if highlight is None:
        yield
        return

    def noting(source: str, *args: Any, **options: Any) -> str:
        text: str = highlight(source, *args, **options)
        coloured.update(noted(source, text))
        while len(coloured) > _MOST_COLOURED:  # a test may try many comparisons
            del coloured[next(iter(coloured))]
        return text

    writer._highlight = noting  # noqa: SLF001
    try:
        yield
    finally:
        del writer._highlight  # noqa: SLF001


def _ignored(_error: BaseException) -> None:
    """Let a trouble be that is told elsewhere."""


def _lacking(error: BaseException) -> WorkerAnnotations:
    """Return what is forwarded from a test that has patched what is used to forward."""
    return {"trouble": ("a report lacks what only we add", error_text(error))}


def _ask_hooks(item: pytest.Item, report: pytest.TestReport, annotations: dict[str, Any]) -> None:
    """Add what users' hooks tell of a phase, or how they failed."""

    def ask() -> None:
        added: dict[str, Any] = {}
        for answer in item.ihook.pytest_publish_properties(item=item, report=report):
            added.update(answer)
        if added:
            annotations["added"] = dumps(jsonable(added))

    def tell(error: BaseException) -> None:
        annotations["trouble"] = ("a pytest_publish_properties hook raised", error_text(error))

    guarded(ask, tell)


def _recorded(item: pytest.Item, attempt: _Attempt) -> list[Any]:
    """Return what an attempt recorded, without what earlier ones did."""
    recorded = item.user_properties
    if attempt.properties > attempt.own_properties:
        recorded = recorded[: attempt.own_properties] + recorded[attempt.properties :]
    return pairs_of(recorded)


def _add_withheld(attempt: _Attempt, annotations: dict[str, Any]) -> None:
    """Add what is known of the phases whose reports were made and not logged until now.

    flaky (3.8) swallows those of an attempt that it is going to repeat. Of
    pytest-rerunfailures, which logs them later, the controller takes no second one.
    """
    withheld = []
    for when, (report, told) in attempt.made.items():
        if LOGGED not in told:
            start, stop, duration = times_of(report)
            phase = {"when": when, "start_time": start, "stop_time": stop, "duration": duration}
            withheld.append(
                {**phase, "outcome": outcome_of(report), "excinfo": told.get("excinfo")}
            )
    if withheld:
        annotations["withheld"] = withheld
    attempt.made = {}


def split_group(item: pytest.Item) -> tuple[str, str | None]:
    """Return the item's own node id and its xdist group.

    xdist 3.6 to 3.8 appends ``@group`` to the node id, each by a rule of its own;
    what it appended is what it schedules by. With pytest 9.2 nothing is appended
    (pytest-xdist issue 1386): then the marks tell, by the rule of xdist 3.8.
    """
    if item.parent is not None:
        nodeid = f"{item.parent.nodeid}::{item.name}"
        if item.nodeid.startswith(f"{nodeid}@"):
            return nodeid, escape(item.nodeid[len(nodeid) + 1 :])
    names = {
        str(mark.args[0] if mark.args else mark.kwargs.get("name", "default"))
        for mark in item.iter_markers("xdist_group")
    }
    if not names:
        return item.nodeid, None
    group = "_".join(sorted(names))
    return item.nodeid.removesuffix(f"@{group}"), escape(group)
