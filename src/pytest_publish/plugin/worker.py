"""The hooks of a process that runs tests: they add to its reports what only it knows.

What that may be is :class:`~pytest_publish.results.annotations.WorkerAnnotations`.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Generator
from json import dumps
from typing import Any
from typing import Final

import pytest

from pytest_publish._os import HOST
from pytest_publish.results.annotations import annotations_of
from pytest_publish.results.annotations import ATTRIBUTE
from pytest_publish.results.annotations import packed
from pytest_publish.results.annotations import SwallowedPhase
from pytest_publish.results.annotations import WorkerAnnotations
from pytest_publish.results.colours import levels_of
from pytest_publish.results.colours import uncoloured
from pytest_publish.results.guard import guarded
from pytest_publish.results.report import outcome_of
from pytest_publish.results.report import pairs_of
from pytest_publish.results.report import subtest_description
from pytest_publish.results.report import times_of
from pytest_publish.results.values import escape
from pytest_publish.results.values import jsonable
from pytest_publish.results.values import transportable

from .channel import Message
from .channel import Teller
from .colours import noting_colours
from .exceptions import cause_of_collect_error
from .exceptions import error_text
from .exceptions import exception_data
from .groups import split_group
from .ignored import Ignored
from .workerinput import WorkerInput


def configure_worker(config: pytest.Config, told: WorkerInput) -> None:
    """Register what a worker has to do."""
    channel = told["channel"]
    send = None if channel is None else lambda message: channel.send(transportable(message))
    register_where_tests_run(config, told, send)


def register_where_tests_run(
    config: pytest.Config, told: WorkerInput, send: Callable[[Message], object] | None
) -> None:
    """Register what a process that runs tests has to do; ``send`` is None without events."""
    register = config.pluginmanager.register
    teller = None
    if send is not None:
        teller = Teller(send, loadgroup=told["loadgroup"])
        register(teller, "publish_teller")
    annotator = ReportAnnotator(
        loadgroup=told["loadgroup"], teller=teller, controller_host=told["host"]
    )
    register(annotator, "publish_worker")
    register(Ignored(config.rootpath, told["ignored"]), "publish_ignored")


class _AttemptStart:
    """What an item already carried when its current attempt began, and what came since."""

    #: What every report of the attempt tells.
    told: WorkerAnnotations
    number = 0
    # How many sections and properties the item had when the attempt began. Properties from
    # before the first attempt belong to all attempts.
    sections = 0
    properties = 0
    own_properties = 0

    def __init__(self, item: pytest.Item) -> None:
        self.item: Final = item  # so that no other item gets its id
        # The last report of each phase, and its annotations.
        self.made: dict[str, tuple[pytest.TestReport, WorkerAnnotations]] = {}
        # Looked up once, because that is slow.
        self.has_hooks = bool(item.config.hook.pytest_publish_properties.get_hookimpls())


class ReportAnnotator:
    """Adds to each report what the controller can't know.

    ``loadgroup`` tells whether xdist schedules this run by ``xdist_group`` marks.
    """

    def __init__(self, *, loadgroup: bool, teller: Teller | None, controller_host: str) -> None:
        self._loadgroup = loadgroup
        self._teller = teller
        self._host = None if controller_host == HOST else HOST
        self._last: pytest.Item | None = None
        # By the item's id: its own hash and its stash take ten times as long.
        self._starts: dict[int, _AttemptStart] = {}
        # What pytest colours: the names of log levels, and lines of comparisons in the
        # current test.
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
        """Worker: remember what pytest colours in a comparison that failed."""
        with noting_colours(config, self._coloured):
            return (yield)

    # Outermost, because what comes before it may capture, record, and raise.
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self, item: pytest.Item) -> Generator[None]:
        """Worker: remember what an earlier attempt left on the item.

        pytest-rerunfailures (14 to 16.7) runs the same item again.
        """
        try:
            self._begin(item)
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: S110 - raised again, and told, with the report
            pass
        return (yield)

    def _begin(self, item: pytest.Item) -> None:
        if self._coloured:
            self._coloured = {}
        start = self._starts.get(id(item))
        if start is None:
            start = _AttemptStart(item)
            # Forget the item before, so that memory stays constant. Plugins that rerun an item
            # do so at once. Only those that run all items over and over (pytest-loop) come
            # back to it: for them, an item that has recorded properties is kept.
            last, self._last = self._last, item
            if last is not None and not last.user_properties:
                self._starts.pop(id(last), None)
        start.told = self._names(item, start.number + 1)  # which may raise
        start.number += 1
        self._starts[id(item)] = start
        # Private, and known to no hook (8.2 to 9.2); test_reruns.py fails if it moves.
        start.sections = len(getattr(item, "_report_sections", ()))
        start.made = {}
        # Last, because a plugin may have put anything in their place.
        start.properties = len(item.user_properties)
        if start.number == 1:
            start.own_properties = start.properties
        if self._teller is not None:
            self._teller.start(item, start.told)

    # Outermost, so that the outcome is the one after xfail and other plugins.
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Worker: add the test's names and its exception to the report."""
        report = yield
        # In place of guarded(), which is one call more for each phase of each test.
        try:
            annotations = self._annotations(item, call, report)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            # A test has patched what we use to add more.
            annotations = {"problem": ("a report lacks what only we add", error_text(error))}
        setattr(report, ATTRIBUTE, annotations)
        return report

    def _annotations(
        self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
    ) -> WorkerAnnotations:
        start = self._starts.get(id(item))
        if start is None:  # of a plugin that runs tests by other hooks
            start = _AttemptStart(item)
            start.told = self._names(item, 0)
        annotations = start.told.copy()
        if call.excinfo is not None and not report.passed:
            self._add_exception(annotations, call.excinfo)
        if self._log_levels and report.sections:
            annotations["log_levels"] = self._log_levels
        if call.when == "teardown":
            _add_swallowed(annotations, start)
        else:
            start.made[call.when] = report, annotations
        if start.sections:
            annotations["earlier_sections"] = start.sections
        if item.user_properties:
            pairs = guarded(_recorded, pairs_of, item, start)
            annotations["properties"] = dumps(pairs)
        if start.has_hooks:
            _ask_hooks(item, report, annotations)
        return annotations

    def _add_exception(
        self, annotations: WorkerAnnotations, excinfo: pytest.ExceptionInfo[BaseException]
    ) -> None:
        data = annotations["excinfo"] = exception_data(excinfo)
        if self._coloured:
            annotations["coloured"] = self._coloured
            data["value"] = uncoloured(data["value"], self._coloured)
            if "_text" in data:
                data["_text"] = uncoloured(data["_text"], self._coloured)

    def _names(self, item: pytest.Item, attempt: int) -> WorkerAnnotations:
        scheduled = item.nodeid
        nodeid, group = split_group(item) if self._loadgroup else (scheduled, None)
        told: WorkerAnnotations = {
            "name": escape(item.name),
            "nodeid": escape(nodeid),
            "attempt": attempt,
        }
        if group is not None:
            told["group"] = group
        if self._host is not None:
            told["host"] = self._host
        if told["nodeid"] != scheduled:
            # A plugin may change the node id of one report; this tells which test it is of.
            told["scheduled"] = scheduled
        return told

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
            annotations: WorkerAnnotations = {
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

        With bare xdist (3.8), a lone surrogate or an object of a user's class in a
        report ends the whole run.
        """
        annotations = annotations_of(report)
        subtest = subtest_description(report)
        if subtest is not None:
            # Described here, because pytest 9.0 to 9.2 sends reprs of the arguments, of
            # which the controller would make reprs again.
            annotations["subtest"] = subtest
        data = yield
        if data is None:
            return None
        if ATTRIBUTE in data:
            data[ATTRIBUTE] = packed(annotations, report.nodeid)
        annotations["logged"] = True
        sendable: dict[str, Any] = transportable(data)
        return sendable


def _ask_hooks(
    item: pytest.Item, report: pytest.TestReport, annotations: WorkerAnnotations
) -> None:
    """Add the properties that the user's hooks return, or how a hook failed."""

    def ask() -> None:
        added: dict[str, Any] = {}
        for answer in item.ihook.pytest_publish_properties(item=item, report=report):
            added.update(answer)
        if added:
            annotations["added"] = dumps(jsonable(added))

    def tell(error: BaseException) -> None:
        annotations["problem"] = ("a pytest_publish_properties hook raised", error_text(error))

    guarded(ask, tell)


def _recorded(item: pytest.Item, start: _AttemptStart) -> list[Any]:
    """Return what an attempt recorded, without what earlier attempts did."""
    recorded = item.user_properties
    if start.properties > start.own_properties:
        recorded = recorded[: start.own_properties] + recorded[start.properties :]
    return pairs_of(recorded)


def _add_swallowed(annotations: WorkerAnnotations, start: _AttemptStart) -> None:
    """Add the phases whose reports were made, but have not been logged until now.

    flaky (3.8) swallows the reports of an attempt that it is going to repeat.
    pytest-rerunfailures only logs them later: the controller then ignores these.
    """
    for when, (report, told) in start.made.items():
        if "logged" not in told:
            started, stopped, duration = times_of(report)
            phase: SwallowedPhase = {
                "when": "setup" if when == "setup" else "call",
                "outcome": outcome_of(report),
                "start_time": started,
                "stop_time": stopped,
                "duration": duration,
                "excinfo": told.get("excinfo"),
            }
            annotations.setdefault("swallowed", []).append(phase)
    start.made = {}
