"""What a process that runs tests adds to its reports.

xdist carries a report's attributes from a worker to the controller if they were
set while the report was made, and if all of it are exact builtins that UTF-8 can
hold. In a serial run the same reports reach the controller's code directly.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import traceback
from collections.abc import Generator
from pathlib import Path
from types import FrameType
from types import TracebackType
from typing import Any
from typing import Final

import _pytest
import pluggy
import pytest

from .guard import guarded
from .reports import Forwarded
from .reports import outcome_of
from .reports import pairs_of
from .reports import subtest_description
from .reports import times_of
from .result import described
from .result import digits
from .result import escaped
from .result import jsonable
from .result import MAX_DEPTH
from .result import MAX_INT


#: The attribute of a report that holds what is forwarded, a dict.
ATTRIBUTE: Final = "pytest_publish"
#: The key in it that tells the process which made a report that it has been logged.
LOGGED: Final = "logged"

_INTERNAL: Final = (
    # importlib is the way from pytest's import of a file to the user's line.
    *(
        str(Path(package).parent) + os.sep
        for package in (_pytest.__file__, pluggy.__file__, importlib.__file__, __file__)
    ),
    pytest.__file__,
    "<frozen importlib",
)
# How Python (3.10 to 3.14) ends a row of frames that are all alike.
_REPEATED: Final = "  [Previous line repeated"
_PLAIN_TYPES: Final = frozenset({type(None), bool, float, complex, bytes})
# execnet 2.1 packs anything up to MAX_INT, and below zero only 32 bits.
_MIN_INT: Final = -(2**31)


@dataclasses.dataclass(slots=True)
class _Attempt:
    """An item's current attempt, and what the item already carried when it began.

    ``own_properties`` were there before its first attempt and are all attempts'.
    ``made`` are its last report of each phase, and what was forwarded with it.
    """

    names: Forwarded
    own_properties: int = 0
    number: int = 0
    sections: int = 0
    properties: int = 0
    made: dict[str, tuple[pytest.TestReport, Forwarded]] = dataclasses.field(default_factory=dict)


_ATTEMPT: Final = pytest.StashKey[_Attempt]()


class Forwarder:
    """Puts on each report what the controller can't know.

    ``loadgroup`` tells whether xdist schedules this run by ``xdist_group`` marks.
    """

    def __init__(self, *, loadgroup: bool) -> None:
        self._loadgroup = loadgroup
        self._last: pytest.Item | None = None

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
        forwarded = guarded(self._forwarded, _lacking, item, call, report)
        setattr(report, ATTRIBUTE, forwarded)
        if call.when == "teardown":
            self._forget_one_before(item)
        return report

    def _forwarded(
        self, item: pytest.Item, call: pytest.CallInfo[None], report: pytest.TestReport
    ) -> Forwarded:
        attempt = item.stash.get(_ATTEMPT, None)
        if attempt is None:  # of a plugin that runs tests by other hooks
            attempt = _Attempt(self._names(item))
        excinfo = None
        if call.excinfo is not None and not report.passed:
            excinfo = exception_data(call.excinfo)
        forwarded = {**attempt.names, "excinfo": excinfo, "attempt": attempt.number}
        if call.when == "teardown":
            _add_withheld(attempt, forwarded)
        else:
            attempt.made[call.when] = report, forwarded
        if attempt.sections:
            forwarded["earlier_sections"] = attempt.sections
        if item.user_properties:
            # As JSON text, because execnet's numbers are narrower than JSON's.
            pairs = guarded(_recorded, pairs_of, item, attempt)
            forwarded["properties"] = json.dumps(pairs)
        # Asking for an item's own hooks costs far more than to see that there are none.
        if item.config.hook.pytest_publish_properties.get_hookimpls():
            _ask_hooks(item, report, forwarded)
        return forwarded

    def _names(self, item: pytest.Item) -> Forwarded:
        nodeid, group = split_group(item) if self._loadgroup else (item.nodeid, None)
        names = {"name": escaped(item.name), "nodeid": escaped(nodeid), "group": group}
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
            forwarded = {
                "start": call.start,
                "stop": call.stop,
                "duration": call.duration,
                "excinfo": exception_data(_cause_of_collect_error(call.excinfo)),
            }
            setattr(report, ATTRIBUTE, forwarded)
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


def _ignored(_error: BaseException) -> None:
    """Let a trouble be that is told elsewhere."""


def _lacking(error: BaseException) -> Forwarded:
    """Return what is forwarded from a test that has patched what is used to forward."""
    return {"trouble": ("a report lacks what only we add", error_text(error))}


def _ask_hooks(item: pytest.Item, report: pytest.TestReport, forwarded: dict[str, Any]) -> None:
    """Add what users' hooks tell of a phase, or how they failed."""

    def ask() -> None:
        added: dict[str, Any] = {}
        for answer in item.ihook.pytest_publish_properties(item=item, report=report):
            added.update(answer)
        if added:
            forwarded["added"] = json.dumps(jsonable(added))

    def tell(error: BaseException) -> None:
        forwarded["trouble"] = ("a pytest_publish_properties hook raised", error_text(error))

    guarded(ask, tell)


def _recorded(item: pytest.Item, attempt: _Attempt) -> list[Any]:
    """Return what an attempt recorded, without what earlier ones did."""
    recorded = item.user_properties
    if attempt.properties > attempt.own_properties:
        recorded = recorded[: attempt.own_properties] + recorded[attempt.properties :]
    return pairs_of(recorded)


def _add_withheld(attempt: _Attempt, forwarded: dict[str, Any]) -> None:
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
        forwarded["withheld"] = withheld
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
            return nodeid, escaped(item.nodeid[len(nodeid) + 1 :])
    names = {
        str(mark.args[0] if mark.args else mark.kwargs.get("name", "default"))
        for mark in item.iter_markers("xdist_group")
    }
    if not names:
        return item.nodeid, None
    group = "_".join(sorted(names))
    return item.nodeid.removesuffix(f"@{group}"), escaped(group)


def exception_data(excinfo: pytest.ExceptionInfo[BaseException]) -> dict[str, Any]:
    """Return an exception as the JSON's ``excinfo``, of exact builtins."""
    return {
        "type": escaped(type(excinfo.value).__name__),
        "value": safe_str(excinfo.value),
        "traceback": user_frames(excinfo),
    }


def safe_str(error: BaseException) -> str:
    """Return an exception's text, or what stands for it where it has none."""
    return guarded(
        lambda: escaped(str(error)),
        lambda trouble: f"<{type(error).__name__} object: its str raised {type(trouble).__name__}>",
    )


def error_text(error: BaseException) -> str:
    """Return an exception as one text, its class first."""
    return f"{type(error).__name__}: {safe_str(error)}"


def user_frames(excinfo: pytest.ExceptionInfo[BaseException]) -> list[str]:
    """Return the user's frames of a traceback, formatted as Python does.

    None of a test that has patched what reads their source.
    """
    return guarded(_user_frames, lambda _error: [], excinfo)


def _user_frames(excinfo: pytest.ExceptionInfo[BaseException]) -> list[str]:
    tb: TracebackType | None = excinfo.tb
    # The way into the test is all pytest's; cut off at once, its source is not read.
    while tb is not None and _is_hidden(tb.tb_frame, excinfo):
        tb = tb.tb_next
    if tb is None:
        return []
    summary = traceback.StackSummary.from_list(
        [
            entry
            for entry, (frame, _line) in zip(
                traceback.extract_tb(tb), traceback.walk_tb(tb), strict=True
            )
            if not _is_hidden(frame, excinfo)
        ]
    )
    frames: list[str] = []
    for text in summary.format():
        if text.startswith(_REPEATED):  # no frame of its own: the last one is to be a frame
            frames[-1] += text
        else:
            frames.append(escaped(text))
    return frames


def _is_hidden(frame: FrameType, excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
    if frame.f_code.co_filename.startswith(_INTERNAL):
        return True
    if "__unittest" in frame.f_globals:  # as unittest marks its own frames
        return True
    hide = frame.f_locals.get("__tracebackhide__", frame.f_globals.get("__tracebackhide__"))
    # It may be a user's predicate.
    return guarded(
        lambda: bool(hide(excinfo)) if callable(hide) else bool(hide), lambda _error: False
    )


def _cause_of_collect_error(
    excinfo: pytest.ExceptionInfo[BaseException],
) -> pytest.ExceptionInfo[BaseException]:
    """Return what made a file or a conftest fail, out of pytest's own error about it."""
    cause = excinfo.value.__cause__
    # The second has no public name (8.2 to 9.2).
    is_wrapper = (
        isinstance(excinfo.value, pytest.Collector.CollectError)
        or type(excinfo.value).__name__ == "ConftestImportFailure"
    )
    if is_wrapper and cause is not None:
        return pytest.ExceptionInfo.from_exception(cause)
    return excinfo


def transportable(value: Any, parents: tuple[int, ...] = ()) -> Any:
    """Return ``value`` with exact builtins in place of whatever execnet refuses.

    Unlike :func:`~pytest_publish.result.jsonable` it leaves tuples, bytes and sets
    alone, which pytest needs back as they were.
    """
    kind = type(value)
    if kind is str:
        return value if value.isascii() else escaped(value)
    if kind in _PLAIN_TYPES:
        return value
    # A mock passes for what it is not, and a user's own __int__ may raise.
    return guarded(_transportable, lambda _error: described(value), value, parents)


def _transportable(value: Any, parents: tuple[int, ...]) -> Any:
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, int):
        return int(value) if _MIN_INT <= value <= MAX_INT else digits(value)
    if isinstance(value, float):
        return float(value)
    if id(value) in parents or len(parents) > MAX_DEPTH:
        return described(value)
    inside = (*parents, id(value))
    if isinstance(value, dict):
        return {
            transportable(key, inside): transportable(element, inside)
            for key, element in value.items()
        }
    for container in (list, tuple, set, frozenset):
        if isinstance(value, container):
            return container(transportable(element, inside) for element in value)
    return described(value)
